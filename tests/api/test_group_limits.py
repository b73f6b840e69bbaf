"""Velocity limits of account groups: what their accounts move together, reached exactly, also by two services."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from tests.api.test_account_groups import PATH, delete, put
from tests.api.test_velocity import limited
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.ledger.account_groups import Members
from zerosum.services import account_groups


@pytest.fixture
async def client(either_client: Client) -> Client:
    """The wallets a and b with 100.00 each, and c with nothing."""
    await with_accounts(either_client)
    return either_client


async def with_accounts(client: Client) -> None:
    for code in ("w:a", "w:b", "c"):
        await client.open_account(code)
    for code in ("w:a", "w:b"):
        await client.deposit(code, "100")


def ledger_of(client: Client) -> UUID:
    return parse_id(Prefix.LEDGER, client.ledger)


def limit(window: str = "day", direction: str = "out", currency: str = "USD", **members: Any) -> dict[str, Any]:
    return {"direction": direction, "window": window, "currency": currency, **members}


async def group(client: Client, *limits: dict[str, Any], name: str = "wallets", members: Any = ("w:*",)) -> Any:
    answer = await put(client, name, *members, velocity_limits=list(limits))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_limits_are_set_shown_and_taken_away(client: Client) -> None:
    made = await group(
        client, limit("rolling", seconds=600, count=3), limit(amount="30.0"), limit("day", "in", count=9)
    )
    shown = [
        {"direction": "in", "window": "day", "seconds": None, "amount": None, "count": 9, "currency": "USD"},
        {"direction": "out", "window": "day", "seconds": None, "amount": "30.00", "count": None, "currency": "USD"},
        {"direction": "out", "window": "rolling", "seconds": 600, "amount": None, "count": 3, "currency": "USD"},
    ]
    assert made["velocity_limits"] == shown
    assert (await client.get(f"{PATH}/wallets")).json() == made
    log = (await client.get("/v1/audit-log", params={"type": "account_group.changed", "ledger": client.ledger})).json()[
        "data"
    ]
    assert log[0]["facts"]["content"]["velocity_limits"] == shown
    refused(await client.transfer("w:a", "c", "31"), 422, "velocity_limit_exceeded", "/from")
    assert (await group(client))["velocity_limits"] == []
    assert (await client.transfer("w:a", "c", "31")).status_code == 201
    await group(client, limit(amount="31"))
    refused(await client.transfer("w:a", "c", "1"), 422, "velocity_limit_exceeded", "/from")
    await delete(client, "wallets")
    assert (await client.transfer("w:a", "c", "1")).status_code == 201


async def test_what_accounts_move_together_reaches_the_limit_and_does_not_pass_it(client: Client) -> None:
    """What was before it counts as well, and what goes from one of them to another does not."""
    await group(client, limit(amount="30"))
    assert refused(await client.transfer("w:a", "c", "31"), 422, "velocity_limit_exceeded", "/from")["used"] == "0.00"
    await group(client)
    assert (await client.transfer("w:a", "c", "10")).status_code == 201
    await group(client, limit(amount="30"))
    assert (await client.transfer("w:a", "w:b", "50")).status_code == 201
    problem = refused(await client.transfer("w:b", "c", "20.01"), 422, "velocity_limit_exceeded", "/from")
    assert (problem["group"], problem["currency"], problem["used"], problem["used_count"], problem["asked"]) == (
        "wallets",
        "USD",
        "10.00",
        1,
        "20.01",
    )
    assert problem["limit"]["amount"] == "30.00"
    assert problem["frees_at"] == problem["window_end"]
    rehearsal = {"type": "transfer", "amount": "20.01", "currency": "USD", "from": "w:a", "to": "c"}
    answer = await client.post("/v1/payments", rehearsal, key=fresh_key(), params={"dry_run": "true"})
    refused(answer, 422, "velocity_limit_exceeded", "/from")
    assert (await client.transfer("w:b", "c", "20")).status_code == 201
    refused(await client.transfer("w:a", "c", "0.01"), 422, "velocity_limit_exceeded", "/from")
    assert (await client.transfer("c", "w:a", "5")).status_code == 201


async def test_all_limits_that_stand_in_the_way_are_told(client: Client) -> None:
    await group(client, limit(amount="30"), limit("hour", count=5))
    await group(client, limit(amount="30"), name="all", members=("**",))
    await group(client, limit("rolling", seconds=60, amount="20"), name="b", members=("w:b",))
    await limited(client, "w:b", {"direction": "out", "window": "day", "amount": "10"})
    answer = await client.transfer("w:b", "c", "31")
    assert answer.status_code == 422
    told = [(one["code"], one.get("group"), one.get("account")) for one in answer.json()["errors"]]
    assert told == [
        ("velocity_limit_exceeded", None, "w:b"),
        ("velocity_limit_exceeded", "b", None),
        ("velocity_limit_exceeded", "wallets", None),
    ]


async def test_a_hold_counts_when_it_is_placed_and_what_gives_back_is_never_refused(client: Client) -> None:
    await group(client, limit(amount="30"))
    hold = {"from": "w:a", "to": "c", "amount": "20", "currency": "USD"}
    placed = (await client.post("/v1/holds", hold, key=fresh_key())).json()
    refused(await client.post("/v1/holds", {**hold, "from": "w:b"}, key=fresh_key()), 422, "velocity_limit_exceeded")
    captured = await client.post(f"/v1/holds/{placed['id']}/capture", {"amount": "15"}, key=fresh_key())
    assert captured.status_code == 200, captured.text
    await group(client, limit(amount="0.01"), name="c", members=("c",))
    refund = f"/v1/payments/{captured.json()['payment_ids'][0]}/refund"
    assert (await client.post(refund, {"amount": "5"}, key=fresh_key())).status_code == 201


async def test_a_group_of_one_account_counts_what_the_account_counts(client: Client) -> None:
    """By whatever it moved: two ways of adding up, one sum."""
    await client.transfer("w:a", "c", "3")
    hold = {"from": "w:a", "to": "w:b", "amount": "7", "currency": "USD", "capture_max": "9"}
    placed = (await client.post("/v1/holds", hold, key=fresh_key())).json()
    captured = await client.post(f"/v1/holds/{placed['id']}/capture", {"amount": "8"}, key=fresh_key())
    await client.post(f"/v1/payments/{captured.json()['payment_ids'][0]}/refund", {"amount": "2"}, key=fresh_key())
    voided = (await client.post("/v1/holds", hold, key=fresh_key())).json()
    await client.post(f"/v1/holds/{voided['id']}/void", {}, key=fresh_key())
    await client.transfer("w:b", "w:a", "11")
    windows = ("day", "rolling")
    for direction, path in (("out", ("w:a", "w:b")), ("in", ("w:b", "w:a"))):
        seconds = {"day": {}, "rolling": {"seconds": 3600}}
        own = [{"direction": direction, "window": one, "amount": "20", **seconds[one]} for one in windows]
        await limited(client, "w:a", *own)
        await group(client, *({**one, "currency": "USD"} for one in own), members=("w:a",))
        answer = await client.transfer(*path, "19.99")
        assert answer.status_code == 422
        told = answer.json()["errors"]
        assert [one.get("group") for one in told] == [None, None, "wallets", "wallets"]
        for of_account, of_group in zip(told[:2], told[2:], strict=True):
            for name in ("limit", "used", "used_count", "asked", "window_end"):
                assert of_account[name] == of_group[name], name
            assert (of_account["frees_at"] is None) is (of_group["frees_at"] is None)
        assert told[0]["used_count"] > 1


async def test_accounts_are_in_the_groups_that_their_codes_match(
    client: Client, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Those that there are when limits are given, and those that are opened later."""
    patterns = ("a.b", "t:*", "t:**", "*:x", "t:*:x", "n_1", "p/@*", "q-*-r")
    codes = ("a.b", "axb", "t:1", "t:1:x", "t:1:2:x", "u:x", "n_1", "n-1", "p/@q", "p/q", "q-1-r", "q-:-r")
    for code in codes[::2]:
        await client.open_account(code)
    for number, pattern in enumerate(patterns):
        await group(client, limit(count=100), name=f"g{number}", members=(pattern,))
    for code in codes[1::2]:
        await client.open_account(code)
    rows = await superuser.fetch(
        "select code, limited_groups from accounts where ledger_id = $1 and code = any($2)", ledger_of(client), codes
    )
    expected = {
        code: [f"g{number}" for number, pattern in enumerate(patterns) if Members([pattern]).have(code)]
        for code in codes
    }
    assert {row["code"]: row["limited_groups"] or [] for row in rows} == expected


