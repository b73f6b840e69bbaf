"""`zerosum console-link` beside a service that runs."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

from tests.cli.command import assert_one_clear_line, zerosum
from tests.conftest import TestDatabase
from tests.console.conftest import browser
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service


async def test_the_printed_link_signs_in_as_whom_it_was_made_for(
    service: Service, test_database: TestDatabase, ledger_id: LedgerId
) -> None:
    secret = base64.b64encode(bytes(range(32))).decode()
    environment = {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_API_KEY_PEPPER": secret,
        "ZEROSUM_CURSOR_SECRET": secret,
        "ZEROSUM_MASTER_KEYS": f"test:{secret}",
        "ZEROSUM_BASE_URL": "https://pay.example.com",
    }
    ledger = f"led_{ledger_id}"
    said = zerosum("console-link", "--subject", "ann", "--role", "viewer", "--ledger", ledger, environment=environment)
    assert said.code == 0, said
    assert said.out.startswith("https://pay.example.com/console/sign-in?link=")
    person = await browser(service, ledger_id)
    (link,) = parse_qs(urlsplit(said.out.strip()).query)["link"]
    assert (await person.post("/console/sign-in/link", {"link": link})).status_code == 303
    page = await person.page("/payments")
    assert "console|ann" in page
    assert "viewer" in page
    await person.http.aclose()
    wrong = zerosum("console-link", "--ledger", "demo", environment=environment)
    assert_one_clear_line(wrong, "--ledger", "led_")
