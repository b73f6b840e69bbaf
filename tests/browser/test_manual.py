"""The manual in a real browser: sign in, open two accounts, pay, and read the balance, without typing a command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.driver import Browser, browser, find_programs, until
from tests.browser.prefix_proxy import prefix_proxy
from tests.campaigns.installation import Installation, installed

pytestmark = [
    pytest.mark.campaign,  # a fresh machine has no browser
    pytest.mark.skipif(find_programs() is None, reason="chromium and chromedriver are not installed"),
]

FIND_BLOCK = """
const blocks = [...document.querySelectorAll('.opblock')];
const shown = block => block.querySelector('.opblock-summary-method').innerText + ' ' +
    block.querySelector('.opblock-summary-path').innerText.replace(/\\u200b/g, '');
const found = blocks.find(block => shown(block) === arguments[0]);
if (!found) return false;
found.id = arguments[1];
if (!found.classList.contains('is-open')) found.querySelector('.opblock-summary-control').click();
return true;
"""
READ_ANSWER = """
const row = document.querySelector(arguments[0] + ' .live-responses-table tbody tr');
const body = row && row.querySelector('pre.microlight code, .highlight-code pre');
return body && [row.querySelector('.response-col_status').innerText.split('\\n')[0], body.innerText];
"""
IS_AT_CLIENT_ID = """
const dialog = document.querySelector('.modal-ux-content');
return dialog && dialog.scrollTop === 0 && document.activeElement.id === 'client_id_clientCredentials';
"""
READ_CURL = "return document.querySelector(arguments[0] + ' .curl-command code, ' + arguments[0] + ' .curl').innerText"
IS_SIGNED_IN = "return !!document.querySelector('button.authorize.locked')"
EVERYTHING_KEPT = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed("--workers", "1", is_warm=True) as installation:
        yield installation


@pytest.fixture
def window(running: Installation) -> Iterator[Browser]:
    with browser() as opened:
        opened.open("data:text/html,")
        opened.requests()
        yield opened


class Page:
    """Swagger UI, as somebody uses it who has never seen it."""

    def __init__(self, window: Browser, address: str) -> None:
        self._window = window
        window.open(address)
        window.wait_for(".opblock")

    def authorize(self, client_id: str, client_secret: str) -> None:
        self._window.click("button.authorize")
        # Client credentials are the first thing on offer, and the dialog opens there.
        until(lambda: self._window.run(IS_AT_CLIENT_ID), "the client id, in focus and in sight")
        self._window.write(".modal-ux .auth-container:first-of-type #client_id_clientCredentials", client_id)
        self._window.write("#client_secret_clientCredentials", client_secret)
        self._window.click(".modal-ux .auth-btn-wrapper button.authorize")
        until(lambda: "Logout" in self._window.run("return document.querySelector('.modal-ux').innerText"), "a token")
        self._window.click(".modal-ux .close-modal")

    def block(self, name: str) -> str:
        return "block-" + "".join(character if character.isalnum() else "-" for character in name)

    def sent(self, name: str) -> str:
        """The request as the page shows it for the command line."""
        return str(self._window.run(READ_CURL, f"#{self.block(name)}"))

    def send(self, name: str, body: dict[str, Any] | None = None, **parameters: str) -> tuple[str, dict[str, Any]]:
        """Try it out: `name` is method and path; the answer is what stands below it then."""
        block = self.block(name)
        assert self._window.run(FIND_BLOCK, name, block), f"{name} is not in the manual"
        here = f"#{block}"
        self._window.wait_for(f"{here} .execute")
        if self._window.run("return !!document.querySelector(arguments[0])", f"{here} .btn-clear"):
            self._window.click(f"{here} .btn-clear")
        for parameter, value in parameters.items():
            self._window.write(f'{here} tr[data-param-name="{parameter.replace("_", "-")}"] input', value)
        if body is not None:
            self._window.write(f"{here} textarea", json.dumps(body))
        self._window.click(f"{here} .execute")
        status, text = until(lambda: self._window.run(READ_ANSWER, here), f"an answer to {name}")
        found: dict[str, Any] = json.loads(text)
        return status, found


def test_two_accounts_are_opened_and_paid_between_in_swagger_ui(running: Installation, window: Browser) -> None:
    page = Page(window, f"{running.base_url}/docs")
    page.authorize(running.credentials["client_id"], running.credentials["client_secret"])
    for code in ("wallets:ann", "wallets:ben"):
        status, account = page.send("POST /v1/accounts", {"code": code, "currency": "USD", "type": "liability"})
        assert (status, account["code"]) == ("201", code)
    deposit = {"type": "deposit", "amount": "50", "currency": "USD", "to": "wallets:ann"}
    status, payment = page.send("POST /v1/payments", deposit, Idempotency_Key="docs-1")
    assert (status, payment["amount"]) == ("201", "50.00")
    transfer = {"type": "transfer", "amount": "12.30", "currency": "USD", "from": "wallets:ann", "to": "wallets:ben"}
    status, payment = page.send("POST /v1/payments", transfer, Idempotency_Key="docs-2")
    assert (status, payment["status"]) == ("201", "succeeded")
    status, balance = page.send("GET /v1/accounts/{account}/balance", account="wallets:ben")
    assert (status, balance["available"], balance["version"]) == ("200", "12.30", 1)
    assert window.complaints() == []
    assert {address for address in window.requests() if not address.startswith(running.base_url)} == set()


def test_what_is_filled_in_can_be_sent_as_it_stands(running: Installation, window: Browser) -> None:
    page = Page(window, f"{running.base_url}/docs")
    page.authorize(running.credentials["client_id"], running.credentials["client_secret"])
    for name, status in (
        ("POST /v1/accounts", "201"),
        ("POST /v1/payments", "201"),
        ("POST /v1/payments/bulk", "200"),
        ("POST /v1/currencies", "201"),
        ("POST /v1/ledgers", "201"),
    ):
        assert page.send(name)[0] == status, name
    assert page.send("POST /v1/journal-entries", Idempotency_Key="fee-1")[0] == "201"
    for name in ("GET /v1/accounts", "GET /v1/payments", "GET /v1/journal-entries"):
        assert page.send(name)[1]["data"], f"{name}: a filter that was filled in hides everything"
    assert window.complaints() == []


def test_each_try_has_a_key_of_its_own_unless_one_is_written(running: Installation, window: Browser) -> None:
    page = Page(window, f"{running.base_url}/docs")
    page.authorize(running.credentials["client_id"], running.credentials["client_secret"])
    deposit = {"type": "deposit", "amount": "1", "currency": "USD", "to": "customers:alice"}
    made = []
    for given in ({}, {}, {"Idempotency_Key": ""}, {"Idempotency_Key": "mine"}, {"Idempotency_Key": "mine"}):
        status, payment = page.send("POST /v1/payments", deposit, **given)
        assert status == "201"
        key = re.search(r"Idempotency-Key: (\S+?)'", page.sent("POST /v1/payments"))
        assert key is not None
        made.append((key[1], payment["id"]))
    keys, payments = zip(*made, strict=True)
    assert len(set(payments[:3])) == len(set(keys[:3])) == 3
    assert all(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key) for key in keys[:3])
    assert keys[3:] == ("mine", "mine")
    assert payments[3] == payments[4]
    bulk = [page.send("POST /v1/payments/bulk")[1]["results"] for _ in range(2)]
    assert all(item["status"] == 201 and "replayed" not in item for results in bulk for item in results)


def test_who_loads_the_page_again_is_signed_out(running: Installation, window: Browser) -> None:
    address = f"{running.base_url}/docs"
    Page(window, address).authorize(running.credentials["client_id"], running.credentials["client_secret"])
    assert window.run(IS_SIGNED_IN)
    kept = window.run(EVERYTHING_KEPT)
    assert running.credentials["client_secret"] not in kept
    assert "eyJ" not in kept
    Page(window, address)
    assert not window.run(IS_SIGNED_IN)


def test_behind_a_prefix_everything_works_and_stays_behind_it(running: Installation, window: Browser) -> None:
    with prefix_proxy(running.base_url, "/ledger") as address:
        window.open(f"{address}/")
        window.click('a[href="docs"]')
        window.wait_for(".opblock")
        page = Page(window, f"{address}/docs")
        page.authorize(running.credentials["client_id"], running.credentials["client_secret"])
        deposit = {"type": "deposit", "amount": "1", "currency": "USD", "to": "customers:alice"}
        assert page.send("POST /v1/payments", deposit)[0] == "201"
        window.open(f"{address}/redoc")
        until(lambda: "Make a payment" in window.run("return document.body.innerText"), "the manual")
        assert window.complaints() == []
        assert {asked for asked in window.requests() if not asked.startswith(f"{address}/")} == set()


def test_the_first_page_is_drawn_with_its_style_and_leads_to_the_manual(running: Installation, window: Browser) -> None:
    window.open(f"{running.base_url}/")
    window.wait_for("h1 img")
    assert window.run("return getComputedStyle(document.querySelector('.cards')).display") == "grid"
    assert window.run("return document.querySelector('h1 img').naturalWidth") > 0
    assert window.complaints() == []
    window.click('a[href="docs"]')
    window.wait_for(".opblock")
    assert {asked for asked in window.requests() if not asked.startswith(running.base_url)} == set()


def test_redoc_shows_the_same_and_asks_nobody_else(running: Installation, window: Browser) -> None:
    window.open(f"{running.base_url}/redoc")
    until(lambda: "Make a payment" in window.run("return document.body.innerText"), "the manual")
    assert window.complaints() == []
    assert {address for address in window.requests() if not address.startswith(running.base_url)} == set()


def test_under_another_name_than_localhost_nobody_else_is_asked_either(running: Installation) -> None:
    """Swagger UI would send the schema's address to a validator there."""
    with browser("--host-resolver-rules=MAP zerosum.test 127.0.0.1") as window:
        window.open("data:text/html,")
        window.requests()
        address = f"http://zerosum.test:{running.base_url.rsplit(':', 1)[1]}"
        for path in ("/docs", "/redoc"):
            window.open(f"{address}{path}")
            until(lambda: "Make a payment" in window.run("return document.body.innerText"), "the manual")
            assert window.complaints() == []
            assert {asked for asked in window.requests() if not asked.startswith(address)} == set()
