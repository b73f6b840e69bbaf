"""Of each split it is known whether it is pending, so that whoever closes an account finds what waits for it.

The checks of 0058 are held against the splits that were there before.

Revision: 0063.
"""

from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

# A concurrent build waits for transactions that began before it and keeps nobody waiting meanwhile.
BUILD_LOCK_TIMEOUT = "30s"
CHECKS = {
    "payment_splits_outside_not_negative": "approved >= 0 and refunding > 0",
    "payment_splits_refunded_within": "refunded > 0 and "
    "coalesce(refunded, 0) + coalesce(refunding, 0) <= coalesce(approved, amount)",
}

# The version before runs on for a while, and says nothing of it: so the database derives it from the call. At the end
# of the transaction, for the call may be written before its splits.
MARK = """
create function zerosum_mark_pending_splits() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    update payment_splits set pending = case when new.entry_id is null then true end
    where ledger_id = new.ledger_id and payment_id = new.id
      and (pending is true) is distinct from (new.entry_id is null);
    return null;
end
$$
"""
MARKED = """
create constraint trigger processor_calls_mark_splits after insert or update of entry_id on processor_calls
deferrable initially deferred for each row when (new.refunded_payment_id is null)
execute function zerosum_mark_pending_splits()
"""

# The owner is bound by row-level security too: it sees the ledgers that it names.
FILL = """
do $$ begin
    perform set_config('zerosum.operator', 'on', true);
    perform set_config('zerosum.ledgers', (
        select coalesce(array_agg(distinct ledger_id), '{}')::text from processor_calls where entry_id is null
    ), true);
    update payment_splits part set pending = true from processor_calls call
    where call.ledger_id = part.ledger_id and call.id = part.payment_id and call.entry_id is null;
end $$
"""


def upgrade() -> None:
    op.execute("alter table payment_splits add column if not exists pending bool")  # of an earlier try
    op.execute("grant update (pending) on payment_splits to zerosum_app")
    op.execute("drop trigger if exists processor_calls_mark_splits on processor_calls")
    op.execute("drop function if exists zerosum_mark_pending_splits()")
    op.execute(MARK)
    op.execute("revoke all on function zerosum_mark_pending_splits() from public")
    op.execute(MARKED)
    with op.get_context().autocommit_block():
        for name in CHECKS:
            op.execute(f"alter table payment_splits validate constraint {name}")
        op.execute(f"set lock_timeout = '{BUILD_LOCK_TIMEOUT}'")
        # What an earlier try has left behind is invalid and used by nobody.
        op.execute("drop index concurrently if exists payment_splits_pending")
        on = "payment_splits (ledger_id, account_id, payment_id)"
        op.execute(f"create index concurrently payment_splits_pending on {on} where pending or refunding is not null")
        op.execute("set lock_timeout = '2s'")
    op.execute(FILL)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop trigger processor_calls_mark_splits on processor_calls")
    op.execute("drop function zerosum_mark_pending_splits()")
    op.execute("drop index payment_splits_pending")
    op.execute("revoke update (pending) on payment_splits from zerosum_app")
    op.execute("alter table payment_splits drop column pending")
    for name, condition in CHECKS.items():
        op.execute(
            f"alter table payment_splits drop constraint {name}, add constraint {name} check ({condition}) not valid"
        )
