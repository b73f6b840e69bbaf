"""Who stands behind an API key, and behind those who make and approve a payment: four eyes are two people's.

A key made before over HTTP belongs to whoever made it, as one made now does. What was made on the machine, or when
nobody wrote down by whom, stands for itself.

Revision: 0046.
"""

from alembic import op

revision = "0046"
down_revision = "0044"
branch_labels = None
depends_on = None

# From the keys that no key of the same ledger has made, down to those that these have made.
PEOPLE = """
with recursive behind as (
    select key.ledger_id, key.id,
           case when key.created_by ~ '^(command\\||key_|service$)' then 'key_' || key.id
                else coalesce(key.created_by, 'key_' || key.id) end as person
    from api_keys key
    where not exists (select from api_keys maker where maker.ledger_id = key.ledger_id
                      and key.created_by = 'key_' || maker.id)
    union all
    select key.ledger_id, key.id, behind.person
    from behind join api_keys key on key.ledger_id = behind.ledger_id and key.created_by = 'key_' || behind.id
)
update api_keys key set person = behind.person from behind
where behind.ledger_id = key.ledger_id and behind.id = key.id and behind.person <> 'key_' || key.id
"""

DIFFERENT = (
    "coalesce(first_person <> maker_person, true) and (status <> 'approved' or"
    " (coalesce(last_person <> maker_person, true) and coalesce(first_person <> last_person, true)))"
)

COLUMNS = ("maker_person", "first_person", "last_person")


def upgrade() -> None:
    op.execute("alter table api_keys add column person text")
    # The owner is bound by row-level security too, and would see no keys.
    op.execute("alter table api_keys no force row level security")
    op.execute(PEOPLE)
    op.execute("alter table api_keys force row level security")
    for column in COLUMNS:
        op.execute(f"alter table reviews add column {column} text")
    op.execute(f"alter table reviews add constraint reviews_different_people check ({DIFFERENT})")
    op.execute(f"grant update ({', '.join(COLUMNS)}) on reviews to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for table in ("journal_entries", "reviews"):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute(f"revoke update ({', '.join(COLUMNS)}) on reviews from zerosum_app")
    op.execute("alter table reviews drop constraint reviews_different_people")
    for column in COLUMNS:
        op.execute(f"alter table reviews drop column {column}")
    op.execute("alter table api_keys drop column person")
