"""What need not be proved once more, since a signed checkpoint binds it; and what is proved in its place.

Nothing is left out on anybody's word: whoever says that a piece is done has it replaced by what the checkpoint binds,
and no more. The proof log itself is proved from end to end: signatures, roots, and that each leaf is what the books say
now. So of all that is sealed the hashes are those that were signed. Each account is begun at its last sealed posting,
whose content must have its hash, and walked on from there; entries that are not sealed are proved as ever. What is
neither sealed nor told of behind the checkpoint is noticed by its number: then everything is proved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.proof_pieces import Unsealed, find_sealed_until, find_unsealed
from zerosum.services.proofs.of_accounts import AccountsProof
from zerosum.services.proofs.of_accounts_since import ALWAYS, AccountsSinceProof
from zerosum.services.proofs.of_branch_totals import TotalSealsProof
from zerosum.services.proofs.of_checkpoints import CheckpointsProof
from zerosum.services.proofs.of_entries import EntriesProof
from zerosum.services.proofs.of_events import EventsProof
from zerosum.services.proofs.pieces import FROM, PIECE_SIZE, TO, Piece, ids_piece, pieces_of

Done = Mapping[str, Sequence[tuple[str, str]]]
"""By part: from behind which places up to which it is done."""

REPLACED = tuple(kind.__name__ for kind in (AccountsProof, EntriesProof, TotalSealsProof, CheckpointsProof))
"""Parts that grow with the books and may be done. All others are proved each time."""

EVERYTHING: Done = dict.fromkeys(REPLACED, ((FROM, TO),))

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Bound:
    """`done` is said to be so of what the signed checkpoint of this size has; None: the newest."""

    size: int | None
    done: Done


@dataclass(frozen=True, slots=True)
class Plan:
    pieces: Sequence[Piece]
    are_events_whole: bool = True
    """Whether events are held against entries: that takes all entries."""
    is_whole: bool = True


async def planned(connection: Connection, ledger_id: UUID, bound: Bound | None, size: int = PIECE_SIZE) -> Plan:
    """Everything, where nothing is bound, or not all that there is adds up."""
    pieces = await pieces_of(connection, ledger_id, size)
    sealed = None if bound is None else await find_sealed_until(connection, ledger_id, bound.size)
    unsealed = None if sealed is None else await find_unsealed(connection, ledger_id, sealed)
    if bound is None or unsealed is None:
        return Plan(pieces)
    done = [piece for piece in pieces if is_done(piece, bound.done)]
    are_events_whole = EntriesProof.__name__ not in {piece.part for piece in done}
    left = [
        kept
        for piece in pieces
        if are_events_whole or piece.part != EventsProof.__name__
        if (kept := _replaced(piece, unsealed) if piece in done else piece) is not None
    ]
    return Plan(left, are_events_whole, is_whole=not done)


def is_done(piece: Piece, done: Done) -> bool:
    """Whether a piece lies within what is done of its part, which may have been cut otherwise."""
    if piece.part not in REPLACED:
        return False
    reached = piece.after
    for after, until in sorted(done.get(piece.part, ())):
        if after <= reached:
            reached = max(reached, until)
    return reached >= piece.until


def _replaced(piece: Piece, unsealed: Unsealed) -> Piece | None:
    """What is proved of it in its place; None: nothing."""
    position = piece.position or {}
    if piece.part == AccountsProof.__name__:
        moment = ALWAYS if unsealed.first_at is None else (unsealed.first_at - _INSTANT).isoformat()
        after, until = UUID(position["compared"]), UUID(position["until"])
        return ids_piece(AccountsSinceProof.__name__, after, until, moment=moment)
    if piece.part != EntriesProof.__name__ or unsealed.first_id is None:
        return None
    after = max(UUID(position["after"]), UUID(int=max(0, unsealed.first_id.int - 1)))
    until = UUID(position["until"])
    return None if after >= until else ids_piece(EntriesProof.__name__, after, until)
