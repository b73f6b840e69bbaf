"""Reading a ledger for its proof, a slice at a time: each is found by keys, and bounded.

Amounts and times come as text: the database can hold more of them than Python, and all of it is looked at.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.queries.account_group_proofs import NAMES_OF_ACCOUNT_GROUPS
from zerosum.db.queries.moments import micros
from zerosum.db.queries.period_proofs import NAMES_OF_PERIODS
from zerosum.db.queries.review_proofs import HAS_REVIEW, NAMES_OF_REVIEWS
from zerosum.db.queries.schedule_proofs import HAS_RUN, NAMES_OF_SCHEDULES, TOLD_BY_EVENT
from zerosum.db.queries.statement_proofs import NAMES_OF_STATEMENTS
from zerosum.db.queries.subject_proofs import HAS_MEMBERS, NAMES_OF_SUBJECTS
from zerosum.db.queries.template_proofs import NAMES_OF_TEMPLATES
from zerosum.domain.payments.payment import PaymentTexts

FIRST_ID = UUID(int=0)
LAST_ID = UUID(int=2**128 - 1)
LAST_EVENT = (2**64 - 1, LAST_ID)


_TEXTS = ", ".join(f"payment.{name}" for name in PaymentTexts._fields)

GONE = """(select sum(case when asked.id is null then given.amount else asked.approved end)::text from refunds given
        left join processor_calls asked on asked.ledger_id = given.ledger_id and asked.id = given.id
        where given.ledger_id = page.ledger_id and given.payment_id = payment.id) as given_back,
       (select sum(amount)::text from processor_calls asked where asked.ledger_id = page.ledger_id
        and asked.refunded_payment_id = payment.id and asked.entry_id is null) as asked_back,
       payment.refunding::text as payment_refunding,
       (select sum(amount)::text from disputes open where open.ledger_id = page.ledger_id
        and open.payment_id = payment.id and open.status in ('open', 'under_review')) as questioned,
       (select sum(amount)::text from disputes lost where lost.ledger_id = page.ledger_id
        and lost.payment_id = payment.id and lost.status = 'lost') as taken,
       payment.disputed::text as payment_disputed, payment.charged_back::text as payment_charged_back,
       payment.approved::text as payment_approved"""
"""Of a `payment` in the ledger of a `page`: what its refunds and disputes come to, and what it says of that."""

SPLITS = """(select jsonb_agg(jsonb_build_array(split.account_id, split.called, split.rule, split.value,
                                           split.amount::text) order by split.place)::text from payment_splits split
        where split.ledger_id = page.ledger_id and split.payment_id = payment.id) as splits"""
"""What the receivers of a `payment` in the ledger of a `page` got; null: it has but one."""

_UUID_TEXT = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$"


def _named_by(entry: str) -> str:
    """The UUID of the resource that an entry names; null where what it names has none."""
    return f"case when {entry}.resource_id ~ '{_UUID_TEXT}' then cast({entry}.resource_id as uuid) end"


# Each entry with its lines, and with the payment that stands on it.
_ENTRIES = text(f"""
with page as materialized (
    select * from journal_entries where ledger_id = :ledger_id and id > :after and id <= :until order by id limit :limit
)
select page.id, page.reason, page.resource_type, page.resource_id, page.metadata, page.fingerprint,
       {micros("page.effective_at")} as effective_at, {micros("page.posted_at")} as posted_at,
       shape.lines, shape.debited_id, shape.credited_id, shape.account_ids, shape.amount, shape.currency,
       exists (
           select from refusals refusal
           where refusal.ledger_id = page.ledger_id and refusal.idempotency_key = page.idempotency_key
       ) as is_refused,
       page.resource_type <> 'dispute' or exists (
           select from dispute_changes change join disputes dispute on dispute.ledger_id = change.ledger_id
           and dispute.id = change.dispute_id where change.ledger_id = page.ledger_id and change.id = page.id
       ) as has_dispute,
       page.resource_type <> 'hold' or exists (
           select from hold_changes change join holds hold on hold.ledger_id = change.ledger_id
           and hold.id = change.hold_id where change.ledger_id = page.ledger_id and change.id = page.id
       ) as has_hold,
       {HAS_RUN},
       {HAS_REVIEW},
       {HAS_MEMBERS},
       page.resource_type <> 'payment' or page.resource_id is null or exists (
           select from processor_calls settled where settled.ledger_id = page.ledger_id
           and settled.id = {_named_by("page")} and settled.entry_id = page.id
           and settled.refunded_payment_id is null
       ) or exists (
           select from processor_call_moves moved where moved.ledger_id = page.ledger_id and moved.id = page.id
           and moved.payment_id = {_named_by("page")}
       ) as has_call,
       page.resource_type <> 'refund' or page.resource_id is null or exists (
           select from processor_calls settled where settled.ledger_id = page.ledger_id
           and settled.id = {_named_by("page")} and settled.entry_id = page.id
           and settled.refunded_payment_id is not null
       ) as has_refund_call,
       call.state as call_state, call.processor as call_processor, call.route as call_route,
       page.resource_type <> 'journal_entry' or page.resource_id is null or exists (
           select from template_uses use where use.ledger_id = page.ledger_id and use.id = page.id
       ) as has_template,
       exists (
           select from postings posting where posting.ledger_id = page.ledger_id and posting.entry_id = page.id
           group by currency, layer, releases having sum(case side when 'd' then amount else -amount end) <> 0
       ) as is_unbalanced,
       payment.id as payment_id, payment.type as payment_type, payment.status as payment_status,
       payment.currency as payment_currency, payment.amount::text as payment_amount,
       coalesce(moved.payer_id, payment.payer_id) as payer_id, coalesce(moved.payee_id, payment.payee_id) as payee_id,
       payment.processor, payment.refunded::text as payment_refunded, {_TEXTS},
       {GONE},
       {SPLITS},
       exists (select from payment_splits split where split.ledger_id = page.ledger_id
               and split.payment_id = refund.payment_id) as is_refund_in_parts, shape.given_id,
       refund.payment_id as refunded_payment_id, refund.amount::text as refund_amount,
       refund.currency as refund_currency, refund.reason as refund_reason,
       refunded.payer_id as refunded_payer_id, refunded.payee_id as refunded_payee_id,
       {micros("late.requested_at")} as late_requested_at, late.reason as late_reason,
       conditions.ordered as ordered_without_conditions, conditions.content::text as conditions
