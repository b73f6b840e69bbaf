"""Sessions of the console, and the links that begin them.

Revision: 0043.
"""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

SESSIONS = """
create table console_sessions (
    ledger_id uuid not null,
    id uuid not null,
    digest bytea not null,
    subject text not null,
    role text not null,
    ledgers uuid[],
    way text not null,
    made_at timestamptz not null,
    used_at timestamptz not null,
    stepped_up_at timestamptz not null,
    ended_at timestamptz,
    constraint console_sessions_pkey primary key (ledger_id, id),
    constraint console_sessions_role_known check (role in ('viewer', 'operator', 'approver', 'admin')),
    constraint console_sessions_way_known check (way in ('link', 'issuer'))
)
"""

LINKS = """
create table console_links (
    ledger_id uuid not null,
    id uuid not null,
    digest bytea not null,
    subject text not null,
    role text not null,
    ledgers uuid[],
    made_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint console_links_pkey primary key (ledger_id, id),
    constraint console_links_role_known check (role in ('viewer', 'operator', 'approver', 'admin'))
)
"""


def upgrade() -> None:
    op.execute(SESSIONS)
    op.execute(LINKS)
    for name in ("console_sessions", "console_links"):
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
    op.execute(
        "grant select, insert, update (used_at, stepped_up_at, ended_at), delete on console_sessions to zerosum_app"
    )
    op.execute("grant select, insert, update (used_at), delete on console_links to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    op.execute("alter table journal_entries no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) then raise 'the ledger is not empty'; end if; end $$"
    )
    op.execute("alter table journal_entries force row level security")
    op.execute("drop table console_links")
    op.execute("drop table console_sessions")