async def test_an_account_that_is_opened_later_stands_under_the_limit(client: Client) -> None:
    await group(client, limit(amount="30"), limit("day", "in", amount="230"))
    await client.open_account("w:new", min_available=None)
    refused(await client.transfer("w:new", "c", "31"), 422, "velocity_limit_exceeded", "/from")
    assert (await client.transfer("w:new", "c", "30")).status_code == 201
    rules = [{"pattern": "w:*", "type": "liability"}]
    await client.http.put("/v1/chart", json={"rules": rules})
    first = {"type": "deposit", "amount": "31", "currency": "USD", "to": "w:first"}
    for parameters in ({"dry_run": "true"}, {}):
        answer = await client.post("/v1/payments", first, key=fresh_key(), params=parameters)
        assert refused(answer, 422, "velocity_limit_exceeded", "/to")["used"] == "200.00"
    answer = await client.post("/v1/payments", {**first, "amount": "30"}, key=fresh_key())
    assert answer.status_code == 201, answer.text
    refused(await client.transfer("c", "w:first", "0.01"), 422, "velocity_limit_exceeded", "/to")


async def test_many_at_once_at_two_services_reach_the_limit_exactly(neighbours: tuple[Client, Client]) -> None:
    await with_accounts(neighbours[0])
    for client in neighbours:  # which both remember the accounts by now
        assert (await client.transfer("w:a", "w:b", "1")).status_code == 201
    await group(neighbours[0], limit("rolling", seconds=3600, amount="20"), limit(count=90))
    await neighbours[0].open_account("d")
    # Nothing but the group is common to both.
    pairs = (("w:a", "c"), ("w:b", "d"))
    sent = [neighbours[number % 2].transfer(*pairs[number % 2], "2.5") for number in range(40)]
    answers = await asyncio.gather(*sent)
    assert Counter(answer.status_code for answer in answers) == {201: 8, 422: 32}
    received = [Decimal((await neighbours[1].balance(code))["posted"]) for code in ("c", "d")]
    assert sum(received) == 20


