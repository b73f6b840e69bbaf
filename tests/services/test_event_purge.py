"""Old events are dropped under seals: the oldest, what everybody was told of, and a proof still misses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from tests.api.conftest import Client, make_client, service_settings
from tests.api.sealing import sealing_of
from tests.conftest import Servers, TestDatabase, clone_database
from zerosum.adapters.clock import now
from zerosum.db.schema import event_functions
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id
from zerosum.main import Service
from zerosum.services.background import event_purge
from zerosum.services.background.event_purge import EventPurge
from zerosum.services.proof_log.sealing import CheckpointSealing
from zerosum.services.proofs.report import Report
from zerosum.services.proofs.whole_ledger import LedgerProof, verify_ledger

TRIES_MAX = 200


@dataclass
class Ground:
    service: Service
    client: Client
    superuser: asyncpg.Connection[asyncpg.Record]

    @property
    def ledger_id(self) -> LedgerId:
        return LedgerId(parse_id(Prefix.LEDGER, self.client.ledger))

    @property
    def purge(self) -> EventPurge:
        """In forty days."""
        return EventPurge(self.service.database, lambda: now() + timedelta(days=40), 30)

    @property
    def sealing(self) -> CheckpointSealing:
        """What the proof log has not yet is not dropped."""
        return sealing_of(self.service)

    async def dropped(self) -> int:
        """What it comes to once all that was told is settled: the horizon is that of the whole server."""
        total = 0
        for _ in range(TRIES_MAX):
            await self.sealing.seal(self.ledger_id)
            total += await self.purge.drop(self.ledger_id)
            kept = "select count(distinct xid) from events where ledger_id = $1"
            if await self.superuser.fetchval(kept, self.ledger_id) == 1:
                break
            await asyncio.sleep(0.02)
        return total

    async def breaks(self) -> list[str]:
        return [
            one.what for one in (await verify_ledger(self.service.database, self.ledger_id, lambda *_: None)).breaks
        ]

    async def events(self, **parameters: Any) -> list[str]:
        answer = await self.client.get("/v1/events", params={"limit": 200, **parameters})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["data"]]

    async def all_events(self) -> list[str]:
        """Once the feed shows all that there are: it waits for transactions of other tests."""
        number = "select count(*) from events where ledger_id = $1"
        for _ in range(TRIES_MAX):
            found = await self.events()
            if len(found) == await self.superuser.fetchval(number, self.ledger_id):
                break
            await asyncio.sleep(0.02)
        return found

    async def fill(self, account: str) -> None:
        await self.client.open_account(account)
        for _ in range(3):
            await self.client.deposit(account, "1.00")
        rules = {"over_capture": {"percent": str(len(account))}}
        answer = await self.client.http.put("/v1/house-rules", json=rules, headers={"Idempotency-Key": account})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def own_database(servers: Servers) -> TestDatabase:
    """Which keeps events for no days: so much of the functions is another."""
    made = await clone_database(servers, "zerosum_event_purge")
    superuser = await asyncpg.connect(made.superuser_dsn)
    assert "30 days" in event_functions.DROP_EVENTS
    for_no_days = event_functions.DROP_EVENTS.replace("30 days", "0 days")
    await superuser.execute(for_no_days.replace("create function", "create or replace function"))
    await superuser.close()
    return made


@asynccontextmanager
async def ground_upon(database: TestDatabase, servers: Servers) -> AsyncIterator[Ground]:
    service = Service(service_settings(database, servers))
    await service.start()
    ledger = await service.services.ledgers.create("dropped")
    client = await make_client(service, LedgerId(ledger.id))
    superuser = await asyncpg.connect(database.superuser_dsn)
    yield Ground(service, client, superuser)
    await superuser.close()
    await client.http.aclose()
    await service.stop()


@pytest.fixture
async def ground(own_database: TestDatabase, servers: Servers) -> AsyncIterator[Ground]:
    async with ground_upon(own_database, servers) as made:
        yield made


@pytest.fixture
async def plain_ground(servers: Servers) -> AsyncIterator[Ground]:
    """On a database as it is made. Sealing wants the service's key, which others seal with another secret."""
    async with ground_upon(await clone_database(servers, "zerosum_event_keeping"), servers) as made:
        yield made


async def test_the_oldest_are_dropped_and_a_reader_is_told_of_it(ground: Ground) -> None:
    await ground.fill("alice")
    before = await ground.all_events()
    assert await ground.dropped() == len(before) - 1, "the last one stays, for readers that begin there"
    kept = await ground.events()
    assert kept == before[-1:]
    gone = await ground.client.get("/v1/events", params={"after": before[0]})
    assert (gone.status_code, gone.json()["code"]) == (410, "events_gone")
    assert gone.json()["oldest_after"] == before[-2]
    assert await ground.events(after=before[-2]) == kept
    assert await ground.events(after=before[-1]) == []
    unknown = await ground.client.get("/v1/events", params={"after": before[-1][:-4] + "0000"})
    assert unknown.json()["code"] in ("events_gone", "invalid_parameter")
    assert await ground.breaks() == []


