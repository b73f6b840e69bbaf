"""The books in a real browser: an account is frozen, the trial balance is zero, a webhook is sent again."""

from __future__ import annotations

import httpx
import pytest

from tests.browser.driver import Browser, until
from tests.browser.test_console import OVERFLOW, PHONE, made, payment, pytestmark, running, shows, window
from tests.campaigns.installation import Installation

__all__ = ["payment", "pytestmark", "running", "window"]

LEDGER = "return document.body.dataset.base + '/' + document.body.dataset.ledger"
ARRIVED = "return location.pathname === arguments[0] && document.readyState === 'complete'"
AGREE = "window.confirm = () => true"


def go(window: Browser, path: str) -> None:
    arrive(window, f"{window.run(LEDGER)}{path}")


def arrive(window: Browser, page: str) -> None:
    window.run("location.assign(arguments[0])", page)
    until(lambda: window.run(ARRIVED, page), page)


@pytest.mark.usefixtures("payment")
def test_an_account_is_frozen_with_a_reason(running: Installation, window: Browser) -> None:
    window.complaints()
    go(window, "/accounts/customers:alice")
    shows(window, "87.66")
    window.run(AGREE)
    window.write("form[action$='/freeze'] input[name=reason]", "Seen twice")
    window.click("form[action$='/freeze'] button")
    shows(window, "Done.")
    shows(window, "Unfreeze")
    account = httpx.get(
        f"{running.base_url}/v1/accounts/customers:alice", headers=running.headers, trust_env=False
    ).json()
    assert account["status"] == "frozen"
    window.write("form[action$='/unfreeze'] input[name=reason]", "It was her")
    window.click("form[action$='/unfreeze'] button")
    shows(window, "Freeze or close")
    assert window.complaints() == []


@pytest.mark.usefixtures("payment")
def test_the_trial_balance_is_zero_and_leads_to_an_entry(window: Browser) -> None:
    go(window, "/trial-balance")
    shows(window, "0.00: zero")
    window.run("[...document.querySelectorAll('.rows a')].find((a) => a.innerText === 'customers:alice').click()")
    shows(window, "The last 30 days")
    window.run("document.querySelector('.rows td a[href*=\"/journal/\"]').click()")
    shows(window, "Left and right are alike")
    assert window.complaints() == []


@pytest.mark.usefixtures("payment")
def test_an_event_is_sent_again(running: Installation, window: Browser) -> None:
    endpoint = made(running, "/v1/webhook-endpoints", {"url": "https://93.184.215.14/hooks"}, "hook")["id"]
    go(window, f"/webhooks/{endpoint}")
    window.run(AGREE)
    window.write("form[action$='/replay'] input[name=since]", "2020-01-01")
    window.write("form[action$='/replay'] input[name=reason]", "They were away")
    window.click("form[action$='/replay'] button")
    shows(window, "Done.")
    shows(window, "payment.succeeded")
    assert window.complaints() == []


def test_no_page_of_the_menu_is_wider_than_a_telephone(window: Browser) -> None:
    window._ask("POST", "/window/rect", {"width": PHONE, "height": 844})
    for page in window.run("return [...document.querySelectorAll('.nav a')].map((one) => one.pathname)"):
        arrive(window, page)
        assert window.run(OVERFLOW) <= 0, page
    assert window.complaints() == []
