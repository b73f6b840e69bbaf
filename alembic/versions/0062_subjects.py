"""What is said about people is sealed under keys of their own, which are destroyed when they are erased.

Revision: 0062.
"""

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

SUBJECTS = """
create table subjects (
    ledger_id uuid not null,
    reference text not null,
    sealed_key text,
    created_at timestamptz not null,
    erasure_id uuid,
    erased_at timestamptz,
    erased_by text,
    reason text,
    constraint subjects_pkey primary key (ledger_id, reference),
    constraint subjects_key_or_erasure check ((sealed_key is null) = (erased_at is not null)),
    constraint subjects_erasure_whole check (num_nulls(erasure_id, erased_at, erased_by, reason) in (0, 4))
)
"""

PERSONAL_MEMBERS = """
create table personal_members (
    ledger_id uuid not null,
    id uuid not null,
    subject text not null,
    sealed text not null,
    constraint personal_members_pkey primary key (ledger_id, id)
)
"""

RIGHTS = {
    "subjects": "select, insert, update (sealed_key, erasure_id, erased_at, erased_by, reason)",
    "personal_members": "select, insert",
}


def upgrade() -> None:
    op.execute(SUBJECTS)
    # ANALYZE copies values into statistics, where a key would outlive its row and an erasure.
    op.execute("alter table subjects alter column sealed_key set statistics 0")
    op.execute(PERSONAL_MEMBERS)
    op.execute("create index personal_members_of_subject on personal_members (ledger_id, subject, id)")
    op.execute(
        "create trigger subjects_erased_once before update on subjects for each row "
        "when (old.erased_at is not null) execute function zerosum_refuse_change()"
    )
    op.execute(
        "create trigger personal_members_unchanged before update or delete or truncate on personal_members "
        "for each statement execute function zerosum_refuse_change()"
    )
    for table, rights in RIGHTS.items():
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(f"create policy {table}_by_ledger on {table} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(f"grant {rights} on {table} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table personal_members")
    op.execute("drop table subjects")
