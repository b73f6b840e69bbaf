"""Accounts that their first payment opens, by the ledger's chart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.errors import AccountNotFound
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.chart import Chart, ChartRule
from zerosum.services.proofs.whole_ledger import verify_ledger

WALLETS = {"pattern": "customers:*", "type": "liability", "currency": "USD", "min_available": "0"}


async def put_chart(client: Client, *rules: dict[str, Any]) -> Any:
    return await client.http.put("/v1/chart", json={"rules": list(rules)})


async def codes(client: Client) -> set[str]:
    answer = await client.get("/v1/accounts", params={"code_prefix": "customers:", "limit": 200})
    return {account["code"] for account in answer.json()["data"]}


async def test_a_first_payment_opens_its_account(client: Client) -> None:
    answer = await put_chart(client, WALLETS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 1
    await client.deposit("customers:alice", "100")
    assert (await client.transfer("customers:alice", "customers:bob", "40")).status_code == 201
    assert (await client.balance("customers:bob"))["available"] == "40.00"
    assert (await client.balance("customers:alice"))["available"] == "60.00"
    answer = await client.transfer("customers:carol", "customers:alice", "1")
    assert answer.json()["code"] == "insufficient_funds"
    assert await codes(client) == {"customers:alice", "customers:bob"}


async def test_many_first_payments_at_once_open_one_account(client: Client) -> None:
    await put_chart(client, WALLETS)
    await client.open_account("rich", min_available=None)
    answers = await asyncio.gather(*(client.transfer("rich", "customers:new", "1") for _ in range(16)))
    assert [answer.status_code for answer in answers] == [201] * 16
    assert (await client.balance("customers:new"))["available"] == "16.00"


async def test_without_a_rule_nothing_is_opened(client: Client) -> None:
    await client.open_account("rich", min_available=None)
    answer = await client.transfer("rich", "customers:new", "1")
    assert answer.json()["code"] == AccountNotFound.code
    assert await codes(client) == set()


async def test_another_currency_than_the_rule_has_is_explained_and_opens_nothing(client: Client) -> None:
    await put_chart(client, WALLETS)
    answer = await client.pay({"type": "deposit", "amount": "1", "currency": "EUR", "to": "customers:eve"})
    assert answer.json()["code"] == "currency_mismatch"
    assert ":eur" in answer.json()["detail"]
    assert await codes(client) == set()


def entry_lines(amount: str, *to: str) -> dict[str, Any]:
    def line(account: str, side: str, amount: str) -> dict[str, str]:
        return {"account": account, "side": side, "amount": amount, "currency": "USD"}

    total = str(int(amount) * len(to))
    return {"reason": "test", "postings": [line("rich", "debit", total), *(line(one, "credit", amount) for one in to)]}


async def test_journal_entries_and_holds_open_accounts_too(client: Client) -> None:
    await put_chart(client, WALLETS)
    await client.open_account("rich", min_available=None)
    body = entry_lines("5", "customers:a", "customers:b")
    answer = await client.post("/v1/journal-entries", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    hold = {"amount": "3", "currency": "USD", "from": "customers:a", "to": "customers:shop"}
    answer = await client.post("/v1/holds", hold, key=fresh_key())
    assert answer.status_code == 201, answer.text
    answer = await client.post(f"/v1/holds/{answer.json()['id']}/capture", {}, key=fresh_key())
    assert answer.status_code == 200, answer.text
    assert (await client.balance("customers:a"))["available"] == "2.00"
    assert (await client.balance("customers:shop"))["available"] == "3.00"
    hold = {"amount": "1", "currency": "USD", "from": "customers:empty", "to": "customers:never"}
    answer = await client.post("/v1/holds", hold, key=fresh_key())
    assert answer.json()["code"] == "insufficient_funds"
    assert await codes(client) == {"customers:a", "customers:b", "customers:shop"}


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/payments", {"type": "deposit", "amount": "1", "currency": "USD", "to": "customers:new"}),
    ("/v1/journal-entries", entry_lines("1", "customers:new")),
    ("/v1/holds", {"amount": "1", "currency": "USD", "from": "rich", "to": "customers:new"}),
])  # fmt: skip
async def test_a_rehearsal_shows_what_would_be_opened_and_opens_nothing(
    client: Client, path: str, body: dict[str, Any]
) -> None:
    await put_chart(client, WALLETS)
    await client.open_account("rich", min_available=None)
    answer = await client.post(path, body, key=fresh_key(), params={"dry_run": "true"})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["balances"]) == 2
    assert await codes(client) == set()


async def test_a_refused_rehearsal_does_not_call_missing_what_would_be_opened(client: Client) -> None:
    await put_chart(client, WALLETS)
    body = {"type": "transfer", "amount": "1", "currency": "USD", "from": "customers:poor", "to": "customers:new"}
    answer = await client.post("/v1/payments", body, key=fresh_key(), params={"dry_run": "true"})
    assert [one["code"] for one in answer.json()["errors"]] == ["insufficient_funds"], answer.text


async def test_payments_in_one_call_open_their_accounts_together_or_none(client: Client) -> None:
    await put_chart(client, WALLETS)

    def transfer(from_: str, to: str, amount: str) -> dict[str, str]:
        moved = {"type": "transfer", "amount": amount, "currency": "USD", "from": from_, "to": to}
        return moved | {"idempotency_key": fresh_key()}

    async def bulk(items: list[dict[str, str]], mode: str) -> Any:
        return await client.post("/v1/payments/bulk", {"items": items}, params={"mode": mode})

    await client.open_account("rich", min_available=None)
    chain = [transfer("rich", "customers:a", "5"), transfer("customers:a", "customers:b", "5")]
    broken = [*chain, transfer("customers:a", "customers:c", "1")]
    answer = await bulk(broken, "atomic")
    assert answer.json()["code"] == "insufficient_funds", answer.text
    assert await codes(client) == set()
    answer = await bulk(chain, "atomic")
    assert answer.status_code == 200, answer.text
    assert await codes(client) == {"customers:a", "customers:b"}
    poor = [transfer("customers:x", "customers:y", "1"), transfer("rich", "customers:y", "1")]
    answer = await bulk(poor, "independent")
    assert [one["status"] for one in answer.json()["results"]] == [422, 201], answer.text
    assert await codes(client) == {"customers:a", "customers:b", "customers:y"}


async def test_two_services_open_one_account_at_once(neighbours: tuple[Client, Client]) -> None:
    await put_chart(neighbours[0], WALLETS)
    await neighbours[0].open_account("rich", min_available=None)
    for index in range(5):
        paid = [one.transfer("rich", f"customers:{index}", "1") for one in neighbours for _ in range(3)]
        answers = await asyncio.gather(*paid)
        assert [answer.status_code for answer in answers] == [201] * 6, [answer.text for answer in answers]
        assert (await neighbours[0].balance(f"customers:{index}"))["available"] == "6.00"
    assert len(await codes(neighbours[1])) == 5


async def test_what_is_not_there_is_told_with_what_could_be_opened(client: Client) -> None:
    await put_chart(client, WALLETS)
    answer = await client.transfer("customer:typo", "customers:new", "1")
    assert answer.json()["code"] == AccountNotFound.code
    assert answer.json()["detail"].endswith("would open one whose code matches customers:*.")
    assert await codes(client) == set()


async def test_one_key_sent_at_once_to_two_services_opens_and_pays_once(neighbours: tuple[Client, Client]) -> None:
    await put_chart(neighbours[0], WALLETS)
    await neighbours[0].open_account("rich", min_available=None)
    for index in range(5):
        key = fresh_key()
        paid = [one.transfer("rich", f"customers:{index}", "1", key) for one in neighbours for _ in range(2)]
        answers = await asyncio.gather(*paid)
        assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
        assert len({answer.text for answer in answers}) == 1
        assert (await neighbours[1].balance(f"customers:{index}"))["available"] == "1.00"


@pytest.mark.parametrize(("change", "code", "pointer"), [
    ({"pattern": "customers:***"}, "validation_error", "pattern"),
    ({"pattern": "a*b*c"}, "validation_error", "pattern"),
    ({"pattern": "**:x:**"}, "validation_error", "pattern"),
    ({"pattern": "clients:*"}, "validation_error", "pattern"),
    ({"pattern": "no blanks"}, "validation_error", "pattern"),
    ({"type": "wallet"}, "validation_error", "type"),
    ({"currency": "QQQ"}, "invalid_currency", "currency"),
    ({"min_available": "0.001"}, "amount_too_precise", "min_available"),
    ({"min_available": "much"}, "invalid_amount", "min_available"),
    ({"min_available": "5", "max_available": "4"}, "validation_error", "min_available"),
    ({"currency": None, "min_available": "much"}, "validation_error", "currency"),
    ({"currency": None, "min_available": "0.00"}, "validation_error", "currency"),
])  # fmt: skip
async def test_a_chart_that_cannot_be_right_is_refused_at_its_rule(
    client: Client, change: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await put_chart(client, WALLETS, {**WALLETS, **change})
    refused(answer, 422, code, f"/rules/1/{pointer}")
    assert (await client.get("/v1/chart")).json() == {"version": 0, "rules": []}


async def test_each_change_of_a_chart_is_a_version_and_told_in_the_security_log(client: Client) -> None:
    anything = {"pattern": "**:wallet", "type": "asset"}
    for rules in ([WALLETS], [WALLETS], [anything, WALLETS], []):
        await put_chart(client, *rules)
    assert (await client.get("/v1/chart")).json() == {"version": 3, "rules": []}
    told = (await client.get("/v1/audit-log", params={"type": "chart.changed", "ledger": client.ledger})).json()["data"]
    assert sorted((one["facts"]["version"], len(one["facts"]["rules"])) for one in told) == [(1, 1), (2, 2), (3, 0)]


@pytest.mark.parametrize(("pattern", "code", "matches"), [
    ("customers:*", "customers:a", True),
    ("customers:*", "customers:a:b", False),
    ("customers:*", "customers:", False),
    ("customers:**", "customers:a:b", True),
    ("*:wallet", "a:wallet", True),
    ("**:wallet", "a:b:wallet", True),
    ("m-*:*:fees", "m-1:usd:fees", True),
    ("m-*:*:fees", "m-:usd:fees", False),
    ("a.c", "abc", False),
    ("**", "clearing:internal:usd", False),
])  # fmt: skip
def test_a_pattern_matches_whole_codes(pattern: str, code: str, matches: bool) -> None:
    chart = Chart((ChartRule(pattern=pattern, type=AccountType.ASSET),), 1)
    assert (chart.rule_for(code) is not None) is matches


async def all_codes(client: Client) -> list[str]:
    answer = await client.get("/v1/accounts", params={"limit": 200})
    return sorted(account["code"] for account in answer.json()["data"])


async def test_the_ledgers_own_accounts_are_opened_by_what_succeeds_alone(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    await client.open_account("alice")
    await client.open_account("euros", currency="EUR", min_available=None)
    out = {"type": "withdrawal", "amount": "1", "currency": "USD", "from": "alice"}
    sold = {
        "from": "alice", "to": "euros", "amount": "1", "currency": "USD", "to_currency": "EUR", "rate": "0.9",
        "rate_source": "x", "rate_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    for path, body in (("/v1/payments", out), ("/v1/exchanges", sold)):
        refused(await client.post(path, body, key=fresh_key()), 422, "insufficient_funds", "/from")
    assert await all_codes(client) == ["alice", "euros"]
    await client.deposit("alice", "10")
    assert await all_codes(client) == ["alice", "clearing:internal:USD", "euros"]
    for path, body in (("/v1/payments", out), ("/v1/exchanges", sold)):
        answer = await client.post(path, body, key=fresh_key())
        assert answer.status_code == 201, answer.text
    own = ["zerosum:exchange-margin:EUR", "zerosum:exchange:EUR", "zerosum:exchange:USD"]
    assert await all_codes(client) == ["alice", "clearing:internal:USD", "euros", *own]
    assert not (await verify_ledger(database, ledger_id, lambda *_: None)).breaks


async def test_many_first_deposits_at_two_services_open_one_clearing_account(neighbours: tuple[Client, Client]) -> None:
    await neighbours[0].open_account("alice")
    order = {"type": "deposit", "amount": "1", "currency": "USD", "to": "alice"}
    answers = await asyncio.gather(*(neighbours[number % 2].pay(order) for number in range(16)))
    assert [answer.status_code for answer in answers] == [201] * 16
    assert (await neighbours[0].balance("clearing:internal:USD"))["posted"] == "16.00"


async def test_a_deposit_to_be_made_later_opens_the_clearing_account_it_names(client: Client) -> None:
    await client.open_account("alice")
    order = {
        "type": "deposit",
        "amount": "1",
        "currency": "USD",
        "to": "alice",
        "execute_at": (now() + timedelta(hours=1)).isoformat(),
    }
    answer = await client.post("/v1/scheduled-payments", order, key=fresh_key())
    assert answer.status_code == 201, answer.text
    assert await all_codes(client) == ["alice", "clearing:internal:USD"]


async def test_a_rehearsed_split_withdrawal_shows_the_clearing_account_and_opens_none(client: Client) -> None:
    await client.open_account("alice", min_available=None)
    await client.open_account("fees", type="revenue")
    order: dict[str, Any] = {"type": "withdrawal", "amount": "10", "currency": "USD", "from": "alice"}
    order |= {"splits": [{"to": "fees", "percent": "10"}]}
    answer = await client.post("/v1/payments?dry_run=true", order, key=fresh_key())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert {part["to_code"]: part["amount"] for part in body["splits"]} == {
        "fees": "1.00",
        "clearing:internal:USD": "9.00",
    }
    assert sorted(one["posted"] for one in body["balances"]) == ["-10.00", "-9.00", "1.00"]
    assert await all_codes(client) == ["alice", "fees"]
    refused(
        await client.post(
            "/v1/payments?dry_run=true",
            {**order, "splits": [{"to": "clearing:internal:USD", "amount": "1"}]},
            key=fresh_key(),
        ),
        422,
        "same_account",
        "/splits/0/to",
    )


USD = {"amount": "3", "currency": "USD"}
RATE = {"rate": "1", "rate_source": "x", "rate_at": "2026-01-01T00:00:00Z"}
TEMPLATES = {
    "to-anybody": {
        "parameters": {"who": {"type": "account"}, "price": {"type": "amount", "currency": "USD"}},
        "postings": [
            {"side": "debit", "account": "rich", "amount": "price"},
            {"side": "credit", "account": "{who}", "amount": "remainder"},
        ],
    },
    "to-one": {
        "parameters": {"price": {"type": "amount", "currency": "USD"}},
        "postings": [
            {"side": "debit", "account": "rich", "amount": "price"},
            {"side": "credit", "account": "customers:new", "amount": "remainder"},
        ],
    },
}
FIRST_USES: dict[str, tuple[str, dict[str, Any]]] = {
    "a part": (
        "/v1/payments",
        {**USD, "type": "transfer", "from": "rich", "to": "b", "splits": [{"to": "customers:new", "percent": "50"}]},
    ),
    "what is left of the parts": (
        "/v1/payments",
        {**USD, "type": "deposit", "splits": [{"to": "b", "amount": "1"}, {"to": "customers:new", "remainder": True}]},
    ),
    "a parameter of a template": (
        "/v1/templates/to-anybody/post",
        {"parameters": {"who": "customers:new", "price": "3"}},
    ),
    "a line of a template": ("/v1/templates/to-one/post", {"parameters": {"price": "3"}}),
    "an exchange": (
        "/v1/exchanges",
        {"amount": "3", "currency": "EUR", "from": "euros", "to": "customers:new", "to_currency": "USD", **RATE},
    ),
}


async def with_rich(client: Client) -> None:
    await put_chart(client, WALLETS)
    await client.open_account("rich", min_available=None)
    await client.open_account("euros", currency="EUR", min_available=None)
    await client.open_account("b")
    for name, content in TEMPLATES.items():
        answer = await client.post("/v1/templates", {"name": name, **content}, key=fresh_key())
        assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("use", FIRST_USES)
async def test_whatever_posts_to_it_first_opens_it(
    either_client: Client, database: Database, ledger_id: LedgerId, use: str
) -> None:
    client, (path, body) = either_client, FIRST_USES[use]
    await with_rich(client)
    rehearsed = await client.post(path, body, key=fresh_key(), params={"dry_run": "true"})
    assert rehearsed.status_code == 200, rehearsed.text
    assert await codes(client) == set()
    key = fresh_key()
    first = await client.post(path, body, key=key)
    assert first.status_code == 201, first.text
    again = await client.post(path, body, key=key)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert (await client.post(path, body, key=fresh_key())).status_code == 201
    assert await codes(client) == {"customers:new"}
    assert (await client.balance("customers:new"))["posted"] in ("3.00", "6.00", "4.00")
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


@pytest.mark.parametrize("use", FIRST_USES)
async def test_many_at_once_that_use_it_first_open_it_once(client: Client, use: str) -> None:
    path, body = FIRST_USES[use]
    await with_rich(client)
    answers = await asyncio.gather(*(client.post(path, body, key=fresh_key()) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [201] * 12
    assert await codes(client) == {"customers:new"}


async def test_what_is_refused_opens_nobody_who_gets_a_part(client: Client) -> None:
    await with_rich(client)
    path, body = FIRST_USES["a part"]
    refused(await client.post(path, {**body, "from": "b", "to": "rich"}, key=fresh_key()), 422, "insufficient_funds")
    assert await codes(client) == set()
