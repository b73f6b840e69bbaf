"""No page of the console breaks a rule of WCAG AA that axe-core can check, by day or by night.

axe-core is Deque's, under the Mozilla Public License 2.0 (as its file says), and is used here alone.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.browser.driver import Browser
from tests.browser.test_console import made, payment, pytestmark, running, window
from tests.browser.test_console_books import LEDGER
from tests.campaigns.installation import Installation

__all__ = ["payment", "pytestmark", "running", "window"]

AXE = gzip.decompress((Path(__file__).parent / "axe-4.14.1.min.js.gz").read_bytes()).decode()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
LOOK = """
return axe.run(document, {runOnly: arguments[0]}).then((found) => found.violations.map(
    (one) => one.id + ': ' + one.nodes.map((node) => node.target.join(' ')).join(', ')))
"""
MENU = "return [...document.querySelectorAll('.nav a')].map((one) => one.pathname)"
OPEN_ALL = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"


def refund_of(running: Installation, payment: str) -> str:
    """One, however often it is asked for."""
    refund: str = made(running, f"/v1/payments/{payment}/refund", {"amount": "0.10"}, "for-axe")["id"]
    return refund


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken_on_any_page(running: Installation, window: Browser, payment: str, scheme: str) -> None:
    window.prefer(scheme)
    ledger = window.run(LEDGER)
    more = (
        "/payments?type=deposit",
        f"/payments/{payment}",
        f"/refunds/{refund_of(running, payment)}",
        "/accounts/customers:alice",
        "/account-tree",
        "/search?q=x",
    )
    pages = [*window.run(MENU), *(f"{ledger}{page}" for page in more)]
    broken = {}
    for page in dict.fromkeys(pages):
        window.open(f"{window.run('return location.origin')}{page}")
        window.wait_for("main")
        window.run(OPEN_ALL)
        window.run(AXE)
        found = window.run(LOOK, TAGS)
        if found:
            broken[page] = found
    assert broken == {}
