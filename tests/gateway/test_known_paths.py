"""A head whose path names another thing each time is known again as well, and comes to what the parser makes of it."""

from __future__ import annotations

import pytest

from tests.gateway.express_ground import HEAD, HOST, KEY, request, serving
from tests.gateway.test_known_heads import OUR_ID
from zerosum.db.identifiers import new_uuid
from zerosum.gateway.express.protocol import ExpressProtocol
from zerosum.gateway.server.http_server import GuardedProtocol


def act(thing: str, key: str = "k", body: str = '{"a":"b"}', head: str = HEAD) -> str:
    return request(key, body, f"/express/{thing}/act", head)


def an_id() -> str:
    return f"pay_{new_uuid()}"


ABOUT = {
    "another": act(an_id()),
    "another without a body": act(an_id(), body=""),
    "another without a body, told apart": act(an_id(), body="").replace("Content-Length: 0\r\n", ""),
    "capital letters": act(an_id().upper()),
    "an escape": act(an_id().replace("-", "%2D")),
    "a name": act("it"),
    "two segments": act(f"{an_id()}/{an_id()}"),
    "parameters": act(an_id()).replace("/act", "/act?dry_run=true"),
    "another path": act(an_id()).replace("/act", "/art"),
    "another method": act(an_id()).replace("POST", "PUT"),
    "another version": act(an_id()).replace("HTTP/1.1", "HTTP/1.0"),
    "a whole address": act(an_id()).replace("/express", "http://zerosum.test/express"),
    "a key that is none": act(an_id(), "k k"),
    "no path with an id": request(),
    "a line of its own": act(an_id() + " HTTP/1.1\r\nX: "),
}


@pytest.mark.parametrize("text", ABOUT.values(), ids=ABOUT)
@pytest.mark.parametrize(
    "first", [act(an_id(), "first"), act(an_id(), "first", "", HOST + KEY)], ids=["usual", "without a body"]
)
async def test_a_head_about_something_else_is_known_again_and_comes_to_the_same(text: str, first: str) -> None:
    told, last = [], an_id()
    for protocol in (ExpressProtocol, GuardedProtocol):
        async with serving(protocol) as served, served.connected() as wire:
            answers = [await wire.ask(first), await wire.ask(text.replace("Idempotency-Key: k", "Idempotency-Key: m"))]
            if answers[-1].startswith("HTTP/1.1 201"):
                answers.append(await wire.ask(act(last, "last", head=HOST + KEY)))  # no word of what its body is
            calls = [(call.idempotency_key, call.path, call.query_string, call.content) for call in served.ground.calls]
            told.append(([OUR_ID.sub(b"", answer.encode()) for answer in answers], calls))
    assert told[0] == told[1]


async def test_a_known_head_about_something_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [an_id() for _ in range(3)]
    async with serving() as express, express.connected() as wire:
        for number, thing in enumerate(ids):
            if number == 2:
                monkeypatch.setattr(ExpressProtocol, "on_message_begin", None)
            assert f'{{"key":"k{number}","a":"b"}}' in await wire.ask(act(thing, f"k{number}"))
        assert [call.path for call in express.ground.calls] == [f"/express/{thing}/act" for thing in ids]
        assert express.taken == 3
