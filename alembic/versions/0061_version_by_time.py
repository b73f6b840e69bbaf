"""The version an account had at an instant is found by the time of what happened when it was written, not by halves.

Revision: 0061.
"""

from alembic import op

revision = "0061"
down_revision = "0058"
branch_labels = None
depends_on = None

BEFORE = """
create or replace function zerosum_version_at(of_ledger uuid, of_account uuid, moment timestamptz) returns bigint
language plpgsql stable as $$
declare
    -- Called by others, which set the path to search and what the planner may think of.
    low bigint := 0;
    high bigint;
    middle bigint;
    is_written boolean;
begin
    -- Versions have no gap and posted_at never goes back: the last one written by then is found by halves. A version is
    -- asked for as the last up to it: of a table that the planner takes for small, any index of the account looks as
    -- good to it as the one in this order, and most would be walked through.
    select account_version, posted_at <= moment into high, is_written from postings
    where ledger_id = of_ledger and account_id = of_account order by account_version desc limit 1;
    if high is null then
        return 0;
    elsif is_written then
        return high;
    end if;
    high := high - 1;
    while low < high loop
        middle := (low + high + 1) / 2;
        select posted_at <= moment into is_written from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= middle
        order by account_version desc limit 1;
        if is_written then
            low := middle;
        else
            high := middle - 1;
        end if;
    end loop;
    return low;
end
$$
"""

AFTER = """
create or replace function zerosum_version_at(of_ledger uuid, of_account uuid, moment timestamptz) returns bigint
language plpgsql stable as $$
declare
    -- Called by others, which set the path to search and what the planner may think of.
    low bigint := 0;
    high bigint;
    middle bigint;
    is_written boolean;
begin
    -- Versions have no gap and posted_at never goes back: the last one written by then is found by halves. A version is
    -- asked for as the last up to it: of a table that the planner takes for small, any index of the account looks as
    -- good to it as the one in this order, and most would be walked through.
    -- Most happened when they were written. The last of those by then is found by its time, and where the next one was
    -- written later it is all there is to find; some dated ones may lie between.
    select account_version, posted_at <= moment into high, is_written from postings
    where ledger_id = of_ledger and account_id = of_account order by account_version desc limit 1;
    if high is null then
        return 0;
    elsif is_written then
        return high;
    end if;
    high := high - 1;
    select account_version into middle from (
        select account_version, effective_at = posted_at as is_undated from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <= moment
        order by effective_at desc, account_version desc limit 16
    ) as near where is_undated limit 1;
    low := coalesce(middle, 0);
    middle := low + 1;
    while low < high loop
        select posted_at <= moment into is_written from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= middle
        order by account_version desc limit 1;
        if is_written then
            low := middle;
        else
            high := middle - 1;
        end if;
        middle := (low + high + 1) / 2;
    end loop;
    return low;
end
$$
"""


def upgrade() -> None:
    op.execute(AFTER)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute(BEFORE)