from page
left join lateral (
    select nullif(count(*), 0) as lines,
           (array_agg(account_id) filter (where place = 0 and side = 'd'))[1] as debited_id,
           (array_agg(account_id) filter (where place = 1 and side = 'c'))[1] as credited_id,
           (array_agg(account_id) filter (where place = 0 and side = 'c'))[1] as given_id,
           array_agg(distinct account_id) as account_ids,
           max(amount::text) filter (where place = 0) as amount, max(currency) filter (where place = 0) as currency
    from postings posting where posting.ledger_id = page.ledger_id and posting.entry_id = page.id
) shape on true
left join payments payment on payment.ledger_id = page.ledger_id and payment.id = page.id
left join processor_calls call on call.ledger_id = page.ledger_id and call.id = page.id
left join processor_call_moves moved on moved.ledger_id = page.ledger_id and moved.payment_id = page.id
    and moved.number = 1 and call.number > 1
left join refunds refund on refund.ledger_id = page.ledger_id and refund.id = page.id
left join payments refunded on refunded.ledger_id = page.ledger_id and refunded.id = refund.payment_id
left join late_entries late on late.ledger_id = page.ledger_id and late.id = page.id
left join entry_conditions conditions on conditions.ledger_id = page.ledger_id and conditions.id = page.id
order by page.id
""")  # noqa: S608 - made of constants only

# In statements of their own: joined, a plan for a young table would go through all of the ledger for each entry.
_CODES = text("select id, code from accounts where ledger_id = :ledger_id and id = any(:ids)")

_TRANSACTIONS_NAMED = text("""
select tx, client, type, currency, amount::text as amount, entry_id,
       (select id from accounts account where account.ledger_id = made.ledger_id
        and account.code = 'clients:' || made.client) as account_id
from client_transactions made where ledger_id = :ledger_id and tx = any(:txs)
""")

_PAYMENTS_WITHOUT_ENTRY = text("""
select payment.id, payment.payer_id, payment.payee_id from payments payment
where payment.ledger_id = :ledger_id and payment.id > :after and payment.id <= :last and not exists (
    select from journal_entries entry where entry.ledger_id = payment.ledger_id and entry.id = payment.id)
