"""Approvals in the console: what waits, and that nobody approves what is his own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, client_of, fresh_key
from tests.console.conftest import Person, browser, shown, signed_in
from tests.rules.judging import HELD, SOMEBODY_ELSE, approve, hold_for_review, with_money
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.main import Service

BAD, MISSING = (400, 422), (404,)
MARKUP = "<img src=x onerror=alert(1)>"
PAYMENT = {"type": "transfer", "amount": "120.00", "currency": "USD", "from": "alice", "to": "bob", "reference": MARKUP}


@pytest.fixture
async def alice(service: Service, ledger_id: LedgerId) -> Client:
    return await with_money(service, ledger_id)


async def held(
    service: Service,
    ledger_id: LedgerId,
    folder: Path,
    amount: str = "120.00",
    actor: str = SOMEBODY_ELSE,
    **rule: Any,
) -> str:
    body = {**PAYMENT, "amount": amount}
    return await hold_for_review(service, ledger_id, folder, body, {**HELD, **rule}, actor=actor)


async def decide(person: Person, review: str, word: str = "approve", **form: str) -> Any:
    return await person.act(f"/reviews/{review}/{word}", key=fresh_key(), **form)


async def test_what_waits_is_listed_and_is_paid_once_it_is_approved(
    service: Service, ledger_id: LedgerId, admin: Person, alice: Client, tmp_path: Path
) -> None:
    assert "No payment waits" in await admin.page("/reviews")
    review = await held(service, ledger_id, tmp_path)
    page = await admin.page("/reviews")
    for told in (review, "120.00", "large transfers", "key_of_somebody_else", shown(MARKUP)):
        assert told in page
    assert MARKUP not in page
    assert f"/console/{admin.ledger}/reviews?status=in_review" in await admin.page("")
    one = await admin.page(f"/reviews/{review}")
    assert MARKUP not in one
    done = await decide(admin, review, reason="Known <b>well</b>")
    assert done.status_code == 303, done.text
    one = await admin.page(f"/reviews/{review}")
    assert shown("Known <b>well</b>") in one
    assert "console|admin" in one
    assert "/payments/pay_" in one
    assert (await alice.balance("bob"))["posted"] == "120.00"
    assert review not in await admin.page("/reviews")
    assert review in await admin.page("/reviews?status=approved")


async def test_what_is_refused_is_not_paid(
    service: Service, ledger_id: LedgerId, admin: Person, alice: Client, tmp_path: Path
) -> None:
    review = await held(service, ledger_id, tmp_path)
    assert (await decide(admin, review, "refuse", reason="Odd")).status_code == 303
    assert (await alice.balance("bob"))["posted"] == "0.00"
    late = await decide(admin, review)
    assert (late.status_code, "invalid_state" in late.text) == (409, True)
    assert review in await admin.page("/reviews?status=refused&rule=large+transfers")


async def test_two_have_to_be_two(
    service: Service, ledger_id: LedgerId, admin: Person, alice: Client, tmp_path: Path
) -> None:
    """The books say so: the form is not shown, and whoever sends it all the same is refused."""
    review = await held(service, ledger_id, tmp_path, "1500.00")
    assert (await decide(admin, review)).status_code == 303
    page = await admin.page(f"/reviews/{review}")
    assert "the second has to be another person" in page
    assert "1 of 2" in page
    again = await decide(admin, review)
    assert (again.status_code, "four_eyes_required" in again.text) == (409, True)
    assert (await alice.balance("bob"))["posted"] == "0.00"
    other = await signed_in(service, ledger_id, Role.APPROVER)
    assert (await decide(other, review)).status_code == 303
    await other.http.aclose()
    assert (await alice.balance("bob"))["posted"] == "1500.00"


async def test_whoever_has_made_it_may_not_approve_it(
    service: Service, ledger_id: LedgerId, alice: Client, tmp_path: Path
) -> None:
    review = await held(service, ledger_id, tmp_path)
    maker = await browser(service, ledger_id)
    link = await service.console.sessions.make_link("key_of_somebody_else", Role.ADMIN, (ledger_id,))
    await maker.post("/console/sign-in/link", {"link": link})
    assert "another person has to approve it" in await maker.page(f"/reviews/{review}")
    refused = await decide(maker, review)
    assert (refused.status_code, "four_eyes_required" in refused.text) == (409, True)
    await maker.http.aclose()
    assert (await alice.balance("bob"))["posted"] == "0.00"


async def test_bad_addresses_are_told_of_and_another_ledger_is_not_there(
    service: Service, ledger_id: LedgerId, admin: Person, tmp_path: Path
) -> None:
    other = LedgerId((await service.services.ledgers.create("another")).id)
    await (await with_money(service, other)).http.aclose()
    review = await held(service, other, tmp_path)
    for path, status in (
        (f"/reviews/{review}", MISSING),
        ("/reviews/rev_1", BAD),
        ("/reviews?status=lost", BAD),
        ("/reviews?cursor=x", BAD),
        ("/reviews?colour=red", BAD),
    ):
        assert (await admin.get(path)).status_code in status, path
    assert (await decide(admin, review)).status_code == 404


async def test_whoever_has_made_the_key_that_pays_does_not_approve_it(
    service: Service, ledger_id: LedgerId, admin: Person, alice: Client, tmp_path: Path
) -> None:
    scopes = {f"scope.{scope}": "true" for scope in ("payments:write", "reviews:write")}
    made = await admin.act("/api-keys", name="till", **scopes)
    till = client_of(service, admin.ledger, re.findall("zsk_[A-Za-z0-9_-]{88}", made.text)[0])
    key = (await service.services.api_keys.list(ledger_id, after=None, limit=1))[0]
    review = await held(service, ledger_id, tmp_path, actor=render_id(Prefix.API_KEY, key.id))
    assert "or the key that has made it" in await admin.page(f"/reviews/{review}")
    for refused in (await decide(admin, review), await approve(till, {"id": review})):
        assert (refused.status_code, "four_eyes_required" in refused.text) == (409, True)
    own = await held(service, ledger_id, tmp_path, actor="console|admin")
    answer = await approve(till, {"id": own})
    assert (answer.status_code, answer.json()["code"]) == (409, "four_eyes_required")
    await till.http.aclose()
