"""Work that waits for people, in a real browser: a payment that two have to approve, and a break that is resolved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.driver import Browser, browser, find_programs, until
from tests.browser.test_console_axe import AXE, LOOK, TAGS
from tests.campaigns.installation import Installation, installed

pytestmark = [
    pytest.mark.campaign,  # a fresh machine has no browser
    pytest.mark.skipif(find_programs() is None, reason="chromium and chromedriver are not installed"),
]

RULE = {"name": "large", "kind": "limit", "amount_max": "100", "types": ["transfer"], "action": "review"}
TEXT = "return document.querySelector('main').innerText"
OVERFLOW = "return document.documentElement.scrollWidth - window.innerWidth"
PHONE = 390


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    rules = tmp_path_factory.mktemp("rules") / "rules.json"
    rules.write_text(json.dumps({"rules": [{**RULE, "two_approvals_from": "1000"}]}), encoding="utf-8")
    settings = {"ZEROSUM_RULES_FILE": str(rules), "ZEROSUM_CONSOLE_SECOND_PERSON": "USD 50, * 0"}
    with installed("--workers", "1", environment=settings, is_warm=True) as installation:
        yield installation


def asked(running: Installation, method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = httpx.request(method, f"{running.base_url}{path}", headers=running.headers, trust_env=False, **options)
    assert answer.status_code < 300, answer.text
    content: dict[str, Any] = answer.json()
    return content


def made(running: Installation, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    answer = httpx.post(
        f"{running.base_url}{path}",
        json=body,
        headers={**running.headers, "Idempotency-Key": key},
        trust_env=False,
    )
    assert answer.status_code < 300, answer.text
    content: dict[str, Any] = answer.json()
    return content


@pytest.fixture(scope="module")
def window(running: Installation) -> Iterator[Browser]:
    """Signed in by the link that `zerosum up` has printed."""
    link = re.search(r"http\S+/console/sign-in\?link=\S+", running.log())
    assert link is not None, running.log()
    with browser() as opened:
        signed_in(opened, link[0])
        yield opened


def signed_in(window: Browser, link: str) -> None:
    window.open(link)
    window.click("button.main")
    window.wait_for("section.proof")


def link_for(running: Installation, subject: str, role: str) -> str:
    command = [sys.executable, "-m", "zerosum", "console-link", "--subject", subject, "--role", role]
    done = subprocess.run(
        [*command, "--data-dir", str(running.folder)], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def shows(window: Browser, text: str) -> None:
    until(lambda: text in window.run(TEXT), text)


def ledger_page(window: Browser) -> str:
    found = re.match(r"/console/led_[^/]+", window.run("return location.pathname"))
    assert found is not None
    return found[0]


def go(running: Installation, window: Browser, path: str) -> None:
    window.open(f"{running.base_url}{path}")
    window.wait_for("main h1")


def test_a_payment_is_approved_by_two_people_and_not_twice_by_one(running: Installation, window: Browser) -> None:
    made(running, "/v1/payments", {"type": "deposit", "amount": "5000", "currency": "USD", "to": "customers:a"}, "in")
    order = {"type": "transfer", "amount": "1200", "currency": "USD", "from": "customers:a", "to": "customers:b"}
    review = made(running, "/v1/payments", order, "out")["id"]
    place = f"{ledger_page(window)}/reviews"
    window.complaints()
    go(running, window, place)
    window.click(".rows tbody a")
    shows(window, review)
    window.write("form[action$='/approve'] input[name=reason]", "Known")
    window.click("form[action$='/approve'] button")
    shows(window, "the second has to be another person's")
    assert window.complaints() == []
    with browser() as second:
        signed_in(second, link_for(running, "ann", "approver"))
        go(running, second, f"{place}/{review}")
        second.write("form[action$='/approve'] input[name=reason]", "Known here, too")
        second.click("form[action$='/approve'] button")
        shows(second, "Paid as")
        assert second.complaints() == []
    found = asked(running, "GET", f"/v1/reviews/{review}")
    assert (found["status"], found["decision"]["by"]) == ("approved", "console|ann")


ENTER = "\ue007"


def test_a_refund_above_the_threshold_is_confirmed_by_another_person(running: Installation, window: Browser) -> None:
    """By the keyboard alone: Enter in a field sends its form."""
    made(running, "/v1/payments", {"type": "deposit", "amount": "90", "currency": "USD", "to": "customers:c"}, "first")
    order = {"type": "transfer", "amount": "80", "currency": "USD", "from": "customers:c", "to": "customers:d"}
    payment = made(running, "/v1/payments", order, "second")["id"]
    window.complaints()
    go(running, window, f"{ledger_page(window)}/payments/{payment}")
    window.click("details.acts summary")
    window.write("form[action$='/refund'] input[name=reason]", f"Returned{ENTER}")
    shows(window, "You have proposed this")
    place = window.run("return location.pathname")
    with browser() as second:
        signed_in(second, link_for(running, "ben", "approver"))
        second.click(".attention a[href$='proposals?status=waiting']")
        second.click(".rows tbody a")
        shows(second, "Proposed by")
        for scheme in ("dark", "light"):
            second.prefer(scheme)
            go(running, second, place)
            second.run(AXE)
            assert second.run(LOOK, TAGS) == [], scheme
        second.run("window.confirm = () => true")
        second.write("form[action$='/confirm'] input[name=reason]", f"Seen the parcel{ENTER}")
        shows(second, "Refunded")
        go(running, second, place)
        shows(second, "Carried out.")
        assert second.complaints() == []
    assert window.complaints() == []
    (refund,) = asked(running, "GET", f"/v1/payments/{payment}/refunds")["data"]
    assert (refund["amount"], refund["reason"]) == ("80.00", "Returned")


def test_a_break_is_resolved_with_a_reason(running: Installation, window: Browser) -> None:
    account = {"code": "assets:bank", "type": "asset", "currency": "USD", "min_available": None}
    asked(running, "POST", "/v1/accounts", json=account)
    columns = {"date": "day", "amount": "amount", "id": "id"}
    source = {"name": "bank", "account": "assets:bank", "format": "csv", "csv": {"columns": columns}}
    asked(running, "POST", "/v1/reconciliation/sources", json=source)
    file = httpx.post(
        f"{running.base_url}/v1/reconciliation/files?source=bank",
        content=b"day,id,amount\n2026-11-20,b1,-2.50\n",
        headers={**running.headers, "Content-Type": "text/csv"},
        trust_env=False,
    )
    assert file.status_code == 200, file.text
    go(running, window, f"{ledger_page(window)}/breaks")
    window.click(".rows tbody a")
    shows(window, "Missing here: -2.50 USD")
    # The window asks whether it is meant: yes.
    window.run("window.confirm = () => true")
    window.write("form[action$='/resolve'] input[name=reason]", "Ticket 4711")
    window.click("form[action$='/resolve'] button")
    shows(window, "Ticket 4711")
    (found,) = asked(running, "GET", "/v1/reconciliation/breaks")["data"]
    assert (found["state"], found["note"]) == ("resolved", "Ticket 4711")
    assert window.complaints() == []


def test_no_page_is_wider_than_a_telephone(running: Installation, window: Browser) -> None:
    place = ledger_page(window)
    window._ask("POST", "/window/rect", {"width": PHONE, "height": 844})
    for page in (
        "reviews?status=all",
        "proposals?status=all",
        "breaks?state=all",
        "reconciliation",
        "holds",
        "rules",
        "api-keys",
        "audit-log",
    ):
        go(running, window, f"{place}/{page}")
        assert window.run(OVERFLOW) <= 0, page
        assert window.complaints() == [], page
