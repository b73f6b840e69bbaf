"""While processes are replaced, the version before 0063 runs on: it says of no split whether it is pending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.processors.test_payments import must_be_right, settled
from tests.processors.test_splits import alice, bought  # noqa: F401 - a fixture
from zerosum.db.batch import loading, posting, registered, writing
from zerosum.db.batch.record_sets import RecordSet
from zerosum.db.batch.split_records import SPLITS, _split
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

BEFORE = replace(
    SPLITS,
    columns=SPLITS.columns[:-1],
    changing=("refunded", "approved", "refunding"),
    read=lambda row: _split((*row, None)),
)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Any:
    def version(records: RecordSet) -> None:
        monkeypatch.setitem(registered.RECORD_SETS, SPLITS.kind, records)
        for module in (loading, posting, writing):
            for one in vars(module).values():
                if hasattr(one, "cache_clear"):
                    one.cache_clear()

    yield version
    monkeypatch.undo()
    version(SPLITS)


async def test_what_the_version_before_has_proposed_keeps_its_accounts_open(
    alice: Client,  # noqa: F811
    outside: Service,
    ledger_id: LedgerId,
    runs: Any,
) -> None:
    runs(BEFORE)
    payment = await bought(alice)  # 2.00 of it are pending for tips
    runs(SPLITS)
    assert (await alice.post("/v1/accounts/tips/close", {})).status_code == 409
    await must_be_right(outside.database, ledger_id)
    await settled(alice, outside, payment)
    await must_be_right(outside.database, ledger_id)


async def test_what_the_version_before_has_settled_lets_its_accounts_be_closed(
    alice: Client,  # noqa: F811
    outside: Service,
    ledger_id: LedgerId,
    runs: Any,
) -> None:
    payment = await bought(alice)
    runs(BEFORE)
    await settled(alice, outside, payment)
    runs(SPLITS)
    await alice.pay({"type": "transfer", "amount": "2.00", "currency": "USD", "from": "tips", "to": "alice"})
    answer = await alice.post("/v1/accounts/tips/close", {})
    assert answer.status_code == 200, answer.text
    await must_be_right(outside.database, ledger_id)