limit :limit
""")

_REFUNDS_WITHOUT_ENTRY = text("""
select refund.id, payment.payer_id, payment.payee_id
from refunds refund
left join payments payment on payment.ledger_id = refund.ledger_id and payment.id = refund.payment_id
where refund.ledger_id = :ledger_id and refund.id > :after and refund.id <= :last and not exists (
    select from journal_entries entry
    where entry.ledger_id = refund.ledger_id and entry.id = refund.id and entry.resource_type = 'refund')
limit :limit
""")

_CONDITIONS_WITHOUT_ENTRY = text("""
select kept.id from entry_conditions kept
where kept.ledger_id = :ledger_id and kept.id > :after and kept.id <= :last and not exists (
    select from journal_entries entry where entry.ledger_id = kept.ledger_id and entry.id = kept.id)
limit :limit
""")

_CLIENT_TRANSACTIONS = text("""
with page as materialized (
    select * from client_transactions where ledger_id = :ledger_id and tx > :after order by tx limit :limit
)
select page.tx, entry.resource_type, entry.resource_id,
       (select id from accounts account where account.ledger_id = page.ledger_id
        and account.code = 'clients:' || page.client) as account_id
from page left join journal_entries entry on entry.ledger_id = page.ledger_id and entry.id = page.entry_id
order by page.tx
""")

# An account's event stands beside a revision of the same transaction, unless it is older than the account's history.
# One of a debt may stand beside a posting of its moment instead, and one that begins beside one below nothing.
# An endpoint's speaks of one that is or was there, for its row is never taken away.
_EVENTS = text(f"""
with page as materialized (
    select * from events where ledger_id = :ledger_id and (xid, id) > (cast(:xid as xid8), :id)
    and (xid, id) <= (cast(:last_xid as xid8), cast(:last_id as uuid)) order by xid, id limit :limit
)
select page.id, page.xid, page.type, page.resource_type, page.resource_id,
       {micros("page.created_at")} as created_at, {TOLD_BY_EVENT} as told,
       case page.resource_type
           when 'account' then exists (
               select from account_changes change where change.ledger_id = page.ledger_id
               and change.account_id = page.resource_id
               and (change.xid = page.xid or change.revision = 1 and change.xid > page.xid))
               or page.type in ('account.fell_into_debt', 'account.left_debt') and exists (
                   select from accounts account join postings line on line.ledger_id = account.ledger_id
                   and line.account_id = account.id and line.account_version >= zerosum_first_version_since(
                       account.ledger_id, account.id, account.version, page.created_at)
                   where account.ledger_id = page.ledger_id and account.id = page.resource_id
                   and line.posted_at = page.created_at
                   and (page.type = 'account.left_debt' or line.balance_after < line.held_after))
           when 'house_rules' then page.type = 'house_rules.changed' and page.resource_id is null and exists (
               select from house_rules rules where rules.ledger_id = page.ledger_id and rules.id = page.id
               and rules.created_at = page.created_at)
           when 'webhook_endpoint' then page.type in (
               'webhook_endpoint.failing', 'webhook_endpoint.disabled', 'webhook_endpoint.secret_rotated')
               and exists (select from webhook_endpoints endpoint
                           where endpoint.ledger_id = page.ledger_id and endpoint.id = page.resource_id)
           else true end as is_explained
