"""The tree as tiles, the form in which others mirror a log (C2SP `tlog-tiles`).

A tile has up to 256 hashes that lie side by side: on level 0 those of leaves, on each further one those of the full
tiles below. One that is full never changes; those at the right edge are partial, and named with how many they have:

    tile/0/x001/x234/067        the full tile 1,234,067 of the leaves
    tile/1/004.p/17             17 hashes of full tiles

What is kept of the tree is just what stands in tiles: see `KEPT_LEVELS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from zerosum.domain.proof_log.tree import EMPTY_ROOT, HASH_BYTES, KEPT_LEVELS, Node, Span, hash_of, joined

TILE_HASHES = 1 << KEPT_LEVELS
"""Of a full one. C2SP has fixed it: `KEPT_LEVELS` stays with it."""


class Tile(NamedTuple):
    """`width` hashes of its level, from `place * TILE_HASHES` on."""

    level: int
    place: int
    width: int

    @property
    def is_full(self) -> bool:
        return self.width == TILE_HASHES

    @property
    def name(self) -> str:
        """As it is asked for, below the log's own address."""
        parts, above = [f"{self.place % 1000:03d}"], self.place // 1000
        while above:
            parts.append(f"x{above % 1000:03d}")
            above //= 1000
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{self.level}/{'/'.join(reversed(parts))}{partial}"

    @property
    def nodes(self) -> Iterator[Node]:
        first = self.place * TILE_HASHES
        return (Node(self.level * KEPT_LEVELS, first + number) for number in range(self.width))


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """Those of the tree of this size: the full ones that it had not `since` that size, and all at its right edge."""
    level, before, now = 0, since, size
    while now:
        for place in range(before // TILE_HASHES, now // TILE_HASHES):
            yield Tile(level, place, TILE_HASHES)
        if now % TILE_HASHES:
            yield Tile(level, now // TILE_HASHES, now % TILE_HASHES)
        level, before, now = level + 1, before // TILE_HASHES, now // TILE_HASHES


def edge_within(tiles: Mapping[Tile, bytes], size: int) -> dict[Tile, bytes]:
    """The right edge that a smaller tree had, read from those that `tiles_of` names for a larger one since that size.

    So `root_of_tiles` of it is the smaller one's root, where the larger continues it (RFC 9162 section 2.1.4).
    """
    held = {(tile.level, tile.place): content for tile, content in tiles.items()}
    return {tile: held[tile.level, tile.place][: tile.width * HASH_BYTES] for tile in tiles_of(size, size)}


def root_of_tiles(tiles: Mapping[Tile, bytes], size: int) -> bytes:
    """The root that they lead to, which are those that `tiles_of` names. Raises ValueError where two of them differ."""
    for tile, content in tiles.items():
        if tile.is_full:
            found = joined([content[start : start + HASH_BYTES] for start in range(0, len(content), HASH_BYTES)])
            if found != _read(tiles, Node((tile.level + 1) * KEPT_LEVELS, tile.place), size):
                raise ValueError(f"what stands in {tile.name} is not what the tree has above it")
    return hash_of(Span(0, size), lambda node: _read(tiles, node, size)) if size else EMPTY_ROOT


def _read(tiles: Mapping[Tile, bytes], node: Node, size: int) -> bytes:
    level, (place, number) = node.level // KEPT_LEVELS, divmod(node.place, TILE_HASHES)
    width = min(TILE_HASHES, (size >> node.level) - place * TILE_HASHES)
    return tiles[Tile(level, place, width)][number * HASH_BYTES : (number + 1) * HASH_BYTES]
