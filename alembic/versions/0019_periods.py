"""Period close: closings with their seals, what was dated into a closed period, and a ledger's business zone.

Revision: 0019.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

LEDGERS = """
alter table ledgers
    add column time_zone text not null default 'UTC',
    add column late_entries text not null default 'refuse',
    add constraint ledgers_late_entries_known check (late_entries in ('refuse', 'roll_forward'))
"""

CLOSINGS = """
create table period_closings (
    ledger_id uuid not null,
    number bigint not null,
    id uuid not null,
    period text not null,
    time_zone text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    begun_at timestamptz not null,
    actor text not null,
    constraint period_closings_pkey primary key (ledger_id, number),
    constraint period_closings_period_unique unique (ledger_id, period),
    constraint period_closings_times_ordered check (starts_at < ends_at and ends_at < begun_at)
)
"""

SEALS = """
create table period_seals (
    ledger_id uuid not null,
    number bigint not null,
    recorded_until timestamptz not null,
    sealed_at timestamptz not null,
    accounts bigint not null,
    totals jsonb not null,
    digest bytea not null,
    hash bytea not null,
    constraint period_seals_pkey primary key (ledger_id, number),
    constraint period_seals_accounts_not_negative check (accounts >= 0)
)
"""

LATE_ENTRIES = """
create table late_entries (
    ledger_id uuid not null,
    id uuid not null,
    closing bigint not null,
    way text not null,
    requested_at timestamptz not null,
    reason text,
    constraint late_entries_pkey primary key (ledger_id, id),
    constraint late_entries_way_known check (
        way = 'overridden' and reason is not null or way = 'rolled_forward' and reason is null
    )
)
"""

CHECK_OPEN_PERIOD = """
create function zerosum_check_open_period() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    newest period_closings%rowtype;
begin
    -- Whoever closes a period waits for all who were writing when that was committed: everybody else sees it here.
    select * into newest from period_closings closing
    where closing.ledger_id = new.ledger_id order by closing.number desc limit 1;
    if newest.number is null or new.effective_at >= newest.ends_at then
        return null;
    end if;
    if exists (
        select from late_entries late
        join period_seals seal on seal.ledger_id = late.ledger_id and seal.number = newest.number
        where late.ledger_id = new.ledger_id and late.id = new.id and late.way = 'overridden'
          and late.closing = newest.number and new.posted_at > seal.recorded_until
    ) then
        return null;
    end if;
    -- Who knew of the closing would have been refused, or dated it otherwise: a second try will know.
    raise exception 'a journal entry is dated into a closed period'
        using errcode = 'serialization_failure', constraint = 'journal_entries_in_open_period';
end
$$
"""

CHECK_CLOSING = """
create function zerosum_check_closing() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    newest period_closings%rowtype;
begin
    select * into newest from period_closings closing
    where closing.ledger_id = new.ledger_id order by closing.number desc limit 1;
    if new.number <> coalesce(newest.number, 0) + 1 or new.ends_at <= newest.ends_at or new.ends_at > now()
       or newest.number is not null and not exists (
           select from period_seals seal where seal.ledger_id = new.ledger_id and seal.number = newest.number) then
        raise exception 'periods are closed in their order, when they are over'
            using errcode = 'check_violation', constraint = 'period_closings_in_order';
    end if;
    return new;
end
$$
"""

TRIGGERS = (
    "create trigger journal_entries_in_open_period after insert on journal_entries for each row "
    "when (new.effective_at < now() - interval '1 second') execute function zerosum_check_open_period()",
    "create trigger period_closings_in_order before insert on period_closings "
    "for each row execute function zerosum_check_closing()",
)

TABLES = ("period_closings", "period_seals", "late_entries")


def upgrade() -> None:
    for statement in (LEDGERS, CLOSINGS, SEALS, LATE_ENTRIES):
        op.execute(statement)
    op.execute("create index late_entries_of_closing on late_entries (ledger_id, closing, id)")
    op.execute("grant update (time_zone, late_entries) on ledgers to zerosum_app")
    for name in TABLES:
        op.execute(f"alter table {name} enable row level security")
        op.execute(f"alter table {name} force row level security")
        op.execute(f"create policy {name}_by_ledger on {name} using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})")
        op.execute(
            f"create trigger {name}_unchanged before update or delete or truncate on {name} "
            "for each statement execute function zerosum_refuse_change()"
        )
        op.execute(f"grant select, insert on {name} to zerosum_app")
    op.execute(CHECK_OPEN_PERIOD)
    op.execute(CHECK_CLOSING)
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty journal whatever is in it.
    for table, what in (("journal_entries", "the ledger is not empty"), ("period_closings", "periods were closed")):
        op.execute(f"alter table {table} no force row level security")
        op.execute(f"do $$ begin if exists (select from {table}) then raise '{what}'; end if; end $$")
        op.execute(f"alter table {table} force row level security")
    op.execute("drop trigger journal_entries_in_open_period on journal_entries")
    for name in reversed(TABLES):
        op.execute(f"drop table {name}")
    op.execute("drop function zerosum_check_open_period()")
    op.execute("drop function zerosum_check_closing()")
    op.execute("revoke update (time_zone, late_entries) on ledgers from zerosum_app")
    op.execute("alter table ledgers drop column late_entries, drop column time_zone")
