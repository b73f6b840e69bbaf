"""Payments of a ledger of which too many wait are refused before they cost anything, alike on both ways."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.gateway.express_ground import HEAD, Served, request, serving
from tests.gateway.ground import MONEY, PRINCIPAL, Ground
from zerosum.gateway.express.protocol import ExpressProtocol
from zerosum.gateway.limits.charging import REST_SECONDS
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.services.committing.unknown_keys import UnknownKeys

LIMITS: dict[str, Any] = {"principal_limit": "4000/h", "ledger_limit": "4000/h", "address_limit": "4000/h"}


class Pressed:
    """Which ledgers have too much waiting."""

    def __init__(self, *ledgers: UUID) -> None:
        self.ledgers = set(ledgers)

    def upon(self, ground: Ground) -> None:
        ground.admission._is_too_much = self.ledgers.__contains__


def pressed(served: Served) -> Pressed:
    pressed = Pressed(PRINCIPAL.ledger_id)
    pressed.upon(served.ground)
    return pressed


async def test_it_is_refused_at_once_as_on_the_ordinary_way_byte_for_byte() -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        answers = []
        for served in (express, ordinary):
            pressed(served)
            answers.append(await served.ask(request()))
            assert served.ground.calls == []
            assert served.ground.observed == [("/express", "POST", 503)]
            assert served.ground.admission.shed == 1
            assert served.ground.admission.in_flight == 0
        assert answers[0] == answers[1]
        assert answers[0].startswith("HTTP/1.1 503 ")
        assert "retry-after: 1\r\n" in answers[0]
        assert '"code":"overloaded"' in answers[0]


@pytest.mark.parametrize("protocol", [ExpressProtocol, GuardedProtocol], ids=["express", "ordinary"])
async def test_the_connection_rests_after_it_and_is_served_when_there_is_room_again(protocol: type) -> None:
    async with serving(protocol) as served, served.connected() as wire:
        upon, clock = pressed(served), asyncio.get_running_loop().time
        assert (await wire.ask(request("a"))).startswith("HTTP/1.1 503 ")
        refused_at = clock()
        upon.ledgers.clear()
        assert (await wire.ask(request("a"))).startswith("HTTP/1.1 201 ")
        assert clock() - refused_at > REST_SECONDS / 2
        assert [call.idempotency_key for call in served.ground.calls] == ["a"]


async def test_it_is_charged_once_as_any_other() -> None:
    async with serving(**LIMITS) as express, serving(GuardedProtocol, **LIMITS) as ordinary:
        for served in (express, ordinary):
            await served.ask(request("first"))
            pressed(served)
        for number in range(3):
            answers = [await served.ask(request(f"k{number}")) for served in (express, ordinary)]
            assert answers[0] == answers[1]
            assert answers[0].startswith("HTTP/1.1 503 ")
            assert "ratelimit:" in answers[0]


async def test_others_reads_and_what_is_seldom_written_are_not_refused() -> None:
    ground = Ground()
    Pressed(PRINCIPAL.ledger_id).upon(ground)
    assert (await ground.ask("POST", "/express", MONEY, b"{}")).code == "overloaded"
    assert (await ground.ask("GET", "/read", MONEY)).status != 503
    assert (await ground.ask("POST", "/pay", MONEY, b"{}")).status == 200
    another = Ground()
    Pressed(UUID(int=77)).upon(another)
    assert (await another.ask("POST", "/express", MONEY, b"{}")).status == 201


async def test_of_a_key_whose_commit_was_lost_nobody_says_that_nothing_was_done() -> None:
    keys = UnknownKeys()
    keys.add([(PRINCIPAL.ledger_id, "lost")])
    async with serving(unknown_keys=keys) as express:
        pressed(express)
        assert (await express.ask(request("lost"))).startswith("HTTP/1.1 504 ")
        assert (await express.ask(request("other"))).startswith("HTTP/1.1 503 ")
        assert express.ground.calls == []


async def test_who_has_left_before_he_is_refused_is_counted_and_disturbs_nobody() -> None:
    async with serving() as express:
        pressed(express)
        async with express.connected() as wire:
            wire.write(request())
        assert (await express.ask(request(head=HEAD))).startswith("HTTP/1.1 503 ")
