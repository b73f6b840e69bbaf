"""A payment is answered alike on both ways to it, through the framework and without: status, headers and body."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key, over_socket
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.app import Gateway
from zerosum.main import Service
from zerosum.services.requests import closed_periods

_CHANGING = re.compile(
    r'(?<="pay_)[0-9a-f-]{36}|(?<="je_)[0-9a-f-]{36}|(?<="request_id":")[0-9a-f]{24}'
    r'|(?<=[0-9a-f]":)[0-9]+(?=[,}])|20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]{15}Z'
)
"""In an answer's text: ids, versions, and the time it was written."""


@dataclass
class Ways:
    express: Client
    framework: Client
    gateway: Gateway

    @property
    def taken(self) -> int:
        return self.gateway.express.taken


@pytest.fixture
async def ways(
    service: Service, framework_service: Service, service_port: int, framework_port: int, ledger_id: LedgerId
) -> AsyncIterator[Ways]:
    """A caller of one ledger on each of them, where three accounts are: two that may fall as they like, one empty."""
    assert isinstance(service.app, Gateway)
    async with AsyncExitStack() as stack:
        served = ((service, service_port), (framework_service, framework_port))
        clients = [await over_socket(stack, each, ledger_id, port) for each, port in served]
        for code in ("a", "b"):
            await clients[0].open_account(code, min_available=None)
        await clients[0].open_account("empty")
        for client in clients:  # Names and credentials come into memory with the first call.
            for payment in (pay(), pay(type="deposit", **{"from": None}), pay(**{"from": "empty"})):
                await client.pay(payment)
        yield Ways(clients[0], clients[1], service.app)


def pay(**members: Any) -> dict[str, Any]:
    whole = {"type": "transfer", "amount": "1.00", "currency": "USD", "from": "a", "to": "b", **members}
    return {name: value for name, value in whole.items() if value is not None}


