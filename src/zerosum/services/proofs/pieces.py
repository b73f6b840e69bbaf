"""A proof cut into pieces, each of which can be proved by itself: by another process, in the same snapshot.

A piece is a part of the proof (`whole_ledger.py`), or a range of one that grows with the books: such a part begins
where a position says, and ends where it says too. So pieces are proved by the same code as the whole, slice by slice.
What the events of a ledger must come to, pieces add up; it is held against what there is once all have ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.branch_total_proofs import BEGINNING as FIRST_SEAL
from zerosum.db.queries.events import BEGINNING, FeedPosition
from zerosum.db.queries.proof_pieces import (
    account_bounds,
    checkpoint_bounds,
    entry_bounds,
    event_bounds,
    seal_bounds,
)
from zerosum.db.queries.proofs import FIRST_ID, LAST_EVENT, LAST_ID
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.proofs.of_accounts import AccountsProof
from zerosum.services.proofs.of_accounts_since import AccountsSinceProof
from zerosum.services.proofs.of_branch_totals import TotalSealsProof
from zerosum.services.proofs.of_entries import EntriesProof
from zerosum.services.proofs.of_events import EventsProof
from zerosum.services.proofs.of_signed_checkpoints import SignedCheckpointsProof
from zerosum.services.proofs.report import Break, Report
from zerosum.services.proofs.whole_ledger import Part, parts_of, places_of

PIECE_SIZE = 50_000
"""Postings, entries or events of a piece, about: seconds of work, which is in vain where a process is cut short."""

ENTRIES_A_SEAL = 1_000
"""Of totals, and of the proof log: about, where a ledger is busy."""

FROM, TO = "", "~"
"""Before all places in a part, and behind all."""


class Piece(NamedTuple):
    """A part by its name, from behind one place of it up to another. The places of a part sort as texts.

    `position` is what the part goes on from; None: it is whole.
    """

    part: str
    after: str = FROM
    until: str = TO
    position: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a piece has found. `events` is the position of the proof of events that it told of them."""

    postings: int
    accounts: int
    breaks: Sequence[Break]
    events: Mapping[str, Any]
    personal: int = 0
    erased: int = 0


async def pieces_of(connection: Connection, ledger_id: UUID, size: int = PIECE_SIZE) -> list[Piece]:
    """All of a ledger's proof, in the order of its parts."""
    ranges = {
        AccountsProof: _of_ids(AccountsProof, await account_bounds(connection, ledger_id, size)),
        EntriesProof: _of_ids(EntriesProof, await entry_bounds(connection, ledger_id, size)),
        EventsProof: _of_events(await event_bounds(connection, ledger_id, size)),
        TotalSealsProof: _of_seals(await seal_bounds(connection, ledger_id, _seals(size))),
        SignedCheckpointsProof: _of_checkpoints(await checkpoint_bounds(connection, ledger_id, _seals(size))),
    }
    report = Report(ledger_id)
    kinds = [type(part) for part in parts_of(report, EventsProof(report, horizon=None), {})]
    return [piece for kind in kinds for piece in ranges.get(kind) or [Piece(kind.__name__)]]


async def prove_piece(connection: Connection, ledger_id: UUID, piece: Piece) -> Found:
    """All slices of it, in one look."""
    report = Report(ledger_id)
    places = await places_of(connection, ledger_id)
    events = EventsProof(report, horizon=None)
    parts: list[Part] = [*parts_of(report, events, places), AccountsSinceProof(report, places)]
    part = next(one for one in parts if type(one).__name__ == piece.part)
    if piece.position is not None:
        part.go_on(piece.position)
    while not await part.take_slice(connection, 1.0):
        pass
    return Found(report.postings, report.accounts, report.breaks, events.position(), report.personal, report.erased)


async def prove_piece_of(database: Database, ledger_id: UUID, snapshot: str, piece: Piece) -> Found:
    """In a unit of work of its own, in the snapshot of another one that is still open."""
    async with database.snapshot(ledger_id, SERVICE_LEDGER, of=snapshot) as connection:
        return await prove_piece(connection, ledger_id, piece)


