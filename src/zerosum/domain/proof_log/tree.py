"""The hash tree over a ledger's leaves, as RFC 6962 has it, and the proofs it gives.

    leaf  = SHA-256(0x00 | what the leaf says)
    node  = SHA-256(0x01 | left | right)
    empty = SHA-256("")

A tree grows to the right and never changes what it had. Nothing here holds the whole of it: what is kept are hashes of
full subtrees, and a proof names those it needs (`Node`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32

KEPT_LEVELS = 8
"""Of so many levels one is kept beside the leaves: a proof reads some hundred hashes, and storage is a hash a leaf."""


class Node(NamedTuple):
    """A full subtree: it has the 2 ** level leaves from place * 2 ** level on."""

    level: int
    place: int


class Span(NamedTuple):
    """The leaves from `start` to below `end`, which a proof has one hash of."""

    start: int
    end: int


def leaf_hash(content: bytes) -> bytes:
    return sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: its full subtrees, the largest first. Enough to go on, and for the root."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} full subtrees, not {len(hashes)}")
        self.size = size
        self._hashes = list(hashes)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        return tuple(self._hashes)

    @property
    def root(self) -> bytes:
        return fold(self._hashes)

    def append(self, leaf: bytes) -> Iterator[tuple[Node, bytes]]:
        """The subtrees that this leaf makes full, from its own on. It is there once they were all taken."""
        level, place, hash_ = 0, self.size, leaf
        yield Node(level, place), hash_
        while place % 2:
            level, place, hash_ = level + 1, place // 2, node_hash(self._hashes.pop(), hash_)
            yield Node(level, place), hash_
        self._hashes.append(hash_)
        self.size += 1


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over full subtrees that lie side by side, the largest first."""
    if not hashes:
        return EMPTY_ROOT
    *others, found = hashes
    for hash_ in reversed(others):
        found = node_hash(hash_, found)
    return found


def inclusion_spans(place: int, size: int) -> list[Span]:
    """What the leaf's hash is put together with, from the leaf to the root, in a tree of so many leaves."""
    if not 0 <= place < size:
        raise ValueError(f"a tree of {size} leaves has none at {place}")
    spans, start, end = [], 0, size
    while end - start > 1:
        middle = start + _left_of(end - start)
        if place < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old: int, size: int) -> list[Span]:
    """What shows that the tree of so many leaves began as the one of `old`. Nothing where that shows itself."""
    if not 0 < old <= size:
        raise ValueError(f"a tree of {size} leaves did not begin with {old}")
    spans: list[Span] = []
    start, end, is_whole = 0, size, True
    while old != end:
        middle = start + _left_of(end - start)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start, is_whole = middle, False
    if not is_whole:
        spans.append(Span(start, end))
    return spans[::-1]


def nodes_of(span: Span) -> list[Node]:
    """The full subtrees that a span of a proof consists of, from the left."""
    nodes, start = [], span.start
    while start < span.end:
        level = (span.end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def kept_nodes(node: Node) -> Iterable[Node]:
    """What is kept of it: itself, or the full subtrees of the next lower level that is kept."""
    level = node.level - node.level % KEPT_LEVELS
    first = node.place << (node.level - level)
    return (Node(level, first + number) for number in range(1 << (node.level - level)))


def hash_of(span: Span, read: Callable[[Node], bytes]) -> bytes:
    """`read` knows the nodes that are kept."""
    return fold([joined([read(kept) for kept in kept_nodes(node)]) for node in nodes_of(span)])


def root_of_inclusion(leaf: bytes, place: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that the proof leads to. Raises ValueError where it has not the hashes that it must have."""
    spans = inclusion_spans(place, size)
    if len(spans) != len(proof):
        raise ValueError("the proof has another number of hashes")
    found = leaf
    for span, hash_ in zip(spans, proof, strict=True):
        found = node_hash(hash_, found) if span.end <= place else node_hash(found, hash_)
    return found


def joined(hashes: list[bytes]) -> bytes:
    """The hash over a full subtree, of as many as a power of two that it has on one level."""
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _left_of(number: int) -> int:
    """The greatest power of two below it."""
    return int(1 << ((number - 1).bit_length() - 1))
