"""A receipt is checked in a real browser with the network off, by a page that stands alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.conftest import client as client
from tests.api.conftest import service as service
from tests.api.sealing import sealing_of
from tests.api.test_checkpoints import ordered_outside
from tests.browser.driver import Browser, browser, find_programs, until
from tests.domain.test_hostile_receipts import KEY, OTHER, OWN, settled
from tests.webhooks.conftest import until as until_found
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.main import Service
from zerosum.verifier import standalone

pytestmark = [
    pytest.mark.campaign,  # a fresh machine has no browser
    pytest.mark.skipif(find_programs() is None, reason="chromium and chromedriver are not installed"),
]

PAGE = Path(standalone.__file__).with_name("receipt.html")


async def test_a_receipt_is_checked_in_a_browser_that_is_offline(service: Service, client: Client) -> None:
    await client.open_account("alice", min_available=None)
    await client.open_account("bob")
    # In the order of code points and not of UTF-16, as the books hash it.
    metadata = {"\U0001f600": "later", "\uff5e": "earlier", "a": 'Ä "quoted", 4:text'}
    ordered = {"type": "transfer", "amount": "7.50", "currency": "USD", "from": "alice", "to": "bob"}
    paid = (await client.pay({**ordered, "metadata": metadata})).json()
    held = await client.post(
        "/v1/holds", {"amount": "2.00", "currency": "USD", "from": "bob", "to": "alice"}, key=fresh_key()
    )
    entries = [f"je_{paid['id'].removeprefix('pay_')}", f"je_{held.json()['id'].removeprefix('hold_')}"]

    async def look() -> list[Any]:
        await sealing_of(service).seal(parse_id(Prefix.LEDGER, client.ledger))
        answers = [await client.get(f"/v1/journal-entries/{entry}/receipt") for entry in entries]
        return [answer.json() for answer in answers if answer.status_code == 200]

    receipts = await until_found(look, lambda found: len(found) == len(entries))
    key = receipts[0]["verifier_key"]
    outside = await settled_outside(service, client)
    with browser() as window:
        window.open(PAGE.as_uri())
        window.go_offline()
        for receipt in receipts:
            said = checked(window, receipt, key)
            assert said.startswith(f"Right: {receipt['entry']['id']} stands in the books"), said
        assert "debit" in said
        assert "2.00 USD, pending" in said, "nothing is paid by a hold"
        for receipt in outside:
            told = [line for line in checked(window, receipt, key).splitlines() if line in SETTLED or "Paid: " in line]
            assert len(told) == 1, told
            assert checked(window, receipt | {"settlement": None}, key).splitlines()[-2] == SETTLED[0]
        assert "Paid: 4.50 of 10.00 USD, at " in checked(window, outside[1], key)
        moved = outside[0] | {"settlement": outside[1]["settlement"]}
        assert checked(window, moved, key).startswith("WRONG: the settlement is of something else")
        elsewhere = settled("payment", OWN, (OWN[0], OTHER))
        assert checked(window, elsewhere, KEY).startswith("WRONG: the settlement is of somebody else")
        for what, change in FORGERIES.items():
            forged = copy.deepcopy(receipts[0])
            change(forged)
            assert checked(window, forged, key).startswith("WRONG: "), what
        for what, change in UNREADABLE.items():
            forged = copy.deepcopy(receipts[0])
            change(forged)
            assert checked(window, forged, key).startswith("This cannot be read: "), what
        other = f"{key.partition('+')[0]}+00000000+{key.rpartition('+')[2]}"
        assert checked(window, receipts[0], other).startswith("This cannot be read: ")


SETTLED = ["Pending: that it was paid is not proven."]


async def settled_outside(service: Service, client: Client) -> list[Any]:
    """Receipts under one checkpoint of a payment through a processor that waits, and of one that was paid in part."""
    payments = [await ordered_outside(client, said) for said in (None, {**APPROVED, "amount": "4.50"})]

    async def look() -> list[Any]:
        await sealing_of(service).seal(parse_id(Prefix.LEDGER, client.ledger))
        return [(await client.get(f"/v1/payments/{one['id']}/receipt")).json() for one in payments]

    return await until_found(look, lambda found: found[1].get("settlement") is not None)


APPROVED = {"outcome": "approved", "reason": "seen"}

FORGERIES: dict[str, Callable[[Any], object]] = {
    "an amount": lambda one: [posting.update(amount="9.50") for posting in one["entry"]["postings"]],
    "one side alone": lambda one: one["entry"]["postings"][0].update(amount="9.50"),
    "a reason": lambda one: one["entry"].update(reason="gift"),
    "metadata": lambda one: one["entry"]["metadata"].update(a="another"),
    "a place": lambda one: one.update(place=0 if one["place"] else 1),
    "a proof": lambda one: one["proof"].reverse() if len(one["proof"]) > 1 else one["proof"].append("00" * 32),
    "a checkpoint": lambda one: one["checkpoint"].update(
        note=one["checkpoint"]["note"].replace("sealed_at 2", "sealed_at 3", 1)
    ),
    "a word about the entry": lambda one: one["entry"].update(paid_to="Eve"),
    "a word about a posting": lambda one: one["entry"]["postings"][1].update(name="Eve"),
    "a ledger": lambda one: one.update(ledger="led_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"),
}

UNREADABLE: dict[str, Callable[[Any], object]] = {
    "an entry called otherwise": lambda one: one["entry"].update(id="A million for Eve (" + one["entry"]["id"]),
    "a payment's id": lambda one: one["entry"].update(id=one["entry"]["id"].replace("je_", "pay_")),
    "an account called otherwise": lambda one: one["entry"]["postings"][0].update(
        account="Eve " + one["entry"]["postings"][0]["account"]
    ),
}


def checked(window: Browser, receipt: Any, key: str) -> str:
    """What the page says of it."""
    window.run(
        "said.textContent = ''; document.getElementById('key').value = arguments[0]; "
        "document.getElementById('receipt').value = arguments[1]; document.querySelector('button').click()",
        key,
        json.dumps(receipt),
    )
    said: str = until(lambda: window.run("return said.textContent"), "what the page says")
    return said