async def test_a_payment_waits_for_whoever_has_the_row_of_its_group(
    client: Client, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    """What counts in its windows is true only for who holds it."""
    await group(client, limit(amount="30"))
    async with superuser.transaction():
        await superuser.execute("select from limited_groups where ledger_id = $1 for no key update", ledger_of(client))
        waiting = asyncio.create_task(client.transfer("w:a", "c", "1"))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    assert (await waiting).status_code == 201


async def test_a_limit_that_is_set_while_others_pay_holds_from_then_on(neighbours: tuple[Client, Client]) -> None:
    await with_accounts(neighbours[0])

    async def pay(number: int) -> httpx.Response:
        return await neighbours[number % 2].transfer(("w:a", "w:b")[number // 2 % 2], "c", "1")

    before = [asyncio.create_task(pay(number)) for number in range(12)]
    await group(neighbours[0], limit(count=20))
    after = [await pay(number) for number in range(24)]
    answers = [*(await asyncio.gather(*before)), *after]
    assert Counter(answer.status_code for answer in answers) == {201: 20, 422: 16}


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"amount": "0"}, "invalid_amount", "/velocity_limits/0/amount"),
        ({"amount": "1.001"}, "amount_too_precise", "/velocity_limits/0/amount"),
        ({}, "validation_error", "/velocity_limits/0"),
        ({"count": 1, "currency": "XQZ"}, "invalid_currency", "/velocity_limits/0/currency"),
        ({"count": 1, "currency": None}, "validation_error", "/velocity_limits/0/currency"),
        ({"count": 1, "seconds": 5}, "validation_error", "/velocity_limits/0/seconds"),
        ({"count": 1, "window": "rolling"}, "validation_error", "/velocity_limits/0/seconds"),
    ],
)
async def test_a_limit_that_cannot_be_read_is_refused(
    client: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await put(client, "wallets", "w:*", velocity_limits=[{**limit(), **members}])
    refused(answer, 422, code, pointer)


async def test_a_window_has_one_limit_in_a_currency(client: Client) -> None:
    twins = [limit(count=1), limit(count=2)]
    refused(await put(client, "x", "w:*", velocity_limits=twins), 422, "validation_error", "/velocity_limits/1/window")
    await group(client, limit(count=1), limit(currency="EUR", count=2))


async def test_a_group_with_limits_has_so_many_accounts_and_a_ledger_so_many_groups(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_groups, "LIMITED_ACCOUNTS_MAX", 2)
    monkeypatch.setattr(account_groups, "LIMITED_GROUPS_MAX", 1)
    refused(await put(client, "x", "**", velocity_limits=[limit(count=1)]), 422, "too_many_items", "/members")
    assert (await put(client, "x", "**")).status_code == 200
    await group(client, limit(count=1), name="y")
    await group(client, limit(count=2), name="y")
    assert (await put(client, "z", "c", velocity_limits=[limit(count=1)])).json()["code"] == "quota_exceeded"
