"""The journal as text: hledger itself reads it and comes to our balances; no two accounts of beancount are one."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import refused
from zerosum.api.journal_texts.beancount import account_name
from zerosum.domain.ledger.account import AccountType

NASTY = 'fee; tag:x, y | 100 %\n  other:account  5 USD " \\ \u2028 ='


async def a_journal(client: Client) -> None:
    await client.post("/v1/currencies", {"code": "P2P", "exponent": 3})
    for code, type_, currency in (
        ("bank:main", "asset", "USD"),
        ("customers:ann", "liability", "USD"),
        ("customers:Ann", "liability", "USD"),
        ("a/b@c.d_e-f", "revenue", "USD"),
        ("points:in", "asset", "P2P"),
        ("points:out", "liability", "P2P"),
    ):
        await client.open_account(code, type=type_, currency=currency, min_available=None)
    for debit, credit, amount, currency in (
        ("bank:main", "customers:ann", "100.10", "USD"),
        ("customers:ann", "customers:Ann", "30.05", "USD"),
        ("customers:Ann", "a/b@c.d_e-f", "99999999999999999999.99", "USD"),
        ("points:in", "points:out", "0.001", "P2P"),
    ):
        lines = [
            {"account": account, "side": side, "amount": amount, "currency": currency}
            for account, side in ((debit, "debit"), (credit, "credit"))
        ]
        body = {
            "reason": NASTY.replace("\n", " "),
            "postings": lines,
            "metadata": {NASTY[:40].replace("\n", " "): "a,b"},
        }
        answer = await client.post("/v1/journal-entries", body, key=fresh_key())
        assert answer.status_code == 201, answer.text
    hold = {"amount": "7", "currency": "USD", "from": "customers:ann", "to": "customers:Ann"}
    for capture in (False, True):
        held = await client.post("/v1/holds", hold, key=fresh_key())
        assert held.status_code == 201, held.text
        if capture:
            path = f"/v1/holds/{held.json()['id']}/capture"
            captured = await client.post(path, {"amount": "4", "final": True}, key=fresh_key())
            assert captured.status_code == 200, captured.text


async def export(client: Client, program: str, **span: str) -> str:
    answer = await client.get("/v1/journal-export", params={"format": program, **span})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    return answer.text


async def test_hledger_reads_it_and_comes_to_our_balances(client: Client, tmp_path: Path) -> None:
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed (Debian: apt-get install hledger)")
    await a_journal(client)
    written = tmp_path / "all.journal"
    written.write_text(await export(client, "hledger"), "utf-8")

    def balances(*options: str) -> dict[str, str]:
        command = [hledger, "-f", str(written), "balance", "--flat", "--empty", "-N", "-O", "csv", *options]
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert told.returncode == 0, told.stderr
        return {row["account"]: row["balance"] for row in csv.DictReader(io.StringIO(told.stdout))}

    real, everything = balances("--real"), balances()
    for line in (await client.get("/v1/trial-balance")).json()["accounts"]:
        net = Decimal(line["debits"]) - Decimal(line["credits"])
        assert Decimal(real[line["code"]].split()[0]) == net, line
    held = Decimal(everything["customers:ann"].split()[0]) - Decimal(real["customers:ann"].split()[0])
    assert held == Decimal(7), "what is pending"


async def test_beancount_finds_no_fault_in_it(client: Client, tmp_path: Path) -> None:
    check = shutil.which("bean-check")
    if check is None:
        pytest.skip("beancount is not installed (it is under the GPL: by hand, in an environment of its own)")
    await a_journal(client)
    written = tmp_path / "all.beancount"
    written.write_text(await export(client, "beancount"), "utf-8")
    told = subprocess.run([check, str(written)], capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


async def test_each_entry_is_there_once_with_all_that_it_says(client: Client) -> None:
    await a_journal(client)
    entries = (await client.get("/v1/journal-entries", params={"limit": 100})).json()["data"]
    for program in ("hledger", "beancount"):
        text = await export(client, program)
        for entry in entries:
            assert text.count(f"({entry['id']})" if program == "hledger" else f'id: "{entry["id"]}"') == 1
        assert text.count("account_version:") == sum(len(entry["postings"]) for entry in entries)
        nothing = await export(client, program, effective_to="2020-01-01")
        assert nothing.splitlines()[1:] == [
            *(["decimal-mark .", ""] if program == "hledger" else []),
            "; The end: 0 entries",
        ]
    refused(await client.get("/v1/journal-export", params={"format": "excel"}), 422, "invalid_parameter")


def test_no_two_codes_are_one_account_of_beancount() -> None:
    codes = [
        "a",
        "A",
        "X",
        "x",
        "X-",
        "x-",
        "-",
        "a:b",
        "A:b",
        "a/b",
        "a-2fb",
        "a_b",
        "1",
        "x--pending",
        "X--pending",
        "a:",
    ]
    names = {account_name(AccountType.ASSET, code) for code in codes}
    assert len(names) == len(codes)
    assert not any(name.endswith(":X--pending") for name in names)
