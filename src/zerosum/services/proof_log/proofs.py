"""Proofs out of the tree: what is kept of it is read, and the rest worked out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.signed_checkpoints import leaf_hashes, node_hashes
from zerosum.domain.proof_log.tree import Node, Span, consistency_spans, hash_of, inclusion_spans, kept_nodes, nodes_of


async def inclusion_proof(connection: Connection, ledger_id: UUID, place: int, size: int) -> list[bytes]:
    """That the leaf at this place is in the tree of that size."""
    return await _hashes(connection, ledger_id, inclusion_spans(place, size))


async def consistency_proof(connection: Connection, ledger_id: UUID, old: int, size: int) -> list[bytes]:
    """That the tree of the one size began as that of the other."""
    return await _hashes(connection, ledger_id, consistency_spans(old, size))


async def _hashes(connection: Connection, ledger_id: UUID, spans: Sequence[Span]) -> list[bytes]:
    wanted = {kept for span in spans for node in nodes_of(span) for kept in kept_nodes(node)}
    found = await node_hashes(connection, ledger_id, [node for node in wanted if node.level])
    for start, end in _runs(sorted(node.place for node in wanted if not node.level)):
        found |= await leaf_hashes(connection, ledger_id, start, end)

    def read(node: Node) -> bytes:
        return found[node]

    return [hash_of(span, read) for span in spans]


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From and to below: they lie at the leaf and at the right edge, so there are few."""
    start = end = None
    for place in places:
        if start is None or place != end:
            if start is not None and end is not None:
                yield start, end
            start = place
        end = place + 1
    if start is not None and end is not None:
        yield start, end