from page order by page.xid, page.id
""")  # noqa: S608 - made of constants only

# What is announced: entries, the steps of holds and disputes that post nothing, scheduled payments, closed periods,
# account groups.
_ENTRY_NAMES = text(f"""
select * from (
    (select id, reason, resource_type, resource_id, {micros("posted_at")} as posted_at,
            array(select distinct account_id from postings posting
                  where posting.ledger_id = entry.ledger_id and posting.entry_id = entry.id) as account_ids,
            (select payment_id from refunds refund where refund.ledger_id = entry.ledger_id and refund.id
             = case when entry.resource_type = 'refund' and entry.resource_id is not null
                    then {_named_by("entry")} else entry.id end) as refunded_payment_id,
            '' as told
     from journal_entries entry where ledger_id = :ledger_id and id > :after order by id limit :limit)
    union all
    (select change.id, change.verb, 'hold', change.hold_id::text, {micros("change.changed_at")},
            array(select unnest(array[payer_id, payee_id]) from holds hold
                  where hold.ledger_id = change.ledger_id and hold.id = change.hold_id),
            null, ''
     from hold_changes change where ledger_id = :ledger_id and id > :after and verb = 'extended'
     order by id limit :limit)
    union all
    (select change.id, change.verb, 'dispute', change.dispute_id::text, {micros("change.changed_at")},
            array(select unnest(array[payer_id, payee_id]) from disputes dispute
                  where dispute.ledger_id = change.ledger_id and dispute.id = change.dispute_id),
            null, ''
     from dispute_changes change where ledger_id = :ledger_id and id > :after
        and (verb = 'evidence_added' or (verb = 'escalated' and not exists (
            select from journal_entries entry where entry.ledger_id = change.ledger_id and entry.id = change.id)))
     order by id limit :limit)
    union all
    {NAMES_OF_SCHEDULES}
    union all
    {NAMES_OF_REVIEWS}
    union all
    {NAMES_OF_PERIODS}
    union all
    {NAMES_OF_ACCOUNT_GROUPS}
    union all
    {NAMES_OF_SUBJECTS}
    union all
    {NAMES_OF_STATEMENTS}
    union all
    {NAMES_OF_TEMPLATES}
) named order by id limit :limit
""")  # noqa: S608 - made of constants only


async def entries_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, until: UUID, limit: int
) -> Sequence[Any]:
    """Up to and with `until`."""
    return await rows_of(connection, _ENTRIES, ledger_id, after=after, until=until, limit=limit)


async def codes_of(connection: AsyncConnection, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, str]:
    return {row.id: row.code for row in await rows_of(connection, _CODES, ledger_id, ids=list(ids))}


async def client_transactions_named(
    connection: AsyncConnection, ledger_id: UUID, txs: Collection[int]
) -> dict[str, Any]:
    """By their number, as text."""
    rows = await rows_of(connection, _TRANSACTIONS_NAMED, ledger_id, txs=list(txs)) if txs else ()
    return {str(row.tx): row for row in rows}


async def payments_without_entry(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, last: UUID, limit: int
) -> Sequence[Any]:
    return await rows_of(connection, _PAYMENTS_WITHOUT_ENTRY, ledger_id, after=after, last=last, limit=limit)


async def refunds_without_entry(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, last: UUID, limit: int
) -> Sequence[Any]:
    return await rows_of(connection, _REFUNDS_WITHOUT_ENTRY, ledger_id, after=after, last=last, limit=limit)


async def conditions_without_entry(
    connection: AsyncConnection, ledger_id: UUID, *, after: UUID, last: UUID, limit: int
) -> Sequence[Any]:
    return await rows_of(connection, _CONDITIONS_WITHOUT_ENTRY, ledger_id, after=after, last=last, limit=limit)


async def client_transactions_after(
    connection: AsyncConnection, ledger_id: UUID, *, after: int, limit: int
) -> Sequence[Any]:
    return await rows_of(connection, _CLIENT_TRANSACTIONS, ledger_id, after=after, limit=limit)


async def events_after(
    connection: AsyncConnection,
    ledger_id: UUID,
    position: tuple[int, UUID],
    *,
    until: tuple[int, UUID] = LAST_EVENT,
    limit: int,
) -> Sequence[Any]:
    """Up to and with `until`."""
    given = {"xid": position[0], "id": position[1], "last_xid": until[0], "last_id": until[1], "limit": limit}
    return await rows_of(connection, _EVENTS, ledger_id, **given)


async def entry_names_after(connection: AsyncConnection, ledger_id: UUID, *, after: UUID, limit: int) -> Sequence[Any]:
    """What an event says of its entry, and the accounts it moves."""
    return await rows_of(connection, _ENTRY_NAMES, ledger_id, after=after, limit=limit)


async def rows_of(connection: AsyncConnection, statement: TextClause, ledger_id: UUID, **given: Any) -> list[Any]:
    """As tuples with names: a proof reads fifty columns of each, which took most of its time with SQLAlchemy's rows."""
    found = await connection.execute(statement, {"ledger_id": ledger_id, **given})
    return list(map(_named(tuple(found.keys()))._make, found))


@lru_cache(maxsize=64)  # by the columns of a statement
def _named(columns: tuple[str, ...]) -> Any:
    return namedtuple("Line", columns)
