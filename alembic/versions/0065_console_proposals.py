"""Acts of the console that wait for a second person.

Revision: 0065.
"""

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

PROPOSALS = """
create table console_proposals (
    ledger_id uuid not null,
    id uuid not null,
    action text not null,
    place text not null,
    parts jsonb not null,
    form jsonb not null,
    fixed jsonb not null,
    form_key text,
    moves jsonb,
    proposed_by text not null,
    proposer text not null,
    role text not null,
    reason text not null,
    proposed_at timestamptz not null,
    expires_at timestamptz not null,
    status text not null,
    decided_by text,
    decided_at timestamptz,
    decision_reason text,
    ended_at timestamptz,
    outcome text,
    constraint console_proposals_pkey primary key (ledger_id, id),
    constraint console_proposals_form_unique unique (ledger_id, form_key),
    constraint console_proposals_status_known check (
        status in ('waiting', 'confirmed', 'carried_out', 'refused', 'declined', 'withdrawn', 'lapsed')),
    constraint console_proposals_role_known check (role in ('viewer', 'operator', 'approver', 'admin')),
    constraint console_proposals_times_ordered check (expires_at > proposed_at),
    constraint console_proposals_bounded check (
        length(place) <= 500 and length(form::text) <= 40000 and length(reason) <= 500),
    constraint console_proposals_decided check (
        num_nulls(decided_by, decided_at, decision_reason)
        = case when status in ('waiting', 'lapsed') then 3 else 0 end),
    constraint console_proposals_four_eyes check (
        status not in ('confirmed', 'carried_out', 'refused') or decided_by not in (proposed_by, proposer)),
    constraint console_proposals_ended check (
        num_nulls(ended_at, outcome) = case status when 'waiting' then 2 when 'confirmed' then 2
        when 'declined' then 1 when 'withdrawn' then 1 else 0 end)
)
"""

WHAT_WAS_PROPOSED = (
    "ledger_id, id, action, place, parts, form, fixed, form_key, moves, proposed_by, proposer, role, reason, "
    "proposed_at, expires_at"
)


def upgrade() -> None:
    op.execute(PROPOSALS)
    op.execute("create index console_proposals_by_status on console_proposals (ledger_id, status, id)")
    op.execute(
        "create unique index console_proposals_open_at on console_proposals (ledger_id, place) "
        "where status in ('waiting', 'confirmed')"
    )
    op.execute(
        "create trigger console_proposals_decided_once before update on console_proposals for each row "
        "when ((old.ended_at is not null and (old.status, new.status) is distinct from ('refused', 'carried_out')) "
        "or (old.decided_by is not null and (old.decided_by, old.decided_at, old.decision_reason) "
        "is distinct from (new.decided_by, new.decided_at, new.decision_reason))) "
        "execute function zerosum_refuse_change()"
    )
    op.execute(
        f"create trigger console_proposals_money_unchanged before update of {WHAT_WAS_PROPOSED} on console_proposals "
        "for each statement when (pg_trigger_depth() = 0) execute function zerosum_refuse_money_change()"
    )
    op.execute("alter table console_proposals enable row level security")
    op.execute("alter table console_proposals force row level security")
    op.execute(
        "create policy console_proposals_by_ledger on console_proposals "
        f"using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "grant select, insert, update (status, decided_by, decided_at, decision_reason, ended_at, outcome) "
        "on console_proposals to zerosum_app"
    )


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see empty tables whatever is in them.
    for name in ("journal_entries", "console_proposals"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute("drop table console_proposals")
