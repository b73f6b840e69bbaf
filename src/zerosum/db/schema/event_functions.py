"""The one way in which events are dropped: the oldest of a ledger, sealed in the same transaction.

The application role cannot delete. The function looks itself at what the seal says and at everybody who has still to be
told: their rows are locked, so that nobody asks for an old event meanwhile. Row-level security holds in it too.
"""

from __future__ import annotations

KEPT_DAYS_MIN = 30

DROP_SIGNATURE = "zerosum_drop_events(uuid)"

DROP_EVENTS = f"""
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
    if there <> seal.events or newest <> seal.newest_at or newest > now() - interval '{KEPT_DAYS_MIN} days'
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
"""  # noqa: S608 - made of constants only


def statements(role: str) -> list[str]:
    """Behind the tables and their guards."""
    return [
        DROP_EVENTS,
        f"revoke all on function {DROP_SIGNATURE} from public",
        f"grant execute on function {DROP_SIGNATURE} to {role}",
    ]