async def test_a_pass_that_lasts_longer_than_events_are_kept_finds_nothing_wrong(ground: Ground) -> None:
    """What was told since it began is dropped under seals already: it cannot tell apart what is in there."""
    await ground.fill("alice")
    proof = LedgerProof(ground.ledger_id, horizon=int(now().timestamp() * 1_000_000))
    await ground.fill("bob")

    async def take_slice() -> bool:
        async with ground.service.database.snapshot(ground.ledger_id, SERVICE_LEDGER) as connection:
            return await proof.take_slice(connection)

    assert not await take_slice()
    await ground.dropped()
    while not await take_slice():
        pass
    assert [one.what for one in proof.report.breaks] == []
    assert await ground.breaks() == [], "the next one looks at all of it"


async def test_a_proof_still_misses_what_is_taken_away(ground: Ground) -> None:
    await ground.fill("alice")
    await ground.dropped()
    await ground.fill("bob")
    await ground.dropped()
    await ground.fill("carl")
    seals = await ground.superuser.fetch(
        "select number, events from event_seals where ledger_id = $1 order by number", ground.ledger_id
    )
    assert [seal["number"] for seal in seals] == list(range(1, len(seals) + 1))
    assert len(seals) >= 2
    assert await ground.breaks() == []
    await ground.superuser.execute("set session_replication_role = replica")
    for change, told in {
        "delete from events where ledger_id = $1 and type = 'payment.succeeded' and id = (select id from events "
        "where ledger_id = $1 and type = 'payment.succeeded' order by id desc limit 1)": "has no event",
        "update event_seals set sums = '{}' where ledger_id = $1 and number = 1": "the events that were dropped",
        "update event_seals set events = events + 1 where ledger_id = $1 and number = 2": "does not follow",
        "delete from event_seals where ledger_id = $1 and number = 1": "the seal 1 of events is missing",
    }.items():
        await ground.superuser.execute(change, ground.ledger_id)
        found = await ground.breaks()
        assert any(told in one for one in found), (change, found)


async def test_a_proof_that_is_under_way_looks_anew_where_events_were_dropped(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.services.proofs.of_events.EVENTS_AT_ONCE", 3)
    monkeypatch.setattr(event_purge, "EVENTS_AT_ONCE", 2)
    await ground.fill("alice")
    proof = LedgerProof(ground.ledger_id)
    has_dropped = False
    for _ in range(500):
        async with ground.service.database.work(ground.ledger_id, SERVICE_LEDGER) as connection:
            if await proof.take_slice(connection):
                break
        if proof.part == "EventsProof" and not has_dropped:
            async with ground.service.database.work(ground.ledger_id, SERVICE_LEDGER) as connection:
                await proof.take_slice(connection)
            has_dropped = await ground.dropped() > 0
            proof = LedgerProof(ground.ledger_id, position=proof.position())
    assert has_dropped
    assert proof.report.breaks == Report(ground.ledger_id).breaks == []


async def test_what_somebody_has_still_to_be_told_of_stays(ground: Ground) -> None:
    await ground.fill("alice")
    made = await ground.client.post("/v1/webhook-endpoints", {"url": "https://example.com/hook"})
    assert made.status_code == 201, made.text
    await ground.fill("bob")
    before = await ground.all_events()
    for _ in range(20):
        await ground.sealing.seal(ground.ledger_id)
        await ground.purge.drop(ground.ledger_id)
        await asyncio.sleep(0.02)
    kept = await ground.events()
    assert set(before) > set(kept) >= set(before[-5:]), "the endpoint has not been told of bob"
    endpoint = made.json()["id"]
    forged = (
        "insert into event_seals select ledger_id, 1000, xid, id, id, 1, created_at, '{}', now(), '' from events "
        "where ledger_id = $1 and xid < (select max(xid) from events where ledger_id = $1) order by xid desc limit 1"
    )
    service = await asyncpg.connect(ground.service.settings.required_database_url())
    transaction = service.transaction()
    await transaction.start()
    await service.execute("select set_config('zerosum.ledgers', $1::uuid[]::text, true)", [ground.ledger_id])
    await service.execute(forged, ground.ledger_id)
    with pytest.raises(asyncpg.CheckViolationError, match="somebody has still to be told"):
        await service.fetchval("select zerosum_drop_events($1)", ground.ledger_id)
    await transaction.rollback()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("delete from events where ledger_id = $1", ground.ledger_id)
    await service.close()
    await ground.client.http.delete(f"/v1/webhook-endpoints/{endpoint}")
    assert await ground.purge.run_once() > 0, "nobody waits for it any more"
    assert len(await ground.events()) < len(kept)
    assert await ground.breaks() == []


async def test_the_database_itself_keeps_events_for_thirty_days(plain_ground: Ground) -> None:
    await plain_ground.fill("alice")
    refused: Exception | None = None
    for _ in range(TRIES_MAX):
        try:
            await plain_ground.sealing.seal(plain_ground.ledger_id)
            assert await plain_ground.purge.drop(plain_ground.ledger_id) == 0, "it may not be settled yet"
            await asyncio.sleep(0.02)
        except DBAPIError as error:
            refused = error
            break
    assert "what is sealed is not what may be dropped" in str(refused)
    sealed = "select count(*) from event_seals where ledger_id = $1"
    assert await plain_ground.superuser.fetchval(sealed, plain_ground.ledger_id) == 0
