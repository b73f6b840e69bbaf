"""A bank account of ours, payments in and out of it, and files that tell of them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.api.conftest import Client, fresh_key
from zerosum.adapters.clock import now

BANK = "assets:bank"

COLUMNS = {"date": "day", "amount": "amount", "id": "id", "references": ["reference"], "description": "text"}
HEADER = "day,id,reference,amount,text"


_DAY = now().date().isoformat()


def today() -> str:
    """One day for all of a run, which may go on past midnight."""
    return _DAY


async def open_bank(client: Client, currency: str = "USD") -> None:
    """Our account at the bank, and what its money is against."""
    await client.open_account(BANK, type="asset", min_available=None, currency=currency)
    await client.open_account("equity:owner", type="equity", min_available=None, currency=currency)
    await client.open_account("expenses:fees", type="expense", min_available=None, currency=currency)


async def entry(client: Client, amount: str, *, currency: str = "USD", **members: Any) -> dict[str, Any]:
    """So much comes in at the bank; below zero it goes out."""
    goes_out = amount.startswith("-")
    sides = ("credit", "debit") if goes_out else ("debit", "credit")
    lines = [
        {"account": account, "side": side, "amount": amount.removeprefix("-"), "currency": currency}
        for account, side in zip((BANK, "equity:owner"), sides, strict=True)
    ]
    key = members.pop("key", None) or fresh_key()
    members.setdefault("effective_at", f"{today()}T00:00:00Z")
    answer = await client.post("/v1/journal-entries", {"reason": "test", "postings": lines, **members}, key=key)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_source(client: Client, name: str = "bank", **members: Any) -> httpx.Response:
    csv = {"columns": {**COLUMNS, **members.pop("columns", {})}, **members.pop("csv", {})}
    body = {"name": name, "account": BANK, "format": "csv", "csv": csv, **members}
    return await client.post("/v1/reconciliation/sources", body)


def csv_of(*rows: str, header: str = HEADER) -> bytes:
    return "".join(f"{row}\n" for row in (header, *rows)).encode()


async def send(client: Client, content: bytes, source: str = "bank", kind: str = "text/csv") -> httpx.Response:
    return await client.http.post(
        "/v1/reconciliation/files", params={"source": source}, content=content, headers={"content-type": kind}
    )


async def sent(client: Client, content: bytes, source: str = "bank", kind: str = "text/csv") -> dict[str, Any]:
    answer = await send(client, content, source, kind)
    assert answer.status_code == 200, answer.text
    file: dict[str, Any] = answer.json()
    return file


async def breaks(client: Client, **parameters: Any) -> list[dict[str, Any]]:
    """The oldest first."""
    answer = await client.get("/v1/reconciliation/breaks", params={"order": "asc", "limit": 200, **parameters})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def report(client: Client, **parameters: Any) -> dict[str, Any]:
    answer = await client.get("/v1/reconciliation/report", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def camt_entry(amount: str, reference: str, *, day: str | None = None, own: str = "", currency: str = "USD") -> str:
    """Below zero it goes out."""
    sign, day = ("DBIT" if amount.startswith("-") else "CRDT"), day or today()
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount.removeprefix("-")}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"{f'<AcctSvcrRef>{own}</AcctSvcrRef>' if own else ''}<NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
    )


def camt_of(
    *entries: str, opening: str = "0.00", closing: str, before: str = "", number: str = "DE02", **parts: str
) -> bytes:
    def balance(kind: str, amount: str) -> str:
        sign = "DBIT" if amount.startswith("-") else "CRDT"
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
            f'<Amt Ccy="USD">{amount.removeprefix("-")}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
            f"<Dt><Dt>{today()}</Dt></Dt></Bal>"
        )

    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}\n'
        f'<Document xmlns="{parts.get("namespace", CAMT)}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>1</MsgId></GrpHdr>\n<Stmt><Id>1</Id>{parts.get('span', '')}"
        f"<Acct><Id><Othr><Id>{number}</Id></Othr></Id><Ccy>USD</Ccy></Acct>{balance('OPBD', opening)}"
        f"{balance('CLBD', closing)}{parts.get('summary', '')}\n{chr(10).join(entries)}\n</Stmt>{parts.get('more', '')}"
        f"</BkToCstmrStmt></Document>"
    ).encode()


async def make_camt_source(client: Client, name: str = "bank", **members: Any) -> httpx.Response:
    body = {"name": name, "account": BANK, "format": "camt.053", **members}
    return await client.post("/v1/reconciliation/sources", body)
