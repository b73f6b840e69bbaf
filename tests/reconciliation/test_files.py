"""Files that are not what their source says: each fault by line and column, never a failure of ours, nothing taken."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.reading import refused
from tests.reconciliation.ground import (
    camt_entry,
    camt_of,
    csv_of,
    entry,
    make_camt_source,
    make_source,
    open_bank,
    send,
    sent,
    today,
)
from zerosum.api.card_numbers import card_numbers_refused
from zerosum.domain.reconciliation.outside import LINES_MAX

DAY = today()
GOOD = f"{DAY},b1,r1,1.00,text"

BAD: dict[str, tuple[bytes, dict[str, Any], str, str]] = {
    # Content, what the source says besides, and the fault: its pointer, and which one it is.
    "empty": (b"", {}, "/1/", "no_header"),
    "only blank lines": (b"\n\r\n\n", {}, "/4/", "no_header"),
    "only a header": (csv_of(), {}, "/1/", "no_lines"),
    "latin-1": (csv_of(GOOD, f"{DAY},b2,r2,2.00,ü").replace("ü".encode(), b"\xfc"), {}, "/3/", "invalid_encoding"),
    "UTF-16": (csv_of(GOOD).decode().encode("utf-16"), {}, "/1/", "invalid_encoding"),
    "NUL": (csv_of(f"{DAY},b\0,r1,1.00,text"), {}, "/2/id", "invalid_string"),
    "a missing column": (csv_of(GOOD, header="day,id,ref,amount,text"), {}, "/1/reference", "missing_column"),
    "a column twice": (
        csv_of(f"{GOOD},1", header="day,id,reference,amount,text,amount"),
        {},
        "/1/amount",
        "missing_column",
    ),
    "too few fields": (csv_of(GOOD, f"{DAY},b2,r2"), {}, "/3/", "wrong_fields"),
    "too many fields": (csv_of(GOOD, f"{DAY},b2,r2,1,234.00,text"), {}, "/3/", "wrong_fields"),
    "an open quote": (csv_of(GOOD, f'{DAY},b2,"r2,2.00,text'), {}, "/3/", "invalid_quoting"),
    "text behind a quote": (csv_of(f'{DAY},b2,"r2"x,2.00,text'), {}, "/2/", "invalid_quoting"),
    "a huge field": (csv_of(f"{DAY},b2,r2,2.00,{'x' * 200_000}"), {}, "/2/", "invalid_quoting"),
    "a long text": (csv_of(f"{DAY},b2,r2,2.00,{'x' * 501}"), {}, "/2/text", "text_too_long"),
    "no amount": (csv_of(f"{DAY},b2,r2,,text"), {}, "/2/amount", "invalid_amount"),
    "a word for an amount": (csv_of(f"{DAY},b2,r2,many,text"), {}, "/2/amount", "invalid_amount"),
    "NaN": (csv_of(f"{DAY},b2,r2,NaN,text"), {}, "/2/amount", "invalid_amount"),
    "an exponent": (csv_of(f"{DAY},b2,r2,1e5,text"), {}, "/2/amount", "invalid_amount"),
    "other digits": (csv_of(f"{DAY},b2,r2,١٢,text"), {}, "/2/amount", "invalid_amount"),
    "a huge amount": (csv_of(f"{DAY},b2,r2,{'9' * 21},text"), {}, "/2/amount", "amount_too_large"),
    "a megabyte of digits": (csv_of(f"{DAY},b2,r2,{'9' * 100_000},text"), {}, "/2/amount", "invalid_amount"),
    "a fine amount": (csv_of(f"{DAY},b2,r2,1.001,text"), {}, "/2/amount", "amount_too_precise"),
    "a comma of another country": (csv_of(f'{DAY},b2,r2,"1.234,50",text'), {}, "/2/amount", "invalid_amount"),
    "a thousand where no mark is named": (
        csv_of(f"{DAY},b2,r2,1.200,text"),
        {"csv": {"decimal_mark": ","}},
        "/2/amount",
        "invalid_amount",
    ),
    "two signs": (csv_of(f"{DAY},b2,r2,--5.00,text"), {}, "/2/amount", "invalid_amount"),
    "marks out of place": (
        csv_of(f'{DAY},b2,r2,"12.34,50",text'),
        {"csv": {"decimal_mark": ",", "group_mark": "."}},
        "/2/amount",
        "invalid_amount",
    ),
    "no day": (csv_of(",b2,r2,2.00,text"), {}, "/2/day", "invalid_date"),
    "a day that is none": (csv_of("2026-02-30,b2,r2,2.00,text"), {}, "/2/day", "invalid_date"),
    "a day of another form": (csv_of("30.11.2026,b2,r2,2.00,text"), {}, "/2/day", "invalid_date"),
    "a day long ago": (csv_of("0001-01-01,b2,r2,2.00,text"), {}, "/2/day", "invalid_date"),
    "a time without a zone": (csv_of("2026-11-29T10:00:00,b2,r2,2.00,text"), {}, "/2/day", "invalid_date"),
    "the same id twice": (csv_of(GOOD, GOOD), {}, "/3/id", "duplicate_line"),
    "a wrong currency": (
        csv_of(f"{GOOD},EUR", header="day,id,reference,amount,text,currency"),
        {"columns": {"currency": "currency"}},
        "/2/currency",
        "currency_mismatch",
    ),
    "an unknown direction": (
        csv_of(f"{GOOD},reversed", header="day,id,reference,amount,text,type"),
        {"columns": {"direction": "type"}, "csv": {"incoming": ["in"], "outgoing": ["out"]}},
        "/2/type",
        "invalid_direction",
    ),
    "a wrong balance": (
        csv_of(f"{GOOD},11.00", f"{DAY},b2,r2,2.00,text,12.99", header="day,id,reference,amount,text,balance"),
        {"columns": {"balance": "balance"}},
        "/3/balance",
        "wrong_balance",
    ),
    "too many lines": (
        csv_of(*(f"{DAY},b{number},r,1.00," for number in range(LINES_MAX + 1))),
        {},
        f"/{LINES_MAX + 2}/",
        "too_many_lines",
    ),
}


@pytest.fixture
async def bank(client: Client) -> Client:
    await open_bank(client)
    return client


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_told_by_line_and_column_and_nothing_is_taken(bank: Client, name: str) -> None:
    content, says, pointer, fault = BAD[name]
    (await make_source(bank, **says)).raise_for_status()
    problem = refused(await send(bank, content), 422, "reconciliation_file_invalid", members=("errors", "fault"))
    assert (problem["errors"][0]["pointer"], problem["fault"]) == (pointer, fault)
    assert (await bank.get("/v1/reconciliation/files")).json()["data"] == []


async def test_all_faults_are_told_up_to_twenty(bank: Client) -> None:
    (await make_source(bank)).raise_for_status()
    problem = refused(
        await send(bank, csv_of(*["x,y,z,1,t"] * 50)), 422, "reconciliation_file_invalid", members=("errors",)
    )
    assert [fault["line"] for fault in problem["errors"]] == list(range(2, 22))


async def test_a_good_file_of_another_house_is_read(bank: Client) -> None:
    """BOM, CRLF, semicolons, German numbers and days, quotes with line ends in them, a title before the header."""
    says: dict[str, Any] = {
        "columns": {
            "date": "Buchung",
            "value_date": "Wert",
            "amount": "Betrag",
            "id": None,
            "references": ["Zweck"],
            "description": "Wer",
        },
        "csv": {
            "delimiter": ";",
            "decimal_mark": ",",
            "group_mark": ".",
            "date_form": "dd.mm.yyyy",
            "rows_before": 2,
            "only": {"Art": "gebucht"},
        },
    }
    (await make_source(bank, **says)).raise_for_status()
    made = await entry(bank, "1234.50", key="R-1", effective_at="2026-11-20T12:00:00Z")
    text = (
        '\ufeffUmsätze;;;;;\r\n\r\n"Buchung";"Wert";"Betrag";"Zweck";"Wer";"Art"\r\n'
        '19.11.2026;20.11.2026;"1.234,50";"R-1";"Ada\r\n""Lovelace""";gebucht\r\n'
        "19.11.2026;;7,-;x;y;vorgemerkt\r\n\r\n20.11.2026;;2,00-;fee;Bank;gebucht\r\n20.11.2026;;0,00;;;gebucht\r\n"
    )
    file = await sent(bank, text.encode())
    assert (file["lines"], file["money_in"], file["money_out"], file["matched"]) == (2, "1234.50", "2.00", 1)
    assert (file["from_day"], file["to_day"]) == ("2026-11-19", "2026-11-20")
    assert made["id"]


