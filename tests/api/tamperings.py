"""What somebody with every right may do to the books past the service, and the breaks that must be found by it.

Of each break the whole text is expected, so that a check that is switched off is missed though another one speaks.
"""

from __future__ import annotations

PAID = "(select id from payments where ledger_id = $1 and reference = 'invoice 7')"
CONDITIONAL = "(select id from payments where ledger_id = $1 and reference = 'conditional')"
GIVEN = "(select id from payments where ledger_id = $1 and reference = 'given back')"
ASKED = "(select id from disputes where ledger_id = $1 and provider_case_id = 'case asked')"
FURTHER = "(select id from disputes where ledger_id = $1 and provider_case_id = 'case won')"
ALICES = "(select id from accounts where ledger_id = $1 and code = 'alice')"
FIRST = f"ledger_id = $1 and number = 1 and account_id = {ALICES}"
"""Her first statement."""
NEWEST = f"(select id from statements where ledger_id = $1 and account_id = {ALICES} order by number desc limit 1)"
LOST = "(select id from disputes where ledger_id = $1 and provider_case_id = 'case lost')"
QUESTIONED = "(select id from payments where ledger_id = $1 and reference = 'asked')"
HOLD = "(select id from holds where ledger_id = $1 and reference = 'stay 1')"
CAPTURED = "(select payment_ids[1] from holds where ledger_id = $1 and reference = 'stay 1')"
OPEN = "(select id from holds where ledger_id = $1 and reference = 'open')"
SOLD = "(select id from payments where ledger_id = $1 and reference = 'sold')"
DELIVERED = "(select payment_ids[1] from holds where ledger_id = $1 and reference = 'delivered')"
BOUGHT = "(select id from exchanges where ledger_id = $1 and gain is not null)"
YEN = "(select id from exchanges where ledger_id = $1 and rounding = 'down')"
SHARES = "update payment_splits set amount = amount + case place when 0 then -0.01 else 0.01 end where payment_id = {}"
RENT = "(select id from scheduled_payments where ledger_id = $1 and reference = 'rent')"
LATER = "(select id from scheduled_payments where ledger_id = $1 and reference = 'later')"
IN_VAIN = "(select id from scheduled_payments where ledger_id = $1 and reference = 'in vain')"
LEFT_OUT = "(select id from scheduled_payments where ledger_id = $1 and reference = 'left out')"
CALLED_OFF = "(select id from scheduled_payments where ledger_id = $1 and reference = 'cancelled')"
GOES_ON = "(select id from scheduled_payments where ledger_id = $1 and reference = 'goes on')"
IN_REVIEW, HALF, APPROVED, BY_TWO, REFUSED = (
    f"(select id from reviews where ledger_id = $1 and ordered->>'reference' = '{reference}')"
    for reference in ("held", "half", "approved", "by two", "refused")
)
SAID = "last_id = gen_random_uuid(), last_by = 'key_other', last_reason = 'x', last_at = now()"
UNSAID = "status = 'in_review', last_id = null, last_by = null, last_reason = null, last_at = null"
FORGED_ID = "'019a0000-0000-7000-8000-000000000001'::uuid"
ISO_DUE_AT = "to_char(due_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
BUSY = "ledger_id = $1 and account_id = (select id from accounts where ledger_id = $1 and code = 'busy')"
NEWEST_TOTAL = (
    "ledger_id = $1 and (branch, type, currency) = ('', 'liability', 'USD') and sealed_at = (select max(sealed_at) "
    "from branch_totals where ledger_id = $1 and (branch, type, currency) = ('', 'liability', 'USD'))"
)
ALICE = "ledger_id = $1 and code = 'alice'"

ABOUT_ADA, ABOUT_BEN = (
    f"ledger_id = $1 and subject = '{subject}' and id = (select id from personal_members "
    f"where ledger_id = $1 and subject = '{subject}' order by id limit 1)"
    for subject in ("ada", "ben")
)

CARRIED_OUT = "(select id from payments where ledger_id = $1 and reference = 'carried out')"
IN_PART = "(select id from payments where ledger_id = $1 and reference = 'in part')"
TURNED_DOWN = "(select id from payments where ledger_id = $1 and reference = 'turned down')"
WAITS = "(select id from payments where ledger_id = $1 and reference = 'waits')"
CAME_IN = "(select id from payments where ledger_id = $1 and reference = 'came in')"
ASKED_BACK = "(select id from refunds where ledger_id = $1 and reason = 'waits')"
SHARED = "(select id from payments where ledger_id = $1 and reference = 'shared')"
SHARES_WAIT = "(select id from refunds where ledger_id = $1 and reason = 'shares wait')"
GIVEN_IN_PART = "(select id from refunds where ledger_id = $1 and reason = 'known')"

MOVED = "(select id from payments where ledger_id = $1 and reference = 'moved')"
MOVED_AND_WAITS = "(select id from payments where ledger_id = $1 and reference = 'moved and waits')"

