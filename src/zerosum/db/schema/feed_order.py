"""Where an event lies in the feed: the number of its transaction, and what a restored database adds to that.

A server counts its transactions by itself. A database that was dumped and restored into a younger server would put what
happens next before what its readers have passed: so an offset is added to the server's numbers, in two functions, which
the dump carries along.
"""

from __future__ import annotations

from uuid import UUID

from zerosum.db.database_url import DatabaseUrl
from zerosum.db.sessions import Session, close_session, open_session
from zerosum.domain.identifiers import SERVICE_LEDGER

CONNECT_SECONDS_MAX = 5.0
LOCK_TIMEOUT = "2s"
LEDGERS_AT_ONCE = 500
LEDGERS_MAX = 20_000
"""The newest ones are looked at before a start: one of them is enough to see it."""

MARGIN = 1_000_000
"""Beyond the greatest place that was found: places of endpoints lie ahead of the last event."""


def statements(offset: int = 0) -> list[str]:
    """Without an offset they are what PostgreSQL has, and cost nothing: they are inlined."""
    place, horizon = "pg_current_xact_id()", "pg_snapshot_xmin(pg_current_snapshot())"
    if offset:
        place, horizon = (f"({number}::text::bigint + {offset})::text::xid8" for number in (place, horizon))
    return [
        f"create or replace function zerosum_feed_place() returns xid8 language sql stable as $$ select {place} $$",
        "create or replace function zerosum_feed_horizon() returns xid8 language sql stable parallel safe as "
        f"$$ select {horizon} $$",
    ]


PLACES_LEFT_FREE = 2**32
"""Behind what a restore has brought back: more than the transactions that can have been lost with the rest."""

_SOME_LEDGERS = "select ledger_id from ledgers where ledger_id < $1 order by ledger_id desc limit $2"

_NEWEST_PLACE = """
select coalesce(max(place), '0')::text::bigint from (
    select newest.xid as place from unnest($1::uuid[]) wanted (ledger_id)
    cross join lateral (
        select xid from events where events.ledger_id = wanted.ledger_id order by xid desc limit 1
    ) newest
    union all
    select newest.xid from unnest($1::uuid[]) wanted (ledger_id)
    cross join lateral (
        select xid from audit_log log where log.ledger_id = wanted.ledger_id order by xid desc limit 1
    ) newest
    union all
    select last_xid from event_seals where ledger_id = any($1::uuid[])
    union all
    select greatest(feed_xid, parked_xid) from webhook_endpoints where ledger_id = any($1::uuid[])
    union all
    select feed_xid from notifications where ledger_id = any($1::uuid[])
    union all
    select feed_xid from publications where ledger_id = any($1::uuid[])
) places
"""

EDGE = """
select zerosum_feed_horizon()::text::bigint - pg_snapshot_xmin(now)::text::bigint as added,
       pg_snapshot_xmax(now)::text::bigint as next
from (select pg_current_snapshot() as now) state
"""
"""What is added to the server's numbers, and the first of these that nobody has yet."""

_LAST_ID = UUID(int=2**128 - 1)


async def newest_place(session: Session, ledgers_max: int | None = LEDGERS_MAX) -> int:
    """The greatest place of an event, an audit record or a reader; 0 where there is none. None: of all ledgers."""
    await session.fetchval("select set_config('zerosum.operator', 'on', true)")
    last, looked_at, newest = _LAST_ID, 0, 0
    while ledgers_max is None or looked_at < ledgers_max:
        some = [row[0] for row in await session.fetch(_SOME_LEDGERS, last, LEDGERS_AT_ONCE)]
        if last == _LAST_ID:
            some.append(SERVICE_LEDGER)  # its records lie in no row of `ledgers`
        if not some:
            break
        await session.fetchval("select set_config('zerosum.ledgers', $1::uuid[]::text, true)", some)
        newest = max(newest, await session.fetchval(_NEWEST_PLACE, some))
        last, looked_at = min(set(some) - {SERVICE_LEDGER}, default=SERVICE_LEDGER), looked_at + len(some)
    return newest


async def is_in_order(session: Session) -> bool:
    """Whether what happens next will lie behind all that is there. In a transaction of the session."""
    newest = await newest_place(session)
    edge = await session.fetchrow(EDGE)
    return edge is not None and newest < edge["added"] + edge["next"]


async def put_in_order(database_url: str, *, role: str | None = None) -> bool:
    """As the owner. Whether there was something to mend: the numbers of this server were too low."""
    limits = {"lock_timeout": LOCK_TIMEOUT}
    session = await open_session(DatabaseUrl.parse(database_url), limits, seconds_max=CONNECT_SECONDS_MAX)
    try:
        async with session.transaction():
            if role is not None:
                await session.execute(f'set local role "{role}"')
            if await is_in_order(session):
                return False
            await session.execute("lock table events, audit_log in share row exclusive mode")
            newest = await newest_place(session, None)
            edge = await session.fetchrow(EDGE)
            for statement in statements(newest + MARGIN - (0 if edge is None else edge["next"])):
                await session.execute(statement)
        return True
    finally:
        await close_session(session)


async def leave_places_free(database_url: str, *, role: str | None = None) -> None:
    """Of a database that was restored to a time: what was told after it has places that no event may get again.

    Readers outside have passed them, and would not look there any more.
    """
    session = await open_session(DatabaseUrl.parse(database_url), {}, seconds_max=CONNECT_SECONDS_MAX)
    try:
        async with session.transaction():
            if role is not None:
                await session.execute(f'set local role "{role}"')
            edge = await session.fetchrow(EDGE)
            for statement in statements(PLACES_LEFT_FREE + (0 if edge is None else edge["added"])):
                await session.execute(statement)
    finally:
        await close_session(session)
