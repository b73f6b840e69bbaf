"""Who stands behind credentials is remembered: of those asked for together none makes another forgotten."""

from __future__ import annotations

import pytest

from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services import reviews


async def test_whoever_approves_is_not_forgotten_for_who_has_ordered(
    database: Database, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "REMEMBERED_MAX", 2)
    held = reviews._HeldOrders(database)
    await held.load_people(ledger_id, ["ann", "ben"])
    for maker in ("cyd", "dan"):
        await held.load_people(ledger_id, ["ann", maker])
        assert [held.person(ledger_id, actor) for actor in ("ann", maker)] == ["ann", maker]
    assert len(held._people) == 2