async def test_latin_1_is_read_where_the_source_says_so_and_columns_for_in_and_out(bank: Client) -> None:
    columns = {"amount": None, "paid_in": "in", "paid_out": "out", "id": None, "description": "text", "date": "day"}
    (await make_source(bank, columns=columns, csv={"encoding": "latin-1"})).raise_for_status()
    content = csv_of(f"{DAY},r1,3.00,,Zürich", f"{DAY},r2,,1.25,", header="day,reference,in,out,text")
    file = await sent(bank, content.decode().encode("latin-1"))
    assert (file["money_in"], file["money_out"]) == ("3.00", "1.25")


BAD_CAMT: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "/1/", "malformed_xml"),
    "no XML": (b"day,id\n1,2\n", "/1/", "malformed_xml"),
    "cut off": (camt_of(camt_entry("1.00", "a"), closing="1.00")[:-30], "/5/", "malformed_xml"),
    "an unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><a/>', "/1/", "malformed_xml"),
    "an entity of its own": (
        camt_of(closing="0.00", before='<!DOCTYPE a [<!ENTITY b "c">]>'),
        "/1/",
        "doctype_not_allowed",
    ),
    "a laughing billion": (
        b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
        "/1/",
        "doctype_not_allowed",
    ),
    "a file of this machine": (
        b'<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><l>&a;</l>',
        "/1/",
        "doctype_not_allowed",
    ),
    "another message": (
        camt_of(closing="0.00", namespace="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"),
        "/1/Document",
        "wrong_namespace",
    ),
    "a wrong closing balance": (camt_of(camt_entry("1.00", "a"), closing="2.00"), "/4/Bal", "wrong_balance"),
    "a wrong count": (
        camt_of(
            camt_entry("1.00", "a"),
            closing="1.00",
            summary="<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>",
        ),
        "/3/TtlNtries",
        "wrong_count",
    ),
    "a wrong sum": (
        camt_of(
            camt_entry("1.00", "a"),
            closing="1.00",
            summary="<TxsSummry><TtlCdtNtries><Sum>1.01</Sum></TtlCdtNtries></TxsSummry>",
        ),
        "/3/TtlCdtNtries",
        "wrong_sum",
    ),
    "a comma": (camt_of(camt_entry("12,34", "a"), closing="12.34"), "/4/Amt", "invalid_amount"),
    "a wrong currency": (
        camt_of(camt_entry("1.00", "a", currency="EUR"), closing="1.00"),
        "/4/Amt",
        "currency_mismatch",
    ),
    "a wrong day": (camt_of(camt_entry("1.00", "a", day="2026-13-01"), closing="1.00"), "/4/BookgDt", "invalid_date"),
    "the same entry twice": (
        camt_of(camt_entry("1.00", "a", own="x"), camt_entry("1.00", "b", own="x"), closing="2.00"),
        "/5/AcctSvcrRef",
        "duplicate_line",
    ),
    "another account": (camt_of(camt_entry("1.00", "a"), closing="1.00", number="FR76"), "/3/Acct", "wrong_account"),
    "two statements": (
        camt_of(camt_entry("1.00", "a"), closing="1.00", more="<Stmt><Acct><Ccy>USD</Ccy></Acct></Stmt>"),
        "/5/Stmt",
        "not_one_statement",
    ),
    "deep": (camt_of(f"<Ntry>{'<a>' * 40}{'</a>' * 40}</Ntry>", closing="0.00"), "/4/", "too_deep"),
    "a million elements": (camt_of(f"<Ntry>{'<a/>' * 1_000_000}</Ntry>", closing="0.00"), "/4/", "too_many_elements"),
}