TAMPERINGS = {
    # Payments that were moved to another processor.
    "a move deleted": f"delete from processor_call_moves where payment_id = {MOVED}",
    "a move of one that waits deleted": f"delete from processor_call_moves where payment_id = {MOVED_AND_WAITS}",
    "a move and its number undone": f"delete from processor_call_moves where payment_id = {MOVED_AND_WAITS};"
    f"update processor_calls set number = 1 where id = {MOVED_AND_WAITS}",
    "a number of a call": f"update processor_calls set number = 3 where id = {MOVED_AND_WAITS}",
    "why it was moved": f"update processor_call_moves set why = 'absent' where payment_id = {MOVED}",
    "what was told when it was moved": f"update processor_call_moves set told = 'x' where payment_id = {MOVED}",
    "a processor that was left": f"update processor_call_moves set processor = 'other' where payment_id = {MOVED}",
    "a processor that took it over": "update processor_call_moves set to_processor = 'other' "
    f"where payment_id = {MOVED}",
    "an account that was left": "update processor_call_moves set payee_id = payer_id "
    f"where payment_id = {MOVED_AND_WAITS}",
    "a time of a move": "update processor_call_moves set moved_at = moved_at + interval '1 second' "
    f"where payment_id = {MOVED}",
    "a moved payment back where it began": "update payments set processor = 'away', payee_id = (select id "
    f"from accounts where ledger_id = $1 and code = 'clearing:away:USD') where id = {MOVED_AND_WAITS}",
    "an event of a move deleted": "delete from events where ledger_id = $1 and type = 'payment.moved'",
    # Payments through processors that go to several, or are dated.
    "what one got of what was carried out": "update payment_splits set approved = approved + 0.01 "
    f"where payment_id = {SHARED} and place = 0",
    "a part that nobody waits for": f"update payment_splits set pending = true where payment_id = {SHARED}",
    "what one is to give back": f"update payment_splits set refunding = 0.06 where payment_id = {SHARED} and place = 0",
    "what each is to give back": f"""update processor_calls set parts = '["0.06", "0.34"]' where id = {SHARES_WAIT}""",
    "what nobody is to give back": f"update processor_calls set parts = null where id = {SHARES_WAIT}",
    "a date of a processor call": "update processor_calls set effective_at = effective_at + interval '1 second' "
    f"where id = {SHARED}",
    "a date of a processor call forgotten": f"update processor_calls set effective_at = null where id = {SHARED}",
    # Refunds through processors.
    "an amount that is asked back": f"update payments set refunding = 2 where id = {CARRIED_OUT}",
    "an amount that is asked back forgotten": f"update payments set refunding = null where id = {CARRIED_OUT}",
    "an amount asked back of an internal payment": f"update payments set refunding = 1 where id = {PAID}",
    "an amount of a call for a refund": f"update processor_calls set amount = 3 where id = {ASKED_BACK}",
    "a call for a refund of another payment": f"update processor_calls set refunded_payment_id = {IN_PART} "
    f"where id = {ASKED_BACK}",
    "a call for a refund turned into one for a payment": "update processor_calls set refunded_payment_id = null "
    f"where id = {GIVEN_IN_PART}",
    "what was given back by a processor": f"update processor_calls set approved = 1.25 where id = {GIVEN_IN_PART};"
    f"update payments set refunded = 1.25 where id = {IN_PART}",
    "a call for a refund deleted": f"delete from processor_calls where id = {GIVEN_IN_PART}",
    "an open call for a refund deleted": f"delete from processor_calls where id = {ASKED_BACK}",
    "an event of a declined refund deleted": "delete from events where ledger_id = $1 "
    "and type = 'payment.refund_failed'",
    # Payments through processors.
    "a payment said to have succeeded": f"update payments set status = 'succeeded' where id = {WAITS}",
    "a failed payment said to have succeeded": f"update payments set status = 'succeeded' where id = {TURNED_DOWN}",
    "an approved amount of a payment": f"update payments set approved = 5 where id = {IN_PART}",
    "an approved amount of a payment that has none": f"update payments set approved = 5 where id = {CARRIED_OUT}",
    "an approved amount of an internal payment": f"update payments set approved = 5 where id = {PAID}",
    "a processor of a processor call": f"update processor_calls set processor = 'other' where id = {WAITS}",
    "an amount of a processor call": f"update processor_calls set amount = amount + 1 where id = {WAITS}",
    "what was approved": f"update processor_calls set approved = 5 where id = {IN_PART};"
    f"update payments set approved = 5 where id = {IN_PART}",
    "a reason": f"update processor_calls set reason = 'unseen' where id = {TURNED_DOWN}",
    "a processor's own id": f"update processor_calls set processor_payment_id = 'po_2' where id = {CAME_IN}",
    "a declined call approved": "update processor_calls set state = 'approved', approved = 10 "
    f"where id = {TURNED_DOWN};update payments set status = 'succeeded' where id = {TURNED_DOWN}",
    "a settled call proposed again": "update processor_calls set state = 'proposed', approved = null, entry_id = null, "
    f"settled_at = null, next_at = now() where id = {CARRIED_OUT}",
    "an open call settled by nothing": "update processor_calls set state = 'declined', entry_id = gen_random_uuid(), "
    f"settled_at = now(), next_at = null where id = {WAITS}",
    "a time of a settlement": "update processor_calls set settled_at = settled_at + interval '1 second' "
    f"where id = {CARRIED_OUT}",
    "a processor call deleted": f"delete from processor_calls where id = {CARRIED_OUT}",
    "an open processor call deleted": f"delete from processor_calls where id = {WAITS}",
    "a payment through a processor deleted": f"delete from payments where id = {WAITS}",
    "an event of a settlement deleted": "delete from events where ledger_id = $1 and type = 'payment.failed'",
    "an event of a proposal turned into success": "update events set type = 'payment.succeeded' "
    f"where ledger_id = $1 and id = {WAITS}",
    # Payments.
    "an amount of a payment": f"update payments set amount = amount + 1 where id = {PAID}",
    "a payer": "update payments set payer_id = (select id from accounts where ledger_id = $1 and code = 'gone') "
    f"where ledger_id = $1 and id = {PAID}",
    "payer and payee turned round": f"update payments set payer_id = payee_id, payee_id = payer_id where id = {PAID}",
    "a type of a payment": f"update payments set type = 'deposit' where id = {PAID}",
    "a status of a payment": f"update payments set status = 'refunded' where id = {PAID}",
    "a currency of a payment": f"update payments set currency = 'EUR' where id = {PAID}",
    "a reference": f"update payments set reference = 'invoice 8' where id = {PAID}",
    "a reference taken away": f"update payments set reference = null where id = {PAID}",
    "a description": f"update payments set description = 'a gift' where id = {PAID}",
    "a processor": f"update payments set processor = 'acquirer' where id = {PAID}",
    "a payment deleted": f"delete from payments where id = {PAID}",
    "a payment inserted": f"insert into payments select ledger_id, gen_random_uuid(), type, status, currency, amount, "
    f"payer_id, payee_id, processor, reference, description from payments where id = {PAID}",
    "a payment put on another entry": "insert into payments select ledger_id, (select id from journal_entries "
    "where ledger_id = $1 and reason = 'fees' limit 1), type, status, currency, amount, payer_id, payee_id, processor, "
    f"null, null from payments where id = {PAID}",
    # Periods.
    "an end of a period": "update period_closings set ends_at = ends_at + interval '1 hour' where ledger_id = $1 "
    "and number = 1",
    "an actor of a closing": "update period_closings set actor = 'key_other' where ledger_id = $1 and number = 2",
    "a digest of a period": "update period_seals set digest = sha256(digest) where ledger_id = $1 and number = 2",
    "totals of a period": "update period_seals set totals = '[]' where ledger_id = $1 and number = 1",
    "the newest closing deleted": "delete from period_seals where ledger_id = $1 and number = 2;"
    "delete from period_closings where ledger_id = $1 and number = 2",
    "a seal deleted": "delete from period_seals where ledger_id = $1 and number = 1",
    "what an entry was dated to": "update late_entries set requested_at = requested_at + interval '1 hour' "
    "where ledger_id = $1 and way = 'rolled_forward'",
    "a reason of an override": "update late_entries set reason = 'Why not' where ledger_id = $1 and reason = 'Found'",
    "an override forgotten": "delete from late_entries where ledger_id = $1 and reason = 'Found'",
    "a late entry imagined": "insert into late_entries select ledger_id, gen_random_uuid(), closing, way, "
    "requested_at, reason from late_entries where ledger_id = $1 and reason = 'Found'",
    # Accounts.
    "codes swapped": "update accounts set code = 'x' where ledger_id = $1 and code = 'alice';"
    "update accounts set code = 'alice' where ledger_id = $1 and code = 'bob';"
    "update accounts set code = 'bob' where ledger_id = $1 and code = 'x'",
    "a name": f"update accounts set name = 'Mallory' where {ALICE}",
    "a type": "update accounts set type = 'equity' where ledger_id = $1 and code = 'alice'",
    "a currency": f"update accounts set currency = 'EUR' where {ALICE}",
    "a currency of an account with nothing in it": "update accounts set currency = 'EUR' where ledger_id = $1 "
    "and code = 'never-used'",
    "a floor": f"update accounts set min_available = -1000 where {ALICE}",
    "a floor taken away": f"update accounts set min_available = null where {ALICE}",
    "a ceiling": f"update accounts set max_available = 5000 where {ALICE}",
    "a status": "update accounts set status = 'open' where ledger_id = $1 and code = 'clients:2'",
    "a status of a closed account": "update accounts set status = 'open' where ledger_id = $1 and code = 'gone'",
    "the right to overdraw": f"update accounts set overdrawn = true where {ALICE}",
    "the metadata of an account": 'update accounts set metadata = \'{"vip": "yes"}\' where ledger_id = $1 '
    "and code = 'alice'",
    "an account that was never used deleted": "delete from accounts where ledger_id = $1 and code = 'never-used'",
    "an account inserted": "insert into accounts (ledger_id, id, version, code, currency, type, status, posted_debits, "
    "posted_credits, held, head, created_at) select ledger_id, gen_random_uuid(), 0, 'new', currency, type, status, 0, "
    "0, 0, head, created_at from accounts where ledger_id = $1 and code = 'never-used'",
    "a held amount": "update accounts set held = 0 where ledger_id = $1 and code = 'clients:1'",
    # The history of an account.
    "an actor of the history": "update account_changes set actor = 'key_other' where ledger_id = $1 and revision = 2",
    "the end of a history": "delete from account_changes where ledger_id = $1 and revision in (2, 3) "
    "and status = 'frozen'",
    "a whole history": "delete from account_changes where ledger_id = $1 and code = 'never-used'",
    "a floor with its history": "with changed as (update account_changes set min_available = -1000 "
    f"where ledger_id = $1 and code = 'alice') update accounts set min_available = -1000 where {ALICE}",
    # Statements.
    "an opening of a statement": f"update statements set opening = opening + 1, closing = closing + 1 where {FIRST}",
    "a closing of a statement": f"update statements set closing = closing + 1 where {FIRST}",
    "a span of a statement": f"update statements set to_at = to_at - interval '364 days' where {FIRST}",
    "a head of a statement": f"update statements set head = sha256('x') where {FIRST}",
    "a version of a statement": f"update statements set account_version = 1 where {FIRST}",
    "a currency of a statement": f"update statements set currency = 'EUR' where {FIRST}",
    "a time of a statement": f"update statements set issued_at = issued_at + interval '1 second' where {FIRST}",
    "a hash of a statement": f"update statements set hash = sha256('x') where {FIRST}",
    "a statement in the middle deleted": "delete from statements where ledger_id = $1 and number = 2 "
    f"and account_id = {ALICES}",
    "a statement of another account": f"update statements set account_id = $1 where {FIRST}",
    "the newest statement deleted with its answer": "delete from answers where ledger_id = $1 "
    f"and resource_id = {NEWEST};"
    f"delete from statements where id = {NEWEST}",
    "what a statement is answered": f"update answers set content = jsonb_set(content, '{{recorded_id}}', to_jsonb("
    f"(select id::text from statements where {FIRST}))) where ledger_id = $1 and resource_id = {NEWEST}",
    # First uses and the charts that allow them.
    "an account that its first use opened deleted": "delete from accounts where ledger_id = $1 "
    "and code = 'customers:dora'",
    "an event of a first use deleted": "delete from events where ledger_id = $1 and type = 'account.opened' "
    "and resource_id = (select id from accounts where ledger_id = $1 and code = 'customers:anna')",
    "rules of a chart": "update charts set rules = jsonb_set(rules, '{0,pattern}', '\"**\"') "
    "where ledger_id = $1 and version = 3",
    "an actor of a chart": "update charts set actor = 'key_other' where ledger_id = $1 and version = 3",
    "a time of a chart": "update charts set created_at = created_at - interval '1 hour' where ledger_id = $1 "
    "and version = 3",
    "a chart deleted": "delete from charts where ledger_id = $1 and version = 2",
    "the last chart deleted": "delete from charts where ledger_id = $1 and version = 3",
    "a chart inserted": "insert into charts select ledger_id, 4, rules, actor, created_at from charts "
    "where ledger_id = $1 and version = 3",
    "a chart with its place in the log deleted": "delete from charts where ledger_id = $1 and version = 2;"
    "delete from audit_log where ledger_id = $1 and type = 'chart.changed' and facts->>'version' = '2'",
    # Subjects, and what was said about them.
    "sealed text replaced": f"update personal_members set sealed = 'v1|x|y' where {ABOUT_ADA}",
    "sealed text swapped with another": "update personal_members own set sealed = other.sealed from "
    "personal_members other where own.ledger_id = $1 and own.subject = 'ada' and other.ledger_id = own.ledger_id "
    "and other.subject = own.subject and other.id <> own.id",
    "sealed text deleted": f"delete from personal_members where {ABOUT_ADA}",
    "sealed text of an erased person deleted": f"delete from personal_members where {ABOUT_BEN}",
    "sealed text of nothing": "insert into personal_members select ledger_id, gen_random_uuid(), subject, sealed "
    f"from personal_members where {ABOUT_ADA}",
    "sealed text about another person": f"update personal_members set subject = 'ben' where {ABOUT_ADA}",
    "a key deleted": "delete from subjects where ledger_id = $1 and reference = 'ada'",
    "a key deleted as if by an erasure": "update subjects set sealed_key = null, erasure_id = gen_random_uuid(), "
    "erased_at = now(), erased_by = 'key_other', reason = 'x' where ledger_id = $1 and reference = 'ada'",
    "an erasure undone": "update subjects set sealed_key = 'x', erasure_id = null, erased_at = null, "
    "erased_by = null, reason = null where ledger_id = $1 and reference = 'ben'",
    "a record of an erasure deleted": "delete from audit_log where ledger_id = $1 and type = 'subject.erased'",
    "a time of an erasure": "update subjects set erased_at = erased_at - interval '1 hour' "
    "where ledger_id = $1 and reference = 'ben'",
    "a reason of an erasure": "update subjects set reason = 'another' where ledger_id = $1 and reference = 'ben'",
    "an event of an erasure deleted": "delete from events where ledger_id = $1 and type = 'subject.erased'",
    # Account groups.
    "members of a group": "update account_groups set content = jsonb_set(content, '{members,0}', '\"bob\"') "
    "where ledger_id = $1 and name = 'wallets' and version = 2",
    "an actor of a group": "update account_groups set actor = 'key_other' where ledger_id = $1 and name = 'gone'",
    "a time of a group": "update account_groups set created_at = created_at - interval '1 hour' "
    "where ledger_id = $1 and name = 'wallets' and version = 2",
    "an id of a group": "update account_groups set id = gen_random_uuid() where ledger_id = $1 and name = 'gone'",
    "a group deleted": "delete from account_groups where ledger_id = $1 and name = 'wallets' and version = 1",
    "the end of a group deleted": "delete from account_groups where ledger_id = $1 and name = 'gone' and version = 2",
    "a group inserted": "insert into account_groups select ledger_id, name, 3, gen_random_uuid(), content, created_at, "
    "actor from account_groups where ledger_id = $1 and name = 'wallets' and version = 2",
    "limits of a group": "update limited_groups set limits = jsonb_set(limits, '{0,amount}', '\"1000000.00\"') "
    "where ledger_id = $1",
    "limits of a group deleted": "delete from limited_groups where ledger_id = $1",
    "limits of a group made": "insert into limited_groups select ledger_id, 'gone', 1, expression, limits "
    "from limited_groups where ledger_id = $1",
    "an account taken out of its group": "update accounts set limited_groups = null where ledger_id = $1 "
    "and code = 'alice'",
    "an account put into a group": "update accounts set limited_groups = '{wallets}' where ledger_id = $1 "
    "and code = 'bob'",
    # The ledger's own routes.
    "what routes say": "update ledger_routes set routes = jsonb_set(routes, '{0,name}', '\"x\"') "
    "where ledger_id = $1 and version = 1",
    "why routes were made": "update ledger_routes set why = 'x' where ledger_id = $1 and version = 2",
    "routes deleted": "delete from ledger_routes where ledger_id = $1 and version = 1",
    "the last routes deleted": "delete from ledger_routes where ledger_id = $1 and version = 2",
    # House rules, and what was made under them.
    "what house rules say": "update house_rules set content = jsonb_set(content, '{over_capture,percent}', '\"13\"') "
    "where ledger_id = $1 and version = 2",
    "who set house rules": "update house_rules set actor = 'key_other' where ledger_id = $1 and version = 3",
    "house rules deleted": "delete from house_rules where ledger_id = $1 and version = 1",
    "the last house rules deleted": "delete from house_rules where ledger_id = $1 and version = 3",
    "an event of house rules deleted": "delete from events where ledger_id = $1 and type = 'house_rules.changed' "
    "and data->>'version' = '1'",
    "an event of house rules imagined": "insert into events (ledger_id, id, xid, type, resource_type, created_at) "
    "select ledger_id, gen_random_uuid(), xid, type, resource_type, created_at from events "
    "where ledger_id = $1 and type = 'house_rules.changed' and data->>'version' = '1'",
    "what may be captured by house rules": "update holds set capture_max = 12 where ledger_id = $1 "
    "and reference = 'by rules'; update hold_changes set capture_max = 12 where ledger_id = $1 and hold_id = "
    "(select id from holds where ledger_id = $1 and reference = 'by rules')",
    "the house rules of a hold": "update holds set house_rules = 1 where ledger_id = $1 and reference = 'by rules'",
    "a hold without its house rules": "update holds set house_rules = null where ledger_id = $1 "
    "and reference = 'by rules'",
    "a fee without its house rules": "update disputes set fee_house_rules = null where ledger_id = $1 "
    "and reason = 'by rules'",
    "the house rules of a fee": "update disputes set fee_house_rules = 3 where ledger_id = $1 and reason = 'by rules'",
    # Client transactions.
    "a client": "update client_transactions set client = 2 where ledger_id = $1 and tx = 1",
    "an amount of a client transaction": "update client_transactions set amount = amount + 1 where ledger_id = $1 "
    "and tx = 1",
    "a currency of a client transaction": "update client_transactions set currency = 'EUR' where ledger_id = $1 "
    "and tx = 1",
    "a type of a client transaction": "update client_transactions set type = 'withdrawal' where ledger_id = $1 "
    "and tx = 1",
    "a dispute forgotten": "update client_transactions set status = 'carried_out' where ledger_id = $1 and tx = 2",
    "a resolve forgotten": "update client_transactions set status = 'disputed' where ledger_id = $1 and tx = 3",
    "a dispute imagined": "update client_transactions set status = 'disputed' where ledger_id = $1 and tx = 1",
    "an entry of a client transaction": "update client_transactions set entry_id = gen_random_uuid() "
    "where ledger_id = $1 and tx = 1",
    "a client transaction deleted": "delete from client_transactions where ledger_id = $1 and tx = 1",
    "a client transaction inserted": "insert into client_transactions select ledger_id, 99, client, type, status, "
    "currency, amount, gen_random_uuid() from client_transactions where ledger_id = $1 and tx = 1",
    # Refunds.
    "a velocity limit": "update accounts set velocity_limits = jsonb_set(velocity_limits, '{0,count}', '51') "
    "where ledger_id = $1 and code = 'bob'",
    "a velocity limit given": "update accounts set velocity_limits = (select velocity_limits from accounts "
    f"where ledger_id = $1 and code = 'bob') where {ALICE}",
    "a velocity limit of the history": "update account_changes set velocity_limits = null where ledger_id = $1 "
    "and velocity_limits is not null and revision = (select min(revision) from account_changes "
    "where ledger_id = $1 and velocity_limits is not null)",
    # Conditions.
    "a condition": f"update entry_conditions set content = jsonb_set(content, '{{0,3}}', '4') where id = {CONDITIONAL}",
    "an order without its conditions": f"update entry_conditions set ordered = sha256('') where id = {CONDITIONAL}",
    "the conditions of a payment deleted": f"delete from entry_conditions where id = {CONDITIONAL}",
    "conditions inserted": "insert into entry_conditions select ledger_id, gen_random_uuid(), ordered, content "
    f"from entry_conditions where id = {CONDITIONAL}",
    # Refunds.
    "an amount of a refund": f"update refunds set amount = amount + 1 where payment_id = {GIVEN} and reason = 'Broken'",
    "a reason of a refund": f"update refunds set reason = 'Lost' where payment_id = {GIVEN} and reason = 'Broken'",
    "a refund of another payment": f"update refunds set payment_id = {PAID} where payment_id = {GIVEN} "
    "and reason = 'Broken'",
    "a currency of a refund": f"update refunds set currency = 'EUR' where payment_id = {GIVEN}",
    "a refund deleted": f"delete from refunds where payment_id = {GIVEN} and reason = 'Broken'",
    "a refund inserted": "insert into refunds select ledger_id, gen_random_uuid(), payment_id, currency, 1, reason "
    f"from refunds where payment_id = {GIVEN} and reason = 'Broken'",
    "what was given back": f"update payments set refunded = 1 where id = {GIVEN}",
    "what was given back forgotten": f"update payments set refunded = null, status = 'succeeded' where id = {GIVEN}",
    "a status after refunds": f"update payments set status = 'partially_refunded' where id = {GIVEN}",
    "an event of a refund deleted": "delete from events where ledger_id = $1 and type = 'payment.refunded' "
    f"and resource_id = {GIVEN}",
    # Disputes.
    "an amount of a dispute": f"update disputes set amount = amount + 1 where id = {ASKED}",
    "a status of a dispute": f"update disputes set status = 'won' where id = {LOST}",
    "a reason of a dispute": f"update disputes set reason = 'x' where id = {ASKED}",
    "a case of a dispute": f"update disputes set provider_case_id = 'x' where id = {ASKED}",
    "a note of a dispute": f"update disputes set note = 'x' where id = {LOST}",
    "evidence of a dispute": "update disputes set evidence = '[]' where ledger_id = $1 and status = 'under_review'",
    "a dispute of another payment": f"update disputes set payment_id = {PAID} where id = {ASKED}",
    "a step of a dispute deleted": f"delete from dispute_changes where dispute_id = {LOST} and number = 2",
    "a step of a dispute turned": "update dispute_changes set verb = 'won', status = 'won' where dispute_id = "
    f"{LOST} and number = 2",
    "a stage of a dispute": f"update disputes set stage = 'first' where id = {FURTHER}",
    "a stage of a step": "update dispute_changes set stage = 'pre_arbitration' where dispute_id = "
    f"{FURTHER} and number = 4",
    "a date of a step": f"update dispute_changes set respond_by = null where dispute_id = {FURTHER} and number = 3",
    "a fee of a dispute": f"update disputes set fee = 1 where id = {LOST}",
    "a fee before the end": f"update disputes set fee = 1, fee_account_id = payer_id where id = {ASKED}",
    "who got a fee": f"update disputes set fee_account_id = payee_id where id = {LOST}",
    "a dispute deleted": f"delete from disputes where id = {ASKED}",
    "what is disputed of a payment": f"update payments set disputed = 1 where id = {QUESTIONED}",
    "a dispute of a payment forgotten": "update payments set disputed = null, status = 'succeeded' where id = "
    f"{QUESTIONED}",
    "what was charged back": "update payments set charged_back = 1 where ledger_id = $1 and reference = 'lost'",
    "an event of a dispute deleted": "delete from events where ledger_id = $1 and type = 'dispute.lost'",
    "an event of evidence deleted": "delete from events where ledger_id = $1 and type = 'dispute.evidence_added'",
    # Splits.
    "an amount of a split": f"update payment_splits set amount = amount + 1 where payment_id = {SOLD} and place = 0",
    "shares of a payment moved": SHARES.format(SOLD) + " and place < 2",
    "shares of a capture moved": SHARES.format(DELIVERED) + " and place < 2",
    "a receiver": "update payment_splits set account_id = (select id from accounts where ledger_id = $1 and "
    f"code = 'alice') where payment_id = {SOLD} and place = 0",
    "a receiver with his name": "update payment_splits set called = 'alice', account_id = (select id from accounts "
    f"where ledger_id = $1 and code = 'alice') where payment_id = {SOLD} and place = 0",
    "a percentage": f"update payment_splits set value = '2.91' where payment_id = {SOLD} and place = 0",
    "a rule of a split": f"update payment_splits set rule = 'amount' where payment_id = {SOLD} and place = 0",
    "a percentage of a capture": "update payment_splits set value = '2.91' where payment_id = "
    f"{DELIVERED} and place = 0",
    "a currency of a split": f"update payment_splits set currency = 'EUR' where payment_id = {SOLD}",
    "what a receiver gave back": f"update payment_splits set refunded = 0.01 where payment_id = {SOLD} and place = 0",
    "a payee of splits": "update payments set payee_id = (select id from accounts where ledger_id = $1 "
    f"and code = 'bob') where id = {SOLD}",
    "a split deleted": f"delete from payment_splits where payment_id = {SOLD} and place = 1",
    "the splits of a payment deleted": f"delete from payment_splits where payment_id = {SOLD}",
    "the splits of a capture deleted": f"delete from payment_splits where payment_id = {DELIVERED}",
    "a split inserted": "insert into payment_splits select ledger_id, gen_random_uuid(), payment_id, 3, account_id, "
    f"called, 'amount', '0', currency, 0, null from payment_splits where payment_id = {SOLD} and place = 0",
    "splits of no payment": "insert into payment_splits select ledger_id, gen_random_uuid(), gen_random_uuid(), 0, "
    f"account_id, called, rule, value, currency, amount, null from payment_splits where payment_id = {SOLD} "
    "and place = 0",
    "splits of a plain payment": "insert into payment_splits select ledger_id, gen_random_uuid(), id, 0, payee_id, "
    f"'bob', 'rest', null, currency, amount, null from payments where id = {PAID}",
    # Exchanges.
    "an amount of an exchange": "update exchanges set amount = amount + 1, exact = (amount + 1) * rate, "
    f"difference = bought + margin - (amount + 1) * rate where id = {YEN}",
    "what was bought": f"update exchanges set bought = bought + 1, margin = margin - 1 where id = {YEN}",
    "a rate": "update exchanges set rate = rate + 1, exact = amount * (rate + 1), "
    f"difference = bought + margin - amount * (rate + 1) where id = {YEN}",
    "a rate with all that follows": "update exchanges set rate = 151.2341, exact = amount * 151.2341, "
    f"difference = bought + margin - amount * 151.2341 where id = {YEN}",
    "a margin of an exchange": f"update exchanges set margin_percent = 1.500001 where id = {YEN}",
    "what was lost by rounding": "update exchanges set difference = difference + 1, bought = bought + 1 "
    f"where id = {YEN}",
    "how it was rounded": f"update exchanges set rounding = 'half_even' where id = {YEN}",
    "whose rate it was": f"update exchanges set rate_source = 'ours' where id = {YEN}",
    "when the rate was given": f"update exchanges set rate_at = rate_at + interval '1 day' where id = {YEN}",
    "a payee of an exchange": "update exchanges set payee_id = (select id from accounts where ledger_id = $1 "
    f"and code = 'traveller') where id = {YEN}",
    "a currency of an exchange": f"update exchanges set bought_currency = 'KWD' where id = {YEN}",
    "a reference of an exchange": f"update exchanges set reference = 'x' where id = {YEN}",
    "what was gained": f"update exchanges set gain = gain + 1, bought = bought - 1 where id = {BOUGHT}",
    "that a gain was nothing": f"update exchanges set gain = null, bought = bought + gain where id = {BOUGHT}",
    "what was sold for what is bought": "update exchanges set amount = amount + 1, exact = (amount + 1) * rate, "
    f"difference = bought + margin + gain - (amount + 1) * rate where id = {BOUGHT}",
    "an exchange deleted": f"delete from exchanges where id = {YEN}",
    "an exchange inserted": "insert into exchanges select ledger_id, gen_random_uuid(), payer_id, payee_id, currency, "
    "amount, bought_currency, bought, margin, margin_percent, rate, rate_source, rate_at, rounding, exact, difference "
    f"from exchanges where id = {YEN}",
    "an event of an exchange deleted": "delete from events where ledger_id = $1 and type = 'exchange.succeeded' "
    f"and id = {YEN}",
    # Templates.
    "what a template says": "update templates set content = replace(content, '\"up\"', '\"down\"') "
    "where ledger_id = $1 and version = 1",
    "who has made a template": "update templates set actor = 'key_other' where ledger_id = $1 and version = 3",
    "a template deleted with its uses": "delete from templates where ledger_id = $1 and version = 2;"
    "delete from template_uses where ledger_id = $1 and version = 2",
    "a template deleted": "delete from templates where ledger_id = $1 and version = 1",
    "a template that gives something else": "update templates set content = replace(content, '0.1 * 2', '0.1 * 3') "
    "where ledger_id = $1 and version = 3",
    "a parameter of a use": "update template_uses set parameters = jsonb_set(parameters, '{price}', '\"20.00\"') "
    "where ledger_id = $1 and version = 1",
    "a text of a use": "update template_uses set parameters = jsonb_set(parameters, '{order}', '\"x\"') "
    "where ledger_id = $1 and version = 2",
    "a parameter of a use that is nothing": "update template_uses set parameters = '[]' "
    "where ledger_id = $1 and version = 1",
    "a use of another version": "update template_uses set version = 2 where ledger_id = $1 and version = 1",
    "a use deleted": "delete from template_uses where ledger_id = $1 and version = 1",
    "a use inserted": "insert into template_uses select ledger_id, gen_random_uuid(), name, version, parameters "
    "from template_uses where ledger_id = $1 and version = 1",
    "a use put on another entry": "insert into template_uses select ledger_id, (select id from journal_entries "
    "where ledger_id = $1 and reason = 'fees' limit 1), name, version, parameters from template_uses "
    "where ledger_id = $1 and version = 1",
    "the newest version of a template deleted with its answer": "delete from answers where ledger_id = $1 "
    "and resource_type = 'template' and content->>'version' = '4';"
    "delete from templates where ledger_id = $1 and version = 4",
    "the newest version of a template, hash and all": "update templates set actor = 'key_other', hash = sha256('x') "
    "where ledger_id = $1 and version = 4",
    "what a template is answered": "update answers set content = jsonb_set(content, '{content}', '\"{}\"') "
    "where ledger_id = $1 and resource_type = 'template' and content->>'version' = '1'",
    # Holds.
    "an amount of a hold": f"update holds set amount = amount + 1 where id = {OPEN}",
    "what was captured of a hold": f"update holds set captured = captured + 1 where id = {HOLD}",
    "a status of a hold": f"update holds set status = 'voided' where id = {HOLD}",
    "the end of a hold put off": f"update holds set expires_at = expires_at + interval '1 day' where id = {OPEN}",
    "how much may be captured of a hold": f"update holds set capture_max = 1000 where id = {OPEN}",
    "an entry of a hold left out": f"update holds set entry_ids = entry_ids[1:2] where id = {HOLD}",
    "a payment of a capture": f"update payments set amount = amount + 1 where id = {CAPTURED}",
    "a payment of a capture deleted": f"delete from payments where id = {CAPTURED}",
    "a payment of a capture left out": f"update holds set payment_ids = payment_ids[1:1] where id = {HOLD}",
    "a status of a payment of a capture": f"update payments set status = 'refunded' where id = {CAPTURED}",
    "an event of the payment of a capture deleted": "delete from events where ledger_id = $1 "
    f"and type = 'payment.succeeded' and resource_id = {CAPTURED}",
    "a payer of a hold": "update holds set payer_id = (select id from accounts where ledger_id = $1 and code = "
    f"'alice') where id = {OPEN}",
    "a currency of a hold": f"update holds set currency = 'EUR' where id = {OPEN}",
    "a reference of a hold": f"update holds set reference = 'closed' where id = {OPEN}",
    "the metadata of a hold": f'update holds set metadata = \'{{"c": "3"}}\' where id = {HOLD}',
    "an amount of a hold with its step": "update hold_changes set amount = amount + 1 where hold_id = "
    f"{OPEN};update holds set amount = amount + 1 where id = {OPEN}",
    "a capture made more of": f"update hold_changes set captured = captured + 1 where hold_id = {HOLD} and number "
    f"> 1;update holds set captured = captured + 1 where id = {HOLD}",
    "a hold opened again": f"update hold_changes set status = 'open' where hold_id = {HOLD};update holds set "
    f"status = 'open' where id = {HOLD}",
    "a step of a hold turned into another": "update hold_changes set verb = 'voided', status = 'voided' where "
    f"hold_id = {HOLD} and number = 5;update holds set status = 'voided' where id = {HOLD}",
    "an end put off with its step": "update hold_changes set expires_at = expires_at + interval '1 day' where "
    f"hold_id = {HOLD} and number = 5;update holds set expires_at = expires_at + interval '1 day' where id = "
    f"{HOLD}",
    "a hold deleted": f"delete from holds where id = {OPEN}",
    "a hold with its steps deleted": f"delete from hold_changes where hold_id = {OPEN};delete from holds where id "
    f"= {OPEN}",
    "a step of a hold deleted": f"delete from hold_changes where hold_id = {HOLD} and number = 3",
    "the steps of a hold deleted": f"delete from hold_changes where hold_id = {OPEN}",
    "a hold inserted": "insert into holds select ledger_id, gen_random_uuid(), status, currency, amount, captured, "
    "capture_max, payer_id, payee_id, expires_at, created_at, 'forged', description, metadata, entry_ids, payment_ids, "
    f"changes from holds where id = {OPEN}",
    "an event of a hold deleted": "delete from events where ledger_id = $1 and type = 'hold.captured' "
    f"and resource_id = {HOLD}",
    "an event of an extension deleted": "delete from events where ledger_id = $1 and type = 'hold.extended'",
    "an event of an extension forged": "insert into events (ledger_id, id, created_at, type, resource_type, "
    "resource_id) "
    f"select $1, gen_random_uuid(), now(), 'hold.extended', 'hold', {OPEN} where $1 is not null",
    # Scheduled payments.
    "an amount of a scheduled payment": f"update scheduled_payments set amount = amount + 1 where id = {LATER}",
    "a time zone of a rule": f"update scheduled_payments set time_zone = 'UTC' where id = {LATER}",
    "the actor of a scheduled payment": f"update scheduled_payments set actor = 'key_other' where id = {RENT}",
    "a scheduled payment due at another time": "update scheduled_payments set due_at = due_at - interval '1 day', "
    f"attempt_at = attempt_at - interval '1 day' where id = {LATER}",
    "a scheduled payment cancelled by nobody": "update scheduled_payments set status = 'cancelled', ended_at = now() "
    f"where id = {LATER}",
    "a cancelled payment scheduled again": "update scheduled_payments set status = 'scheduled', ended_at = null, "
    f"cancellation_id = null where id = {CALLED_OFF}",
    "a run to be made once more": "update scheduled_payments set status = 'scheduled', ended_at = null where id = "
    f"{RENT}",
    "a run forgotten": "update scheduled_payments set status = 'scheduled', ended_at = null, runs = 1, payments = 1 "
    f"where id = {RENT};delete from scheduled_runs where scheduled_payment_id = {RENT} and number = 2",
    "a run with the payment of another": f"update scheduled_runs set payment_id = {PAID} where scheduled_payment_id = "
    f"{RENT} and number = 1",
    "a run before its time": "update scheduled_runs set ran_at = ran_at - interval '5 days' where "
    f"scheduled_payment_id = {LEFT_OUT}",
    "a run tried again at another time": "update scheduled_runs set retry_at = retry_at + interval '1 day' where "
    f"scheduled_payment_id = {IN_VAIN} and number = 1",
    "a scheduled payment with its runs deleted": f"delete from scheduled_runs where scheduled_payment_id = {RENT};"
    f"delete from scheduled_payments where id = {RENT}",
    "an event of a run deleted": "delete from events where ledger_id = $1 and type = 'scheduled_payment.skipped'",
    "an event of a completion deleted": "delete from events where ledger_id = $1 and type = "
    "'scheduled_payment.completed'",
    "an event of a cancellation deleted": "delete from events where ledger_id = $1 and type = "
    "'scheduled_payment.cancelled'",
    "when a waiting payment is due, both times": "update scheduled_payments set due_at = due_at + interval '1 day', "
    f"attempt_at = attempt_at + interval '1 day' where id = {GOES_ON}",
    "when a waiting payment was due first": "update scheduled_payments set due_at = due_at + interval '1 day', "
    f"attempt_at = attempt_at + interval '1 day', execute_at = execute_at + interval '1 day' where id = {LATER}",
    "the actor of a waiting payment": f"update scheduled_payments set actor = 'key_other' where id = {LATER}",
    "a waiting payment cancelled and announced": "update scheduled_payments set status = 'cancelled', "
    f"ended_at = '2030-01-01', cancellation_id = {FORGED_ID} where id = {LATER};"
    "insert into events (ledger_id, id, created_at, type, resource_type, resource_id, data) select $1, "
    f"{FORGED_ID}, '2030-01-01', 'scheduled_payment.cancelled', 'scheduled_payment', id, jsonb_build_object('actor', "
    f"actor, 'due_at', {ISO_DUE_AT}) from scheduled_payments where id = {LATER}",
    "why a run was refused": "update scheduled_runs set refusal = jsonb_set(refusal, '{code}', '\"account_frozen\"') "
    f"where scheduled_payment_id = {LEFT_OUT}",
    "what an order to pay later is answered": "update answers set content = '{}' where ledger_id = $1 "
    f"and resource_id = {LATER}",
    # Reviews.
    "an amount of a review": f"update reviews set amount = amount + 1 where id = {IN_REVIEW}",
    "what was ordered of a review": 'update reviews set ordered = ordered || \'{"description": "x"}\' '
    f"where id = {HALF}",
    "the payee of a review": f"update reviews set payee_id = {ALICES} where id = {IN_REVIEW}",
    "who has made a review": f"update reviews set actor = 'key_other' where id = {IN_REVIEW}",
    "the rule of a review": f"update reviews set rule = 'another' where id = {APPROVED}",
    "the key of a review": f"update reviews set idempotency_key = 'another' where id = {IN_REVIEW}",
    "a review approved by nobody": f"update reviews set status = 'approved', {SAID} where id = {IN_REVIEW}",
    "a review refused by nobody": f"update reviews set status = 'refused', {SAID} where id = {IN_REVIEW}",
    "a refused review opened again": f"update reviews set {UNSAID} where id = {REFUSED}",
    "an approved review opened again": f"update reviews set {UNSAID} where id = {APPROVED}",
    "an approved review refused": f"update reviews set status = 'refused' where id = {APPROVED}",
    "a refused review approved": f"update reviews set status = 'approved' where id = {REFUSED}",
    "a first approval forgotten": "update reviews set first_id = null, first_by = null, first_reason = null, "
    f"first_at = null where id = {HALF}",
    "why a payment was approved": f"update reviews set last_reason = 'x' where id = {APPROVED}",
    "who has approved a payment": f"update reviews set last_by = 'key_other' where id = {BY_TWO}",
    "who stands behind an approval": f"update reviews set last_person = 'x' where id = {APPROVED}",
    "who stands behind an order": f"update reviews set maker_person = 'x' where id = {APPROVED}",
    "when a payment was approved": f"update reviews set last_at = last_at + interval '1 second' where id = {APPROVED}",
    "a review that waits deleted": f"delete from reviews where id = {IN_REVIEW}",
    "an approved review deleted": f"delete from reviews where id = {APPROVED}",
    "an event of a review deleted": "delete from events where ledger_id = $1 and type = 'payment.refused'",
    # The ledger.
    "the time zone of the ledger": "update ledgers set time_zone = 'Asia/Tokyo' where ledger_id = $1",
    "what the ledger does with late entries": "update ledgers set late_entries = 'refuse' where ledger_id = $1",
    # Refusals.
    "a refusal deleted": "delete from refusals where (ledger_id, idempotency_key) = "
    "(select ledger_id, idempotency_key from refusals where ledger_id = $1 limit 1)",
    "all refusals deleted": "delete from refusals where ledger_id = $1",
    "a refusal changed": "update refusals set problem = '{}' where ledger_id = $1",
    "a seal of refusals changed": "update refusal_seals set refusals = refusals - 1 where ledger_id = $1",
    # The security log.
    "a record of the security log deleted": "delete from audit_log where ledger_id = $1 and type = 'account.frozen' "
    "and id = (select min(id::text)::uuid from audit_log where ledger_id = $1 and type = 'account.frozen')",
    "a record of the security log changed": "update audit_log set actor = 'key_other' where ledger_id = $1 "
    "and type = 'account.closed'",
    "a record put into the security log": "insert into audit_log (ledger_id, id, recorded_at, type, occurrences, xid) "
    "values ($1, gen_random_uuid(), now(), 'account.frozen', 1, '1')",
    "a seal of the security log changed": "update audit_seals set records = records + 1 where ledger_id = $1",
    # Totals of branches.
    "a total of the whole chart": f"update branch_totals set debits = debits + 1 where {NEWEST_TOTAL}",
    "all totals of a branch": "update branch_totals set credits = credits + 1 where ledger_id = $1 and branch = ''",
    "a number of accounts in a total": f"update branch_totals set accounts = accounts + 1 where {NEWEST_TOTAL}",
    "a number of postings in a total": f"update branch_totals set lines = lines - 1 where {NEWEST_TOTAL}",
    "dated sums in a total": f"update branch_totals set dated_debits = dated_debits + 1 where {NEWEST_TOTAL}",
    "a total deleted": f"delete from branch_totals where {NEWEST_TOTAL}",
    "a total forged in between": "insert into branch_totals select ledger_id, branch, type, currency, sealed_at + "
    "interval '1 microsecond', accounts, lines, debits + 1, credits, dated_lines, dated_debits, dated_credits "
    f"from branch_totals where {NEWEST_TOTAL}",
    "a branch that has totals forged": "insert into total_branches values ($1, 'nobody:', 'asset', 'USD', '-infinity');"
    "insert into branch_totals values ($1, 'nobody:', 'asset', 'USD', now(), 1, 1, 1, 0, 0, 0, 0)",
    "a branch that has totals deleted": "delete from total_branches where ledger_id = $1 and branch = ''",
    "the newest seal of totals deleted": "delete from total_seals where ledger_id = $1 and sealed_at = "
    "(select max(sealed_at) from total_seals where ledger_id = $1)",
    "a seal of totals in the middle deleted": "delete from total_seals where ledger_id = $1 and sealed_at = "
    "(select sealed_at from total_seals where ledger_id = $1 order by sealed_at offset 2 limit 1)",
    "a seal of totals moved": "update total_seals set sealed_at = sealed_at + interval '1 second' where ledger_id = $1 "
    "and sealed_at = (select max(sealed_at) from total_seals where ledger_id = $1)",
    "a day of dated totals": "update dated_branch_totals set credits = credits + 1 where ledger_id = $1 "
    "and branch = '' and grain = 'day'",
    "an hour of dated totals deleted": "delete from dated_branch_totals where ledger_id = $1 and branch = '' "
    "and grain = 'hour'",
    "dated totals of another day": "update dated_branch_totals set starts_at = starts_at - interval '1 day' "
    "where ledger_id = $1 and branch = ''",
    # Events.
    "an event of a payment deleted": f"delete from events where id = {PAID}",
    "an event of an entry deleted": "delete from events where ledger_id = $1 and type = 'journal_entry.posted'",
    "an event of a client transaction deleted": "delete from events where ledger_id = $1 "
    "and type = 'client_transaction.charged_back'",
    "an event of an account deleted": "delete from events where ledger_id = $1 and type = 'account.closed'",
    "an event of a locked client deleted": "delete from events where ledger_id = $1 and type = 'account.frozen' "
    "and resource_id = (select id from accounts where ledger_id = $1 and code = 'clients:2')",
    "an event changed": f"update events set type = 'payment.refunded' where id = {PAID}",
    "an event inserted": "insert into events (ledger_id, id, created_at, type, resource_type) "
    "values ($1, gen_random_uuid(), now(), 'payment.succeeded', 'payment')",
    "an event of an account inserted": "insert into events (ledger_id, id, created_at, type, resource_type, "
    "resource_id) select $1, gen_random_uuid(), now(), 'account.unfrozen', 'account', id from accounts "
    "where ledger_id = $1 and code = 'alice'",
    "an event of a webhook endpoint inserted": "insert into events (ledger_id, id, created_at, type, resource_type, "
    "resource_id) values ($1, gen_random_uuid(), now(), 'webhook_endpoint.disabled', 'webhook_endpoint', "
    "gen_random_uuid())",
    "an event told twice": "insert into events (ledger_id, id, created_at, type, resource_type) select ledger_id, id, "
    f"created_at, type, resource_type from events where id = {PAID}",
    # Checkpoints.
    "a checkpoint": f"update account_checkpoints set debits = debits + 1 where {BUSY} and account_version = 768",
    "a checkpoint and those after it": f"update account_checkpoints set debits = debits + 1 where {BUSY}",
    "the dated sums of a checkpoint": "update account_checkpoints set dated_debits = dated_debits - 1 "
    f"where {BUSY} and account_version = 768",
    "the last undated version of a checkpoint": "update account_checkpoints set undated_version = undated_version - 1 "
    f"where {BUSY} and account_version = 768",
    "a currency of a checkpoint": f"update account_checkpoints set currency = 'EUR' where {BUSY} "
    "and account_version = 768",
    "a checkpoint in the middle deleted": f"delete from account_checkpoints where {BUSY} and account_version = 512",
    "the first checkpoint deleted": f"delete from account_checkpoints where {BUSY} and account_version = 256",
    "a checkpoint forged beyond the postings": "insert into account_checkpoints select ledger_id, account_id, 1024, "
    f"currency, debits, dated_debits, dated_credits, dated_held, undated_version from account_checkpoints where {BUSY} "
    "and account_version = 768",
    "a checkpoint forged in between": "insert into account_checkpoints select ledger_id, account_id, 700, "
    f"currency, debits, dated_debits, dated_credits, dated_held, undated_version from account_checkpoints where {BUSY} "
    "and account_version = 768",
    "a checkpoint of an account that is not there": "insert into account_checkpoints select ledger_id, "
    "gen_random_uuid(), 256, currency, 0, 0, 0, 0, 0 from account_checkpoints "
    f"where {BUSY} and account_version = 256",
    "sums of dated postings": f"update dated_checkpoints set debits[2] = debits[2] + 1 where {BUSY} and block = 1",
    "versions of dated postings": f"update dated_checkpoints set versions[2] = versions[2] - 1 where {BUSY} "
    "and block = 1",
    "the time of a dated posting": "update dated_checkpoints set effective_ats[3] = effective_ats[3] - "
    f"interval '1 second' where {BUSY} and block = 1",
    "the key of a block of dated postings": "update dated_checkpoints set first_effective_at = first_effective_at - "
    f"interval '1 day' where {BUSY} and block = 1",
    "a block of dated postings deleted": f"delete from dated_checkpoints where {BUSY} and block = 1",
    "a block of dated postings forged": "insert into dated_checkpoints select ledger_id, account_id, 0, 3, "
    f"first_effective_at, place, effective_ats, versions, debits, credits, held from dated_checkpoints where {BUSY} "
    "and block = 2",
    "a block of dated postings of an account without checkpoints": "insert into dated_checkpoints select ledger_id, "
    "(select id from accounts where ledger_id = $1 and code = 'alice'), 0, 0, first_effective_at, place, "
    f"effective_ats, versions, debits, credits, held from dated_checkpoints where {BUSY} and block = 0",
    # Journal entries.
    "a refusal of what was done": "insert into refusals select ledger_id, idempotency_key, fingerprint, '{}', "
    f"now() from journal_entries where id = {PAID}",
    "an entry without postings": "insert into journal_entries select ledger_id, gen_random_uuid(), effective_at, "
    "posted_at, 'no postings', fingerprint, 'journal_entry', null, reason, actor, null, null from journal_entries "
    "where ledger_id = $1 limit 1",
}

