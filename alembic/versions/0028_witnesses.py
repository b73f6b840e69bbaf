"""What is recorded and posts nothing has an event that tells of it, and a cancellation is found by what it cancels.

Exchanges may be rounded as templates are.

Revision: 0028.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INDEX = """
create index answers_of_scheduled_payment on answers (ledger_id, resource_id)
    where resource_type = 'scheduled_payment'
"""

# What was recorded before is told of as it is.
TOLD = (
    """
    insert into events (ledger_id, id, created_at, type, resource_type, data)
    select ledger_id, id, issued_at, 'statement.issued', 'statement', jsonb_build_object(
        'account_id', 'acc_' || account_id, 'number', number, 'hash', encode(hash, 'hex')) from statements
    """,
    """
    insert into events (ledger_id, id, created_at, type, resource_type, data)
    select ledger_id, (lpad(to_hex(floor(extract(epoch from created_at) * 1000)::bigint), 12, '0')
        || encode(substring(hash from 1 for 10), 'hex'))::uuid, created_at, 'template.made', 'template',
        jsonb_build_object('name', name, 'version', version, 'actor', actor, 'hash', encode(hash, 'hex'))
    from templates
    """,
)
TABLES = ("statements", "templates", "events")


def upgrade() -> None:
    # The owner is bound by row-level security too, and would see nothing.
    for table in TABLES:
        op.execute(f"alter table {table} no force row level security")
    for told in TOLD:
        op.execute(told)
    for table in TABLES:
        op.execute(f"alter table {table} force row level security")
    op.execute(INDEX)
    _know_modes("'half_even', 'half_up', 'half_down', 'down', 'up'")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for table in ("events", "journal_entries"):
        op.execute(f"alter table {table} no force row level security")
    op.execute(
        "do $$ begin if exists (select from journal_entries) "
        "or exists (select from events where resource_type in ('statement', 'template')) "
        "then raise 'the ledger is not empty'; end if; end $$"
    )
    for table in ("events", "journal_entries"):
        op.execute(f"alter table {table} force row level security")
    _know_modes("'half_even', 'half_up', 'down', 'up'")
    op.execute("drop index answers_of_scheduled_payment")


def _know_modes(modes: str) -> None:
    op.execute("alter table exchanges drop constraint exchanges_rounding_known")
    op.execute(f"alter table exchanges add constraint exchanges_rounding_known check (rounding in ({modes})) not valid")
    op.execute("alter table exchanges validate constraint exchanges_rounding_known")
