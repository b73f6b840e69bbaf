"""Who has looked at somebody's data, and what has become of what people did: both stand in the audit log."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person
from tests.console.test_pages import paid
from tests.console.test_refund_page import refunded
from tests.console.test_work import asked, disputed, placed, scheduled
from zerosum.domain.errors import OutcomeUnknown
from zerosum.main import Service

TELLS_ITSELF = {
    "/console/{ledger}/accounts/{account}": "of liabilities",
    "/console/{ledger}/accounts/{account}/statements/{number}": "of liabilities",
    "/console/{ledger}/clients/{client}": "as client_N",
}
NOT_PERSONAL = {
    "/console/static/{name}": "a file of the console's own",
    "/console/{rest:path}": "nothing",
    "/console/{ledger}": "figures over all payments",
    "/console/{ledger}/webhooks/{endpoint}": "which events were sent, without what they say",
    "/console/{ledger}/reconciliation/sources/{source}": "how a file is read",
    "/console/{ledger}/reconciliation/files/{file}": "sums over all lines",
    "/console/{ledger}/periods/{period}": "sums over all accounts",
}


async def viewed(client: Client) -> list[str]:
    log = await client.get("/v1/audit-log", params={"type": "console.viewed", "ledger": client.ledger})
    return [one["resource"] for one in log.json()["data"]]


async def acts(client: Client) -> list[dict[str, Any]]:
    log = await client.get("/v1/audit-log", params={"ledger": client.ledger, "limit": "100"})
    return [one for one in log.json()["data"] if one["type"].startswith("console.act")]


def test_of_every_page_about_one_thing_it_is_said_whether_it_tells_of_somebody(service: Service) -> None:
    """A page that is not here is one that nobody has thought about."""
    pages = [route for route in service.console.routes if route.method == "GET" and route.template.endswith("}")]
    silent = {route.template for route in pages if not route.is_personal}
    assert silent == TELLS_ITSELF.keys() | NOT_PERSONAL.keys()


async def test_each_look_at_what_may_tell_of_somebody_is_told(admin: Person, client: Client) -> None:
    payment = await paid(client)
    refund = await refunded(client, payment, amount="1.00")
    bare = payment.removeprefix("pay_")
    hold, dispute, schedule, call = (
        await placed(client), await disputed(client), await scheduled(client), await asked(client),
    )  # fmt: skip
    looks = {
        f"/payments/{payment.upper().replace('PAY_', 'pay_')}": payment,
        f"/refunds/{refund}": refund,
        f"/journal/je_{bare}": f"je_{bare}",
        f"/events/evt_{bare}": f"evt_{bare}",
        f"/holds/{hold}": hold,
        f"/disputes/{dispute}": dispute,
        f"/scheduled-payments/{schedule}": schedule,
        f"/processor-calls/{call}": call,
        "/clients": "clients",
    }
    assert await viewed(client) == []
    for path in looks:
        await admin.page(path)
    assert await viewed(client) == list(looks.values())[::-1]
    assert (await admin.get(f"/payments/pay_{hold.removeprefix('hold_')}")).status_code == 404
    assert len(await viewed(client)) == len(looks), "what is not there was not seen"


@pytest.mark.parametrize(
    "path", ["/payments", "/journal", "/holds", "/scheduled-payments", "/events", "/accounts/{account}/statements"]
)
async def test_a_list_of_what_somebody_s_account_did_is_a_look_at_it(admin: Person, client: Client, path: str) -> None:
    account = await client.open_account("alice")
    await client.deposit("alice", "5.00")
    for said in ({"account": "alice"}, {"account": account["id"]}):
        asked_for = {} if "{" in path else said
        await admin.page(path.format(**said), params=asked_for)
    assert await viewed(client) == [account["id"]]
    ours = "clearing:internal:USD"
    await admin.page(path.format(account=ours), params={} if "{" in path else {"account": ours})
    assert await viewed(client) == [account["id"]], "what the service keeps for itself is nobody's"


async def test_what_became_of_an_act_is_told(admin: Person, client: Client) -> None:
    payment = await paid(client)
    path = f"/payments/{payment}/refund"
    assert (await admin.act(path, amount="1.00", reason="good", key=fresh_key())).status_code == 303
    assert (await admin.act(path, amount="1000.00", reason="too much", key=fresh_key())).status_code == 422
    refused_end, refused, done_end, done = await acts(client)
    for begun, ended, reason, facts in (
        (done, done_end, "good", {"outcome": "carried_out"}),
        (refused, refused_end, "too much", {"outcome": "refused", "code": "amount_exceeds_payment"}),
    ):
        assert (begun["type"], ended["type"]) == ("console.acted", "console.act_ended")
        assert begun["reason"] == ended["reason"] == reason
        assert begun["resource"] == ended["resource"]
        assert ended["facts"] == {"action": "refund a payment", "act": begun["id"], **facts}
    shown = await admin.page("/audit-log?type=console.act_ended")
    assert re.search("carried out", shown)
    assert re.search("refused", shown)


async def test_of_an_outcome_that_nobody_knows_that_is_told(
    service: Service, admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await paid(client)

    async def lost(*_: object) -> None:
        raise OutcomeUnknown("It is not known.")

    monkeypatch.setattr(service.services.refunds.desk, "one", lost)
    assert (await admin.act(f"/payments/{payment}/refund", key=fresh_key())).status_code == 504
    assert (await acts(client))[0]["facts"]["outcome"] == "unknown"
