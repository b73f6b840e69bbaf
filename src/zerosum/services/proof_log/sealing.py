"""The worker carries the proof log on, and signs each new size of it.

What is sealed was settled: leaves are taken in the order of the feed, below the oldest transaction that still runs, so
nothing can appear later among them. Nothing is added where payments are written. One sealer at a time carries on a
ledger's log, under a lock of its own; another one leaves it alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from zerosum.db.advisory_locks import try_lock_until_commit
from zerosum.db.engine import Connection, Database
from zerosum.db.queries.events import FeedPosition
from zerosum.db.queries.proof_log_leaves import CHAINS, Found, Leaf, newest_seals, next_leaves
from zerosum.db.queries.signed_checkpoints import LogEnd, SignedCheckpoint, end_of_log, insert_checkpoint, unsealed
from zerosum.domain.proof_log.note import Statement
from zerosum.domain.proof_log.tree import KEPT_LEVELS, Frontier, Node
from zerosum.services.apart import apart
from zerosum.services.credentials.checkpoint_keys import CheckpointKey, CheckpointKeys
from zerosum.services.proof_log.every_log import slices_of_logs

EVENTS_AT_ONCE = 1_000
"""So many tell of what one checkpoint adds, at most."""

CHECKPOINTS_AT_ONCE = 200
"""Of one ledger in one run: what a worker that was away has to make up for goes on at the next."""

RESTS = 2.0
REST_SECONDS_MAX = 0.5
"""Behind each checkpoint that is not the last, so many times what it took: who pays meanwhile has most of the machine,
and a few thousand payments a second are still sealed within the next turn."""

LOOKED_MAX = 100_000
"""Ledgers of which it is remembered how far their feeds were looked at in vain."""

_log = logging.getLogger(__name__)


class CheckpointSealing:
    def __init__(self, database: Database, keys: CheckpointKeys, now: Callable[[], datetime]) -> None:
        self._database = database
        self.keys = keys
        self._now = now
        self._looked: dict[UUID, FeedPosition] = {}
        """Up to here the feed has nothing that is a leaf."""

    async def run_once(self) -> int:
        """How many checkpoints were made. A ledger at which it fails holds up no other."""
        made = 0
        for ledger_id in await self._unsealed():
            with apart(_log, "the proof log of %s is carried on later", ledger_id):
                made += await self.seal(ledger_id)
        return made

    async def seal(self, ledger_id: UUID) -> int:
        """How many checkpoints were made of one ledger, each in a transaction of its own."""
        made = 0
        for _ in range(CHECKPOINTS_AT_ONCE):
            begun = time.monotonic()
            # Each time: one that was rotated signs nothing more.
            key = await self.keys.current(self._now())
            async with self._database.work(ledger_id) as connection:
                if not await try_lock_until_commit(connection, f"proof log of {ledger_id}"):
                    break
                is_more, is_made = await self._seal_next(connection, ledger_id, key)
            made += is_made
            if not is_more:
                break
            await asyncio.sleep(min(RESTS * (time.monotonic() - begun), REST_SECONDS_MAX))
        return made

    async def _unsealed(self) -> list[UUID]:
        found: list[UUID] = []
        for some in await slices_of_logs(self._database):
            async with self._database.work(*some) as connection:
                found += await unsealed(connection, some, self._looked)
        return found

    async def _seal_next(self, connection: Connection, ledger_id: UUID, key: CheckpointKey) -> tuple[bool, bool]:
        """Whether there may be more, and whether a checkpoint was made."""
        end = await end_of_log(connection, ledger_id)
        after = max(end.until, self._looked.get(ledger_id, end.until))
        found = await next_leaves(connection, ledger_id, after, EVENTS_AT_ONCE)
        is_more = found.events == EVENTS_AT_ONCE
        seals = await newest_seals(connection, ledger_id)
        # Kinds of chains that came later stand behind those that an old checkpoint has.
        known = [*end.chains, *[0] * (len(CHAINS) - len(end.chains))]
        newer = [seals[kind] for kind, number in zip(CHAINS, known, strict=True) if _is_newer(seals, kind, number)]
        leaves = [*found.leaves, *newer]
        if not leaves:
            if len(self._looked) < LOOKED_MAX:
                self._looked[ledger_id] = found.until
            return is_more, False
        self._looked.pop(ledger_id, None)
        chains = [seals[kind].number if kind in seals else known[place] for place, kind in enumerate(CHAINS)]
        await self._append(connection, key, end, ledger_id, leaves, chains, found)
        return is_more, True

    async def _append(
        self,
        connection: Connection,
        key: CheckpointKey,
        end: LogEnd,
        ledger_id: UUID,
        leaves: Sequence[Leaf],
        chains: Sequence[int],
        found: Found,
    ) -> None:
        tree = Frontier(end.size, end.frontier)
        nodes: dict[Node, bytes] = {}
        for leaf in leaves:
            for node, hash_ in tree.append(leaf.hash):
                if node.level and node.level % KEPT_LEVELS == 0:
                    nodes[node] = hash_
        sealed_at = self._now()
        statement = Statement(ledger_id=ledger_id, size=tree.size, root=tree.root, sealed_at=sealed_at)
        checkpoint = SignedCheckpoint(
            ledger_id=ledger_id,
            number=end.number + 1,
            size=tree.size,
            root=tree.root,
            frontier=tree.hashes,
            leaves=leaves,
            chains=chains,
            until=found.until,
            posted_until=max(end.posted_until, found.posted_until or end.posted_until),
            sealed_at=sealed_at,
            key_id=key.id,
            signature=key.sign(statement.text),
        )
        await insert_checkpoint(connection, checkpoint, nodes)


def _is_newer(seals: dict[str, Leaf], kind: str, number: int) -> bool:
    return kind in seals and seals[kind].number > number
