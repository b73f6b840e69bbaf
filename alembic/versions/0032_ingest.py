"""Messages from queues: how far each partition is settled, and those that could not be carried out.

Revision: 0032.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

POSITIONS = """
create table ingest_positions (
    ledger_id uuid not null,
    input text not null,
    topic text not null,
    partition text not null,
    next_offset bigint,
    last_place text,
    epoch bigint not null,
    holder text not null,
    held_until timestamptz,
    head text,
    begun integer not null,
    tries integer not null,
    suspects integer not null,
    updated_at timestamptz not null,
    constraint ingest_positions_pkey primary key (ledger_id, input, topic, partition),
    constraint ingest_positions_counts_not_negative check (begun >= 0 and tries >= 0 and suspects >= 0)
)
"""

DEAD_LETTERS = """
create table dead_letters (
    ledger_id uuid not null,
    id uuid not null,
    input text not null,
    topic text not null,
    partition text not null,
    place text not null,
    ordering_key text,
    derived_key text,
    body bytea not null,
    body_bytes bigint not null,
    headers jsonb not null,
    status text not null,
    reason text not null,
    problem jsonb not null,
    attempts integer not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    next_at timestamptz,
    actor text,
    constraint dead_letters_pkey primary key (ledger_id, id),
    constraint dead_letters_message_unique unique (ledger_id, input, topic, partition, place),
    constraint dead_letters_status_known check (status in ('dead', 'retrying', 'waiting', 'replayed', 'dropped')),
    constraint dead_letters_next_at_fits check ((status in ('retrying', 'waiting')) = (next_at is not null)),
    constraint dead_letters_attempts_not_negative check (attempts >= 0)
)
"""

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

GRANTS = {
    "ingest_positions": "insert, update (next_offset, last_place, epoch, holder, held_until, head, begun, tries, "
    "suspects, updated_at)",
    "dead_letters": "insert, update (status, reason, problem, attempts, last_at, next_at, actor)",
}


def upgrade() -> None:
    op.execute(POSITIONS)
    op.execute(DEAD_LETTERS)
    op.execute("create index dead_letters_by_status on dead_letters (ledger_id, status, id)")
    for table, rights in GRANTS.items():
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy {table}_by_ledger on {table} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(f"grant select, {rights} on {table} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    for table in ("journal_entries", "ingest_positions", "dead_letters"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop table dead_letters")
    op.execute("drop table ingest_positions")