async def gathered(
    connection: Connection, ledger_id: UUID, pieces: Sequence[Piece], found: Sequence[Found], *, are_events_whole: bool
) -> Report:
    """What all pieces together have found, in the order of the whole; what events come to is looked at here."""
    report = Report(ledger_id)
    events = [place for place, piece in enumerate(pieces) if piece.part == EventsProof.__name__]
    end = events[-1] + 1 if events else 0
    _note(report, found[:end])
    if are_events_whole and events:
        proof = EventsProof(report, horizon=None)
        await proof.gather(connection, [one.events for one in found])
        while not await proof.take_slice(connection, 1.0):
            pass
    _note(report, found[end:])
    return report


def _note(report: Report, found: Iterable[Found]) -> None:
    for one in found:
        report.postings += one.postings
        report.accounts += one.accounts
        report.personal += one.personal
        report.erased += one.erased
        for difference in one.breaks:
            report.note(difference.what, difference.account_id, difference.account_version, difference.concerned)


def _seals(size: int) -> int:
    return max(1, size // ENTRIES_A_SEAL)


def _of_ids(kind: type[AccountsProof] | type[EntriesProof], bounds: Iterable[UUID]) -> list[Piece]:
    inner = sorted({bound for bound in bounds if bound < LAST_ID})
    return [ids_piece(kind.__name__, after, until) for after, until in pairwise([FIRST_ID, *inner, LAST_ID])]


def ids_piece(part: str, after: UUID, until: UUID, **more: Any) -> Piece:
    """Of accounts or entries. `more` goes into the position."""
    position = {"until": str(until), **more}
    if part == EntriesProof.__name__:
        position["after"] = str(after)
    else:
        at = [str(after), 2**63 - 1 if after != FIRST_ID else 0]
        position |= {"compared": str(after), "at": at, "walk": None}
    return Piece(part, str(after) if after != FIRST_ID else FROM, str(until) if until != LAST_ID else TO, position)


def _of_events(bounds: Sequence[FeedPosition]) -> list[Piece]:
    return [
        Piece(
            EventsProof.__name__,
            position={
                "at": [after.xid, str(after.id)],
                "until": [until.xid, str(until.id)],
                "sums": {},
                "found": {},
                "seal": None,
                "differing": None,
            },
        )
        for after, until in pairwise([BEGINNING, *bounds, FeedPosition(*LAST_EVENT)])
    ]


def _of_seals(bounds: Sequence[Any]) -> list[Piece]:
    pieces = []
    for last, until in pairwise([None, *bounds, None]):
        times = [FIRST_SEAL] * 2 if last is None else [last.sealed_at, max(last.accounts_until, FIRST_SEAL)]
        position = {
            "last": [moment.isoformat() for moment in times],
            "until": None if until is None else until.sealed_at.isoformat(),
        }
        pieces.append(Piece(TotalSealsProof.__name__, _place(last, FROM), _place(until, TO), position))
    return pieces


def _place(seal: Any, otherwise: str) -> str:
    return otherwise if seal is None else f"{seal.sealed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"


def _of_checkpoints(bounds: Sequence[Any]) -> list[Piece]:
    """Each begins with the right edge that the one before has proved, where that is one."""
    pieces: list[Piece] = []
    edges = [(one, parts) for one in bounds if (parts := _edge(one)) is not None]
    for (first, parts), (last, _) in pairwise([(None, []), *edges, (None, [])]):
        position = {
            "number": 0 if first is None else first.number,
            "last": None if last is None else last.number,
            "until": [0, str(FIRST_ID)] if first is None else [first.until_xid, str(first.until_id)],
            "parts": parts,
        }
        pieces.append(Piece(SignedCheckpointsProof.__name__, position=position))
    return pieces


def _edge(checkpoint: Any) -> list[tuple[int, str]] | None:
    """The full subtrees at its end, the largest first, as the proof writes them down."""
    sizes = [1 << level for level in range(checkpoint.size.bit_length(), -1, -1) if checkpoint.size >> level & 1]
    hashes = [checkpoint.frontier[at : at + 32].hex() for at in range(0, len(checkpoint.frontier), 32)]
    return list(zip(sizes, hashes, strict=True)) if len(sizes) == len(hashes) else None
