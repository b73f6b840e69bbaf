"""How far a verification is, in a file: `zerosum verify --resume FILE`.

    {"ledger": "led_…", "checkpoint": "zerosum/led_…"}      the newest signed checkpoint when its verification began
    {"ledger": "led_…", "part": "EntriesProof", "after": "…", "until": "…"}         a piece that was found right
    {"ledger": "led_…", "wrong": "EventsProof"}             something was found: all entries are proved once more

Nobody has to trust it: what it calls done is proved as far as that checkpoint binds it (`since_checkpoint.py`), so a
forged one makes a verification of it that `--since-checkpoint` would be, and no less.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from uuid import UUID

from zerosum.cli.talk import PRIVATE_MODE, USAGE, CommandFailed
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.services.proofs.of_entries import EntriesProof
from zerosum.services.proofs.of_events import EventsProof
from zerosum.services.proofs.pieces import Found, Piece
from zerosum.services.proofs.since_checkpoint import REPLACED, Done


class ProgressFile:
    """Raises CommandFailed where it holds something else, or cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.notes: dict[UUID, str] = {}
        self.done: dict[UUID, dict[str, list[tuple[str, str]]]] = {}
        self._wrong: set[UUID] = set()
        """Whose events may be what is wrong: no entries of theirs count as done, as it takes all of them to find it."""
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        for number, line in enumerate(lines[:-1], 1):  # What follows the last end of a line was cut off.
            try:
                self._take(json.loads(line))
            except (InvalidId, KeyError, TypeError, ValueError):
                raise CommandFailed(f"{path}: line {number} is none of a verification's progress", USAGE) from None
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        os.ftruncate(descriptor, sum(len(line) + 1 for line in lines[:-1]))
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        self._file.seek(0, os.SEEK_END)

    def begin(self, ledger_id: UUID, note: str | None) -> None:
        """Anew: what was done before does not count any more. Without a checkpoint nothing that is done will."""
        self.notes[ledger_id], self.done[ledger_id] = note or "", {}
        self._wrong.discard(ledger_id)
        self._write(ledger_id, checkpoint=note or "")

    def found(self, ledger_id: UUID, piece: Piece, found: Found) -> None:
        if piece.part in REPLACED and not found.breaks:
            self._write(ledger_id, part=piece.part, after=piece.after, until=piece.until)
        if piece.part == EventsProof.__name__ and found.breaks:
            self.found_wrong(ledger_id)

    def found_wrong(self, ledger_id: UUID) -> None:
        """No piece may say it: what events come to is held against entries once all pieces have ended."""
        self._write(ledger_id, wrong=EventsProof.__name__)

    def done_of(self, ledger_id: UUID) -> Done:
        done = self.done[ledger_id]
        return {part: done[part] for part in done if part != EntriesProof.__name__ or ledger_id not in self._wrong}

    def close(self) -> None:
        self._file.close()

    def end(self) -> None:
        """Everything was looked at: the next verification begins at the beginning."""
        self._path.unlink(missing_ok=True)

    def _take(self, said: dict[str, str]) -> None:
        ledger_id = parse_id(Prefix.LEDGER, said["ledger"])
        if "checkpoint" in said:
            self.notes[ledger_id], self.done[ledger_id] = str(said["checkpoint"]), {}
            self._wrong.discard(ledger_id)
        elif "wrong" in said:
            self._wrong.add(ledger_id)
        else:
            span = (str(said["after"]), str(said["until"]))
            self.done[ledger_id].setdefault(str(said["part"]), []).append(span)

    def _write(self, ledger_id: UUID, **said: str) -> None:
        self._file.write(json.dumps({"ledger": render_id(Prefix.LEDGER, ledger_id), **said}).encode() + b"\n")
