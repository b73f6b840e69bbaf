"""A balance at an instant is found by the key of the postings, whatever the planner knows of the table.

Of a table that it takes for small, or of which it knows nothing yet, any index that begins with the account looked as
good to it: then one balance walked through all postings of its account, several times over. Each of these questions
is asked in the order of the key now, and whether there is any dated posting is not asked at all.

Revision: 0015.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CHANGES = {
    "zerosum_version_at(uuid, uuid, timestamptz)": [
        (
            """begin
    -- Versions have no gap and posted_at never goes back: the last one written by then is found by halves.
    select account_version, posted_at <= moment into high, is_written from postings""",
            """begin
    -- Versions have no gap and posted_at never goes back: the last one written by then is found by halves. A version is
    -- asked for as the last up to it: of a table that the planner takes for small, any index of the account looks as
    -- good to it as the one in this order, and most would be walked through.
    select account_version, posted_at <= moment into high, is_written from postings""",
        ),
        (
            """        select posted_at <= moment into is_written from postings
        where ledger_id = of_ledger and account_id = of_account and account_version = middle;
        if is_written then""",
            """        select posted_at <= moment into is_written from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= middle
        order by account_version desc limit 1;
        if is_written then""",
        ),
    ],
    "zerosum_dated_totals(uuid, uuid, bigint, timestamptz)": [
        (
            """               account_version
        from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
          and account_version > sealed * 256 and account_version <= known and effective_at <= effective
    ) as part;""",
            """               account_version
        from (
            select * from postings
            where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
              and account_version > sealed * 256 and account_version <= known and effective_at <= effective
            order by account_version
        ) as unsealed
    ) as part;""",
        ),
    ],
    "zerosum_totals_at(uuid, uuid, timestamptz, timestamptz, boolean)": [
        (
            """        select balance_after, held_after into posted, held from postings
        where ledger_id = of_ledger and account_id = of_account and account_version = reached;
        posted := coalesce(posted, 0);""",
            """        select balance_after, held_after into posted, held from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= reached
        order by account_version desc limit 1;
        posted := coalesce(posted, 0);""",
        ),
        (
            """        if own.version - reached < reached - mark.account_version then
            select own.posted_debits - coalesce(sum(amount), 0) into debits from postings
            where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
              and account_version > reached and account_version <= own.version;
        else""",
            """        if own.version - reached < reached - mark.account_version then
            select own.posted_debits - coalesce(sum(amount), 0) into debits from (
                select amount from postings
                where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
                  and account_version > reached and account_version <= own.version
                order by account_version
            ) as since;
        else""",
        ),
        (
            """        else
            select coalesce(mark.debits, 0) + coalesce(sum(amount), 0) into debits from postings
            where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
              and account_version > mark.account_version and account_version <= reached;
        end if;""",
            """        else
            select coalesce(mark.debits, 0) + coalesce(sum(amount), 0) into debits from (
                select amount from postings
                where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
                  and account_version > mark.account_version and account_version <= reached
                order by account_version
            ) as since;
        end if;""",
        ),
        (
            """    end if;
    if effective is null or not exists (
        select from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
    ) then
        return;""",
            """    end if;
    if effective is null then
        return;""",
        ),
        (
            """           ), 0) as held
    into written from postings
    where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
      and account_version > mark.account_version and account_version <= reached;
    debits := debits + happened.debits - written.debits;""",
            """           ), 0) as held
    into written from (
        select * from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
          and account_version > mark.account_version and account_version <= reached
        order by account_version
    ) as since;
    debits := debits + happened.debits - written.debits;""",
        ),
    ],
}


def upgrade() -> None:
    for function, changes in CHANGES.items():
        for old, new in changes:
            replace(function, old, new)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    for function, changes in CHANGES.items():
        for old, new in reversed(changes):
            replace(function, new, old)


def replace(function: str, old: str, new: str) -> None:
    op.execute(
        f"""do $do$
        declare
            definition text := pg_get_functiondef('{function}'::regprocedure);
        begin
            if position($old${old}$old$ in definition) = 0 then
                raise exception '{function} is not as it was made';
            end if;
            execute replace(definition, $old${old}$old$, $new${new}$new$);
        end
        $do$"""
    )
