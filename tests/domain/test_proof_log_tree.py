"""The tree of the proof log is that of RFC 6962, and its proofs hold for every leaf and every older size."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.proof_log.tree import (
    EMPTY_ROOT,
    Frontier,
    Node,
    consistency_spans,
    hash_of,
    inclusion_spans,
    leaf_hash,
    node_hash,
    root_of_inclusion,
)

SIZES = st.integers(1, 70) | st.integers(250, 600)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return sha256(b"\x01" + naive_root(leaves[:middle]) + naive_root(leaves[middle:])).digest()


def grown(size: int) -> tuple[list[bytes], Frontier, dict[Node, bytes]]:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    frontier, kept = Frontier(), {}
    for leaf in leaves:
        for node, hash_ in frontier.append(leaf):
            if node.level % 8 == 0:
                kept[node] = hash_
    return leaves, frontier, kept


def consistent(old: int, size: int, old_root: bytes, proof: list[bytes]) -> tuple[bytes, bytes]:
    """The two roots a proof leads to, as RFC 9162, 2.1.4.2 works them out."""
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    first, second = old - 1, size - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    was = now = path[0]
    for hash_ in path[1:]:
        if first & 1 or first == second:
            was, now = node_hash(hash_, was), node_hash(hash_, now)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            now = node_hash(now, hash_)
        first, second = first >> 1, second >> 1
    assert second == 0
    return was, now


def test_known_roots() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(SIZES)
def test_a_tree_that_grew_has_the_root_of_the_naive_one(size: int) -> None:
    leaves, frontier, _ = grown(size)
    assert frontier.root == naive_root(leaves)
    assert Frontier(size, frontier.hashes).root == frontier.root


@given(SIZES, st.data())
def test_every_leaf_is_proved_to_be_in_it(size: int, data: st.DataObject) -> None:
    leaves, frontier, kept = grown(size)
    place = data.draw(st.integers(0, size - 1))
    proof = [hash_of(span, kept.__getitem__) for span in inclusion_spans(place, size)]
    assert root_of_inclusion(leaves[place], place, size, proof) == frontier.root
    assert root_of_inclusion(leaf_hash(b"another"), place, size, proof) != frontier.root
    assert len(proof) <= 10
    with pytest.raises(ValueError, match="number of hashes"):
        root_of_inclusion(leaves[place], place, size, [*proof, proof[0] if proof else leaves[0]])


@given(SIZES, st.data())
def test_every_older_tree_is_proved_to_be_its_beginning(size: int, data: st.DataObject) -> None:
    leaves, frontier, kept = grown(size)
    old = data.draw(st.integers(1, size))
    proof = [hash_of(span, kept.__getitem__) for span in consistency_spans(old, size)]
    old_root = naive_root(leaves[:old])
    if old == size:
        assert proof == []
    else:
        assert consistent(old, size, old_root, proof) == (old_root, frontier.root)


def test_places_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="none at 3"):
        inclusion_spans(3, 3)
    with pytest.raises(ValueError, match="did not begin"):
        consistency_spans(4, 3)
    with pytest.raises(ValueError, match="full subtrees"):
        Frontier(3, [EMPTY_ROOT])