@pytest.mark.parametrize("name", BAD_CAMT)
async def test_a_bad_statement_is_told_by_line_and_element(bank: Client, name: str) -> None:
    content, pointer, fault = BAD_CAMT[name]
    (await make_camt_source(bank, outside_account="DE02")).raise_for_status()
    problem = refused(
        await send(bank, content, kind="application/xml"),
        422,
        "reconciliation_file_invalid",
        members=("errors", "fault"),
    )
    assert (problem["errors"][0]["pointer"], problem["fault"]) == (pointer, fault)
    assert (await bank.get("/v1/reconciliation/files")).json()["data"] == []


async def test_texts_hold_no_card_number_where_the_installation_wants_none(bank: Client) -> None:
    (await make_source(bank)).raise_for_status()
    content = csv_of(GOOD, f"{DAY},b2,r2,2.00,Card 4111 1111 1111 1111")
    with card_numbers_refused():
        answer = await send(bank, content)
    problem = refused(answer, 422, "reconciliation_file_invalid", members=("errors", "fault"))
    assert (problem["errors"][0]["pointer"], problem["fault"]) == ("/3/", "pan_not_allowed")
    assert "4111" not in answer.text
    assert (await send(bank, content)).status_code == 200


async def test_a_text_in_many_pieces_costs_no_more_than_one_in_one(bank: Client) -> None:
    (await make_camt_source(bank)).raise_for_status()
    pieces = f"<a>{'x<b/>' * 9_990}</a>" * 8
    begun = perf_counter()
    refused(
        await send(bank, camt_of(f"<Ntry>{pieces}</Ntry>", closing="0.00"), kind="application/xml"),
        422,
        "reconciliation_file_invalid",
        members=("errors", "fault"),
    )
    assert perf_counter() - begun < 5, "it took twenty where every piece counted all before it"


