"""Who did what: the security log, what API keys are bound to, and check values under the secrets.

Revision: 0003.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = {
    "audit_log": """
        ledger_id uuid not null,
        id uuid not null,
        recorded_at timestamptz not null,
        type text not null,
        actor text,
        address text,
        request_id text,
        resource text,
        reason text,
        occurrences integer not null,
        facts jsonb,
        constraint audit_log_pkey primary key (ledger_id, id),
        constraint audit_log_occurrences_positive check (occurrences > 0)
    """,
    "secret_checks": """
        ledger_id uuid not null,
        name text not null,
        check_value bytea not null,
        created_at timestamptz not null,
        constraint secret_checks_pkey primary key (ledger_id, name)
    """,
}

GRANTS = {
    "audit_log": "insert",
    "secret_checks": "insert, update (check_value, created_at)",
}

KEY_COLUMNS = {
    "created_by": "text",
    "last_used_at": "timestamptz",
    "networks": "text[]",
    "certificate_subject": "text",
}

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)
OPERATOR_IS_SET = "(select current_setting('zerosum.operator', true)) = 'on'"
RULES = {"audit_log": f"{LEDGER_IS_SET} or {OPERATOR_IS_SET}", "secret_checks": LEDGER_IS_SET}


def upgrade() -> None:
    for name, columns in TABLES.items():
        op.execute(f"create table {name} ({columns})")
    op.execute("create index audit_log_by_type on audit_log (ledger_id, type, id)")
    op.execute(
        "create trigger audit_log_unchanged before update or delete or truncate on audit_log "
        "for each statement execute function zerosum_refuse_change()"
    )
    for name, rule in RULES.items():
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({rule}) with check ({rule})")
        op.execute(f"grant select, {GRANTS[name]} on {name} to zerosum_app")
    for name, kind in KEY_COLUMNS.items():
        op.execute(f"alter table api_keys add column {name} {kind}")
    op.execute("grant update (last_used_at) on api_keys to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("revoke update (last_used_at) on api_keys from zerosum_app")
    for name in reversed(KEY_COLUMNS):
        op.execute(f"alter table api_keys drop column {name}")
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