_NOT_ORDERED = "the payment … is not what was ordered: its journal entry has another fingerprint"
_NOT_ITS_OWN = "the payment … lacks a split, or has one that is not its own"
_NOT_ORDERED_EXCHANGE = "the exchange … is not what was ordered: its journal entry has another fingerprint"
_RATE_SAYS_OTHERWISE = "the exchange … is not what its rate makes of it"
_RULES_SAY_OTHERWISE = "the payment … has splits that are not what their rules make of it"

_ASKED_BACK_OTHERWISE = {
    "the amount that its processor is to give back of the payment … is not what its journal entry says"
}

_STEP = "the totals of the whole chart at … are not those before, and what was posted since"
_TOTAL = "the totals of the whole chart are not what its accounts come to"
_DATED_TOTAL = "the dated totals of the whole chart are not those of its days and hours"
_DATED_DAY = "the dated totals of the whole chart of the day of … are not its dated postings"
_MOVED_BY_NOTHING = {
    "the payee of the payment … is not what its journal entry says",
    "the processor call of the journal entry … is missing",
    "the processor call of … has made another amount pending",
}
_MOVED_OTHERWISE = {
    "the processor call of … is not what was said when it was moved: that journal entry has another fingerprint"
}

FOUND = {
    # Subjects.
    "sealed text replaced": {"what was said about a person with the journal entry … is not what the entry commits to"},
    "sealed text swapped with another": {
        "what was said about a person with the journal entry … is not what the entry commits to"
    },
    "sealed text deleted": {"the sealed text of the journal entry … is missing"},
    "sealed text of an erased person deleted": {"the sealed text of the journal entry … is missing"},
    "sealed text of nothing": {
        "what was said about a person with the journal entry … is of an entry that does not exist"
    },
    "sealed text about another person": {
        "what was said about a person with the journal entry … is about another one than the entry names"
    },
    "a key deleted": {"what was said about a person with the journal entry … is about a subject that does not exist"},
    "a key deleted as if by an erasure": {
        "the erasure of the subject ada is not what the security log tells of it",
        "the journal entry … has no event",
    },
    "an erasure undone": {
        "the security log tells that the subject ben was erased, and it was not",
        "the event … has no journal entry",
    },
    "a record of an erasure deleted": {
        "the erasure of the subject ben is not what the security log tells of it",
        "the security log is not what was sealed up to …",
    },
    "a time of an erasure": {
        "the erasure of the subject ben is not what the security log tells of it",
        "the security log tells that the subject ben was erased, and it was not",
        "the event … is not what its journal entry makes one expect",
    },
    "a reason of an erasure": {"the erasure of the subject ben is not what the security log tells of it"},
    "an event of an erasure deleted": {"the journal entry … has no event"},
    "a move deleted": _MOVED_BY_NOTHING,
    "a move of one that waits deleted": _MOVED_BY_NOTHING,
    "a move and its number undone": _MOVED_BY_NOTHING,
    "a number of a call": {"the processor call of … was not moved as often as it says"},
    "why it was moved": _MOVED_OTHERWISE,
    "what was told when it was moved": _MOVED_OTHERWISE,
    "a processor that was left": _MOVED_OTHERWISE,
    "a processor that took it over": {"the processor call of … was moved to another processor than it is at"},
    "an account that was left": {
        "the payee of the payment … is not what its journal entry says",
        "the processor call of … has made another amount pending",
    },
    "a time of a move": {"the processor call of … was moved by no entry of its own"},
    "a moved payment back where it began": {
        "the processor call of … has no payment, or another one",
        "the processor of the payment … is not what its journal entry says",
    },
    "an event of a move deleted": {"the journal entry … has no event"},
    "what one got of what was carried out": {
        "the payment … has splits that are not what their rules make of what its processor has carried out"
    },
    "a part that nobody waits for": {"the payment … has splits that are not what was pending for each"},
    "what one is to give back": {"the payment … has a split of which its refunds gave back something else"},
    "what each is to give back": {"the processor call of … has other parts pending than it says"},
    "what nobody is to give back": {"the processor call of … has other parts pending than it says"},
    "a date of a processor call": {"the processor call of … is dated otherwise than the entry that began it"},
    "a date of a processor call forgotten": {
        "the processor call of … was settled by an entry that is dated otherwise than it says"
    },
    "an amount that is asked back": _ASKED_BACK_OTHERWISE,
    "an amount that is asked back forgotten": _ASKED_BACK_OTHERWISE,
    "an amount asked back of an internal payment": _ASKED_BACK_OTHERWISE,
    "an amount of a call for a refund": {
        *_ASKED_BACK_OTHERWISE,
        "the processor call of … has no refund, or another one",
    },
    "a call for a refund of another payment": {
        *_ASKED_BACK_OTHERWISE,
        "the processor call of … has no refund, or another one",
    },
    "a call for a refund turned into one for a payment": {
        "the processor call of the refund of the journal entry … is missing",
        "the processor call of … has no payment, or another one",
    },
    "what was given back by a processor": {"the processor call of … is not what the entry that settled it has moved"},
    "a call for a refund deleted": {
        "the reason of the refund … is not what its journal entry says",
        "the refunded amount of the payment … is not what its journal entry says",
        "the processor call of the refund of the journal entry … is missing",
    },
    "an open call for a refund deleted": {
        "the reason of the refund … is not what its journal entry says",
        "the status of the payment … is not what its journal entry says",
    },
    "an event of a declined refund deleted": {"the journal entry … has no event"},
    "a payment said to have succeeded": {"the status of the payment … is not what its journal entry says"},
    "a failed payment said to have succeeded": {"the status of the payment … is not what its journal entry says"},
    "an approved amount of a payment": {"the processor call of … has a payment that says another amount was approved"},
    "an approved amount of a payment that has none": {
        "the processor call of … has a payment that says another amount was approved"
    },
    "an approved amount of an internal payment": {
        "the approved amount of the payment … is not what its journal entry says"
    },
    "a processor of a processor call": {
        "the processor of the payment … is not what its journal entry says",
        "the processor call of … has no payment, or another one",
    },
    "an amount of a processor call": {"the processor call of … has no payment, or another one"},
    "what was approved": {"the processor call of … is not what the entry that settled it has moved"},
    "a reason": {"the processor call of … is not what was said: its journal entry has another fingerprint"},
    "a processor's own id": {"the processor call of … is not what was said: its journal entry has another fingerprint"},
    "a declined call approved": {"the processor call of … was settled by no entry of its own"},
    "a settled call proposed again": {
        "the processor call of the journal entry … is missing",
        "the status of the payment … is not what its journal entry says",
        "the processor call of … has more or less that is pending than it says",
    },
    "an open call settled by nothing": {
        "the status of the payment … is not what its journal entry says",
        "the processor call of … has more or less that is pending than it says",
    },
    "a time of a settlement": {"the processor call of … was settled by no entry of its own"},
    "a processor call deleted": {
        "the processor call of the journal entry … is missing",
        "the type of the payment … is not what its journal entry says",
    },
    "an open processor call deleted": {"the type of the payment … is not what its journal entry says"},
    "a payment through a processor deleted": {
        "the payment … is missing, its journal entry is there",
        "the processor call of … has no payment, or another one",
    },
    "an event of a settlement deleted": {"the journal entry … has no event"},
    "an event of a proposal turned into success": {"the event … is not what its journal entry makes one expect"},
    "an amount of a payment": {"the amount of the payment … is not what its journal entry says"},
    "a payer": {"the payer of the payment … is not what its journal entry says"},
    "payer and payee turned round": {"the payer of the payment … is not what its journal entry says"},
    "a type of a payment": {"the type of the payment … is not what its journal entry says"},
    "a status of a payment": {"the status of the payment … is not what its journal entry says"},
    "a currency of a payment": {"the currency of the payment … is not what its journal entry says"},
    "a reference": {"the payment … is not what was ordered: its journal entry has another fingerprint"},
    "a reference taken away": {"the payment … is not what was ordered: its journal entry has another fingerprint"},
    "a description": {"the payment … is not what was ordered: its journal entry has another fingerprint"},
    "a processor": {"the processor of the payment … is not what its journal entry says"},
    "a payment deleted": {"the payment … is missing, its journal entry is there"},
    "a payment inserted": {"the payment … has no journal entry"},
    "a payment put on another entry": {"the payment … has the journal entry of something else"},
    "an end of a period": {
        "the journal entry … was put into a period after its closing",
        "the closing 1 of periods does not follow from what it says and from the one before",
    },
    "an actor of a closing": {"the closing 2 of periods does not follow from what it says and from the one before"},
    "a digest of a period": {
        "the balances of the period 2026-10 are not those that were sealed",
        "the closing 2 of periods does not follow from what it says and from the one before",
    },
    "totals of a period": {
        "the balances of the period 2026-02-15 are not those that were sealed",
        "the closing 1 of periods does not follow from what it says and from the one before",
    },
    "the newest closing deleted": {
        "the event … has no journal entry",
    },
    "a seal deleted": {
        "the closing 1 of periods has no seal",
        "the event … has no journal entry",
    },
    "what an entry was dated to": {
        "the hash does not follow from the posting, its entry and the hash before",
        "the journal entry … by a template is not what was ordered: it has another fingerprint",
        "the payment … is not what was ordered: its journal entry has another fingerprint",
    },
    "a reason of an override": {
        "the hash does not follow from the posting, its entry and the hash before",
        "the payment … is not what was ordered: its journal entry has another fingerprint",
    },
    "an override forgotten": {
        "the hash does not follow from the posting, its entry and the hash before",
        "the journal entry … was put into a period after its closing",
        "the payment … is not what was ordered: its journal entry has another fingerprint",
    },
    "a late entry imagined": {
        "the late entry … has no journal entry",
    },
    "codes swapped": {
        "the account is not in the groups with limits that it belongs to",
        "the hold … has a step 1 that is not what was ordered: its journal entry has another fingerprint",
        "the account's code is not what its history says",
        "the payment … is not what was ordered: its journal entry has another fingerprint",
        "the dispute … has a step 2 that is not what was ordered: its journal entry has another fingerprint",
        "the payment … has a split for another account than was named",
    },
    "a name": {"the account's name is not what its history says"},
    "a type": {"the account's type is not what its history says", _TOTAL, _STEP, _DATED_DAY},
    "a currency": {
        _TOTAL,
        _STEP,
        _DATED_DAY,
        "the account's currency is not what its history says",
        "the posting is in another currency than its account",
        "the statement … is in another currency than its account",
    },
    "a currency of an account with nothing in it": {"the account's currency is not what its history says"},
    "a floor": {"the account's min_available is not what its history says"},
    "a floor taken away": {"the account's min_available is not what its history says"},
    "a ceiling": {"the account's max_available is not what its history says"},
    "a status": {"the account's status is not what its history says"},
    "a status of a closed account": {"the account's status is not what its history says"},
    "the right to overdraw": {"the account may go below its floor, though it does not lie there"},
    "the metadata of an account": {"the account's metadata is not what its history says"},
    "an account that was never used deleted": {"the account has a history and does not exist"},
    "an account inserted": {"the account has no history", "the account's head is not the hash of its last posting"},
    "a held amount": {"the account's stored balance is not the sum of its postings"},
    "an actor of the history": {"revision 2 of the account's history does not follow from the one before"},
    "the end of a history": {
        "revision 3 of the account's history is missing",
        "revision 4 of the account's history was never announced",
        "the account's status is not what its history says",
        "the event … tells of a change that is not recorded",
    },
    "a whole history": {"the account has no history", "the event … tells of a change that is not recorded"},
    "a floor with its history": {
        "revision 1 of the account's history does not follow from the one before",
        "revision 2 of the account's history does not follow from the one before",
    },
    "an opening of a statement": {
        "the statement … does not follow from the one before",
        "the statement … does not open and close as its postings say",
    },
    "a closing of a statement": {
        "the statement … does not follow from the one before",
        "the statement … does not open and close as its postings say",
    },
    "a span of a statement": {
        "the statement … does not follow from the one before",
        "the statement … does not open and close as its postings say",
        "the statement … has another number of lines than its postings say",
        "what the key of the statement … is answered is not what was recorded",
    },
    "a head of a statement": {
        "the statement … does not follow from the one before",
        "the statement … names another head than its account had",
    },
    "a version of a statement": {
        "the statement … does not follow from the one before",
        "the statement … does not open and close as its postings say",
        "the statement … has another number of lines than its postings say",
        "the statement … names another head than its account had",
    },
    "a currency of a statement": {
        "the statement … does not follow from the one before",
        "the statement … is in another currency than its account",
    },
    "a time of a statement": {
        "the event … is not what its journal entry makes one expect",
        "the statement … does not follow from the one before",
        "what the key of the statement … is answered is not what was recorded",
    },
    "a hash of a statement": {
        "the event … is not what its journal entry makes one expect",
        "the statement … does not follow from the one before",
    },
    "a statement in the middle deleted": {
        "the event … has no journal entry",
        "the statement … does not follow the number 1",
        "what the key of the statement … is answered is not what was recorded",
    },
    "a statement of another account": {
        "the statement … does not follow from the one before",
        "the statement … does not follow the number 0",
        "the statement … is one of an account that does not exist",
        "what the key of the statement … is answered is not what was recorded",
    },
    "an account that its first use opened deleted": {
        _TOTAL,
        _STEP,
        "the account has a history and does not exist",
        "a posting to an account that does not exist",
        "the hold … has a step 1 that is not what was ordered: its journal entry has another fingerprint",
    },
    "an event of a first use deleted": {"revision 1 of the account's history was never announced"},
    "members of a group": {
        "the account group wallets@2 is not what the security log tells of it",
        "the account is not in the groups with limits that it belongs to",
    },
    "an actor of a group": {
        "the account group gone@1 is not what the security log tells of it",
        "the account group gone@2 is not what the security log tells of it",
    },
    "a time of a group": {
        "the account group wallets@2 is not what the security log tells of it",
        "the event … is not what its journal entry makes one expect",
    },
    "an id of a group": {"the journal entry … has no event", "the event … has no journal entry"},
    "a group deleted": {
        "the account group wallets@1 is missing",
        "the security log tells of the account group wallets@1, which is not there",
        "the event … has no journal entry",
    },
    "the end of a group deleted": {
        "the security log tells of the account group gone@2, which is not there",
        "the event … has no journal entry",
    },
    "a group inserted": {
        "the account group wallets@3 is not what the security log tells of it",
        "the limits of the account group wallets are not those that count",
        "the journal entry … has no event",
    },
    "limits of a group": {"the limits of the account group wallets are not those that count"},
    "limits of a group deleted": {"the limits of the account group wallets are not those that count"},
    "limits of a group made": {"the limits of the account group gone are not those that count"},
    "an account taken out of its group": {"the account is not in the groups with limits that it belongs to"},
    "an account put into a group": {"the account is not in the groups with limits that it belongs to"},
    "rules of a chart": {"the ledger's chart 3 is not what the security log tells of it"},
    "an actor of a chart": {"the ledger's chart 3 is not what the security log tells of it"},
    "a time of a chart": {"the ledger's chart 3 is not what the security log tells of it"},
    "a chart deleted": {
        "the ledger's chart 2 is missing",
        "the security log tells of the ledger's chart 2, which is not there",
    },
    "the last chart deleted": {"the security log tells of the ledger's chart 3, which is not there"},
    "a chart inserted": {"the ledger's chart 4 is not what the security log tells of it"},
    "a chart with its place in the log deleted": {
        "the ledger's chart 2 is missing",
        "the security log is not what was sealed up to …",
    },
    "what routes say": {"the ledger's routes 1 are not what the security log tells of them"},
    "why routes were made": {"the ledger's routes 2 are not what the security log tells of them"},
    "routes deleted": {
        "the ledger's routes 1 are missing",
        "the security log tells of the ledger's routes 1, which are not there",
    },
    "the last routes deleted": {"the security log tells of the ledger's routes 2, which are not there"},
    "what house rules say": {
        "the house rules 2 are not what the security log tells of them",
        "the house rules 2 are not what was announced",
        "the hold … has a step 1 that may be captured beyond what the house rules gave",
    },
    "who set house rules": {"the house rules 3 are not what the security log tells of them"},
    "house rules deleted": {
        "the event … tells of a change that is not recorded",
        "the house rules 1 are missing",
        "the security log tells of the house rules 1, which are not there",
    },
    "the last house rules deleted": {
        "the event … tells of a change that is not recorded",
        "the security log tells of the house rules 3, which are not there",
    },
    "an event of house rules deleted": {"the house rules 1 are not what was announced"},
    "an event of house rules imagined": {"the event … tells of a change that is not recorded"},
    "what may be captured by house rules": {
        "the hold … has a step 1 that may be captured beyond what the house rules gave"
    },
    "the house rules of a hold": {"the hold … has a step 1 that may be captured beyond what the house rules gave"},
    "a hold without its house rules": {
        "the hold … has a step 1 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a fee without its house rules": {
        "the dispute … has a step 2 that is not what was ordered: its journal entry has another fingerprint"
    },
    "the house rules of a fee": {"the dispute … has a step 2 that has not cost what the house rules said"},
    "a client": {"the client of the client transaction 1 is not what its journal entry says"},
    "an amount of a client transaction": {"the amount of the client transaction 1 is not what its journal entry says"},
    "a currency of a client transaction": {
        "the currency of the client transaction 1 is not what its journal entry says"
    },
    "a type of a client transaction": {"the type of the client transaction 1 is not what its journal entry says"},
    "a dispute forgotten": {"the status of the client transaction 2 is not what its journal entries say"},
    "a resolve forgotten": {"the status of the client transaction 3 is not what its journal entries say"},
    "a dispute imagined": {"the status of the client transaction 1 is not what its journal entries say"},
    "an entry of a client transaction": {
        "the client transaction 1 has no journal entry",
        "the entry of the client transaction 1 is not what its journal entry says",
    },
    "a client transaction deleted": {"the client transaction 1 is missing, its journal entry … is there"},
    "a client transaction inserted": {"the client transaction 99 has no journal entry"},
    "a velocity limit": {"the account's velocity_limits is not what its history says"},
    "a velocity limit given": {"the account's velocity_limits is not what its history says"},
    "a velocity limit of the history": {"revision 2 of the account's history does not follow from the one before"},
    "a condition": {"the conditions of the journal entry … are not what was ordered"},
    "an order without its conditions": {
        "the conditions of the journal entry … are not what was ordered",
        "the payment … is not what was ordered: its journal entry has another fingerprint",
    },
    "the conditions of a payment deleted": {
        "the payment … is not what was ordered: its journal entry has another fingerprint"
    },
    "conditions inserted": {"the conditions of … have no journal entry"},
    "an amount of a refund": {
        "the amount of the refund … is not what its journal entry says",
        "the status of the payment … is not what its journal entry says",
    },
    "a reason of a refund": {"the refund … is not what was ordered: its journal entry has another fingerprint"},
    "a refund of another payment": {
        "the event … is not what its journal entry makes one expect",
        "the status of the payment … is not what its journal entry says",
        "the refund … is not what was ordered: its journal entry has another fingerprint",
    },
    "a currency of a refund": {"the currency of the refund … is not what its journal entry says"},
    "a refund deleted": {
        "the event … is not what its journal entry makes one expect",
        "the status of the payment … is not what its journal entry says",
        "the refund … is missing, its journal entry is there",
    },
    "a refund inserted": {
        "the refund … has no journal entry",
        "the status of the payment … is not what its journal entry says",
    },
    "what was given back": {"the refunded amount of the payment … is not what its journal entry says"},
    "what was given back forgotten": {"the status of the payment … is not what its journal entry says"},
    "a status after refunds": {"the status of the payment … is not what its journal entry says"},
    "an event of a refund deleted": {"the journal entry … has no event"},
    "an amount of a split": {_RULES_SAY_OTHERWISE},
    "shares of a payment moved": {_RULES_SAY_OTHERWISE},
    "shares of a capture moved": {_RULES_SAY_OTHERWISE},
    "a receiver": {"the payment … has a split for another account than was named"},
    "a receiver with his name": {_NOT_ORDERED, "the payment … has splits that are not what its journal entry moved"},
    "a percentage": {_NOT_ORDERED},
    "a rule of a split": {_NOT_ORDERED, _RULES_SAY_OTHERWISE},
    "a percentage of a capture": {
        "the hold … has a step 2 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a currency of a split": {_NOT_ITS_OWN},
    "what a receiver gave back": {"the payment … has a split of which its refunds gave back something else"},
    "a payee of splits": {_NOT_ORDERED, "the payment … has splits that leave its payee something else"},
    "a split deleted": {_NOT_ITS_OWN, "the amount of the payment … is not what its journal entry says"},
    "the splits of a payment deleted": {
        "the amount of the payment … is not what its journal entry says",
        "the amount of the refund … is not what its journal entry says",
    },
    "the splits of a capture deleted": {"the hold … has a step 2 that is not what its journal entry moved"},
    "a split inserted": {_NOT_ORDERED, _NOT_ITS_OWN},
    "splits of no payment": {"the payment … has splits and does not exist"},
    "splits of a plain payment": {_NOT_ORDERED, _NOT_ITS_OWN},
    "an amount of an exchange": {_RATE_SAYS_OTHERWISE},
    "what was bought": {_RATE_SAYS_OTHERWISE},
    "a rate": {_RATE_SAYS_OTHERWISE},
    "a rate with all that follows": {_NOT_ORDERED_EXCHANGE},
    "a margin of an exchange": {_NOT_ORDERED_EXCHANGE},
    "what was lost by rounding": {_RATE_SAYS_OTHERWISE},
    "how it was rounded": {_RATE_SAYS_OTHERWISE},
    "whose rate it was": {_NOT_ORDERED_EXCHANGE},
    "when the rate was given": {_NOT_ORDERED_EXCHANGE},
    "a payee of an exchange": {"the exchange … is not what its journal entry moved"},
    "a currency of an exchange": {_RATE_SAYS_OTHERWISE},
    "a reference of an exchange": {_NOT_ORDERED_EXCHANGE},
    "what was gained": {_RATE_SAYS_OTHERWISE},
    "that a gain was nothing": {_RATE_SAYS_OTHERWISE},
    "what was sold for what is bought": {_RATE_SAYS_OTHERWISE},
    "an exchange deleted": {"the exchange of the journal entry … is missing"},
    "an exchange inserted": {"the exchange … has no journal entry"},
    "an event of an exchange deleted": {"the journal entry … has no event"},
    "an amount of a dispute": {
        "the disputed amount of the payment … is not what its journal entry says",
        "the dispute … has a step 1 that is not what its journal entry moved",
    },
    "a status of a dispute": {
        "the status of the payment … is not what its journal entry says",
        "the dispute … is not what its last step has left",
    },
    "a reason of a dispute": {
        "the dispute … has a step 1 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a case of a dispute": {
        "the dispute … has a step 1 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a note of a dispute": {"the dispute … is not what its last step has left"},
    "evidence of a dispute": {"the dispute … is not what its last step has left"},
    "a dispute of another payment": {
        "the status of the payment … is not what its journal entry says",
        "the dispute … is not one of its payment",
    },
    "a step of a dispute deleted": {
        "the dispute of the journal entry … is missing",
        "the dispute … is not what its steps say",
    },
    "a stage of a dispute": {"the dispute … is not what its last step has left"},
    "a stage of a step": {
        "the dispute … has a step 4 that leaves it as it cannot be",
    },
    "a date of a step": {
        "the dispute … has a step 3 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a fee of a dispute": {"the dispute … has a step 2 that is not what its journal entry moved"},
    "a fee before the end": {"the dispute … has cost something though it is not lost"},
    "who got a fee": {
        "the dispute … has a step 2 that is not what was ordered: its journal entry has another fingerprint"
    },
    "a step of a dispute turned": {"the dispute … has a step 2 that has no journal entry of its own"},
    "a dispute deleted": {
        "the dispute of the journal entry … is missing",
        "the status of the payment … is not what its journal entry says",
    },
    "what is disputed of a payment": {"the disputed amount of the payment … is not what its journal entry says"},
    "a dispute of a payment forgotten": {"the status of the payment … is not what its journal entry says"},
    "what was charged back": {"the charged back amount of the payment … is not what its journal entry says"},
    "an event of a dispute deleted": {"the journal entry … has no event"},
    "an event of evidence deleted": {"the journal entry … has no event"},
    "what a template says": {
        "the journal entry … by a template is not what the template gives",
        "the template sale@1 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "who has made a template": {
        "the template sale@3 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "a template deleted with its uses": {
        "the event … has no journal entry",
        "the template of the journal entry … is missing",
        "the template sale@3 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "a template deleted": {
        "the event … has no journal entry",
        "the journal entry … by a template has none that is there",
        "the template sale@2 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "a template that gives something else": {
        "the journal entry … by a template is not what the template gives",
        "the template sale@3 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "a parameter of a use": {"the journal entry … by a template is not what the template gives"},
    "a text of a use": {"the journal entry … by a template is not what was ordered: it has another fingerprint"},
    "a parameter of a use that is nothing": {"the journal entry … by a template cannot be worked out"},
    "a use of another version": {"the journal entry … by a template was posted by another"},
    "a use deleted": {"the template of the journal entry … is missing"},
    "a use inserted": {"the journal entry … by a template is missing"},
    "a use put on another entry": {"the journal entry … by a template was posted by another"},
    "an amount of a hold": {"the hold … is not what its last step has left"},
    "what was captured of a hold": {"the hold … is not what its last step has left"},
    "a status of a hold": {"the hold … is not what its last step has left"},
    "the end of a hold put off": {"the hold … is not what its last step has left"},
    "how much may be captured of a hold": {"the hold … is not what its last step has left"},
    "an entry of a hold left out": {"the hold … is not what its steps say"},
    "a payment of a capture": {"the hold … has a step 2 that has a payment that is not what it has paid"},
    "a payment of a capture deleted": {"the hold … has a step 2 that has no payment"},
    "a payment of a capture left out": {"the hold … is not what its steps say"},
    "a status of a payment of a capture": {"the hold … has a step 2 that has a payment that is not what it has paid"},
    "an event of the payment of a capture deleted": {"the journal entry … has no event"},
    "an amount of a scheduled payment": {"the scheduled payment … is not what was ordered"},
    "a time zone of a rule": {"the scheduled payment … is not what was ordered"},
    "the actor of a scheduled payment": {
        "the event … is not what its journal entry makes one expect",
        "the scheduled payment … has a run 1 that has paid something else than was ordered",
    },
    "a scheduled payment due at another time": {"the scheduled payment … is due at another time than was ordered"},
    "a scheduled payment cancelled by nobody": {"the scheduled payment … is cancelled, and nobody has done it"},
    "a cancelled payment scheduled again": {
        "the event … has no journal entry",
        "what the key of the scheduled payment … is answered is not what was recorded",
    },
    "a run to be made once more": {"the scheduled payment … stands otherwise than its runs say"},
    "a run forgotten": {
        "the event … has no journal entry",
        "the scheduled payment … has paid what it has no run of",
        "the run that has posted the journal entry … is missing",
    },
    "a run with the payment of another": {
        "the scheduled payment … has a run 1 that has the payment of something else",
        "the run that has posted the journal entry … is missing",
    },
    "a run before its time": {
        "the event … is not what its journal entry makes one expect",
        "the scheduled payment … has a run 1 that was run before its time",
    },
    "a run tried again at another time": {"the scheduled payment … has a run 1 that is tried again at another time"},
    "a scheduled payment with its runs deleted": {
        "the event … has no journal entry",
        "the run that has posted the journal entry … is missing",
        "what the key of the scheduled payment … is answered is not what was recorded",
    },
    "an event of a run deleted": {"the journal entry … has no event"},
    "an event of a completion deleted": {"the journal entry … has no event"},
    "an event of a cancellation deleted": {"the journal entry … has no event"},
    "a payer of a hold": {"the hold … has a step 1 that is not what its journal entry moved"},
    "a currency of a hold": {"the hold … has a step 1 that is not what its journal entry moved"},
    "a reference of a hold": {
        "the hold … has a step 1 that is not what was ordered: its journal entry has another fingerprint"
    },
    "the metadata of a hold": {
        "the hold … has a step 1 that is not what was ordered: its journal entry has another fingerprint"
    },
    "an amount of a hold with its step": {"the hold … has a step 1 that is not what its journal entry moved"},
    "a capture made more of": {"the hold … has a step 2 that is not what its journal entry moved"},
    "a hold opened again": {"the hold … has a step 5 that is not what its journal entry moved"},
    "a step of a hold turned into another": {"the hold … has a step 5 that has no journal entry of its own"},
    "an end put off with its step": {"the hold … has a step 5 that leaves it as it cannot be"},
    "a hold deleted": {"the hold of the journal entry … is missing"},
    "a hold with its steps deleted": {"the hold of the journal entry … is missing"},
    "a step of a hold deleted": {
        "the hold of the journal entry … is missing",
        "the hold … lacks the step 3",
    },
    "the steps of a hold deleted": {"the hold of the journal entry … is missing", "the hold … has no steps"},
    "a hold inserted": {"the hold … has no steps"},
    "an event of a hold deleted": {"the journal entry … has no event"},
    "an event of an extension deleted": {"the journal entry … has no event"},
    "an event of an extension forged": {"the event … has no journal entry"},
    "the newest statement deleted with its answer": {
        "the event … has no journal entry",
    },
    "what a statement is answered": {
        "what the key of the statement … is answered is not what was recorded",
    },
    "the newest version of a template deleted with its answer": {
        "the event … has no journal entry",
    },
    "the newest version of a template, hash and all": {
        "the event … has no journal entry",
        "the journal entry … has no event",
        "the template sale@4 is not the one that was made",
        "what the key of a template is answered is not what was recorded",
    },
    "what a template is answered": {
        "what the key of a template is answered is not what was recorded",
    },
    "when a waiting payment is due, both times": {
        "the event … is not what its journal entry makes one expect",
    },
    "when a waiting payment was due first": {
        "the event … is not what its journal entry makes one expect",
        "the scheduled payment … is not what was ordered",
    },
    "the actor of a waiting payment": {
        "the event … is not what its journal entry makes one expect",
    },
    "a waiting payment cancelled and announced": {
        "the scheduled payment … is cancelled, and nobody has done it",
    },
    "why a run was refused": {
        "the event … is not what its journal entry makes one expect",
    },
    "what an order to pay later is answered": {
        "what the key of the scheduled payment … is answered is not what was recorded",
    },
    "the time zone of the ledger": {
        "the ledger's time_zone is not what the security log tells of it",
    },
    "what the ledger does with late entries": {
        "the ledger's late_entries is not what the security log tells of it",
    },
    "an amount of a review": {
        "the event … is not what its journal entry makes one expect",
        "the review … is not what was ordered",
    },
    "what was ordered of a review": {"the review … is not what was ordered"},
    "the payee of a review": {
        "the event … is not what its journal entry makes one expect",
        "the review … pays another account than was ordered",
    },
    "who has made a review": {"the event … is not what its journal entry makes one expect"},
    "the rule of a review": {"the event … is not what its journal entry makes one expect"},
    "the key of a review": {
        "the review … was ordered under another key",
        "what the key of the review … is answered is not what was recorded",
    },
    "a review approved by nobody": {
        "the journal entry … has no event",
        "the review … is approved, and nobody has said so",
    },
    "a review refused by nobody": {
        "the journal entry … has no event",
        "the review … is refused, and nobody has said so",
    },
    "a refused review opened again": {
        "the event … has no journal entry",
        "what the key of the review … is answered is not what was recorded",
    },
    "an approved review opened again": {
        "the event … has no journal entry",
        "the review of the journal entry … is missing",
        "the review … is paid, and was not approved",
        "what the key of the review … is answered is not what was recorded",
    },
    "an approved review refused": {
        "the event … is not what its journal entry makes one expect",
        "the review of the journal entry … is missing",
        "the review … is refused, and nobody has said so",
    },
    "a refused review approved": {
        "the event … is not what its journal entry makes one expect",
        "the review … is approved, and nobody has said so",
    },
    "a first approval forgotten": {
        "the event … has no journal entry",
        "what the key of the review … is answered is not what was recorded",
    },
    "why a payment was approved": {"the review … is approved, and nobody has said so"},
    "who has approved a payment": {"the review … was decided otherwise than the security log tells"},
    "who stands behind an approval": {
        "the review … was approved by somebody who stands behind another of its credentials"
    },
    "who stands behind an order": {
        "the review … was approved by somebody who stands behind another of its credentials"
    },
    "when a payment was approved": {
        "the event … is not what its journal entry makes one expect",
        "the review … was approved, and its payment is another one",
        "what the key of the review … is answered is not what was recorded",
    },
    "a review that waits deleted": {
        "the event … has no journal entry",
        "what the key of the review … is answered is not what was recorded",
    },
    "an approved review deleted": {
        "the event … has no journal entry",
        "the review of the journal entry … is missing",
        "what the key of the review … is answered is not what was recorded",
    },
    "an event of a review deleted": {"the journal entry … has no event"},
    "a refusal deleted": {"refusals were changed or taken away: 3 were sealed between … and …, there are 2"},
    "all refusals deleted": {"refusals were changed or taken away: 3 were sealed between … and …, there are 0"},
    "a refusal changed": {"refusals were changed or taken away: 3 were sealed between … and …, there are 3"},
    "a seal of refusals changed": {
        "refusals were changed or taken away: 2 were sealed between … and …, there are 3",
        "the seal 1 of refusals does not follow from the one before",
    },
    "a record of the security log deleted": {"the security log is not what was sealed up to …"},
    "a record of the security log changed": {"the security log is not what was sealed up to …"},
    "a record put into the security log": {"the security log is not what was sealed up to …"},
    "a seal of the security log changed": {
        "the security log is not what was sealed up to …",
        "the seal 1 of the security log does not follow from the one before",
    },
    "an event of a payment deleted": {"the journal entry … has no event"},
    "an event of an entry deleted": {"the journal entry … has no event"},
    "an event of a client transaction deleted": {"the journal entry … has no event"},
    "an event of an account deleted": {"revision 2 of the account's history was never announced"},
    "an event of a locked client deleted": {"revision 2 of the account's history was never announced"},
    "an event changed": {"the event … is not what its journal entry makes one expect"},
    "an event inserted": {"the event … has no journal entry"},
    "an event of an account inserted": {"the event … tells of a change that is not recorded"},
    "an event of a webhook endpoint inserted": {
        "the event … tells of a webhook endpoint that was never there, or of what cannot be"
    },
    "an event told twice": {"the event … is there twice"},
    "a refusal of what was done": {"the key of the journal entry … is refused too"},
    "a total of the whole chart": {_STEP, _TOTAL},
    "all totals of a branch": {_STEP, _TOTAL},
    "a number of accounts in a total": {_STEP, _TOTAL},
    "a number of postings in a total": {_STEP, _TOTAL},
    "dated sums in a total": {_STEP, _DATED_TOTAL},
    "a total deleted": {_STEP, _TOTAL, _DATED_TOTAL},
    "a total forged in between": {_TOTAL},
    "a branch that has totals forged": {"the totals of the branch nobody: are not what its accounts come to"},
    "a branch that has totals deleted": {_TOTAL},
    "the newest seal of totals deleted": {_TOTAL, _DATED_DAY},
    "a seal of totals in the middle deleted": {_STEP},
    "a seal of totals moved": {_STEP},
    "a day of dated totals": {_DATED_TOTAL, _DATED_DAY},
    "an hour of dated totals deleted": {_DATED_TOTAL, _DATED_DAY},
    "dated totals of another day": {_DATED_DAY},
    "a checkpoint": {"the checkpoint is not the sum of the postings up to it"},
    "a checkpoint and those after it": {"the checkpoint is not the sum of the postings up to it"},
    "the dated sums of a checkpoint": {"the checkpoint is not the sum of the postings up to it"},
    "the last undated version of a checkpoint": {"the checkpoint is not the sum of the postings up to it"},
    "a currency of a checkpoint": {"the checkpoint is in another currency than its account"},
    "a checkpoint in the middle deleted": {"the checkpoint does not follow the one at version 256"},
    "the first checkpoint deleted": {"the checkpoint does not follow the one at version 0"},
    "a checkpoint forged beyond the postings": {
        "the checkpoint covers postings that are not there",
        "the checkpoint is not the sum of the postings up to it",
        "the dated postings of block 3 of size 0 are not as they were sealed",
    },
    "a checkpoint forged in between": {
        "the checkpoint does not follow the one at version 512",
        "the checkpoint does not follow the one at version 700",
    },
    "a checkpoint of an account that is not there": {
        "the checkpoint covers postings that are not there",
        "the checkpoint is one of an account that does not exist",
    },
    "sums of dated postings": {"the dated postings of block 1 of size 0 are not as they were sealed"},
    "versions of dated postings": {"the dated postings of block 1 of size 0 are not as they were sealed"},
    "the time of a dated posting": {"the dated postings of block 1 of size 0 are not as they were sealed"},
    "the key of a block of dated postings": {"the dated postings of block 1 of size 0 are not as they were sealed"},
    "a block of dated postings deleted": {"the dated postings of block 1 of size 0 are not as they were sealed"},
    "a block of dated postings forged": {"dated postings are sealed beyond the account's last checkpoint"},
    "a block of dated postings of an account without checkpoints": {
        "dated postings are sealed beyond the account's last checkpoint"
    },
    "an entry without postings": {"the journal entry … has no event", "the journal entry … has no postings"},
}
"""By tampering. Ids and times are written as …"""

CONCERNED = {
    "a parameter of a use": {"buyer", "seller", "taxes"},
    "a use deleted": {"buyer", "seller", "taxes"},
    "an amount of a hold": {"guest", "hotel"},
    "a hold deleted": {"guest", "hotel"},
    "a step of a hold deleted": {"guest", "hotel"},
    "an amount of a payment": {"alice", "bob"},
    "a payer": {"alice", "bob", "gone"},
    "a reference": {"alice", "bob"},
    "a payment deleted": {"alice", "bob"},
    "a payment inserted": {"alice", "bob"},
    "a payment put on another entry": {"alice", "bob", "fees"},
    "a client": {"clients:1", "clients:2"},
    "an amount of a client transaction": {"clients:1"},
    "a dispute forgotten": {"clients:1"},
    "a client transaction deleted": {"clients:1"},
    "a client transaction inserted": {"clients:1"},
    "an event of a payment deleted": {"alice", "bob"},
    "an event of an entry deleted": {
        "alice",
        "bob",
        "buyer",
        "customers:ben",
        "customers:carl",
        "fees",
        "seller",
        "taxes",
    },
    "an event changed": {"alice", "bob"},
    "an event told twice": {"alice", "bob"},
    "an event of an account inserted": {"alice"},
    "a refusal of what was done": {"alice", "bob"},
    # Nobody knows whom it was about.
    "an event inserted": set[str](),
    "an event of a webhook endpoint inserted": set[str](),
    "a refusal deleted": set[str](),
}
"""By tampering: the codes of the accounts that are frozen for it."""
