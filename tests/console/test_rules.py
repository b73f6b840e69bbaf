"""Rules in the console: what payments are judged by, what would be said of one, and the house rules."""

from __future__ import annotations

from pathlib import Path

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, operator_in, shown, signed_in
from tests.rules.conftest import alice, judging, rules_file, rules_path
from tests.rules.judging import HELD, read_at_once, write_rules
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

__all__ = ["alice", "judging", "rules_file", "rules_path"]

MARKUP = "<img src=x onerror=alert(1)>"
OTHERS = (
    {"name": MARKUP, "kind": "blocked", "blocked_accounts": ["evil:*"]},
    {"name": "often", "kind": "velocity", "party": "from", "window_seconds": 60, "count_max": 1_000},
)


async def test_rules_are_shown_and_tell_what_they_would_say(
    judging: Service, ledger_id: LedgerId, alice: Client, rules_file: Path
) -> None:
    write_rules(rules_file, HELD, *OTHERS)
    version = await read_at_once(judging)
    admin = await operator_in(judging, ledger_id)
    page = await admin.page("/rules")
    for told in (version, "large transfers", "amount max: 100", "two approvals from 1,000", "evil:*", shown(MARKUP)):
        assert told in page, told
    assert MARKUP not in page
    asked = "/rules?type=transfer&currency=USD&from=alice&to=bob&amount="
    assert "It would be paid" in await admin.page(f"{asked}99.00")
    assert "held for review by the rule <strong>large transfers" in await admin.page(f"{asked}101.00")
    assert "insufficient_funds" in await admin.page("/rules?currency=USD&from=bob&to=alice&amount=9")
    assert "It would be refused" in await admin.page(f"{asked}much")
    assert (await alice.balance("bob"))["posted"] == "0.00"
    await admin.http.aclose()


async def test_what_applies_to_all_ledgers_is_shown_to_those_who_may_open_them_all(
    judging: Service, ledger_id: LedgerId, alice: Client, rules_file: Path
) -> None:
    write_rules(rules_file, HELD, *OTHERS)
    version = await read_at_once(judging)
    admin = await signed_in(judging, ledger_id)
    page = await admin.page("/rules")
    assert version in page
    for kept in ("large transfers", "amount max", "evil:*", "often"):
        assert kept not in page, kept
    asked = "/rules?type=transfer&currency=USD&from=alice&to=bob&amount=101.00"
    assert "held for review" in await admin.page(asked), "the API tells as much of a rehearsal"
    await admin.http.aclose()


async def test_without_rules_it_says_so(admin: Person, client: Client) -> None:
    page = await admin.page("/rules")
    assert "There are no rules" in page
    for query in ("type=gift", "colour=red"):
        assert (await admin.get(f"/rules?amount=1&{query}")).status_code in (400, 422)


async def test_house_rules_are_replaced_as_a_whole(admin: Person, client: Client) -> None:
    assert "There are no house rules yet" in await admin.page("/house-rules")
    await client.open_account("platform:fees", type="revenue", min_available=None)
    told = {"percent": "20", "amounts": "1.00 USD\n", "fees": "15.00 USD platform:fees force\n"}
    key = fresh_key()
    for _ in range(2):
        answer = await admin.act("/house-rules", key=key, **told)
        assert answer.status_code == 303, answer.text
    page = await admin.page("/house-rules")
    for text in ("Version 1", "20 %", "15.00", "he owes it"):
        assert text in page, text
    found = (await client.get("/v1/house-rules")).json()
    assert (found["version"], found["over_capture"]["percent"], found["dispute_fees"][0]["force"]) == (1, "20", True)
    for bad in ({"fees": "15.00 USD"}, {"amounts": "1.00 US"}, {"percent": "much"}, {"fees": "1.00 USD nobody"}):
        refused = await admin.act("/house-rules", key=fresh_key(), **bad)
        assert 400 <= refused.status_code < 500, bad
    assert (await admin.act("/house-rules", key=fresh_key())).status_code == 303
    assert (await client.get("/v1/house-rules")).json()["dispute_fees"] == []


async def test_a_currency_is_defined_and_the_chart_is_shown(admin: Person, client: Client) -> None:
    answer = await admin.act("/currencies", code="POINTS", exponent="3", name=MARKUP)
    assert answer.status_code == 303, answer.text
    page = await admin.page("/currencies")
    assert "POINTS" in page
    assert shown(MARKUP) in page
    assert MARKUP not in page
    for bad in (
        {"code": "points", "exponent": "0"},
        {"code": "POINTS", "exponent": "2"},
        {"code": "X2X", "exponent": "x"},
    ):
        assert 400 <= (await admin.act("/currencies", **bad)).status_code < 500, bad
    assert "There is no chart" in await admin.page("/chart")
    rule = {"pattern": "customers:*", "type": "liability", "currency": "USD"}
    (await client.http.put("/v1/chart", json={"rules": [rule]})).raise_for_status()
    assert "customers:*" in await admin.page("/chart")
