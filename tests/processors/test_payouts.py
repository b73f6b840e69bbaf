"""A payout by a file of the bank, from the withdrawal to the books."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.cli.command import zerosum
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import QUICK, client_with, completer_of, processing_service, withdrawn
from zerosum.adapters.clock import now
from zerosum.adapters.processors.configured import read_processors
from zerosum.adapters.processors.iso20022.payouts import FilePayouts, end_to_end_id
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.payments.processor_calls import CallOutcome, CallState
from zerosum.main import Service
from zerosum.services.processor_calls import SettlementOrder
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller

IBAN = "DE89370400440532013000"


def bank_file(folder: Path) -> Path:
    """Processors: a bank that is sent files."""
    bank = {"kind": "iso20022", "folder": str(folder / "bank"), "debtor_name": "Z", "debtor_iban": IBAN, **QUICK}
    file = folder / "processors.json"
    file.write_text(json.dumps({"processors": {"bank": bank}}), encoding="utf-8")
    return file


@asynccontextmanager
async def one_that_waits(
    database: TestDatabase, servers: Servers, folder: Path, ledger_id: LedgerId
) -> AsyncIterator[tuple[Service, Client, dict[str, Any], FilePayouts]]:
    """A withdrawal that the bank's folder has, and no message yet."""
    file = bank_file(folder)
    async with processing_service(database, servers, file) as service:
        client = await client_with(service, ledger_id)
        made = await withdrawn(client, processor="bank", metadata={"creditor_iban": IBAN, "creditor_name": "Alice"})
        await completer_of(service, "bank", backoff_seconds=0.001).run_once()
        payouts = read_processors(file)["bank"].processor
        assert isinstance(payouts, FilePayouts)
        yield service, client, made, payouts
        await client.http.aclose()


async def test_a_withdrawal_is_paid_out_by_a_file_and_settled_by_what_the_bank_says(
    test_database: TestDatabase, servers: Servers, database: Database, tmp_path: Path, ledger_id: LedgerId
) -> None:
    file = bank_file(tmp_path)
    environment = {"ZEROSUM_PROCESSORS_FILE": str(file)}
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        said = {"creditor_iban": IBAN, "creditor_name": "Alice"}
        made: list[dict[str, Any]] = [
            await withdrawn(client, processor="bank", metadata=said),
            await withdrawn(client, "5.00", processor="bank", metadata={**said, "creditor_iban": "DE1"}),
        ]
        completer = completer_of(service, "bank", backoff_seconds=0.001)
        await completer.run_once()
        written = zerosum("iso20022", "write", "bank", environment=environment)
        assert (written.code, written.out.count("\n")) == (0, 1), written
        key = (await client.get(f"/v1/processor-calls/{made[0]['id']}")).json()["key"]
        (tmp_path / "bank" / "in" / "status.xml").write_text(
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt><OrgnlGrpInfAndSts>'
            "<OrgnlMsgId>x</OrgnlMsgId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><TxInfAndSts>"
            f"<OrgnlEndToEndId>{end_to_end_id(key)}</OrgnlEndToEndId><TxSts>ACSC</TxSts>"
            "</TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>",
            encoding="utf-8",
        )
        read = zerosum("iso20022", "read", "bank", environment=environment)
        assert (read.code, read.out) == (0, "in/status.xml: read\n"), read
        found: list[dict[str, Any]] = []
        for _ in range(100):
            await completer.run_once()
            found = [(await client.get(f"/v1/payments/{payment['id']}")).json() for payment in made]
            if found[0]["status"] != "processing":
                break
        assert [one["status"] for one in found] == ["succeeded", "failed"]
        assert found[1]["failure_reason"] == "creditor_iban_invalid"
        assert (await client.balance("alice"))["available"] == "980.00"
        refund = await client.post(f"/v1/payments/{made[0]['id']}/refund", {"amount": "1"}, key="back")
        assert refund.json()["status"] == "succeeded", "a bank that is sent files gives nothing back"
        await client.http.aclose()
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_one_that_is_settled_by_hand_before_it_is_written_is_in_no_message(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    async with one_that_waits(test_database, servers, tmp_path, ledger_id) as (_, client, made, payouts):
        place = f"/v1/processor-calls/{made['id']}/settle"
        said = {"outcome": "declined", "reason": "Never mind."}
        with payouts.folder.lease():
            busy = await client.post(place, said, key="seen")
        assert (busy.status_code, busy.json()["code"]) == (503, "unavailable")
        wrong = await client.post(place, {"outcome": "approved", "reason": "?", "amount": "99999"}, key="wrong")
        assert wrong.status_code == 422
        assert payouts.folder.names("results") == [], "what cannot be settled is not withdrawn"
        for _ in range(2):
            assert (await client.post(place, said, key="seen")).json()["state"] == "declined"
        assert payouts.write(now()) == []


async def test_nor_is_one_that_is_settled_by_whoever_comes_by_the_desk(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    """As the console does: it comes by no route of the API."""
    async with one_that_waits(test_database, servers, tmp_path, ledger_id) as (service, _, made, payouts):
        order = SettlementOrder(
            idempotency_key="seen",
            id=parse_id(Prefix.PAYMENT, made["id"]),
            outcome=CallOutcome.DECLINED,
            reason="Never mind.",
        )
        desk = service.services.processor_calls.desk
        assert (await desk.one(Caller(ledger_id, "console|ann"), order)).view.state is CallState.DECLINED
        assert payouts.write(now()) == []


@pytest.mark.parametrize("verb", ["write", "read"])
def test_one_that_is_none_is_told_of(verb: str, tmp_path: Path) -> None:
    file = tmp_path / "processors.json"
    file.write_text(json.dumps({"processors": {}}), encoding="utf-8")
    said = zerosum("iso20022", verb, "bank", environment={"ZEROSUM_PROCESSORS_FILE": str(file)})
    assert said.code == 2
    assert "there is no processor bank of the kind iso20022" in said.err
