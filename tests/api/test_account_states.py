"""Freeze, unfreeze and close over HTTP: idempotent by state, and what they do to money."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused


async def turn(client: Client, account: str, action: str, body: Any = None) -> Any:
    return await client.post(f"/v1/accounts/{account}/{action}", body)


async def status_after(client: Client, *actions: str) -> list[str]:
    await client.open_account("a")
    return [(await turn(client, "a", action)).json()["status"] for action in actions]


async def test_each_change_of_state_may_be_asked_for_again(client: Client) -> None:
    actions = ("freeze", "freeze", "unfreeze", "unfreeze", "close", "close")
    assert await status_after(client, *actions) == ["frozen", "frozen", "open", "open", "closed", "closed"]


async def test_a_frozen_account_can_be_closed(client: Client) -> None:
    assert await status_after(client, "freeze", "close") == ["frozen", "closed"]


async def test_the_answer_is_the_account_by_id_or_code(client: Client) -> None:
    account = await client.open_account("team/a")
    frozen = await turn(client, "team/a", "freeze", {"reason": "Asked for by compliance"})
    assert (frozen.status_code, frozen.json()) == (200, {**account, "status": "frozen"})
    assert (await turn(client, account["id"], "unfreeze", {})).json() == account
    assert (await turn(client, "team/a", "freeze", {"reason": None})).json() == frozen.json()


@pytest.mark.parametrize("action", ["freeze", "unfreeze"])
async def test_a_closed_account_stays_closed(client: Client, action: str) -> None:
    await client.open_account("a")
    await turn(client, "a", "close")
    refused(await turn(client, "a", action), 409, "invalid_state", facts={"account_status": "closed"})
    change = await client.http.patch("/v1/accounts/a", json={"name": "B"})
    refused(change, 409, "invalid_state", facts={"account_status": "closed"})


async def test_an_account_with_money_in_it_is_not_closed(client: Client) -> None:
    await client.open_account("a")
    await client.deposit("a", "0.01")
    refused(await turn(client, "a", "close"), 409, "invalid_state", facts={"posted": "0.01", "held": "0.00"})
    assert (await client.get("/v1/accounts/a")).json()["status"] == "open"


@pytest.mark.parametrize(("action", "code"), [("freeze", "account_frozen"), ("close", "account_closed")])
async def test_no_money_moves_on_either_side_of_it(client: Client, action: str, code: str) -> None:
    account = await client.open_account("a")
    await client.open_account("b", min_available=None)
    await turn(client, "a", action)
    facts = {"account": "a", "account_id": account["id"], "account_code": "a"}
    refused(await client.transfer("b", "a", "1"), 409, code, "/to", facts=facts)
    refused(await client.transfer("a", "b", "1"), 409, code, "/from", ("/from", "insufficient_funds"), facts=facts)
    assert (await client.balance("b"))["version"] == 0


async def test_unfreezing_lets_money_move_again(client: Client) -> None:
    await client.open_account("a")
    await turn(client, "a", "freeze")
    await turn(client, "a", "unfreeze")
    await client.deposit("a", "1")


@pytest.mark.parametrize("action", ["freeze", "unfreeze", "close"])
async def test_what_is_not_there_has_no_state(client: Client, action: str) -> None:
    refused(await turn(client, "nobody", action), 404, "account_not_found", facts={})
    refused(await turn(client, "acc_x", action), 422, "invalid_id")


@pytest.mark.parametrize("action", ["freeze", "unfreeze", "close"])
async def test_a_reason_is_text(client: Client, action: str) -> None:
    await client.open_account("a")
    refused(await turn(client, "a", action, {"reason": 5}), 422, "validation_error", "/reason")
    refused(await turn(client, "a", action, {"reason": ""}), 422, "validation_error", "/reason")
    refused(await turn(client, "a", action, {"why": "x"}), 422, "unknown_field", "/why")
    refused(await turn(client, "a", action, []), 422, "validation_error", "")
    assert (await client.get("/v1/accounts/a")).json()["status"] == "open"


async def test_an_account_that_is_still_named_is_not_closed(client: Client) -> None:
    """By a hold on either side, a scheduled payment or an open dispute; each kind with how many there are."""
    for code in ("guest", "hotel", "cash"):
        await client.open_account(code, type="asset" if code == "cash" else "liability", min_available=None)
    await client.deposit("guest", "10")
    money = {"amount": "10", "currency": "USD"}

    async def sent(path: str, body: Any, status: int = 201) -> Any:
        answer = await client.post(path, body, key=fresh_key())
        assert answer.status_code == status, answer.text
        return answer.json()

    holds = [await sent("/v1/holds", {**money, "from": payer, "to": "hotel"}) for payer in ("guest", "cash")]
    later = {**money, "type": "transfer", "from": "cash", "to": "hotel", "execute_at": "2030-01-01T00:00:00Z"}
    scheduled = await sent("/v1/scheduled-payments", later)
    paid = (await client.transfer("guest", "cash", "3")).json()
    dispute = await sent(f"/v1/payments/{paid['id']}/dispute", {"reason": "x"})
    await client.transfer("cash", "guest", "3")
    told = {"open_holds": "2", "open_scheduled_payments": "1"}
    refused(await turn(client, "hotel", "close"), 409, "invalid_state", facts=told)
    told = {"open_holds": "1", "open_scheduled_payments": "1", "open_disputes": "1"}
    refused(await turn(client, "cash", "close"), 409, "invalid_state", facts=told)
    for hold in holds:
        await sent(f"/v1/holds/{hold['id']}/void", {}, 200)
    await sent(f"/v1/scheduled-payments/{scheduled['id']}/cancel", {}, 200)
    assert (await turn(client, "hotel", "close")).json()["status"] == "closed"
    refused(await turn(client, "cash", "close"), 409, "invalid_state", facts={"open_disputes": "1"})
    await sent(f"/v1/disputes/{dispute['id']}/resolve", {}, 200)
    assert (await turn(client, "cash", "close")).json()["status"] == "closed"
