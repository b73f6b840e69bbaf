"""Checkpoints that were kept elsewhere, held against those of the database: what was cut off or rewritten shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from uuid import UUID

from zerosum.db.credentials.checkpoint_keys import CheckpointKeyRecord, list_checkpoint_keys
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.signed_checkpoints import list_roots, root_of_size
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, parse_id
from zerosum.domain.proof_log.note import Statement, signed_note
from zerosum.services.proofs.report import Report

_SIZE = re.compile("[0-9]{1,18}", re.ASCII)


class CheckpointsUnreadable(ValueError):
    """A file of checkpoints is cut off, or is none. The message says where."""


async def compare_checkpoints(database: Database, content: str) -> Report:
    """Which of a file's checkpoints the database has not, or has otherwise. Raises CheckpointsUnreadable."""
    notes = kept_notes(content)
    ledger_id = ledger_of(notes[0])
    report = Report(ledger_id)
    async with database.work(ledger_id, SERVICE_LEDGER) as connection:
        keys = {key.id: key for key in await list_checkpoint_keys(connection)}
        for number, note in enumerate(notes, 1):
            origin, size, root = note.split("\n", 3)[:3]
            if origin != notes[0].partition("\n")[0] or _SIZE.fullmatch(size) is None:
                raise CheckpointsUnreadable(f"the checkpoint {number} in it is none of this ledger")
            found = await root_of_size(connection, ledger_id, int(size))
            if found is None:
                report.note(f"the kept checkpoint of size {size} is not there")
            elif found.statement.text.split("\n")[2] != root:
                report.note(f"the checkpoint of size {size} is another than the one that was kept")
            elif note != _as_kept(found.statement, keys.get(found.key_id), found.signature):
                report.note(f"the checkpoint of size {size} is signed otherwise than the one that was kept")
    return report


async def newest_note(connection: Connection, ledger_id: UUID) -> str | None:
    """The newest signed checkpoint as it is kept elsewhere. None where there is none."""
    found = await list_roots(connection, ledger_id, after=None, limit=1, is_ascending=False)
    keys = {key.id: key for key in await list_checkpoint_keys(connection)}
    return _as_kept(found[0].statement, keys.get(found[0].key_id), found[0].signature) if found else None


def size_of(note: str) -> int:
    """How many leaves a kept checkpoint has. Raises CheckpointsUnreadable."""
    size = note.split("\n", 2)[1]
    if _SIZE.fullmatch(size) is None:
        raise CheckpointsUnreadable("a checkpoint in it has no size")
    return int(size)


def _as_kept(statement: Statement, key: CheckpointKeyRecord | None, signature: bytes) -> str | None:
    return None if key is None else signed_note(statement, key.algorithm, key.public_key, signature)


def kept_notes(content: str) -> list[str]:
    """One at least. Each is a text and its signature, and an empty line ends it. Raises CheckpointsUnreadable."""
    notes = list(_notes(content))
    if not notes:
        raise CheckpointsUnreadable("there is no checkpoint in it")
    return notes


def _notes(content: str) -> Iterator[str]:
    parts: Sequence[str] = content.split("\n\n")
    if parts[-1].strip():
        raise CheckpointsUnreadable("the last checkpoint is cut off")
    for text, signature in zip(parts[::2], parts[1::2], strict=False):
        if text.count("\n") < 2:
            raise CheckpointsUnreadable("there is something else in it")
        yield f"{text}\n\n{signature}\n"


def ledger_of(note: str) -> UUID:
    name = note.partition("\n")[0].partition("/")[2]
    try:
        return SERVICE_LEDGER if name == "service" else parse_id(Prefix.LEDGER, name)
    except InvalidId:
        raise CheckpointsUnreadable("its first line names no ledger") from None
