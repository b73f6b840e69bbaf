"""How many entries a seal of totals is for follows from what it costs: a busy ledger is not looked through for each."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest

from zerosum.adapters.clock import now
from zerosum.db.identifiers import new_uuid
from zerosum.services.background import totals_sealing
from zerosum.services.background.totals_sealing import SEAL_ENTRIES_MAX, SEAL_SECONDS, TotalsSealing


class Paced(TotalsSealing):
    """Of a ledger with so many entries, in which a seal takes so long."""

    def __init__(self, backlog: int, seconds: float) -> None:
        super().__init__(None, now, behind=totals_sealing.BEHIND)  # type: ignore[arg-type]
        self.backlog, self.seconds, self.clock, self.rested = backlog, seconds, 0.0, 0.0
        self.asked: list[int] = []

    async def _horizon(self, _: UUID) -> datetime:
        return now()

    async def _seal(self, _: UUID, __: datetime, entries: int) -> bool:
        self.asked.append(entries)
        self.clock += self.seconds
        if entries > self.backlog:
            return False
        self.backlog -= entries
        return True


@pytest.fixture
def ledger() -> UUID:
    return new_uuid()


def paced(monkeypatch: pytest.MonkeyPatch, backlog: int, seconds: float) -> Paced:
    sealing = Paced(backlog, seconds)

    async def sleep(rest: float) -> None:
        sealing.clock += rest
        sealing.rested += rest

    monkeypatch.setattr(totals_sealing, "monotonic", lambda: sealing.clock)
    monkeypatch.setattr(totals_sealing, "sleep", sleep)
    return sealing


async def test_one_that_takes_long_is_for_more_and_more_entries_and_rests(
    monkeypatch: pytest.MonkeyPatch, ledger: UUID
) -> None:
    sealing = paced(monkeypatch, 10_000_000, 2 * SEAL_SECONDS)
    for _ in range(3):
        await sealing.seal(ledger, 512)
    assert sealing.asked[:3] == [1024, 2048, 4096]
    assert max(sealing.asked) == sealing.asked[-1] == SEAL_ENTRIES_MAX
    assert sealing.rested == pytest.approx(totals_sealing.RESTS * 2 * SEAL_SECONDS * len(sealing.asked))


async def test_one_for_more_than_there_is_asks_for_less_at_the_next_turns(
    monkeypatch: pytest.MonkeyPatch, ledger: UUID
) -> None:
    sealing = paced(monkeypatch, 8_000, 2 * SEAL_SECONDS)
    for _ in range(4):
        await sealing.seal(ledger, 512)
    assert sealing.asked == [1024, 2048, 4096, 8192, 4096, 2048, 1024]
    assert sealing.backlog == 832


async def test_quick_ones_stay_as_dense_as_can_be(monkeypatch: pytest.MonkeyPatch, ledger: UUID) -> None:
    sealing = paced(monkeypatch, 100_000, SEAL_SECONDS / 10)
    while await sealing.seal(ledger, 512):
        pass
    assert set(sealing.asked) == {1024}
