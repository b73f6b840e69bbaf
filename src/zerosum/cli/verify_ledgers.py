"""`zerosum verify` over ledgers: each in one go, or in pieces where it is large or some of it is bound."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zerosum.cli.talk import USAGE, CommandFailed, say
from zerosum.cli.verify_progress import ProgressFile
from zerosum.db.engine import Database
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.ledgers import LedgerRecord
from zerosum.services.proofs.in_pieces import Prove, verify_in_pieces
from zerosum.services.proofs.kept_checkpoints import (
    CheckpointsUnreadable,
    compare_checkpoints,
    kept_notes,
    ledger_of,
    size_of,
)
from zerosum.services.proofs.pieces import PIECE_SIZE, Found, Piece
from zerosum.services.proofs.since_checkpoint import EVERYTHING, Bound, Plan
from zerosum.services.proofs.whole_ledger import Report, has_more_postings, verify_ledger

LAST = "last"
"""In place of a file of checkpoints: the newest signed checkpoint that the database has."""

Tell = Callable[[int, int], None]
"""How many of how many are done."""


@dataclass(slots=True)
class LedgersVerification:
    """`since` is a file of checkpoints, or LAST; `kept` says where a verification before this one was cut short."""

    database: Database
    prove: Prove
    jobs: int
    since: str | None
    kept: ProgressFile | None

    async def verify(self, ledgers: Sequence[LedgerRecord]) -> list[Report]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        bounds = self._since_file()
        with Progress(*columns, disable=not sys.stderr.isatty(), transient=True) as progress:
            reports = []
            for record in ledgers:
                task = progress.add_task(record.name, total=None)

                def tell(done: int, total: int, task: object = task) -> None:
                    progress.update(task, completed=done, total=total)  # type: ignore[arg-type]

                reports.append(await self._verify(record.id, bounds.get(record.id), tell))
            return reports

    async def _verify(self, ledger_id: UUID, bound: Bound | None, tell: Tell) -> Report:
        if self.since == LAST:
            bound = Bound(None, EVERYTHING)
        is_begun = False
        if self.kept is not None and bound is None:
            bound = await self._kept_bound(self.kept, ledger_id)
            is_begun = bound is not None
        if bound is None and self.kept is None:
            is_small = not await has_more_postings(self.database, ledger_id, PIECE_SIZE)
            if self.jobs == 1 or is_small:
                return await verify_ledger(self.database, ledger_id, tell)
        watcher = _Watcher(ledger_id, self.kept, is_begun=is_begun, is_bound=bound is not None, tell=tell)
        report = await verify_in_pieces(self.database, ledger_id, self.prove, watcher, bound)
        if self.kept is not None and not report.is_right:  # It may be cut short yet, in another ledger.
            self.kept.found_wrong(ledger_id)
        return report

    def _since_file(self) -> dict[UUID, Bound]:
        """The newest checkpoint of the file, which is of one ledger. Raises CommandFailed."""
        if self.since in (None, LAST):
            return {}
        path = Path(self.since or "")
        try:
            notes = kept_notes(path.read_text("utf-8", "replace"))
            newest = max(map(size_of, notes))  # Where files were put together it may stand anywhere.
            return {ledger_of(notes[-1]): Bound(newest, EVERYTHING)}
        except CheckpointsUnreadable as error:
            raise CommandFailed(f"{path}: {error}", USAGE) from None

    async def _kept_bound(self, kept: ProgressFile, ledger_id: UUID) -> Bound | None:
        """None where nothing was done, or the checkpoint that was to bind it is not in the database as it was."""
        note = kept.notes.get(ledger_id)
        if not note:
            return None
        try:
            is_there = (await compare_checkpoints(self.database, f"{note}\n")).is_right and ledger_of(note) == ledger_id
            return Bound(size_of(note), kept.done_of(ledger_id)) if is_there else None
        except CheckpointsUnreadable:
            return None


@dataclass(slots=True)
class _Watcher:
    ledger_id: UUID
    kept: ProgressFile | None
    is_begun: bool
    """Whether the file says already where this ledger was begun."""
    is_bound: bool
    tell: Tell
    total: int = 0
    done: int = 0

    def begin(self, plan: Plan, note: str | None) -> None:
        self.total = len(plan.pieces)
        if self.kept is not None and not (self.is_begun and not plan.is_whole):
            self.kept.begin(self.ledger_id, note)
        if self.is_bound:
            how = "everything is verified" if plan.is_whole else "what is sealed is verified as far as that binds it"
            say(f"{render_id(Prefix.LEDGER, self.ledger_id)}: {how}")
        self.tell(0, self.total)

    def found(self, piece: Piece, found: Found) -> None:
        self.done += 1
        if self.kept is not None:
            self.kept.found(self.ledger_id, piece, found)
        self.tell(self.done, self.total)
