"""The express way answers as the ordinary one does, keeps to the same guards, and leaves alone what is not plain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.counted import Counted
from tests.gateway.express_ground import HEAD, HOST, JSON, KEY, Impatient, OrdinaryImpatient, request, serving, until
from tests.gateway.ground import PRINCIPAL, Keys
from zerosum.domain.errors import DomainError, InternalError, OutcomeUnknown, Overloaded, Unavailable
from zerosum.domain.traces import Origins, current_origins
from zerosum.gateway.app import GatewayOptions
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.request_state import BeginTrace, RequestState, current_request_state
from zerosum.gateway.routing import Begun, Call, HttpAnswer
from zerosum.gateway.server.http_server import GuardedProtocol
from zerosum.gateway.trace_context import carry_trace
from zerosum.services.requests.networks import parse_network

PLAIN = {
    "as they mostly are": request(),
    "a key in quotes": request('"k"'),
    "more headers": request(head=f"{HEAD}Accept: */*\r\nUser-Agent: x\r\nX-Unknown: y\r\n"),
    "an id of its own": request(head=f"{HEAD}X-Request-Id: mine-1\r\n"),
    "two blanks before the credential": request(head=f"{HOST}Authorization: Bearer  good\r\n{JSON}"),
    "a charset": request(head=f"{HOST}{KEY}Content-Type: application/json; charset=UTF-8\r\n"),
    "an offer of another protocol, not taken up": request(head=f"{HEAD}Connection: Upgrade\r\nUpgrade: h2c\r\n"),
    "any letters": request(body='{"a":"Zoë \\u00e9 \\n \\"x\\"","b":{"c":"1","d":null}}'),
}
ABOUT = {
    "about something": request(path="/express/it/act"),
    "about something, without a body": request(path="/express/it/act", body="", head=HOST + KEY),
    "about something with an escape in its name": request(path="/express/it%2Fself/act"),
}
LEFT_ALONE = {
    "a stranger": request(head=f"{HOST}Authorization: Bearer bad\r\n{JSON}"),
    "nobody": request(head=HOST + JSON),
    "two credentials": request(head=HEAD + KEY),
    "no host": request(head=KEY + JSON),
    "two hosts": request(head=HEAD + HOST),
    "no type": request(head=HOST + KEY),
    "another type": request(head=f"{HOST}{KEY}Content-Type: text/plain\r\n"),
    "compressed": request(head=f"{HEAD}Content-Encoding: gzip\r\n"),
    "no key": request().replace("Idempotency-Key: k\r\n", ""),
    "two keys": request(head=f"{HEAD}Idempotency-Key: l\r\n"),
    "a bad key": request("k k"),
    "a long key": request("k" * 256),
    "a large head": request(head=f"{HEAD}X-Large: {'x' * 16_384}\r\n"),
    "a large body": request(body=f'{{"a":"{"x" * 65_536}"}}'),
    "parameters": request(path="/express?dry_run=true"),
    "an escaped path": request(path="/expr%65ss"),
    "about something, with a body that cannot be read": request(path="/express/it/act", body="{"),
    "about something, with parameters": request(path="/express/it/act?dry_run=true"),
    "about nothing": request(path="/express//act"),
    "about too much": request(path="/express/it/too/act"),
    "another method": request().replace("POST", "PUT"),
    "HTTP/2.0": request().replace("HTTP/1.1", "HTTP/2.0"),
    "HTTP/1.0": request().replace("HTTP/1.1", "HTTP/1.0"),
    "the last of its connection": request(head=f"{HEAD}Connection: close\r\n"),
    "transfer codings": request(head=f"{HEAD}TE: trailers\r\n"),
    "no JSON": request(body="{"),
    "not UTF-8": request(body='{"a":"\udcff"}'),
    "a member twice": request(body='{"a":"b","a":"b"}'),
    "a member twice, and a number": request(body='{"a":1,"a":"b"}'),
    "no object": request(body='["a"]'),
    "too deep": request(body=f"{'[' * 20}{']' * 20}"),
    "refused by the endpoint": request(body='{"say":"wrong"}'),
    "unknown to the endpoint": request(body='{"say":"nothing"}'),
    "chunked": f"POST /express HTTP/1.1\r\n{HEAD}Idempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\n{}\r\n0\r\n\r\n",
}


# --- The same answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
async def test_what_is_plain_is_answered_as_on_the_ordinary_way_byte_for_byte(text: str) -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        answers = [await served.ask(text) for served in (express, ordinary)]
        assert answers[0].startswith("HTTP/1.1 201 Created\r\n")
        assert answers[0] == answers[1]
        assert (express.taken, ordinary.taken) == (1, 0)
        assert express.ground.observed == ordinary.ground.observed == [("/express", "POST", 201)]
        assert express.ground.calls == ordinary.ground.calls
        assert (express.ground.admission.in_flight, express.server.server_state.tasks) == (0, set())


@pytest.mark.parametrize("text", ABOUT.values(), ids=ABOUT)
async def test_what_is_about_something_goes_express_too_and_its_head_is_not_remembered(text: str) -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        answers = []
        for served in (express, ordinary):
            async with served.connected() as wire:
                answers.append([await wire.ask(one) for one in (text, request(), text, request())])
        assert [answer.split("\r\n")[0] for answer in answers[0]] == ["HTTP/1.1 201 Created"] * 4
        assert answers[0] == answers[1]
        assert (express.taken, ordinary.taken) == (4, 0)
        paths = [(call.path, call.content) for call in express.ground.calls]
        assert paths == [(call.path, call.content) for call in ordinary.ground.calls]
        assert express.ground.observed == ordinary.ground.observed


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
async def test_what_is_not_plain_goes_the_ordinary_way_as_if_nobody_had_looked_at_it(text: str) -> None:
    limits: dict[str, Any] = {"principal_limit": "1000/h", "address_limit": "2000/h"}
    async with (
        serving(budgets=Counted(2000), **limits) as express,
        serving(GuardedProtocol, budgets=Counted(2000), **limits) as ordinary,
    ):
        for served in (express, ordinary):
            await served.ask(request("first"))  # leases what may be spent at once afterwards
        taken = express.taken
        answers = [await served.ask(text) for served in (express, ordinary)]
        assert answers[0] == answers[1] != ""
        assert express.taken == taken
        await until(lambda: len(express.ground.observed) == len(ordinary.ground.observed))
        assert express.ground.observed == ordinary.ground.observed
        # A request after it tells by its headers how much was spent so far.
        assert await express.ask(request("last")) == await ordinary.ask(request("last"))
        assert express.taken == taken + 1


@pytest.mark.parametrize(
    "refusal",
    [
        Unavailable("The accounts are busy; nothing was done.", retry_after=1),
        Overloaded("The queue is full; nothing was done.", retry_after=1),
        OutcomeUnknown("The outcome is not known; retry with the same key."),
        InternalError("The request failed on our side."),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
async def test_what_becomes_of_a_request_later_is_told_as_on_the_ordinary_way(refusal: DomainError) -> None:
    answers = []
    for protocol in (None, GuardedProtocol):
        async with serving(*([protocol] if protocol else []), takes_forever=True) as served, served.connected() as wire:
            wire.write(request())
            await until(lambda: bool(served.ground.begun))
            served.ground.begun[0].outcome.set_exception(refusal)
            answers.append(await wire.reply())
            assert served.ground.admission.in_flight == 0
            assert len(served.ground.observed) == 1
            assert served.taken == (protocol is None)
    assert answers[0] == answers[1]
    assert ("retry-after: 1" in answers[0]) == ("retry_after" in refusal.facts)


# --- One connection, many requests -----------------------------------------------------------------------------------


async def test_a_credential_that_has_ended_is_not_good_because_it_was_a_moment_ago() -> None:
    async with serving() as express, express.connected() as wire:
        assert (await wire.ask(request())).startswith("HTTP/1.1 201")
        express.ground.keys.remembers = False  # as after its five seconds
        assert (await wire.ask(request("l"))).startswith("HTTP/1.1 201")
        assert (express.taken, express.ground.keys.asked) == (1, 1)


async def test_a_credential_keeps_to_its_networks_and_scopes_with_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Principal(PRINCIPAL.ledger_id, "key_1", PRINCIPAL.scopes, "p", networks=(parse_network("10.0.0.0/8"),))
    without = Principal(PRINCIPAL.ledger_id, "key_1", frozenset(), "p")
    async with serving() as express, express.connected() as wire:
        assert (await wire.ask(request())).startswith("HTTP/1.1 201")
        for principal, code in ((elsewhere, "origin_not_allowed"), (without, "forbidden")):
            monkeypatch.setattr(Keys, "find_cached", lambda *_, it=principal: it)
            answer = await wire.ask(request("l"))
            assert answer.startswith("HTTP/1.1 403")
            assert f'"code":"{code}"' in answer
        assert express.taken == 1


async def test_requests_sent_at_once_are_begun_one_after_the_other_and_answered_in_their_order() -> None:
    async with serving(takes_forever=True) as express, express.connected() as wire:
        wire.write("".join(request(f"k{number}", f'{{"n":"{number}"}}') for number in range(3)))
        for number in range(3):
            await until(lambda: len(express.ground.begun) == number + 1)  # noqa: B023
            await asyncio.sleep(0.02)
            assert len(express.ground.begun) == number + 1
            express.ground.begun[number].outcome.set_result(None)
            assert f'{{"key":"k{number}","n":"{number}"}}' in await wire.reply()
        assert express.taken == 3


@pytest.mark.parametrize("at", [1, 40, -9, -1])
async def test_a_request_that_arrives_in_pieces_is_begun_when_it_is_there_whole(at: int) -> None:
    text = request()
    async with serving() as express, express.connected() as wire:
        assert (await wire.ask(request("first"))).startswith("HTTP/1.1 201")
        wire.write(text[:at])
        await asyncio.sleep(0.02)
        assert len(express.ground.begun) == 1
        assert '{"key":"k","a":"b"}' in await wire.ask(text[at:])
        assert (express.taken, express.server.server_state.tasks) == (2, set())


# --- Guards ----------------------------------------------------------------------------------------------------------


async def test_a_body_that_does_not_arrive_is_waited_for_no_longer_than_others() -> None:
    async with serving(Impatient) as express, express.connected() as wire:
        assert (await wire.ask(request()[:-1])).startswith("HTTP/1.1 408 ")
        assert await wire.reply() == ""
        assert (express.taken, express.ground.calls, express.ground.admission.in_flight) == (0, [], 0)


@pytest.mark.parametrize("is_leaving", [True, False], ids=["its sender leaves", "its time is up"])
async def test_a_request_that_never_comes_whole_is_charged_and_counted_as_on_the_ordinary_way(is_leaving: bool) -> None:
    told = []
    for protocol in (Impatient, OrdinaryImpatient):
        async with serving(protocol, address_limit="99/h", budgets=Counted(99)) as served:
            async with served.connected() as wire:
                wire.write(request()[:-1])
                await until(lambda: bool(served.server.server_state.connections))
                await asyncio.sleep(0.05)
                if not is_leaving:
                    assert (await wire.reply()).startswith("HTTP/1.1 408 ")
            await until(lambda: bool(served.ground.observed) and not len(served.server.register))
            await asyncio.sleep(0.05)
            buckets = served.ground.gateway._charging._limiters.address._buckets
            told.append((sorted(served.ground.observed), [bucket.left for bucket in buckets.values()]))
    assert told[0] == told[1]


async def test_an_idle_connection_is_ended_after_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Impatient) as express, express.connected() as wire:
        assert (await wire.ask(request())).startswith("HTTP/1.1 201")
        assert await wire.reply() == ""


async def test_a_connection_in_work_is_ended_by_no_timer_and_gives_way_to_nobody() -> None:
    async with serving(Impatient, takes_forever=True) as express, express.connected() as wire:
        wire.write(request())
        await until(lambda: bool(express.ground.begun))
        await asyncio.sleep(2 * Impatient.idle_seconds_max)
        assert not express.server.register.make_room()
        express.ground.begun[0].outcome.set_result(None)
        assert (await wire.reply()).startswith("HTTP/1.1 201")


async def test_each_request_in_work_has_a_place_and_beyond_the_last_there_is_none() -> None:
    async with serving(takes_forever=True, in_flight_max=2) as express:
        async with express.connected() as first, express.connected() as second:
            for wire in (first, second):
                wire.write(request())
            await until(lambda: express.ground.admission.in_flight == 2)
            assert (await express.ask(request())).startswith("HTTP/1.1 503 ")
            assert express.ground.admission.shed == 1
            for begun in express.ground.begun:
                begun.outcome.set_result(None)
            for wire in (first, second):
                assert (await wire.reply()).startswith("HTTP/1.1 201")
        assert (express.taken, express.ground.admission.in_flight) == (2, 0)


@pytest.mark.parametrize("limited", ["principal_limit", "ledger_limit", "address_limit"])
async def test_each_request_is_charged_once_whichever_way_it_goes(limited: str) -> None:
    limits: dict[str, Any] = {limited: "4/h"}
    async with serving(**limits) as express, serving(GuardedProtocol, **limits) as ordinary:
        for number in range(6):
            answers = [await served.ask(request(f"k{number}")) for served in (express, ordinary)]
            assert answers[0] == answers[1]
            assert answers[0].startswith("HTTP/1.1 201" if number < 4 else "HTTP/1.1 429")
        assert len(express.ground.calls) == 4
        assert express.taken == 0  # a slice of four is one: each is leased anew


async def test_a_slice_that_is_held_is_spent_without_a_task() -> None:
    limits: dict[str, Any] = {"principal_limit": "1000/h", "ledger_limit": "2000/h", "address_limit": "3000/h"}
    async with (
        serving(budgets=Counted(3000), **limits) as express,
        serving(GuardedProtocol, budgets=Counted(3000), **limits) as ordinary,
    ):
        for number in range(30):
            assert await express.ask(request(f"k{number}")) == await ordinary.ask(request(f"k{number}"))
        assert express.taken == 29  # the first slice of twenty was leased on the ordinary way, the second in time


async def test_nothing_is_spent_where_one_budget_of_three_is_not_at_hand() -> None:
    budgets = Counted(1000)
    async with serving(principal_limit="1000/h", address_limit="50/h", budgets=budgets) as express:
        for number in range(4):
            assert (await express.ask(request(f"k{number}"))).startswith("HTTP/1.1 201")
        bucket = express.ground.gateway._charging._limiters.principal._buckets["principal"]
        # Of the address's budget one at a time is leased: each request has to wait for that, and is charged then.
        assert (express.taken, bucket.left) == (0, 20 - 4)


async def test_no_further_request_is_begun_while_answers_are_not_read() -> None:
    body = f'{{"a":"{"x" * 60_000}"}}'
    async with serving() as express, express.connected() as wire:
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]

        async def send() -> None:
            for number in range(200):
                wire.write(request(f"k{number}", body))
                await wire.writer.drain()

        sending = asyncio.create_task(send())
        connections: Any = express.server.server_state.connections
        await until(lambda: any(each.flow.write_paused for each in connections))
        stopped_at = express.taken
        assert 0 < stopped_at < 200
        await asyncio.sleep(0.1)
        assert (express.taken, express.ground.admission.in_flight) == (stopped_at, 0)
        wire.reader._transport.resume_reading()  # type: ignore[attr-defined]
        for number in range(200):
            assert f'{{"key":"k{number}",' in await wire.reply()
        await sending


async def test_who_leaves_is_carried_out_and_disturbs_no_neighbour(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(takes_forever=True) as express, express.connected() as staying:
        async with express.connected() as leaving:
            leaving.write(request("leaves"))
            await until(lambda: len(express.ground.begun) == 1)
        await until(lambda: len(express.server.register) == 1)
        staying.write(request("stays"))
        await until(lambda: len(express.ground.begun) == 2)
        for begun in express.ground.begun:
            assert not begun.outcome.done()
            begun.outcome.set_result(None)
        assert '"key":"stays"' in await staying.reply()
        assert express.ground.admission.in_flight == 0
        assert express.ground.observed == [("/express", "POST", 201)] * 2
    gateways = [record for record in caplog.records if record.name.startswith("zerosum.gateway")]
    assert not [record for record in gateways if record.levelno >= logging.WARNING]


async def test_told_to_stop_the_server_answers_what_it_has_begun_and_ends_the_connection() -> None:
    async with serving(takes_forever=True) as express, express.connected() as wire:
        wire.write(request())
        await until(lambda: bool(express.ground.begun))
        express.server.should_exit = True
        await until(lambda: bool(express.server.server_state.default_headers))
        express.ground.begun[0].outcome.set_result(None)
        answer = await wire.reply()
        assert answer.startswith("HTTP/1.1 201")
        assert "\r\nconnection: close\r\n" in answer
        assert await wire.reply() == ""


async def test_hsts_and_our_names_hold_on_the_express_way_too() -> None:
    options = GatewayOptions(allowed_hosts=frozenset({b"zerosum.test"}), hsts_seconds=60)
    async with serving(options=options) as express:
        assert "strict-transport-security: max-age=60" in await express.ask(request())
        other = await express.ask(request(head=HEAD.replace("zerosum.test", "other.test")))
        assert other.startswith("HTTP/1.1 400")
        assert express.taken == 1


async def test_who_stands_behind_a_proxy_of_ours_is_told_by_it_for_each_request() -> None:
    options = GatewayOptions(trusted_proxies=(parse_network("127.0.0.1"),))
    async with serving(options=options) as express, express.connected() as wire:
        for address in ("198.51.100.1", "198.51.100.2"):
            await wire.ask(request(head=f"{HEAD}X-Forwarded-For: {address}\r\n"))
        assert [call.address for call in express.ground.calls] == ["198.51.100.1", "198.51.100.2"]
        assert express.taken == 2


# --- Faults of ours --------------------------------------------------------------------------------------------------


async def test_a_fault_of_the_express_way_is_logged_and_the_ordinary_way_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(is_broken=True) as express:
        answer = await express.ask(request(head=f"{HEAD}X-Request-Id: mine-1\r\n"))
        assert answer.startswith("HTTP/1.1 500")
        assert "secret" not in answer
        assert express.ground.admission.in_flight == 0
    assert "the express way has failed; the ordinary one is taken" in caplog.messages


async def test_an_answer_that_cannot_be_made_is_an_error_and_not_silence() -> None:
    async with serving(takes_forever=True) as express, express.connected() as wire:
        wire.write(request())
        await until(lambda: bool(express.ground.begun))
        express.ground.begun[0].is_broken = True
        express.ground.begun[0].outcome.set_result(None)
        assert (await wire.reply()).startswith("HTTP/1.1 500")
        assert express.ground.admission.in_flight == 0


# --- Traces ----------------------------------------------------------------------------------------------------------


class Trace:
    """Of one request."""

    def __init__(self, exchange: RequestState, end: Callable[[], None]) -> None:
        self._exchange = exchange
        self.end = end

    def enter(self) -> None:
        self._outer = current_request_state.set(self._exchange)

    def leave(self) -> None:
        current_request_state.reset(self._outer)


@pytest.mark.parametrize("refusal", [None, OutcomeUnknown("It is not known.")], ids=["carried out", "refused"])
async def test_a_request_that_is_traced_has_one_trace_which_its_work_finds(refusal: DomainError | None) -> None:
    told: list[Any] = []

    def begin(exchange: RequestState) -> Trace:
        told.append("begun")
        return Trace(exchange, lambda: told.append((exchange.template, exchange.status, exchange.request_id)))

    async with serving(takes_forever=True, begin_trace=begin) as express, express.connected() as wire:
        found: list[RequestState | None] = []
        sound = express.ground.express

        def begin_express(call: Call) -> Begun | None:
            found.append(current_request_state.get())
            return sound(call)

        policy = express.ground.gateway._judge.routes.find("POST", "/express")
        object.__setattr__(policy, "express", begin_express)
        wire.write(request())
        await until(lambda: bool(express.ground.begun))
        if refusal is None:
            express.ground.begun[0].outcome.set_result(None)
        else:
            express.ground.begun[0].outcome.set_exception(refusal)
        await wire.reply()
        assert express.taken == 1
        assert [exchange.request_id for exchange in found if exchange is not None] == ["made-here"]
        assert current_request_state.get() is None
    assert told == ["begun", ("/express", 201 if refusal is None else 504, "made-here")]


@pytest.mark.parametrize("begin_trace", [None, lambda _: None], ids=["none collected", "not this one"])
async def test_what_is_done_for_a_request_that_nobody_traces_finds_it_all_the_same(
    begin_trace: BeginTrace | None,
) -> None:
    """As all that is logged for it does, at once, in a task that is begun then, and late."""
    found: list[RequestState | None] = []
    async with serving(takes_forever=True, begin_trace=begin_trace) as express, express.connected() as wire:
        sound = express.ground.express

        async def later() -> None:
            found.append(current_request_state.get())

        def begin_express(call: Call) -> Begun | None:
            found.append(current_request_state.get())
            asyncio.ensure_future(later())  # noqa: RUF006 - it is over at once
            return sound(call)

        policy = express.ground.gateway._judge.routes.find("POST", "/express")
        object.__setattr__(policy, "express", begin_express)
        wire.write(request())
        await until(lambda: bool(express.ground.begun) and len(found) == 2)
        begun = express.ground.begun[0]

        async def answer() -> HttpAnswer:
            found.append(current_request_state.get())
            raise OutcomeUnknown("It is not known.")

        begun.answer = answer  # type: ignore[method-assign]
        begun.outcome.set_exception(OutcomeUnknown("It is not known."))
        assert (await wire.reply()).startswith("HTTP/1.1 504")
    assert [exchange.request_id for exchange in found if exchange is not None] == ["made-here"] * 3
    assert current_request_state.get() is None


async def test_a_request_that_leaves_the_express_way_late_has_one_trace_all_the_same() -> None:
    ended: list[int] = []
    async with serving(begin_trace=lambda exchange: Trace(exchange, lambda: ended.append(exchange.status))) as express:
        await express.ask(request(body='{"say":"nothing"}'))
        assert (express.taken, ended) == (0, [200])


@pytest.mark.parametrize("path", ["/express", "/pay"])
async def test_a_request_behind_one_of_a_trace_is_no_part_of_it(path: str) -> None:
    """As a proxy sends those of many callers over one connection, whether or not anybody collects traces."""
    found: list[Origins] = []
    parent = f"traceparent: 00-{'a' * 32}-{'b' * 16}-01\r\n"
    async with (
        serving(begin_trace=lambda exchange: carry_trace(exchange.scope["headers"])) as served,
        served.connected() as wire,
    ):
        policy = served.ground.gateway._judge.routes.find("POST", path)
        way = path.strip("/").replace("pay", "lean")
        sound = getattr(policy, way)

        def begin(call: Call) -> Any:
            found.append(current_origins.get())
            return sound(call)

        object.__setattr__(policy, way, begin)
        wire.write(request(path="/pay", head=HEAD + parent) + request("another", path=path))
        for _ in range(2):
            assert " 20" in (await wire.reply())[:13]
    assert [len(origins) for origins in found] == ([1, 0] if path == "/pay" else [0])
