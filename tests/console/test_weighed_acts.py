"""Every act that moves money: at its threshold it is done at once, above it another person has to confirm it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.test_dead_letters import put_aside
from tests.console.conftest import Person
from tests.console.test_books import booked
from tests.console.test_pages import paid
from tests.console.test_reconciliation import told as told_by_bank
from tests.console.test_second_person import approver as approver
from tests.console.test_second_person import operator as operator
from tests.console.test_second_person import proposal_at, status_in
from tests.console.test_work import asked, disputed, placed
from tests.ingest.ground import deposit
from tests.reconciliation.ground import BANK, breaks
from zerosum.domain.proposals import Thresholds
from zerosum.main import Service

WEIGHED = {
    "/console/{ledger}/payments/{payment}/refund",
    "/console/{ledger}/journal/{entry}/reverse",
    "/console/{ledger}/processor-calls/{payment}/settle",
    "/console/{ledger}/breaks/{break}/adjust",
    "/console/{ledger}/holds/{hold}/capture",
    "/console/{ledger}/holds/{hold}/void",
    "/console/{ledger}/disputes/{dispute}/resolve",
    "/console/{ledger}/disputes/{dispute}/chargeback",
    "/console/{ledger}/dead-letters/{dead_letter}/replay",
}

ALONE = {
    # Two persons already: whoever has made the payment does not approve it.
    "/console/{ledger}/reviews/{review}/approve",
    "/console/{ledger}/reviews/{review}/refuse",
    # The second person's own.
    "/console/{ledger}/proposals/{proposal}/confirm",
    "/console/{ledger}/proposals/{proposal}/decline",
    "/console/{ledger}/proposals/{proposal}/withdraw",
    # They promise, ask for or forbid something; what is paid is as it was.
    "/console/{ledger}/holds/{hold}/extend",
    "/console/{ledger}/disputes/{dispute}/evidence",
    "/console/{ledger}/disputes/{dispute}/escalate",
    "/console/{ledger}/scheduled-payments/{scheduled_payment}/cancel",
    "/console/{ledger}/dead-letters/{dead_letter}/drop",
    "/console/{ledger}/accounts/{account}/freeze",
    "/console/{ledger}/accounts/{account}/unfreeze",
    "/console/{ledger}/accounts/{account}/close",
    "/console/{ledger}/accounts/{account}/statements",
    "/console/{ledger}/periods",
    "/console/{ledger}/breaks/{break}/assign",
    "/console/{ledger}/breaks/{break}/note",
    "/console/{ledger}/breaks/{break}/explain",
    "/console/{ledger}/breaks/{break}/resolve",
    # They tell again what was told.
    "/console/{ledger}/webhooks/{endpoint}/replay",
    "/console/{ledger}/webhooks/{endpoint}/deliveries/{event}/replay",
    # They set something up.
    "/console/{ledger}/api-keys",
    "/console/{ledger}/api-keys/{api_key}/revoke",
    "/console/{ledger}/currencies",
    "/console/{ledger}/house-rules",
    "/console/{ledger}/sessions/end",
    "/console/{ledger}/sessions/{session}/end",
    "/console/{ledger}/webhooks",
    "/console/{ledger}/webhooks/{endpoint}/settings",
    "/console/{ledger}/webhooks/{endpoint}/enable",
    "/console/{ledger}/webhooks/{endpoint}/disable",
    "/console/{ledger}/webhooks/{endpoint}/ping",
    "/console/{ledger}/webhooks/{endpoint}/rotate-secret",
    "/console/{ledger}/webhooks/{endpoint}/delete",
    "/console/{ledger}/views/{page}/keep",
    "/console/{ledger}/views/{page}/rename",
    "/console/{ledger}/views/{page}/delete",
}
"""Written by hand: an act that is not here and moves money is one that a person does alone, whatever it moves."""


def test_each_act_waits_for_a_second_person_or_says_why_not(service: Service) -> None:
    acts = {route.template: route for route in service.console.routes if route.method == "POST" and not route.is_open}
    assert set(acts) == WEIGHED | ALONE, "say here whether the new act moves money"
    assert {template for template, route in acts.items() if route.is_weighed} == WEIGHED
    assert len(service.console.second_person.acts) == len(WEIGHED), "two acts have one name"


async def refunded(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/payments/{await paid(client)}/refund", {"amount": "12.00"}


async def reversed_(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/journal/{await booked(client)}/reverse", {}


async def settled(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    said = {"outcome": "approved", "amount": "4.00", "processor": "away"}
    return f"/processor-calls/{await asked(client)}/settle", said


async def captured(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/holds/{await placed(client)}/capture", {"amount": "30.00"}


async def captured_whole(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/holds/{await placed(client)}/capture", {}


async def voided(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/holds/{await placed(client)}/void", {}


async def won(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/disputes/{await disputed(client)}/resolve", {}


async def lost(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    return f"/disputes/{await disputed(client)}/chargeback", {}


async def adjusted(client: Client, _: Service) -> tuple[str, dict[str, str]]:
    await told_by_bank(client)
    missing = next(one["id"] for one in await breaks(client) if one["kind"] == "missing_here")
    return f"/breaks/{missing}/adjust", {"account": "expenses:fees"}


async def replayed(client: Client, service: Service) -> tuple[str, dict[str, str]]:
    account = (await client.open_account("shops:one"))["code"]
    return f"/dead-letters/{await put_aside(service, client, deposit(account, '5.00'))}/replay", {}


Made = Callable[[Client, Service], Awaitable[tuple[str, dict[str, str]]]]

ACTS: list[tuple[Made, str, str, str, str]] = [
    (refunded, "12.00", "", "", ""),
    (reversed_, "12.30", "fees", "12.30", "0.00"),
    (settled, "10.00", "alice", "100.00", "96.00"),
    (captured, "30.00", "bob", "0.00", "30.00"),
    (captured_whole, "80.00", "bob", "0.00", "80.00"),
    (voided, "80.00", "alice", "100.00", "100.00"),
    (won, "12.34", "", "", ""),
    (lost, "12.34", "", "", ""),
    (adjusted, "2.50", BANK, "21.00", "23.50"),
    (replayed, "5.00", "shops:one", "0.00", "5.00"),
]
"""What it moves, and of one account what is posted before and after it."""

IDS = [made.__name__ for made, *_ in ACTS]


async def entries(client: Client) -> set[str]:
    answer = await client.get("/v1/journal-entries", params={"limit": "200"})
    return {one["id"] for one in answer.json()["data"]}


@pytest.mark.parametrize(("made", "amount", "account", "before", "after"), ACTS, ids=IDS)
async def test_above_its_threshold_it_waits_and_is_done_once(
    service: Service,
    admin: Person,
    approver: Person,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    made: Made,
    amount: str,
    account: str,
    before: str,
    after: str,
) -> None:
    path, form = await made(client, service)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse(f"USD {float(amount) - 0.01:.2f}"))
    assert f"{float(amount) - 0.01:.2f} USD another person" in await admin.page(path.rpartition("/")[0])
    so_far = await entries(client)
    sent = {"key": fresh_key(), "reason": "Because", **form}
    proposal = proposal_at(await admin.act(path, **sent))
    assert proposal_at(await admin.act(path, **sent)) == proposal
    assert await entries(client) == so_far
    assert f"{amount} <" in await approver.page(f"/proposals/{proposal}")
    if before:
        assert (await client.balance(account))["posted"] == before
    answer = await approver.act(f"/proposals/{proposal}/confirm", reason="Fine")
    assert answer.status_code == 303, answer.text
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "carried-out"
    once = await entries(client)
    late = await approver.act(f"/proposals/{proposal}/confirm")
    assert late.status_code == 409
    assert await entries(client) == once
    if after:
        assert (await client.balance(account))["posted"] == after
    assert len(once - so_far) == 1


@pytest.mark.parametrize(("made", "amount"), [(made, amount) for made, amount, *_ in ACTS], ids=IDS)
async def test_at_its_threshold_one_person_does_it(
    service: Service, admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch, made: Made, amount: str
) -> None:
    path, form = await made(client, service)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse(f"USD {amount}, * 0"))
    done = await admin.act(path, **{"key": fresh_key(), **form})
    assert done.status_code == 303, done.text
    assert "/proposals/" not in done.headers["location"]
    assert "Nothing waits for a second person" in await admin.page("/proposals")


async def test_the_rest_of_a_hold_that_has_grown_is_not_paid_by_what_was_confirmed_before(
    service: Service, operator: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = await captured_whole(client, service)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("* 0"))
    proposal = proposal_at(await operator.act(path, key=fresh_key()))
    more = path.replace("/capture", "/increment")
    assert (await client.post(f"/v1{more}", {"amount": "5.00"}, key=fresh_key())).is_success
    late = await approver.act(f"/proposals/{proposal}/confirm")
    assert (late.status_code, "85.00 USD" in late.text) == (409, True)
    assert (await client.balance("bob"))["posted"] == "0.00"


async def test_what_is_set_free_besides_counts_as_well(
    service: Service, operator: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = await captured(client, service)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("USD 50"))
    proposal_at(await operator.act(path, key=fresh_key(), amount="1.00", final="true"))


@pytest.mark.parametrize(
    "content",
    [
        {"command": "refund", "payment": "pay_1", "amount": "1.00"},
        {"command": "payment"},
        b"no JSON",
        {"specversion": "1.0"},
    ],
)
async def test_of_a_message_whose_amount_nobody_can_tell_a_second_person_is_asked(
    service: Service, admin: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    letter = await put_aside(service, client, content)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("USD 1000000"))
    proposal = proposal_at(await admin.act(f"/dead-letters/{letter}/replay"))
    assert "an amount that cannot be told" in await approver.page(f"/proposals/{proposal}")
    assert "not known" in await approver.page("/proposals")
    assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 303


async def test_a_form_that_says_nothing_is_refused_before_anybody_else_is_asked(
    service: Service, admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("* 0"))
    for path, form in (
        ((await settled(client, service))[0], {"outcome": "perhaps"}),
        ((await captured(client, service))[0], {"amount": "much"}),
        ((await refunded(client, service))[0], {"amount": "-1"}),
    ):
        refused = await admin.act(path, key=fresh_key(), **form)
        assert refused.status_code == 422, path
    assert "Nothing waits" in await admin.page("/proposals")


async def test_a_call_that_was_moved_to_another_processor_ends_what_was_proposed_of_it(
    service: Service, admin: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is worth another try elsewhere, and never here: whoever has looked has looked at the wrong one."""
    path, form = await settled(client, service)
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("* 0"))
    proposal = proposal_at(await admin.act(path, key=fresh_key(), **{**form, "processor": "elsewhere"}))
    refused = await approver.act(f"/proposals/{proposal}/confirm")
    assert (refused.status_code, "processor_call_moved" in refused.text) == (409, True)
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "refused"
    proposal_at(await admin.act(path, key=fresh_key(), **form))
