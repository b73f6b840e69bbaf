"""A ledger is proved in pieces as in one go; what is left out a signed checkpoint binds, whoever calls it done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Servers
from tests.services.proving_in_pieces import Seen, verified_in_pieces
from tests.services.tampered_books import LAST, Books, tampered_books
from tests.services.test_signed_checkpoints import sealed
from zerosum.cli.talk import CommandFailed
from zerosum.cli.verify_ledgers import LedgersVerification
from zerosum.cli.verify_progress import ProgressFile
from zerosum.services.ledgers import every_ledger
from zerosum.services.proofs.pieces import FROM, TO, Found, Piece, prove_piece_of
from zerosum.services.proofs.report import Break
from zerosum.services.proofs.since_checkpoint import EVERYTHING, REPLACED, Bound, is_done
from zerosum.services.proofs.whole_ledger import verify_ledger

SIZE = 3
THIRD = "(select entry_id from postings where account_id = $1 and account_version = 3)"
STRAY = (
    "insert into journal_entries (ledger_id, id, effective_at, posted_at, idempotency_key, fingerprint, resource_type, "
    "reason, actor) select ledger_id, gen_random_uuid(), effective_at, posted_at, 'stray', fingerprint, resource_type, "
    f"reason, actor from journal_entries where id = {THIRD}"
)


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with tampered_books(servers) as made:
        yield made


async def whole(books: Books) -> list[Break]:
    return (await verify_ledger(books.database, books.ledger_id, lambda *_: None)).breaks


async def test_untouched_books_are_right_and_all_of_them_is_walked(books: Books) -> None:
    await sealed(books)
    seen = Seen()
    report = await verified_in_pieces(books.database, books.ledger_id, SIZE, seen=seen)
    assert (report.breaks, report.postings, report.accounts) == ([], 20, 2)
    parts = [piece.part for piece in seen.pieces]
    assert {part: parts.count(part) for part in ("AccountsProof", "EntriesProof", "EventsProof")} == {
        "AccountsProof": 2,
        "EntriesProof": 4,
        "EventsProof": 5,
    }


TAMPERED = {
    "an amount": (f"update postings set amount = amount + 1 where entry_id = {THIRD}",),
    "a payment": (f"update payments set amount = amount + 1 where id = {THIRD}",),
    "a payment taken away": (f"delete from payments where id = {LAST}",),
    "an entry taken away": (f"delete from journal_entries where id = {THIRD}",),
    "an event taken away": (f"delete from events where id = {LAST}",),
    "an event that says something else": (f"update events set type = 'payment.refunded' where id = {LAST}",),
    "a key refused too": (
        "insert into refusals select ledger_id, idempotency_key, fingerprint, '{}', now() "
        f"from journal_entries where id = {LAST}",
    ),
    "two things": (
        f"delete from events where id = {LAST}",
        "update accounts set posted_credits = posted_credits + 1 where id = $1",
    ),
    "a hash that was sealed": (
        "update postings set hash = sha256(hash) where account_id = $1 and account_version = 3",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_in_pieces_the_same_is_found(books: Books, name: str) -> None:
    await sealed(books)
    await books.tamper(*TAMPERED[name])
    found = await verified_in_pieces(books.database, books.ledger_id, SIZE)
    assert set(found.breaks) == set(await whole(books)) != set()


SINCE: dict[str, tuple[tuple[str, ...], str]] = {
    "a balance": (
        ("update accounts set posted_credits = posted_credits + 1 where id = $1",),
        "the account's stored balance is not the sum of its postings",
    ),
    "a balance, and the last posting with it": (
        (
            "update postings set balance_after = balance_after + 1 where account_id = $1 and account_version = 10",
            "update accounts set posted_credits = posted_credits + 1 where id = $1",
        ),
        "the hash does not follow from the posting, its entry and the hash before",
    ),
    "a hash in the middle": (TAMPERED["a hash that was sealed"], "is not what was sealed"),
    "a posting in the middle, moved to nowhere": (
        ("update postings set entry_id = gen_random_uuid() where account_id = $1 and account_version = 3",),
        "is not what was sealed",
    ),
    "a floor": (
        ("update accounts set min_available = -1000 where id = $1",),
        "the account's min_available is not what its history says",
    ),
    "an entry taken away": (TAMPERED["an entry taken away"], "is missing"),
    "an entry put in": ((STRAY,), "has no postings"),
}


@pytest.mark.parametrize("name", SINCE)
async def test_since_a_checkpoint_what_it_binds_is_found(books: Books, name: str) -> None:
    await sealed(books)
    statements, wanted = SINCE[name]
    await books.tamper(*statements)
    report = await verified_in_pieces(books.database, books.ledger_id, SIZE, Bound(None, EVERYTHING))
    assert any(wanted in one.what for one in report.breaks), report.breaks


@pytest.mark.parametrize("name", ["an amount", "a payment", "an event that says something else"])
async def test_since_a_checkpoint_what_is_not_in_a_hash_that_is_looked_at_is_not_found(books: Books, name: str) -> None:
    """As `docs/PROOF.md` says it: that takes everything."""
    await sealed(books)
    await books.tamper(*(statement.replace(LAST, THIRD) for statement in TAMPERED[name]))
    report = await verified_in_pieces(books.database, books.ledger_id, SIZE, Bound(None, EVERYTHING))
    assert report.breaks == []
    assert await whole(books) != []


async def test_since_a_checkpoint_what_came_later_is_proved_in_full(books: Books) -> None:
    [*_, newest] = await sealed(books)
    await books.pay(2)
    bound, seen = Bound(newest.size, EVERYTHING), Seen()
    report = await verified_in_pieces(books.database, books.ledger_id, SIZE, bound, seen)
    assert (report.breaks, report.postings, report.accounts) == ([], 2 + 4, 2)
    assert seen.plan is not None
    assert (seen.plan.is_whole, seen.plan.are_events_whole) == (False, False)
    await books.tamper(
        "update payments set reference = 'other' where id = (select max(id::text)::uuid from payments "
        "where payer_id = $1)"
    )
    report = await verified_in_pieces(books.database, books.ledger_id, SIZE, bound)
    assert ["has another fingerprint" in one.what for one in report.breaks] == [True]


async def test_without_a_checkpoint_or_with_one_that_is_not_there_everything_is_proved(books: Books) -> None:
    for size in (None, 77):
        seen = Seen()
        report = await verified_in_pieces(books.database, books.ledger_id, SIZE, Bound(size, EVERYTHING), seen)
        assert seen.plan is not None
        assert (report.breaks, report.postings, seen.plan.is_whole) == ([], 20, True)


class Cut(Exception):
    """The verification is ended from outside."""


async def verified_by_ledgers(books: Books, kept: ProgressFile, pieces_max: int) -> int:
    """How many postings were walked of the second ledger, at most so many pieces. Raises Cut behind these."""
    turn, taken = asyncio.Semaphore(1), list[Piece]()

    async def prove(ledger_id: UUID, snapshot: str, piece: Piece) -> Found:
        async with turn:
            taken.append(piece)
            if len(taken) > pieces_max:
                raise Cut
            return await prove_piece_of(books.database, ledger_id, snapshot, piece)

    verification = LedgersVerification(books.database, prove, 2, None, kept)
    records = [record async for record in every_ledger(books.database) if record.id == books.ledger_id]
    with closing(kept):
        [report] = await verification.verify(records)
    assert report.breaks == []
    return report.postings


async def test_a_verification_that_was_cut_short_goes_on(books: Books, tmp_path: Path) -> None:
    await sealed(books)
    path = tmp_path / "progress"
    with pytest.raises(Cut):
        await verified_by_ledgers(books, ProgressFile(path), 8)
    with path.open("ab") as file:
        file.write(b'{"ledger": "cut')
    await books.pay(1)
    kept = ProgressFile(path)
    assert set(kept.done[books.ledger_id]) == {"AccountsProof", "CheckpointsProof", "TotalSealsProof", "EntriesProof"}
    assert await verified_by_ledgers(books, kept, 1_000) == 2 + 2, "the last sealed posting of each account, and two"
    kept.end()
    assert not path.exists()


IMAGINED = (
    "insert into events (ledger_id, id, xid, type, resource_type, resource_id, created_at) select ledger_id, "
    "gen_random_uuid(), xid, 'account.updated', 'account', $1, created_at from events where id = " + LAST
)


@pytest.mark.parametrize(
    ("statements", "wanted", "pieces_max", "ends"),
    [
        (TAMPERED["an event that says something else"], "the event evt_", 1_000, AssertionError),
        ((IMAGINED,), "a change that is not recorded", 32, Cut),
    ],
)
async def test_events_that_were_found_wrong_before_it_was_cut_short_are_found_again(
    books: Books, tmp_path: Path, statements: tuple[str, ...], wanted: str, pieces_max: int, ends: type[Exception]
) -> None:
    await sealed(books)
    await books.tamper(*statements)
    with pytest.raises(ends):
        await verified_by_ledgers(books, ProgressFile(tmp_path / "progress"), pieces_max)
    for _ in range(2):
        with pytest.raises(AssertionError, match=wanted):
            await verified_by_ledgers(books, ProgressFile(tmp_path / "progress"), 1_000)


def call_done(books: Books, forged: ProgressFile) -> None:
    with closing(forged):
        for part in REPLACED:
            forged.found(books.ledger_id, Piece(part), Found(0, 0, [], {}))


async def test_what_a_forged_file_calls_done_is_bound_all_the_same(books: Books, tmp_path: Path) -> None:
    await sealed(books)
    seen = Seen()
    await verified_in_pieces(books.database, books.ledger_id, SIZE, seen=seen)
    forged = ProgressFile(tmp_path / "progress")
    forged.begin(books.ledger_id, seen.note)
    call_done(books, forged)
    await books.tamper("update accounts set posted_credits = posted_credits + 1 where id = $1")
    with pytest.raises(AssertionError, match="the account's stored balance"):
        await verified_by_ledgers(books, ProgressFile(tmp_path / "progress"), 1_000)


async def test_a_file_with_another_checkpoint_binds_nothing(books: Books, tmp_path: Path) -> None:
    await sealed(books)
    seen = Seen()
    await verified_in_pieces(books.database, books.ledger_id, SIZE, seen=seen)
    assert seen.note is not None
    forged = ProgressFile(tmp_path / "progress")
    forged.begin(books.ledger_id, seen.note.replace("sealed_at 20", "sealed_at 19"))
    call_done(books, forged)
    assert await verified_by_ledgers(books, ProgressFile(tmp_path / "progress"), 1_000) == 20


@pytest.mark.parametrize("content", [b"[]\n", b'{"ledger": "led_1"}\n', b"\xff\n"])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "progress"
    path.write_bytes(content)
    with pytest.raises(CommandFailed, match="line 1 is none"):
        ProgressFile(path)
    assert path.read_bytes() == content


places = st.sampled_from("abcdefgh")


@given(st.sets(places), st.lists(st.tuples(places, places)), st.booleans())
def test_a_piece_is_done_where_what_is_done_has_no_gap_in_it(
    bounds: set[str], spans: list[tuple[str, str]], from_the_first: bool
) -> None:
    done = {"EntriesProof": [(FROM if from_the_first and span[0] == "a" else span[0], span[1]) for span in spans]}
    edges = [FROM, *sorted(bounds), TO]
    for after, until in pairwise(edges):
        between = [
            (one, other)
            for one, other in zip([FROM, *"abcdefgh", TO], [*"abcdefgh", TO], strict=False)
            if after <= one and other <= until
        ]
        is_covered = all(
            any(one >= begin and other <= end for begin, end in done["EntriesProof"]) for one, other in between
        )
        assert is_done(Piece("EntriesProof", after, until), done) is is_covered
