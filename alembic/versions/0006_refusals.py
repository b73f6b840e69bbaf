"""Refusals that no retry can need any more may be taken away: those older than thirty days, and no others.

Revision: 0006.
"""

from alembic import op

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None

PURGE_REFUSALS = """
create function zerosum_purge_refusals(of_ledger uuid, before timestamptz, at_most integer) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    taken integer;
begin
    -- The application role cannot delete; this is the one way, and row-level security holds in it too.
    perform set_config('zerosum.purging', 'on', true);
    delete from refusals where (ledger_id, idempotency_key) in (
        select ledger_id, idempotency_key from refusals
        where ledger_id = of_ledger and created_at < least(before, now() - interval '30 days')
        order by created_at limit at_most
    );
    get diagnostics taken = row_count;
    perform set_config('zerosum.purging', '', true);
    return taken;
end
$$
"""

REFUSE_REFUSAL_CHANGE = """
create function zerosum_refuse_refusal_change() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' and current_setting('zerosum.purging', true) = 'on' then
        return null;
    end if;
    raise exception 'the journal is only ever added to: % on % is refused', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$
"""

CHECK_REFUSALS_GONE = """
create function zerosum_check_refusals_gone() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from gone_refusals where created_at > now() - interval '30 days') then
        raise exception 'a refusal is kept for thirty days' using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$
"""

PURGE_SIGNATURE = "zerosum_purge_refusals(uuid, timestamptz, integer)"


def upgrade() -> None:
    op.execute(PURGE_REFUSALS)
    op.execute(REFUSE_REFUSAL_CHANGE)
    op.execute(CHECK_REFUSALS_GONE)
    op.execute("drop trigger refusals_unchanged on refusals")
    op.execute(
        "create trigger refusals_unchanged before update or delete or truncate on refusals "
        "for each statement execute function zerosum_refuse_refusal_change()"
    )
    op.execute(
        "create trigger refusals_gone after delete on refusals referencing old table as gone_refusals "
        "for each statement execute function zerosum_check_refusals_gone()"
    )
    op.execute("create index refusals_by_age on refusals (ledger_id, created_at)")
    op.execute(f"revoke all on function {PURGE_SIGNATURE} from public")
    op.execute(f"grant execute on function {PURGE_SIGNATURE} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop index refusals_by_age")
    op.execute("drop trigger refusals_gone on refusals")
    op.execute("drop trigger refusals_unchanged on refusals")
    op.execute(
        "create trigger refusals_unchanged before update or delete or truncate on refusals "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("drop function zerosum_check_refusals_gone()")
    op.execute("drop function zerosum_refuse_refusal_change()")
    op.execute(f"drop function {PURGE_SIGNATURE}")
