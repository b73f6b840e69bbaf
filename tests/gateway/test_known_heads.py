"""A head that is known by its bytes comes to what the parser makes of it, and to nothing of another request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.gateway.express_ground import HEAD, HOST, JSON, KEY, Impatient, OrdinaryImpatient, request, serving, until
from tests.gateway.ground import PRINCIPAL, Keys
from zerosum.db.identifiers import new_uuid
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.express.protocol import ExpressProtocol
from zerosum.gateway.identity.principal import Principal
from zerosum.gateway.server.http_server import GuardedProtocol


async def test_the_next_head_is_known_again_and_judged_where_it_differs() -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        async with express.connected() as wire, ordinary.connected() as other:
            for text in (
                request("one"),
                request("two", '{"other":"body"}'),
                request("k k"),
                request("three", head=HOST + JSON + KEY),
                request("four", head=f"{HOST}{KEY}Content-Type: text/plain\r\n"),
                request("five", head=f"{HOST}Authorization: Bearer bad\r\n{JSON}"),
                request("six", path="/pay"),
                request("seven", path="/express?x=1"),
                request("eight"),
                request("nine").replace("POST", "PUT"),
            ):
                assert await wire.ask(text) == await other.ask(text)
        assert express.taken == 4
        assert [call.idempotency_key for call in express.ground.calls] == [
            call.idempotency_key for call in ordinary.ground.calls
        ]


OUR_ID = re.compile(rb"[0-9a-f]{24}")
SWAPPED = "POST /express HTTP/1.1\r\n{}Content-Length: {}\r\nIdempotency-Key: {}\r\n\r\n{}"
AFTER_ONE_LIKE_IT = {
    "another key": request("other"),
    "a key in quotes": request('"k"'),
    "a key that is too long": request("k" * 256),
    "a key with a blank": request("k k"),
    "a key behind blanks": request("  k"),
    "a key before blanks": request("k  "),
    "a key over two lines": request("k\r\n l"),
    "a key with a line feed": request("k\nX-Other: y"),
    "a key with a carriage return": request("k\rl"),
    "a key and another field": request("k\r\nX-Other: y"),
    "two keys": request("k\r\nIdempotency-Key: l"),
    "no key": request(""),
    "a letter that is none": request("k\x00"),
    "a length with zeros": request().replace("Length: 9", "Length: 009"),
    "a length with a sign": request().replace("Length: 9", "Length: +9"),
    "a length in another form": request().replace("Length: 9", "Length: 0x9"),
    "a length that is too small": request().replace("Length: 9", "Length: 8"),
    "no length": request().replace("Length: 9", "Length: "),
    "two lengths": request().replace("Length: 9", "Length: 9, 9"),
    "a length and a coding": request().replace("Length: 9", "Length: 9\r\nTransfer-Encoding: chunked"),
    "a body that is too large": request(body=f'{{"a":"{"x" * 65_536}"}}'),
    "no body": request(body=""),
    "no JSON": request(body="{"),
    "the fields the other way round": SWAPPED.format(HEAD, 9, "k", '{"a":"b"}'),
    "an empty line before": "\r\n" + request(),
    "another version": request().replace("HTTP/1.1", "HTTP/1.0"),
    "lower case": request().replace("Idempotency-Key", "idempotency-key"),
    "something behind": request() + "X",
}


@pytest.mark.parametrize("text", AFTER_ONE_LIKE_IT.values(), ids=AFTER_ONE_LIKE_IT)
@pytest.mark.parametrize(
    "first", [request("first"), SWAPPED.format(HEAD, 9, "first", '{"a":"b"}')], ids=["usual", "swapped"]
)
async def test_a_head_that_is_nearly_known_comes_to_what_the_parser_makes_of_it(text: str, first: str) -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        async with express.connected() as wire, ordinary.connected() as other:
            assert await wire.ask(first) == await other.ask(first)
            for each in (wire, other):
                each.write(text)
                each.writer.write_eof()
            rest = [OUR_ID.sub(b"", await each.reader.read()) for each in (wire, other)]
            assert rest[0] == rest[1]
            assert b"HTTP/1.1 " in rest[0]
        assert express.ground.calls == ordinary.ground.calls
        await until(lambda: len(express.ground.observed) == len(ordinary.ground.observed))
        assert express.ground.observed == ordinary.ground.observed


async def test_a_known_head_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as express, express.connected() as wire:
        for number in range(2):
            assert (await wire.ask(request(f"k{number}"))).startswith("HTTP/1.1 201")
        monkeypatch.setattr(ExpressProtocol, "on_message_begin", None)
        assert '{"key":"k2","c":"d"}' in await wire.ask(request("k2", '{"c":"d"}'))
        assert express.taken == 3


def apart(text: str) -> tuple[str, str]:
    """The head, and what comes behind it."""
    head, end, body = text.partition("\r\n\r\n")
    return head + end, body


async def test_a_body_that_comes_behind_its_known_head_needs_no_parser_either(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as express, express.connected() as wire:
        for number in range(4):
            if number == 2:
                monkeypatch.setattr(ExpressProtocol, "on_message_begin", None)
            head, body = apart(request(f"k{number}", '{"c":"d"}'))
            wire.write(head)
            await until(lambda: any(one._is_incomplete for one in express.server.server_state.connections))  # type: ignore[union-attr]
            assert f'{{"key":"k{number}","c":"d"}}' in await wire.ask(body)
        assert express.taken == 4


@pytest.mark.parametrize(
    "pieces",
    [
        [*apart(request("k"))],
        [apart(request("k"))[0], '{"a"', ':"b"}'],
        [apart(request("k"))[0], '{"a":"b"}' + request("l")],
        [apart(request("k"))[0], "{" * 9],
        [apart(request("k").replace("Length: 9", "Length: 99999"))[0], "{"],
        [apart(request("k").replace("Length: 9", "Length: 09"))[0], '{"a":"b"}'],
        [apart(request("k k"))[0], '{"a":"b"}'],
        [apart(request("k"))[0]],
        [apart(request("k"))[0], '{"a"'],
    ],
    ids=["two", "three", "another behind", "no JSON", "too large", "a zero", "no key", "nothing more", "half"],
)
async def test_a_request_in_pieces_comes_to_what_the_parser_makes_of_it(pieces: list[str]) -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        async with express.connected() as wire, ordinary.connected() as other:
            for served, each in ((express, wire), (ordinary, other)):
                await each.ask(request("first"))
                for piece in pieces:
                    connection = cast(Any, next(iter(served.server.server_state.connections)))
                    before = connection._bytes_so_far
                    each.write(piece)
                    await until(lambda: connection._bytes_so_far != before or len(served.ground.observed) > 1)  # noqa: B023
                each.writer.write_eof()
            rest = [OUR_ID.sub(b"", await each.reader.read()) for each in (wire, other)]
            assert rest[0] == rest[1]
        await until(lambda: len(express.ground.observed) == len(ordinary.ground.observed))
        assert express.ground.observed == ordinary.ground.observed
        assert express.ground.calls == ordinary.ground.calls


@pytest.mark.parametrize("length", ["65537", "9" * 18, "9" * 300])
async def test_nobody_waits_for_a_body_that_is_too_large(length: str) -> None:
    async with serving() as express, serving(GuardedProtocol) as ordinary:
        async with express.connected() as wire, ordinary.connected() as other:
            told = []
            for each in (wire, other):
                await each.ask(request("first"))
                each.write(apart(request("k").replace("Length: 9", f"Length: {length}"))[0])
                told.append(OUR_ID.sub(b"", (await each.reply()).encode()))
        assert told[0] == told[1]
        assert told[0].startswith(b"HTTP/1.1 4")


async def test_a_known_head_whose_body_does_not_come_is_refused_in_time() -> None:
    async with serving(Impatient) as express, serving(OrdinaryImpatient) as ordinary:
        told = []
        for served in (express, ordinary):
            async with served.connected() as wire:
                await wire.ask(request("first"))
                wire.write(apart(request("late"))[0])
                told.append(OUR_ID.sub(b"", await wire.reader.read()))
        assert told[0] == told[1]
        assert told[0].startswith(b"HTTP/1.1 408")


OTHERS = {
    "another credential": request("{}", head=f"{HOST}Authorization: Bearer other\r\n{JSON}"),
    "another path": request("{}", path="/pay"),
    "a rehearsal": request("{}", path="/express?dry_run=true"),
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
async def test_what_was_judged_in_its_turn_is_not_taken_for_what_comes_then(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two that came at once is judged when the first is answered, outside of any arrival."""
    other = Principal(LedgerId(new_uuid()), "key_2", PRINCIPAL.scopes, "other")

    async def authenticate(_: Any, headers: Sequence[bytes], __: float) -> Principal:
        return other if list(headers) == [b"Bearer other"] else PRINCIPAL

    monkeypatch.setattr(Keys, "authenticate", authenticate)
    told = []
    for protocol in (ExpressProtocol, GuardedProtocol):
        async with serving(protocol) as served, served.connected() as wire:
            wire.write(request("one") + request("two"))
            answers = [await wire.reply() for _ in range(2)]
            answers += [await wire.ask(text.replace("{}", f"k{number}")) for number in range(3)]
            calls = [
                (call.idempotency_key, call.path, call.query_string, call.principal) for call in served.ground.calls
            ]
            told.append((answers, calls, served.ground.observed))
    assert told[0] == told[1]
    assert len(told[0][1]) >= 2


async def test_a_known_head_does_not_keep_the_request_it_was_learnt_from() -> None:
    async with serving() as express, express.connected() as wire:
        assert (await wire.ask(request("k1", f'{{"a":"{"x" * 50_000}"}}'))).startswith("HTTP/1.1 201")
        [connection] = express.server.server_state.connections
        known = connection.known_head  # type: ignore[union-attr]
        assert known is not None
        assert known._scope.keys().isdisjoint({"extensions", "state"})


async def test_what_comes_behind_a_known_head_waits_for_its_turn() -> None:
    async with serving(takes_forever=True) as express, express.connected() as wire:
        for number in range(3):
            wire.write(request(f"k{number}"))
            if number == 1:
                wire.write(request("behind", '{"n":"1"}'))
            await until(lambda: len(express.ground.begun) == number + 1 + (number == 2))  # noqa: B023
            express.ground.begun[-1].outcome.set_result(None)
            assert f'"key":"k{number}"' in await wire.reply()
            if number == 1:
                await until(lambda: len(express.ground.begun) == 3)
                express.ground.begun[-1].outcome.set_result(None)
                assert '"key":"behind"' in await wire.reply()
