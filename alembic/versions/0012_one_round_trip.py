"""A batch whose accounts are remembered locks, compares, looks up and writes in one round trip.

Revision: 0012.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

HOLD_ACCOUNTS = """
create function zerosum_hold_accounts(ledgers text, account_ledgers uuid[], account_ids uuid[], row_versions xid[],
                                      key_ledgers uuid[], keys text[]) returns text language plpgsql as $$
declare
    unchanged integer;
begin
    perform set_config('zerosum.ledgers', ledgers, true);
    -- A row that somebody changes while it is waited for is compared as it is then.
    select count(*) into unchanged from (
        select from unnest(account_ledgers, account_ids, row_versions) as wanted(ledger_id, id, row_version)
        join public.accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
        where account.xmin = wanted.row_version
        order by account.id
        for no key update of account
    ) held;
    if unchanged <> cardinality(account_ids) then
        return 'changed';
    end if;
    if exists (
        select from unnest(key_ledgers, keys) as wanted(ledger_id, idempotency_key)
        where (select true from public.journal_entries entry
               where entry.ledger_id = wanted.ledger_id and entry.idempotency_key = wanted.idempotency_key)
           or (select true from public.refusals refusal
               where refusal.ledger_id = wanted.ledger_id and refusal.idempotency_key = wanted.idempotency_key)
           or (select true from public.answers answer
               where answer.ledger_id = wanted.ledger_id and answer.idempotency_key = wanted.idempotency_key)
    ) then
        return 'used';
    end if;
    return 'held';
end
$$
"""

SIGNATURE = "zerosum_hold_accounts(text, uuid[], uuid[], xid[], uuid[], text[])"


def upgrade() -> None:
    op.execute(HOLD_ACCOUNTS)
    op.execute(f"revoke all on function {SIGNATURE} from public")
    op.execute(f"grant execute on function {SIGNATURE} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute(f"drop function {SIGNATURE}")
