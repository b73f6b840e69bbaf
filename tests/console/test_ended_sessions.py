"""Whoever administers ends what others have signed in to: at once, with a reason, and no further than he reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.api.conftest import Client, make_client
from tests.console.conftest import Person, browser, operator_in, signed_in
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, AuditRecord, list_audit_records
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, render_id
from zerosum.gateway.identity.principal import TENANT_SCOPES, Scope
from zerosum.main import Service
from zerosum.services.requests.caller import THE_SERVICE


@pytest.fixture
async def viewer(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id, Role.VIEWER)
    yield person
    await person.http.aclose()


@pytest.fixture
async def keeper(service: Service, ledger_id: LedgerId) -> AsyncIterator[Client]:
    """An administrator of the ledger, by the API."""
    client = await make_client(service, ledger_id, TENANT_SCOPES)
    yield client
    await client.http.aclose()


async def sessions_of(client: Client, **filters: str) -> list[dict[str, object]]:
    return list((await client.get("/v1/console-sessions", params=filters)).json()["data"])


async def is_signed_in(person: Person) -> bool:
    return (await person.get("/payments")).status_code == 200


async def told(database: Database, ledger_id: LedgerId) -> list[AuditRecord]:
    wanted = AuditFilter(ledger_id=ledger_id, type="console.session_ended")
    async with database.work(ledger_id) as connection:
        return await list_audit_records(connection, wanted, after=None, limit=5, is_ascending=False)


async def test_one_is_ended_in_the_console(
    admin: Person, viewer: Person, database: Database, ledger_id: LedgerId, keeper: Client
) -> None:
    [found] = await sessions_of(keeper, subject="console|viewer")
    assert str(found["id"]) in await admin.page("/sessions")
    done = await admin.act(f"/sessions/{found['id']}/end", reason="left the company")
    assert done.status_code == 303, done.text
    assert (await viewer.get("/payments")).headers["location"].startswith("/console/sign-in")
    assert await is_signed_in(admin)
    assert str(found["id"]) not in await admin.page("/sessions")
    for log in (ledger_id, SERVICE_LEDGER):
        newest = (await told(database, log))[0]
        assert (newest.resource, newest.actor, newest.reason) == (found["id"], "console|admin", "left the company")
        assert newest.facts == {"subject": "console|viewer", "role": "viewer"}
    again = await admin.act(f"/sessions/{found['id']}/end")
    assert (again.status_code, "console_session_not_found" in again.text) == (404, True)


async def test_all_of_a_person_are_ended_with_the_links_that_wait(
    service: Service, ledger_id: LedgerId, admin: Person, viewer: Person, keeper: Client
) -> None:
    other = await signed_in(service, ledger_id, Role.VIEWER)
    link = await service.console.sessions.make_link("console|viewer", Role.VIEWER, (ledger_id,))
    answer = await keeper.post("/v1/console-sessions/end", {"subject": "console|viewer", "reason": "lost a laptop"})
    assert (answer.status_code, answer.json()) == (200, {"ended": 2, "left": 0})
    assert [await is_signed_in(person) for person in (viewer, other, admin)] == [False, False, True]
    late = await browser(service, ledger_id)
    assert (await late.post("/console/sign-in/link", {"link": link})).status_code in (401, 403)
    assert (await admin.act("/sessions/end", subject="console|viewer")).status_code == 303
    for person in (other, late):
        await person.http.aclose()


async def test_a_link_that_is_used_at_that_moment_begins_nothing_that_lasts(
    service: Service, database: Database, ledger_id: LedgerId, keeper: Client
) -> None:
    sessions, subject = service.console.sessions, "console|late"
    link = await sessions.make_link(subject, Role.VIEWER, (ledger_id,))
    async with database.work(SERVICE_LEDGER) as connection, asyncio.timeout(10):
        await sessions._used(connection, link)
        await sessions._opened(connection, subject, Role.VIEWER, (ledger_id,), "link", THE_SERVICE)
        ending = asyncio.create_task(keeper.post("/v1/console-sessions/end", {"subject": subject, "reason": "x"}))
        waits = "select count(*) from pg_locks where not granted and transactionid = pg_current_xact_id()::xid"
        while not (await connection.execute(text(waits))).scalar_one():
            await asyncio.sleep(0.01)
    assert (await ending).json() == {"ended": 1, "left": 0}
    assert await sessions_of(keeper, subject=subject) == []


async def test_nobody_reaches_beyond_what_he_administers(
    service: Service, ledger_id: LedgerId, admin: Person, viewer: Person, keeper: Client
) -> None:
    operator = await operator_in(service, ledger_id, "console|chief")
    elsewhere = LedgerId((await service.services.ledgers.create("another")).id)
    stranger = await make_client(service, elsewhere, TENANT_SCOPES)
    [seen] = await sessions_of(keeper, subject="console|chief")
    assert seen["ledgers"] is None
    refused = await keeper.post(f"/v1/console-sessions/{seen['id']}/end", {"reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await admin.act(f"/sessions/{seen['id']}/end")).status_code == 403
    both = await keeper.post("/v1/console-sessions/end", {"subject": "console|chief", "reason": "x"})
    assert both.json() == {"ended": 0, "left": 1}
    link = await service.console.sessions.make_link("console|both", Role.ADMIN, (ledger_id, elsewhere))
    await service.console.sessions.open_by_link(link, THE_SERVICE)
    for client, place in ((keeper, ledger_id), (stranger, elsewhere)):
        [one] = await sessions_of(client, subject="console|both")
        assert one["ledgers"] == [render_id(Prefix.LEDGER, place)], "of other ledgers he learns nothing"
    [mine] = await sessions_of(keeper, subject="console|viewer")
    assert await sessions_of(stranger, subject="console|viewer") == []
    hidden = await stranger.post(f"/v1/console-sessions/{mine['id']}/end", {"reason": "x"})
    assert (hidden.status_code, hidden.json()["code"]) == (404, "console_session_not_found")
    assert await is_signed_in(viewer)
    everything = await make_client(service, LedgerId(SERVICE_LEDGER), {Scope.OPERATOR})
    assert (await everything.post(f"/v1/console-sessions/{mine['id']}/end", {"reason": "x"})).status_code == 200
    assert (await operator.act(f"/sessions/{seen['id']}/end")).status_code == 303
    assert not await is_signed_in(operator)
    for client in (stranger, everything):
        await client.http.aclose()
    await operator.http.aclose()
