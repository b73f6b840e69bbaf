"""The proof log: leaves of what is posted and changed, in the order of the feed, under signed checkpoints.

Revision: 0050.
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

CHECKPOINTS = """
create table signed_checkpoints (
    ledger_id uuid not null,
    number bigint not null,
    size bigint not null,
    root bytea not null,
    frontier bytea not null,
    kinds text not null,
    ids uuid[] not null,
    numbers bigint[] not null,
    hashes bytea not null,
    chains bigint[] not null,
    until_xid xid8 not null,
    until_id uuid not null,
    posted_until timestamptz not null,
    sealed_at timestamptz not null,
    key_id text not null,
    signature bytea not null,
    constraint signed_checkpoints_pkey primary key (ledger_id, number),
    constraint signed_checkpoints_size_unique unique (ledger_id, size),
    constraint signed_checkpoints_whole check (
        number > 0 and size >= number and cardinality(ids) > 0 and cardinality(numbers) = cardinality(ids)
        and length(kinds) = cardinality(ids) and octet_length(hashes) = 32 * cardinality(ids)
    )
)
"""

NODES = """
create table proof_log_nodes (
    ledger_id uuid not null,
    level smallint not null,
    place bigint not null,
    hash bytea not null,
    constraint proof_log_nodes_pkey primary key (ledger_id, level, place)
)
"""

KEYS = """
create table checkpoint_keys (
    ledger_id uuid not null,
    id text not null,
    algorithm smallint not null,
    public_key bytea not null,
    sealed_private_key text not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    endorser_id text,
    endorsement bytea,
    constraint checkpoint_keys_pkey primary key (ledger_id, id),
    constraint checkpoint_keys_endorsed_by_one check ((endorser_id is null) = (endorsement is null))
)
"""

GRANTS = {
    "signed_checkpoints": "select, insert",
    "proof_log_nodes": "select, insert",
    "checkpoint_keys": "select, insert, update (sealed_private_key, ended_at)",
}


def upgrade() -> None:
    op.execute(CHECKPOINTS)
    op.execute("create index signed_checkpoints_by_time on signed_checkpoints (ledger_id, posted_until, number)")
    op.execute(NODES)
    op.execute(KEYS)
    for name, rights in GRANTS.items():
        if name != "checkpoint_keys":
            op.execute(
                f"create trigger {name}_unchanged before update or delete or truncate on {name} "
                "for each statement execute function zerosum_refuse_change()"
            )
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(f"grant {rights} on {name} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", *GRANTS):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    for name in reversed(GRANTS):
        op.execute(f"drop table {name}")
