"""The console in a real browser: in by the printed link, to a payment by its reference, and a refund of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.driver import Browser, browser, find_programs, until
from tests.campaigns.installation import Installation, installed

pytestmark = [
    pytest.mark.campaign,  # a fresh machine has no browser
    pytest.mark.skipif(find_programs() is None, reason="chromium and chromedriver are not installed"),
]

PHONE = 390
OVERFLOW = "return document.documentElement.scrollWidth - window.innerWidth"
FIGURE = "return document.querySelector('#live .figure').innerText"
TEXT = "return document.querySelector('main').innerText"


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed("--workers", "1", is_warm=True) as installation:
        yield installation


@pytest.fixture(scope="module")
def window(running: Installation) -> Iterator[Browser]:
    """Signed in by the link that `zerosum up` has printed."""
    link = re.search(r"http\S+/console/sign-in\?link=\S+", running.log())
    assert link is not None, running.log()
    with browser() as opened:
        opened.open(link[0])
        opened.click("button.main")
        opened.wait_for("section.proof")
        yield opened


def made(running: Installation, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    headers = {**running.headers, "Idempotency-Key": key}
    answer = httpx.post(f"{running.base_url}{path}", json=body, headers=headers, trust_env=False)
    assert answer.status_code in (200, 201), answer.text
    content: dict[str, Any] = answer.json()
    return content


@pytest.fixture(scope="module")
def payment(running: Installation) -> str:
    order = {"type": "deposit", "amount": "100.00", "currency": "USD", "to": "customers:alice"}
    made(running, "/v1/payments", order, "in")
    order = {"type": "transfer", "amount": "12.34", "currency": "USD", "from": "customers:alice", "to": "customers:bob"}
    paid = made(running, "/v1/payments", {**order, "reference": "order 1", "description": "<b>Lunch</b>"}, "out")
    payment: str = paid["id"]
    return payment


def shows(window: Browser, text: str) -> None:
    until(lambda: text in window.run(TEXT), text)


def test_a_payment_is_found_by_its_reference_and_its_life_is_told(window: Browser, payment: str) -> None:
    window.complaints()
    window.write("#search", "order 1")
    window.run("document.querySelector('.search').requestSubmit()")
    shows(window, payment)
    for told in ("Transfer of 12.34 USD", "customers:bob", "payment.succeeded", "Debit", "<b>Lunch</b>"):
        shows(window, told)
    assert window.complaints() == []


def test_it_is_refunded_with_a_reason(running: Installation, window: Browser, payment: str) -> None:
    window.click(".acts summary")
    window.write("input[name=amount]", "2.34")
    window.write("input[name=reason]", "Cold")
    window.click(".acts button")
    shows(window, "Done.")
    shows(window, "partially refunded")
    refunds = httpx.get(
        f"{running.base_url}/v1/payments/{payment}/refunds", headers=running.headers, trust_env=False
    ).json()["data"]
    assert [(one["amount"], one["reason"]) for one in refunds] == [("2.34", "Cold")]
    assert window.complaints() == []


def test_the_overview_draws_and_is_told_what_happens(running: Installation, window: Browser) -> None:
    window.requests()
    window.run("document.querySelector('.nav a').click()")
    window.wait_for(".plot canvas")
    window.wait_for("#live.is-followed")
    number = window.run(FIGURE)
    order = {"type": "deposit", "amount": "7.00", "currency": "USD", "to": "customers:alice"}
    made(running, "/v1/payments", order, "while-it-is-open")
    until(lambda: window.run(FIGURE) != number, "one payment more")
    shows(window, "trial balance")
    asked = window.requests()
    assert [one for one in asked if one.endswith("/overview/stream")]
    assert not [one for one in asked if one.endswith("/overview/live")], "it need not ask"
    assert window.complaints() == []


def test_where_nothing_can_be_told_the_page_asks(window: Browser) -> None:
    script = window.command("Page.addScriptToEvaluateOnNewDocument", source="delete window.EventSource")
    window.requests()
    window.run("location.reload()")
    until(
        lambda: [one for one in window.requests() if one.endswith("/overview/live")], "the figures are asked for anew"
    )
    shows(window, "trial balance")
    assert not window.run("return document.querySelector('.is-followed')")
    window.command("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    assert window.complaints() == []


def test_keys_lead_through_the_console(window: Browser) -> None:
    window.run("document.activeElement.blur()")
    for key in "gp":
        window.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))", key)
    window.wait_for("form.filters")
    # A page that is there knows its keys a little later.
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '?', bubbles: true}));"
    told = "const d = document.getElementById('keys'); return d.open && d.innerText"
    assert "Payments" in until(lambda: window.run(press + told), "the keys")
    assert window.complaints() == []


def test_no_page_is_wider_than_a_telephone(window: Browser, payment: str) -> None:
    place = window.run("return location.pathname").rpartition("/")[0]
    for page in (place, f"{place}/payments", f"{place}/payments/{payment}", f"{place}/search?q=order"):
        # A frame has the width of a phone, and the policy allows none: the window itself is made narrow.
        window._ask("POST", "/window/rect", {"width": PHONE, "height": 844})
        window.run("location.assign(arguments[0])", page)
        window.wait_for("main")
        assert window.run(OVERFLOW) <= 0, page