def told(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """What must be alike."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    return answer.status_code, headers, _CHANGING.sub("*", answer.text)


async def send(client: Client, body: bytes, key: str | None = None, path: str = "/v1/payments") -> httpx.Response:
    headers = {"Idempotency-Key": key or fresh_key(), "Content-Type": "application/json"}
    return await client.http.post(path, content=body, headers=headers)


# --- Any body --------------------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=40),
    st.sampled_from(["", "\u0000", "e\u0301", "\ud83d\ude00", "\udc00", '"\\/\n', "x" * 501, "é" * 400, "\x7f", "<&>"]),
)
MEMBERS: Mapping[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["transfer", "deposit", "withdrawal", "refund", "", None, 1]),
    "amount": st.sampled_from(
        [
            "1",
            "1.5",
            "0.01",
            "99999999999999999999",
            "100000000000000000000",
            "1.001",
            "1.000",
            "0",
            "-1",
            "1e3",
            5,
            1.5,
        ]
    ),
    "currency": st.sampled_from(["USD", "JPY", "KWD", "usd", "ZZZ", "", None, True]),
    "from": st.sampled_from(["a", "b", "empty", "nobody", "", "acc_x", ".", 5, None, ["a"]]),
    "to": st.sampled_from(["a", "b", "empty", "nobody", "", "acc_x", {"a": "b"}, None]),
    "reference": st.none() | TEXTS,
    "description": st.none() | TEXTS,
    "effective_at": st.sampled_from(
        [
            "2020-01-01T00:00:00Z",
            "2020-01-01T01:00:00.123456789+01:00",
            "2020-01-01",
            "2999-01-01T00:00:00Z",
            "",
            0,
            None,
        ]
    ),
    "metadata": st.none() | st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers()), max_size=3) | st.just([]),
    "another": TEXTS,
}
CHANGES = st.fixed_dictionaries({}, optional=dict(MEMBERS))
"""To a payment that is fit."""


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    content = pay(**draw(CHANGES)) if draw(st.booleans()) else {**pay(), **draw(CHANGES)}
    text = json.dumps(content, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    match draw(st.integers(0, 9)):
        case 0:
            text = text.replace("{", '{"amount": "2", ', 1)  # twice
        case 1:
            text = text[: draw(st.integers(0, len(text)))]
    return text.encode("utf-8", "surrogatepass")


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=bodies())
async def test_any_body_is_answered_alike(ways: Ways, body: bytes) -> None:
    assert told(await send(ways.express, body)) == told(await send(ways.framework, body))


TAKEN = {
    "a transfer": pay(),
    "a deposit": pay(type="deposit", **{"from": None}),
    "a withdrawal": pay(type="withdrawal", to=None),
    "all that may be said": pay(
        reference="Nr. 5",
        description='Zoë said "hé"\n',
        effective_at="2020-01-01T00:00:00Z",
        metadata={"k": "é", "a": ""},
    ),
    "nulls": {**pay(), "reference": None, "metadata": None, "effective_at": None},
    "what the books refuse": pay(**{"from": "empty"}),
}


@pytest.mark.parametrize("content", TAKEN.values(), ids=TAKEN)
async def test_what_is_fit_goes_express(ways: Ways, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow this machine is: what is dated goes express while it is known which periods are closed.
    monkeypatch.setattr(closed_periods, "REMEMBERED_FOR", timedelta(hours=1))
    await send(ways.express, json.dumps(pay(effective_at="2020-01-01T00:00:00Z")).encode())
    body = json.dumps(content).encode()
    await send(ways.express, body)  # what opens the clearing account, and what learns of it, do not
    await send(ways.express, body)
    before = ways.taken
    assert told(await send(ways.express, body)) == told(await send(ways.framework, body))
    assert ways.taken == before + 1


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [pay(), pay(description="Zoë"), pay(**{"from": "empty"})], ids=str)
@pytest.mark.parametrize("is_express_first", [True, False])
async def test_what_was_answered_on_one_way_is_replayed_on_the_other(
    ways: Ways, content: dict[str, Any], is_express_first: bool
) -> None:
    key, body = fresh_key(), json.dumps(content).encode()
    order = [ways.express, ways.framework] if is_express_first else [ways.framework, ways.express]
    first = await send(order[0], body, key)
    again = [await send(client, body, key) for client in (ways.express, ways.framework)]
    assert told(again[0]) == told(again[1])
    assert again[0].headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    for answer in again:
        assert answer.json() | {"request_id": ""} == first.json() | {"request_id": ""}  # in any order
    other = json.dumps({**content, "amount": "2"}).encode()
    reused = [told(await send(client, other, key)) for client in (ways.express, ways.framework)]
    assert reused[0] == reused[1]
    assert reused[0][0] == 422


async def test_a_key_that_was_used_is_told_before_what_is_wrong_with_an_order(ways: Ways) -> None:
    key = fresh_key()
    await send(ways.express, json.dumps(pay()).encode(), key)
    wrong = json.dumps(pay(amount="1.001")).encode()
    answers = [await send(client, wrong, key) for client in (ways.express, ways.framework)]
    assert [answer.json()["code"] for answer in answers] == ["idempotency_key_reused"] * 2
    assert told(answers[0]) == told(answers[1])


@pytest.mark.parametrize("query", ["dry_run=true", "include=balances", "include=no", "x=1", "dry_run=false"])
async def test_what_is_asked_for_besides_is_answered_alike_and_not_express(ways: Ways, query: str) -> None:
    before, body = ways.taken, json.dumps(pay(description="x")).encode()
    path = f"/v1/payments?{query}"
    express, framework = [await send(client, body, path=path) for client in (ways.express, ways.framework)]
    assert (express.status_code, express.json().keys()) == (framework.status_code, framework.json().keys())
    assert ways.taken == before


async def test_what_is_named_for_the_first_time_is_fetched_on_the_express_way(ways: Ways) -> None:
    account = await ways.framework.open_account("new", min_available=None)
    before = ways.taken
    body, key = json.dumps(pay(**{"from": account["id"]})).encode(), fresh_key()
    first = await send(ways.express, body, key)
    assert first.status_code == 201
    assert ways.taken == before + 1
    assert (await send(ways.express, body)).status_code == 201
    assert ways.taken == before + 2
    again = await send(ways.express, body, key)
    assert (again.headers["idempotency-replayed"], again.json()["id"]) == ("true", first.json()["id"])
    assert (await ways.express.balance("new"))["posted"] == "-2.00"


async def test_what_nobody_knows_is_refused_alike_and_its_key_is_looked_for(ways: Ways) -> None:
    used = fresh_key()
    await send(ways.express, json.dumps(pay()).encode(), used)
    before = ways.taken
    for key in (fresh_key(), used):
        body = json.dumps(pay(**{"from": "nobody-" + fresh_key()[:8]})).encode()
        answers = [told(await send(client, body, key)) for client in (ways.express, ways.framework)]
        assert answers[0] == answers[1]
        assert answers[0][0] == 422
    assert ways.taken == before + 2


async def test_a_refund_of_what_another_process_has_paid_goes_express_once_and_is_replayed(ways: Ways) -> None:
    paid = (await send(ways.framework, json.dumps(pay(amount="3.00")).encode())).json()
    path, key, before = f"/v1/payments/{paid['id']}/refund", fresh_key(), ways.taken
    answers = await asyncio.gather(*(send(ways.express, b'{"amount": "1.00"}', key, path) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False] + [True] * 7
    assert ways.taken == before + 8
    assert (await ways.express.get(f"/v1/payments/{paid['id']}")).json()["refunded"] == "1.00"


async def test_a_refund_of_what_was_paid_here_asks_nobody_whom_it_is_between(
    ways: Ways, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it was paid: alone, with more than the usual members, or among others."""
    plain = await send(ways.express, json.dumps(pay()).encode())
    marked = await send(ways.express, json.dumps(pay(metadata={"a": "b"})).encode())
    items = {"items": [{**pay(), "idempotency_key": fresh_key()}]}
    bulk = await send(ways.express, json.dumps(items).encode(), path="/v1/payments/bulk")
    paid = [plain.json(), marked.json(), bulk.json()["results"][0]["data"]]

    async def nobody(*_: Any) -> Any:
        raise LookupError("it was looked up")

    monkeypatch.setattr(service.services.refunds._known, "_find", nobody)
    for payment in paid:
        answer = await send(ways.express, b"{}", path=f"/v1/payments/{payment['id']}/refund")
        assert (answer.status_code, answer.json()["amount"]) == (201, "1.00")
