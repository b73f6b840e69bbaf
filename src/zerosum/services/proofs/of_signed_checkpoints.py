"""The proof log says what the books say, and every checkpoint over it is signed.

Its own program of the tree: it shares no code with the one that seals. What was left out between two checkpoints, put
in, or says something else now is named, and so is a checkpoint that was forged or taken away in the middle. That the
last ones were cut off only those show that were kept elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from zerosum.db.credentials.checkpoint_keys import CheckpointKeyRecord, list_checkpoint_keys
from zerosum.db.engine import Connection
from zerosum.db.queries.event_seals import find_last_event_seal
from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.proof_log_leaves import CHAINS, Leaf, hashes_again, leaves_between
from zerosum.db.queries.signed_checkpoints import SignedCheckpoint, list_checkpoints, node_hashes
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.proof_log.tree import Node
from zerosum.services.credentials.checkpoint_keys import is_signed
from zerosum.services.proofs.report import Report, part_of

CHECKPOINTS_AT_ONCE = 10
EVENTS_MAX = 10_000
"""Between two checkpoints there are a thousand that tell of leaves, and others that tell of none."""


class SignedCheckpointsProof:
    """In a unit of work that sees the service's own ledger too, for its keys."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._number = 0
        self._last: int | None = None
        """Those behind it are another's."""
        self._until = FeedPosition(0, UUID(int=0))
        self._parts: list[tuple[int, bytes]] = []
        """The full subtrees so far, each with how many leaves it has."""

    @property
    def _size(self) -> int:
        return sum(leaves for leaves, _ in self._parts)

    def position(self) -> dict[str, Any]:
        return {
            "number": self._number,
            "last": self._last,
            "until": [self._until.xid, str(self._until.id)],
            "parts": [[leaves, hash_.hex()] for leaves, hash_ in self._parts],
        }

    def go_on(self, position: Mapping[str, Any]) -> None:
        xid, id_ = position["until"]
        self._number, self._until = int(position["number"]), FeedPosition(int(xid), UUID(id_))
        if position.get("last") is not None:
            self._last = int(position["last"])
        self._parts = [(int(leaves), bytes.fromhex(hash_)) for leaves, hash_ in position["parts"]]

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        ledger_id, limit = self._report.ledger_id, part_of(CHECKPOINTS_AT_ONCE, share)
        keys = {key.id: key for key in await list_checkpoint_keys(connection)}
        dropped = await find_last_event_seal(connection, ledger_id)
        page = await list_checkpoints(connection, ledger_id, after=self._number, limit=limit, is_ascending=True)
        found = [one for one in page if self._last is None or one.number <= self._last]
        for one in found:
            if one.number != self._number + 1:
                self._report.note(f"the signed checkpoint {self._number + 1} is missing")
            self._look_at_signature(one, keys.get(one.key_id))
            await self._look_at_leaves(connection, one)
            if dropped is None or dropped.last < self._until:
                await self._look_for_others(connection, one)
            await self._look_at_tree(connection, one)
            self._number, self._until = one.number, one.until
        return len(found) < limit or self._number == self._last

    def _look_at_signature(self, one: SignedCheckpoint, key: CheckpointKeyRecord | None) -> None:
        if key is None or not is_signed(key, one.statement.text, one.signature):
            self._report.note(f"the signature of the signed checkpoint {one.number} is forged")

    async def _look_at_leaves(self, connection: Connection, one: SignedCheckpoint) -> None:
        """Each says what the books say of it now."""
        again = await hashes_again(connection, self._report.ledger_id, one.leaves)
        for leaf, hash_ in zip(one.leaves, again, strict=True):
            if hash_ != leaf.hash:
                concerned = (leaf.id,) if leaf.kind == "a" else ()
                self._report.note(f"{_named(leaf)} is not what was sealed", concerned=concerned)

    async def _look_for_others(self, connection: Connection, one: SignedCheckpoint) -> None:
        """What the feed tells of between two checkpoints is what the second has."""
        found = await leaves_between(connection, self._report.ledger_id, self._until, one.until, EVENTS_MAX)
        sealed = {leaf[:3] for leaf in one.leaves if leaf.kind not in CHAINS}
        told = {leaf[:3]: leaf for leaf in found.leaves}
        for name in told.keys() - sealed:
            self._report.note(f"{_named(told[name])} was not sealed, though what came later was")
        if found.events < EVENTS_MAX and sealed - told.keys():
            self._report.note(f"the signed checkpoint {one.number} has what no event tells of")

    async def _look_at_tree(self, connection: Connection, one: SignedCheckpoint) -> None:
        kept: dict[Node, bytes] = {}
        for leaf in one.leaves:
            self._append(leaf.hash, kept)
        if (one.size, one.root) != (self._size, _root(self._parts)) or list(one.frontier) != [
            hash_ for _, hash_ in self._parts
        ]:
            self._report.note(f"the root of the signed checkpoint {one.number} does not follow from its leaves")
        if kept and await node_hashes(connection, self._report.ledger_id, list(kept)) != kept:
            self._report.note(f"the nodes of the signed checkpoint {one.number} do not follow from its leaves")

    def _append(self, leaf: bytes, kept: dict[Node, bytes]) -> None:
        end, leaves, hash_ = self._size + 1, 1, leaf
        while self._parts and self._parts[-1][0] == leaves:
            hash_ = hashlib.sha256(b"\x01" + self._parts.pop()[1] + hash_).digest()
            leaves *= 2
            level = leaves.bit_length() - 1
            if level % 8 == 0:
                kept[Node(level, end // leaves - 1)] = hash_
        self._parts.append((leaves, hash_))


def _root(parts: Sequence[tuple[int, bytes]]) -> bytes:
    found = parts[-1][1] if parts else hashlib.sha256(b"").digest()
    for _, hash_ in reversed(parts[:-1]):
        found = hashlib.sha256(b"\x01" + hash_ + found).digest()
    return found


def _named(leaf: Leaf) -> str:
    if leaf.kind == "e":
        return f"the journal entry {render_id(Prefix.JOURNAL_ENTRY, leaf.id)}"
    if leaf.kind == "a":
        return f"the revision {leaf.number} of the account {render_id(Prefix.ACCOUNT, leaf.id)}"
    logs = {"s": "the security log", "r": "refusals", "d": "events that were dropped", "p": "closed periods"}
    return f"the seal {leaf.number} of {logs.get(leaf.kind, leaf.kind)}"
