"""Old events may be dropped, the oldest first, each time under a seal that says what they were.

Revision: 0040.
"""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

LEDGER_IS_SET = (
    "array_position((select nullif(current_setting('zerosum.ledgers', true), '')::uuid[]), ledger_id) is not null"
)

EVENT_SEALS = """
create table event_seals (
    ledger_id uuid not null,
    number bigint not null,
    last_xid xid8 not null,
    last_id uuid not null,
    greatest_id uuid not null,
    events bigint not null,
    newest_at timestamptz not null,
    sums jsonb not null,
    sealed_at timestamptz not null,
    hash bytea not null,
    constraint event_seals_pkey primary key (ledger_id, number),
    constraint event_seals_counted_from_one check (number > 0 and events > 0)
)
"""

DROP_EVENTS = """
create function zerosum_drop_events(of_ledger uuid) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    seal event_seals;
    there bigint;
    newest timestamptz;
    taken bigint;
begin
    select * into seal from event_seals where ledger_id = of_ledger order by number desc limit 1;
    if seal is null or seal.sealed_at <> now() then
        raise exception 'events are sealed in the transaction that drops them'
            using errcode = 'check_violation', constraint = 'events_sealed';
    end if;
    perform from webhook_endpoints where ledger_id = of_ledger for update;
    perform from publications where ledger_id = of_ledger for update;
    perform from notifications where ledger_id = of_ledger for update;
    if exists (select from webhook_endpoints where ledger_id = of_ledger and status <> 'deleted'
               and (feed_xid, feed_id) < (seal.last_xid, seal.last_id))
       or exists (select from publications where ledger_id = of_ledger
                  and (feed_xid, feed_id) < (seal.last_xid, seal.last_id))
       or exists (select from notifications where ledger_id = of_ledger and status = 'enabled'
                  and (feed_xid, feed_id) < (seal.last_xid, seal.last_id))
       or exists (select from webhook_endpoints endpoint
                  join webhook_deliveries delivery on delivery.ledger_id = endpoint.ledger_id
                   and delivery.endpoint_id = endpoint.id and delivery.event_id <= seal.greatest_id
                   and delivery.event_xid <= seal.last_xid and delivery.event_xid > '0'
                  where endpoint.ledger_id = of_ledger)
       or exists (select from notification_mails where ledger_id = of_ledger and status = 'pending'
                  and event_xid <= seal.last_xid and event_xid > '0') then
        raise exception 'somebody has still to be told of what would be dropped'
            using errcode = 'check_violation', constraint = 'events_told';
    end if;
    select count(*), max(created_at) into there, newest from events
    where ledger_id = of_ledger and xid <= seal.last_xid;
    if there <> seal.events or newest <> seal.newest_at or newest > now() - interval '30 days'
       or not exists (select from events where ledger_id = of_ledger and xid > seal.last_xid
                      and xid < zerosum_feed_horizon()) then
        raise exception 'what is sealed is not what may be dropped'
            using errcode = 'check_violation', constraint = 'events_sealed';
    end if;
    delete from events where ledger_id = of_ledger and xid <= seal.last_xid;
    get diagnostics taken = row_count;
    return taken;
end
$$
"""

DROP_SIGNATURE = "zerosum_drop_events(uuid)"


def upgrade() -> None:
    op.execute(EVENT_SEALS)
    op.execute("alter table event_seals enable row level security")
    op.execute("alter table event_seals force row level security")
    op.execute(
        f"create policy event_seals_by_ledger on event_seals using ({LEDGER_IS_SET}) with check ({LEDGER_IS_SET})"
    )
    op.execute(
        "create trigger event_seals_unchanged before update or delete or truncate on event_seals "
        "for each statement execute function zerosum_refuse_change()"
    )
    op.execute("grant select, insert on event_seals to zerosum_app")
    op.execute(DROP_EVENTS)
    op.execute(f"revoke all on function {DROP_SIGNATURE} from public")
    op.execute(f"grant execute on function {DROP_SIGNATURE} to zerosum_app")


def downgrade() -> None:
    # The owner is bound by row-level security too, and would see an empty table whatever is in it.
    for name in ("journal_entries", "event_seals"):
        op.execute(f"alter table {name} no force row level security")
        op.execute(f"do $$ begin if exists (select from {name}) then raise 'the ledger is not empty'; end if; end $$")
        op.execute(f"alter table {name} force row level security")
    op.execute(f"drop function {DROP_SIGNATURE}")
    op.execute("drop table event_seals")
