"""A balance at an instant does not ask first whether its account has any dated posting.

The planner could take it that the first one would soon be found by any index; of an account without one it then walked
over all postings. What follows touches as little where there are none.

Revision: 0015.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ASKS = """    if effective is null or not exists (
        select from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
    ) then
        return;
    end if;
"""

ASKS_NOT = """    if effective is null then
        return;
    end if;
"""


def upgrade() -> None:
    replace(ASKS, ASKS_NOT)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    replace(ASKS_NOT, ASKS)


def replace(old: str, new: str) -> None:
    op.execute(
        f"""do $do$
        declare
            definition text := pg_get_functiondef(
                'zerosum_totals_at(uuid, uuid, timestamptz, timestamptz, boolean)'::regprocedure);
        begin
            if position($old${old}$old$ in definition) = 0 then
                raise exception 'zerosum_totals_at is not as it was made';
            end if;
            execute replace(definition, $old${old}$old$, $new${new}$new$);
        end
        $do$"""
    )
