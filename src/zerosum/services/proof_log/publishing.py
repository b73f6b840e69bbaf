"""The worker publishes each log as tiles (C2SP `tlog-tiles`), so that anybody can mirror it: first tiles, then the
checkpoint that is over them.

What is published cannot be taken back. So before anything is, the checkpoint that stands there is looked for in the
database, and the new tiles have to lead to the root that was signed, and to the root that stands there.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.signed_checkpoints import SignedRoot, leaf_hashes, newest_root, node_hashes
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.domain.proof_log.note import origin
from zerosum.domain.proof_log.tiles import TILE_HASHES, Tile, edge_within, root_of_tiles, tiles_of
from zerosum.domain.proof_log.tree import Node
from zerosum.services.apart import apart
from zerosum.services.proof_log.checkpoints import keys_by_id
from zerosum.services.proof_log.documents import note_of
from zerosum.services.proof_log.kept_file import size_and_root
from zerosum.services.proof_log.outside import Differences, logs_behind
from zerosum.services.proof_log.tile_places import PublishedLog, TilePlace

LEAVES_AT_ONCE = 64 * TILE_HASHES
"""About so many more has the next checkpoint that is published, half a megabyte: far more than one alone adds."""

STEPS_MAX = 100
"""Of one ledger in one run: what is left over is published at the next."""

ACTOR = "system:log-publisher"

_log = logging.getLogger(__name__)


class LogPublisher:
    """What is in memory is only how far each log has been published."""

    def __init__(self, database: Database, place: TilePlace, now: Callable[[], datetime]) -> None:
        self._database = database
        self._place = place
        self._differences = Differences(database, now, ACTOR)
        self._published: dict[UUID, int] = {}
        """The number of the newest checkpoint that was published of each."""

    async def run_once(self) -> int:
        """How many checkpoints were published. Raises OSError where the place is not there."""
        await self._place.check()
        made = 0
        for ledger_id in await logs_behind(self._database, self._published):
            with apart(_log, "the log %s is published later", origin(ledger_id)):
                made += await self.publish(ledger_id)
        return made

    async def publish(self, ledger_id: UUID) -> int:
        """How many checkpoints of one log were published.

        Raises OSError, and ValueError where something else is there, or would have to be published. That is told too.
        """
        try:
            async with self._place.log(origin(ledger_id).partition("/")[2]) as log:
                return 0 if log is None else await self._carry_on(ledger_id, log)
        except ValueError as error:
            await self._differences.tell(ledger_id, "something else", str(error))
            raise

    async def _carry_on(self, ledger_id: UUID, log: PublishedLog) -> int:
        number = await self._differences.number_of(ledger_id, log.checkpoint, how="is published")
        if number is None:
            return 0
        size = 0 if log.checkpoint is None else size_and_root(log.checkpoint)[0]
        for made in range(STEPS_MAX):
            step = await self._next(ledger_id, size)
            if step is None:
                self._published[ledger_id] = number
                return made
            next_one, note, tiles = step
            if not await self._put(log, size, next_one, note, tiles):
                return made
            size, number = next_one.size, next_one.number
        return STEPS_MAX

    async def _next(self, ledger_id: UUID, size: int) -> tuple[SignedRoot, str, dict[Tile, bytes]] | None:
        async with self._database.work(ledger_id, SERVICE_LEDGER) as connection:
            found = await newest_root(connection, ledger_id, above=size, at_most=size + LEAVES_AT_ONCE)
            if found is None:
                return None
            wanted = list(tiles_of(found.size, size))
            nodes = [node for tile in wanted if tile.level for node in tile.nodes]
            hashes = await node_hashes(connection, ledger_id, nodes)
            start = size - size % TILE_HASHES
            hashes |= await leaf_hashes(connection, ledger_id, start, found.size)
            keys = await keys_by_id(connection)
        return found, note_of(found, keys[found.key_id]), _contents(wanted, hashes)

    async def _put(
        self, log: PublishedLog, old: int, checkpoint: SignedRoot, note: str, tiles: Mapping[Tile, bytes]
    ) -> bool:
        """Raises ValueError where the tiles are not what was signed, or not what was published and more."""
        if await asyncio.to_thread(root_of_tiles, tiles, checkpoint.size) != checkpoint.root:
            raise ValueError(f"the log does not make the root of the checkpoint of size {checkpoint.size}")
        if old and not await asyncio.to_thread(_continues, tiles, old, log.checkpoint):
            raise ValueError(f"the log does not continue the checkpoint of size {old} that is published")
        there = set(tiles_of(old, old))
        for tile, content in tiles.items():
            if tile not in there:
                await log.put(tile.name, content)
        if not await log.publish(note):
            return False
        for tile in tiles:
            if tile.is_full:
                await log.drop_partial(tile.name)
        return True


def _continues(tiles: Mapping[Tile, bytes], size: int, published: str | None) -> bool:
    root = b64encode(root_of_tiles(edge_within(tiles, size), size)).decode()
    return published is not None and size_and_root(published) == (size, root)


def _contents(tiles: Sequence[Tile], hashes: Mapping[Node, bytes]) -> dict[Tile, bytes]:
    """Raises ValueError where the log lacks one."""
    try:
        return {tile: b"".join(hashes[node] for node in tile.nodes) for tile in tiles}
    except KeyError as error:
        raise ValueError(f"the log lacks the hash of {error.args[0]}") from None
