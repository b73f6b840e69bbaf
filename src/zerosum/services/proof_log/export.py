"""A whole ledger as lines of JSON, to be checked elsewhere by `verifier/standalone.py`. The form is a promise:

    {"is": "export", "version": 1, "ledger": "led_…", "exported_at": …}
    {"is": "account", "id": "acc_…", "code": …, "type": …, "currency": …}           each account
    {"is": "entry", …}       a leaf: a journal entry with its postings, as in a receipt
    {"is": "revision", "account": "acc_…", "revision": 2, "said": …, "hash": …}     a leaf: what was said of an account
    {"is": "seal", "kind": "s", "number": 7, "hash": …}                             a leaf: a seal of a log
    {"is": "checkpoint", "note": …}                                                 behind its leaves
    {"is": "end", "entries": …, "size": …}

It holds what the newest checkpoint is over, in the order of the log.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.credentials.checkpoint_keys import CheckpointKeyRecord
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.proof_log_entries import accounts_of, entries_with_postings, link_hashes, revisions_of
from zerosum.db.queries.proof_log_leaves import ENTRY, REVISION, Leaf
from zerosum.db.queries.signed_checkpoints import SignedCheckpoint, list_checkpoints
from zerosum.domain.errors import RecordUnreadable
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, render_id
from zerosum.services.proof_log.checkpoints import keys_by_id
from zerosum.services.proof_log.documents import entry_document, note_of, revision_document

VERSION = 1
ACCOUNTS_AT_ONCE = 1_000
CHECKPOINTS_AT_ONCE = 5


async def ledger_export(database: Database, ledger_id: UUID, exported_at: datetime) -> AsyncIterator[str]:
    """In one look. Raises RecordUnreadable where an entry of the log is not in the books."""
    async with database.snapshot(ledger_id, SERVICE_LEDGER) as connection:
        yield _line("export", version=VERSION, ledger=render_id(Prefix.LEDGER, ledger_id), exported_at=f"{exported_at}")
        after = UUID(int=0)
        while page := await accounts_of(connection, ledger_id, after=after, limit=ACCOUNTS_AT_ONCE):
            for row in page:
                yield _line(
                    "account", id=render_id(Prefix.ACCOUNT, row.id), code=row.code, type=row.type, currency=row.currency
                )
            after = page[-1].id
        keys = await keys_by_id(connection)
        entries, number, size = 0, 0, 0
        while checkpoints := await list_checkpoints(
            connection, ledger_id, after=number, limit=CHECKPOINTS_AT_ONCE, is_ascending=True
        ):
            async for line in _checkpoint_lines(connection, ledger_id, checkpoints, keys):
                yield line
            entries += sum(leaf.kind == ENTRY for one in checkpoints for leaf in one.leaves)
            number, size = checkpoints[-1].number, checkpoints[-1].size
        yield _line("end", entries=entries, size=size)


async def _checkpoint_lines(
    connection: Connection,
    ledger_id: UUID,
    checkpoints: Sequence[SignedCheckpoint],
    keys: Mapping[str, CheckpointKeyRecord],
) -> AsyncIterator[str]:
    leaves = [leaf for one in checkpoints for leaf in one.leaves]
    ids = [leaf.id for leaf in leaves if leaf.kind == ENTRY]
    entries, postings = await entries_with_postings(connection, ledger_id, ids)
    revisions = await revisions_of(connection, ledger_id, [leaf for leaf in leaves if leaf.kind == REVISION])
    others = [leaf for leaf in leaves if leaf.kind not in (ENTRY, REVISION)]
    hashes = dict(zip(others, await link_hashes(connection, ledger_id, others), strict=True))
    for one in checkpoints:
        for leaf in one.leaves:
            if leaf.kind == ENTRY:
                if leaf.id not in entries:
                    raise RecordUnreadable(f"The log has the entry {leaf.id}, which the books have not.")
                yield _line("entry", **entry_document(entries[leaf.id], postings.get(leaf.id, ())))
            elif leaf.kind == REVISION:
                if (leaf.id, leaf.number) not in revisions:
                    raise _unreadable(leaf)
                yield _line("revision", **revision_document(revisions[leaf.id, leaf.number]))
            else:
                yield _seal_line(leaf, hashes[leaf])
        yield _line("checkpoint", note=note_of(one, keys[one.key_id]))


def _seal_line(leaf: Leaf, hash_: bytes | None) -> str:
    if hash_ is None:
        raise _unreadable(leaf)
    return _line("seal", kind=leaf.kind, number=leaf.number, hash=hash_.hex())


def _unreadable(leaf: Leaf) -> RecordUnreadable:
    return RecordUnreadable(f"The log has {leaf.kind} {leaf.number} of {leaf.id}, which the books have not.")


def _line(what: str, /, **members: Any) -> str:
    return json.dumps({"is": what, **members}, ensure_ascii=False, separators=(",", ":")) + "\n"