async def test_a_statement_is_matched_and_its_balances_are_kept(bank: Client) -> None:
    (await make_camt_source(bank)).raise_for_status()
    await entry(bank, "10.00", key="E2E-1")
    made = await entry(bank, "-3.00")
    summary = "<TxsSummry><TtlNtries><NbOfNtries>3</NbOfNtries><Sum>15.00</Sum></TtlNtries></TxsSummry>"
    entries = (
        camt_entry("10.00", "E2E-1"),
        camt_entry("-3.00", made["id"].removeprefix("je_").replace("-", "")),
        camt_entry("2.00", "?"),
    )
    content = camt_of(*entries, opening="-5.00", closing="4.00", summary=summary)
    file = await sent(bank, content, kind="text/xml; charset=utf-8")
    told = file["opening"], file["closing"], file["lines"], file["matched"], file["open_breaks"]
    assert told == ("-5.00", "4.00", 3, 2, 1)


async def test_a_statement_of_ours_reads_back_whole(bank: Client) -> None:
    """What the ledger issues for an account is matched with that account to the last line."""
    at = {"effective_at": "2026-11-20T12:00:00Z"}
    for number in range(3):
        await entry(bank, f"{number + 1}.00", **at)
    await entry(bank, "-0.50", **at)
    span = {"from": "2026-11-20", "to": "2026-11-21"}
    issued = await bank.post("/v1/accounts/assets:bank/statements", span, key="s1")
    assert issued.status_code == 201, issued.text
    form = await bank.get("/v1/accounts/assets:bank/statements/1", params={"format": "camt.053"})
    (await make_camt_source(bank)).raise_for_status()
    file = await sent(bank, form.content, kind="application/xml")
    assert (file["lines"], file["matched"], file["open_breaks"]) == (4, 4, 0)
    assert (file["from_day"], file["to_day"]) == ("2026-11-20", "2026-11-20")


async def test_other_media_types_sources_and_sizes_are_refused(bank: Client) -> None:
    refused(await send(bank, csv_of(GOOD)), 404, "reconciliation_source_not_found")
    (await make_source(bank)).raise_for_status()
    refused(await send(bank, b"{}", kind="application/json"), 415, "unsupported_media_type")
    refused(await send(bank, b"x" * (8 * 1024 * 1024 + 1)), 413, "body_too_large")
