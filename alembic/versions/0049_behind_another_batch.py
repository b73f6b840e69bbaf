"""A batch may stand on what another one, still on its way, is about to leave: it is known by one of its entries.

Revision: 0049.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

HOLD_BEHIND = """
create function zerosum_hold_accounts(ledgers text, account_ledgers uuid[], account_ids uuid[], row_versions xid[],
                                      key_ledgers uuid[], keys text[], behind uuid default null)
returns text language plpgsql as $$
declare
    unchanged integer;
    first_writer bigint;
    last_writer bigint;
begin
    perform set_config('zerosum.ledgers', ledgers, true);
    -- A row that somebody changes while it is waited for is compared as it is then.
    select count(*), min(writer), max(writer) into unchanged, first_writer, last_writer from (
        select case when wanted.row_version = '0' then account.xmin::text::bigint end as writer
        from unnest(account_ledgers, account_ids, row_versions) as wanted(ledger_id, id, row_version)
        join public.accounts account on account.ledger_id = wanted.ledger_id and account.id = wanted.id
        where account.xmin = wanted.row_version or wanted.row_version = '0'
        order by account.id
        for no key update of account
    ) held;
    if unchanged <> cardinality(account_ids) then
        return 'changed';
    end if;
    -- A statement of its own: it sees what was committed while the rows were waited for.
    if first_writer is not null and (first_writer <> last_writer or not exists (
        select from public.journal_entries entry
        where entry.ledger_id = any(account_ledgers) and entry.id = behind
        and entry.xmin::text::bigint = first_writer
    )) then
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

HOLD_ALONE = """
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

ALONE = "zerosum_hold_accounts(text, uuid[], uuid[], xid[], uuid[], text[])"
BEHIND = "zerosum_hold_accounts(text, uuid[], uuid[], xid[], uuid[], text[], uuid)"


def upgrade() -> None:
    replace(ALONE, HOLD_BEHIND, BEHIND)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    replace(BEHIND, HOLD_ALONE, ALONE)


def replace(old: str, definition: str, new: str) -> None:
    """Calls of the old form mean the same with the new one: what is behind nothing names nothing."""
    op.execute(f"drop function {old}")
    op.execute(definition)
    op.execute(f"revoke all on function {new} from public")
    op.execute(f"grant execute on function {new} to zerosum_app")
