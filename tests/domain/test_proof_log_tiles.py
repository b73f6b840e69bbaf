"""A log as tiles: named as C2SP `tlog-tiles` says, and whatever its size they lead to its root."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.test_proof_log_tree import grown
from zerosum.domain.proof_log.tiles import Tile, edge_within, root_of_tiles, tiles_of
from zerosum.domain.proof_log.tree import Frontier, Node

LEAVES_MAX = 65_800
SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, LEAVES_MAX]


@cache
def tree() -> tuple[dict[Node, bytes], list[bytes]]:
    """What is kept of one that is large enough, and the hashes of its leaves."""
    leaves, _, kept = grown(LEAVES_MAX)
    return kept, leaves


@cache
def roots() -> dict[int, bytes]:
    frontier, found = Frontier(), {}
    for leaf in tree()[1]:
        list(frontier.append(leaf))
        if frontier.size < 1_200 or frontier.size in SIZES:
            found[frontier.size] = frontier.root
    return found


def contents(size: int, since: int = 0) -> dict[Tile, bytes]:
    return {tile: b"".join(tree()[0][node] for node in tile.nodes) for tile in tiles_of(size, since)}


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        (Tile(0, 0, 256), "tile/0/000"),
        (Tile(0, 999, 255), "tile/0/999.p/255"),
        (Tile(1, 1_000, 1), "tile/1/x001/000.p/1"),
        (Tile(2, 1_234_067, 256), "tile/2/x001/x234/067"),
        (Tile(7, 7_000_000_000, 256), "tile/7/x007/x000/x000/000"),
    ],
)
def test_a_tile_is_named_as_the_protocol_names_it(tile: Tile, name: str) -> None:
    assert tile.name == name


def test_the_tree_of_the_protocols_example_has_its_tiles() -> None:
    found = list(tiles_of(70_000))
    assert [sum(tile.is_full and tile.level == level for tile in found) for level in range(3)] == [273, 1, 0]
    assert [tile for tile in found if not tile.is_full] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_they_lead_to_the_root(size: int) -> None:
    assert root_of_tiles(contents(size), size) == roots()[size]


@given(st.integers(0, 1_100), st.integers(1, 1_100))
def test_those_since_an_older_size_lead_to_it_too(old: int, size: int) -> None:
    old, size = sorted((old, size))
    assert root_of_tiles(contents(size, old), size) == roots()[size]
    assert {**contents(old), **contents(size, old)}.items() >= contents(size).items()


@given(st.integers(1, 1_100), st.integers(1, 1_100))
def test_they_hold_the_edge_of_the_tree_that_they_continue(old: int, size: int) -> None:
    old, size = sorted((old, size))
    assert root_of_tiles(edge_within(contents(size, old), old), old) == roots()[old]


@pytest.mark.parametrize("old", SIZES[:-1])
@pytest.mark.parametrize("size", SIZES[1:])
def test_so_they_do_with_levels_above(old: int, size: int) -> None:
    old, size = sorted((old, size))
    assert root_of_tiles(edge_within(contents(size, old), old), old) == roots()[old]


@pytest.mark.parametrize("size", [257, 600, LEAVES_MAX])
def test_one_that_is_another_is_found(size: int) -> None:
    for tile in list(tiles_of(size))[:: max(1, size // 1_000)]:
        found = contents(size)
        found[tile] = found[tile][:-1] + bytes([found[tile][-1] ^ 1])
        assert not is_right(found, size), tile


def is_right(found: dict[Tile, bytes], size: int) -> bool:
    with suppress(ValueError):
        return root_of_tiles(found, size) == roots()[size]
    return False
