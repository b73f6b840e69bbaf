"""A part of a proof: checkpoints, beside which balances at an instant are read, say what the postings say.

Each is compared with the one before it and the 256 postings in between. That there are none is no difference: the
worker makes them later. A block of a million dated postings is sorted in one slice, the longest there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.checkpoint_proofs import checkpoints_after, stray_dated_blocks, wrong_dated_blocks
from zerosum.db.queries.checkpoints import BLOCK
from zerosum.db.queries.proofs import FIRST_ID, LAST_ID
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

CHECKPOINTS_AT_ONCE = 20
"""Of 256 postings each."""

LEVELS = 4

_SUMS = ("debits", "dated_debits", "dated_credits", "dated_held")


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What a checkpoint says."""

    account_version: int
    undated_version: int
    sums: Sequence[Decimal]


class CheckpointsProof:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._account_id = FIRST_ID
        self._last: _Sealed | None = None
        """The last one looked at of that account; None: there was none yet."""
        self._complete = FIRST_ID
        """Up to this account everything is looked at."""

    def position(self) -> dict[str, Any]:
        last = self._last
        sealed = None if last is None else [last.account_version, last.undated_version, *map(str, last.sums)]
        return {"account": str(self._account_id), "last": sealed, "complete": str(self._complete)}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._account_id, self._complete = UUID(position["account"]), UUID(position["complete"])
        if position["last"] is not None:
            version, undated, *sums = position["last"]
            self._last = _Sealed(int(version), int(undated), [Decimal(one) for one in sums])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(CHECKPOINTS_AT_ONCE, share)
        position = (self._account_id, 0 if self._last is None else self._last.account_version)
        rows = await checkpoints_after(connection, self._report.ledger_id, position, limit=limit)
        for account_id, marks in groupby(rows, key=lambda row: row.account_id):
            if account_id != self._account_id:
                await self._end_account(connection)
                self._account_id, self._last = account_id, None
            await self._look_at(connection, list(marks))
        if len(rows) == limit:
            return False
        await self._end_account(connection)
        self._account_id, self._last = LAST_ID, None
        await self._end_account(connection)
        return True

    async def _look_at(self, connection: Connection, marks: Sequence[Any]) -> None:
        """The next ones of one account."""
        first = 0 if self._last is None else self._last.account_version
        for mark in marks:
            with self._report.noting("a checkpoint cannot be read", mark.account_id, mark.account_version):
                self._compare(mark)
            self._last = _Sealed(mark.account_version, mark.undated_version, [getattr(mark, name) for name in _SUMS])
        for level in range(LEVELS):
            size = BLOCK * 16**level
            blocks = range(first // size, marks[-1].account_version // size)
            if blocks:
                await self._compare_dated(connection, level, blocks)

    def _compare(self, mark: Any) -> None:
        report, here = self._report, (mark.account_id, mark.account_version)
        before = self._last or _Sealed(0, 0, [Decimal(0)] * len(_SUMS))
        version = before.account_version
        if mark.account_currency is None:
            report.note("the checkpoint is one of an account that does not exist", *here)
        elif mark.currency != mark.account_currency:
            report.note("the checkpoint is in another currency than its account", *here)
        if mark.account_version != version + BLOCK:
            report.note(f"the checkpoint does not follow the one at version {version}", *here)
            return
        if mark.lines != BLOCK:
            report.note("the checkpoint covers postings that are not there", *here)
        sums = [so_far + getattr(mark, f"block_{name}") for name, so_far in zip(_SUMS, before.sums, strict=True)]
        undated = max(before.undated_version, mark.block_undated_version)
        if [getattr(mark, name) for name in _SUMS] != sums or mark.undated_version != undated:
            report.note("the checkpoint is not the sum of the postings up to it", *here)

    async def _compare_dated(self, connection: Connection, level: int, blocks: range) -> None:
        wrong = await wrong_dated_blocks(
            connection, self._report.ledger_id, self._account_id, level=level, blocks=blocks, limit=BREAKS_MAX
        )
        for block in wrong:
            version = (block + 1) * BLOCK * 16**level
            what = f"the dated postings of block {block} of size {level} are not as they were sealed"
            self._report.note(what, self._account_id, version)

    async def _end_account(self, connection: Connection) -> None:
        """All of its checkpoints were seen: what is sealed beyond them, or between it and the one before, is forged."""
        sealed = 0 if self._last is None else self._last.account_version // BLOCK
        stray = await stray_dated_blocks(
            connection, self._report.ledger_id, self._account_id, after=self._complete, sealed=sealed
        )
        for account_id in dict.fromkeys(stray):
            self._report.note("dated postings are sealed beyond the account's last checkpoint", account_id)
        self._complete = self._account_id
