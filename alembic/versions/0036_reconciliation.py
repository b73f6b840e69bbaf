"""Reconciliation: what somebody outside says of an account, what of it was matched, and what was not.

Revision: 0036.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

SOURCES = """
create table reconciliation_sources (
    ledger_id uuid not null,
    name text not null,
    version integer not null,
    content jsonb not null,
    actor text not null,
    created_at timestamptz not null,
    constraint reconciliation_sources_pkey primary key (ledger_id, name, version),
    constraint reconciliation_sources_counted_from_one check (version > 0)
)
"""

FILES = """
create table reconciliation_files (
    ledger_id uuid not null,
    id uuid not null,
    source text not null,
    source_version integer not null,
    account_id uuid not null,
    currency text not null,
    sha256 bytea not null,
    bytes bigint not null,
    lines integer not null,
    money_in numeric not null,
    money_out numeric not null,
    opening numeric,
    closing numeric,
    from_on date not null,
    to_on date not null,
    actor text not null,
    received_at timestamptz not null,
    constraint reconciliation_files_pkey primary key (ledger_id, id),
    constraint reconciliation_files_content_unique unique (ledger_id, source, sha256),
    constraint reconciliation_files_sums_not_negative check (money_in >= 0 and money_out >= 0),
    constraint reconciliation_files_balances_fit check (closing - opening = money_in - money_out),
    constraint reconciliation_files_days_ordered check (from_on <= to_on)
)
"""

LINES = """
create table reconciliation_lines (
    ledger_id uuid not null,
    file_id uuid not null,
    number integer not null,
    source text not null,
    place integer not null,
    booked_on date not null,
    value_on date,
    amount numeric not null,
    currency text not null,
    outside_id text,
    reference_texts text[] not null,
    description text,
    is_repeat boolean not null,
    constraint reconciliation_lines_pkey primary key (ledger_id, file_id, number),
    constraint reconciliation_lines_amount_not_zero check (amount <> 0)
)
"""

RUNS = """
create table reconciliation_runs (
    ledger_id uuid not null,
    id uuid not null,
    source text not null,
    source_version integer not null,
    file_id uuid not null,
    actor text not null,
    begun_at timestamptz not null,
    stage smallint,
    holder_id uuid,
    number bigint,
    ended_at timestamptz,
    failure text,
    constraint reconciliation_runs_pkey primary key (ledger_id, id)
)
"""

MATCHES = """
create table reconciliation_matches (
    ledger_id uuid not null,
    id uuid not null,
    source text not null,
    source_version integer not null,
    run_id uuid,
    rule text not null,
    currency text not null,
    lines integer not null,
    entries integer not null,
    lines_sum numeric not null,
    entries_sum numeric not null,
    tolerance numeric not null,
    actor text not null,
    matched_at timestamptz not null,
    constraint reconciliation_matches_pkey primary key (ledger_id, id),
    constraint reconciliation_matches_within_tolerance check (abs(lines_sum - entries_sum) <= tolerance),
    constraint reconciliation_matches_of_two check (lines + entries >= 2),
    constraint reconciliation_matches_rule_known check (
        rule in ('reference', 'reference_sum', 'amount', 'one_to_many', 'many_to_one', 'adjustment')
    )
)
"""

MATCHED = """
create table reconciliation_matched (
    ledger_id uuid not null,
    source text not null,
    kind text not null,
    holder_id uuid not null,
    number bigint not null,
    match_id uuid not null,
    amount numeric not null,
    currency text not null,
    constraint reconciliation_matched_pkey primary key (ledger_id, source, kind, holder_id, number),
    constraint reconciliation_matched_kind_known check (kind in ('line', 'entry')),
    constraint reconciliation_matched_amount_not_zero check (amount <> 0)
)
"""

BREAKS = """
create table reconciliation_breaks (
    ledger_id uuid not null,
    id uuid not null,
    source text not null,
    run_id uuid not null,
    kind text not null,
    holder_id uuid not null,
    number bigint not null,
    entry_id uuid,
    is_different boolean not null,
    amount numeric not null,
    currency text not null,
    day date not null,
    opened_at timestamptz not null,
    state text not null,
    explanation text,
    explained_until date,
    owner text,
    note text,
    match_id uuid,
    changes integer not null,
    constraint reconciliation_breaks_pkey primary key (ledger_id, id),
    constraint reconciliation_breaks_item_unique unique (ledger_id, source, kind, holder_id, number),
    constraint reconciliation_breaks_kind_known check (kind in ('line', 'entry')),
    constraint reconciliation_breaks_amount_not_zero check (amount <> 0),
    constraint reconciliation_breaks_state_known check (
        state in ('open', 'adjusting', 'resolved', 'matched', 'adjusted')
    ),
    constraint reconciliation_breaks_closed check ((state in ('matched', 'adjusted')) = (match_id is not null))
)
"""

BREAK_CHANGES = """
create table reconciliation_break_changes (
    ledger_id uuid not null,
    break_id uuid not null,
    number integer not null,
    step text not null,
    actor text not null,
    changed_at timestamptz not null,
    left_as jsonb not null,
    constraint reconciliation_break_changes_pkey primary key (ledger_id, break_id, number),
    constraint reconciliation_break_changes_counted_from_one check (number > 0)
)
"""

INDEXES = (
    "create index reconciliation_files_of_source on reconciliation_files (ledger_id, source, id)",
    "create index reconciliation_lines_outside_id on reconciliation_lines (ledger_id, source, outside_id) "
    "where outside_id is not null",
    "create index reconciliation_runs_of_file on reconciliation_runs (ledger_id, file_id, id)",
    "create unique index reconciliation_runs_open on reconciliation_runs (ledger_id, source) where ended_at is null",
    "create index reconciliation_matches_of_source on reconciliation_matches (ledger_id, source, id)",
    "create index reconciliation_matched_of_match on reconciliation_matched (ledger_id, match_id)",
    "create index reconciliation_breaks_by_day on reconciliation_breaks (ledger_id, source, day, id)",
    "create index reconciliation_breaks_by_state on reconciliation_breaks (ledger_id, state, id)",
)

GRANTS = {
    "reconciliation_sources": "insert",
    "reconciliation_files": "insert",
    "reconciliation_lines": "insert",
    "reconciliation_runs": "insert, update (stage, holder_id, number, ended_at, failure)",
    "reconciliation_matches": "insert",
    "reconciliation_matched": "insert",
    "reconciliation_breaks": "insert, update (state, explanation, explained_until, owner, note, match_id, changes)",
    "reconciliation_break_changes": "insert",
}

UNCHANGED = (
    "reconciliation_sources",
    "reconciliation_files",
    "reconciliation_lines",
    "reconciliation_matches",
    "reconciliation_matched",
    "reconciliation_break_changes",
)


def upgrade() -> None:
    for statement in (SOURCES, FILES, LINES, RUNS, MATCHES, MATCHED, BREAKS, BREAK_CHANGES, *INDEXES):
        op.execute(statement)
    for table, rights in GRANTS.items():
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy {table}_by_ledger on {table} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(f"grant select, {rights} on {table} to zerosum_app")
    for table in UNCHANGED:
        op.execute(
            f"create trigger {table}_unchanged before update or delete or truncate on {table} "
            "for each statement execute function zerosum_refuse_change()"
        )
    op.execute(
        "create trigger reconciliation_breaks_money_unchanged before update of ledger_id, id, source, run_id, kind, "
        "holder_id, number, entry_id, is_different, amount, currency, day, opened_at on reconciliation_breaks "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("alter table reconciliation_files no force row level security")
    op.execute("do $$ begin if exists (select from reconciliation_files) then raise 'files are kept'; end if; end $$")
    for table in reversed(GRANTS):
        op.execute(f"drop table {table}")
