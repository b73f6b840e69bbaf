"""Checkpoints in an object store: all of them, in their order, and none behind a log that was rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.adapters.object_store_server import KEY_ID, SECRET, Shelf, object_store_server
from tests.conftest import Servers
from tests.services.tampered_books import tampered_books
from tests.services.test_signed_checkpoints import sealed
from zerosum.adapters.clock import now
from zerosum.adapters.object_store import ObjectStore, StoreAddress, StoreFailed
from zerosum.db.engine import Database
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import StorePlace
from zerosum.services.proofs.kept_checkpoints import compare_checkpoints
from zerosum.verifier import standalone


def keeper(database: Database, shelf: Shelf) -> CheckpointKeeper:
    """Another worker each time: nothing is known of what the last one has put."""
    store = ObjectStore(StoreAddress.parse(shelf.address), KEY_ID, SecretStr(SECRET), now)
    return CheckpointKeeper(database, StorePlace(store), now)


def notes(shelf: Shelf, name: str) -> str:
    """As whoever has copied all of it reads it."""
    found = sorted(key for key in shelf.objects if f"/{name}/checkpoints/" in key)
    return "".join(shelf.objects[key].decode() for key in found)


async def test_all_are_put_once_in_order_and_prove_the_books(servers: Servers, tmp_path: Path) -> None:
    async with tampered_books(servers) as books:
        name = render_id(Prefix.LEDGER, books.ledger_id)
        with object_store_server() as shelf:
            made = await sealed(books)
            first = keeper(books.database, shelf)
            assert await first.keep(books.ledger_id) == len(made)
            assert await first.keep(books.ledger_id) == 0
            for _ in range(3):
                await books.pay(1)
                made += await sealed(books)
                assert await keeper(books.database, shelf).keep(books.ledger_id) > 0
            before = dict(shelf.objects)
            # One that has slept meanwhile puts what it does not know of once more, and changes nothing.
            await books.pay(1)
            made += await sealed(books)
            await first.keep(books.ledger_id)
            assert before.items() < shelf.objects.items()
            kept = notes(shelf, name)
            assert {f"\n{one.size}\n" in kept for one in made} == {True}
            assert (await compare_checkpoints(books.database, kept)).is_right
            assert len(shelf.locks) == len(shelf.objects)
            [keys] = [content for key, content in shelf.objects.items() if f"/{name}/keys/" in key]
            (tmp_path / "keys").write_bytes(keys)
            (tmp_path / "checkpoints").write_text(kept)
            assert kept.count(f"\n{made[-2].size}\n") == 2
            arguments = ["checkpoints", str(tmp_path / "checkpoints"), "--key", str(tmp_path / "keys")]
            assert standalone.main(arguments) == 0
            # Two that say otherwise of one size are wrong, wherever they stand.
            (tmp_path / "checkpoints").write_text(f"{kept}{_resealed(kept)}")
            assert standalone.main(arguments) == 1


async def test_behind_a_log_that_was_cut_off_nothing_is_put(servers: Servers) -> None:
    async with tampered_books(servers) as books:
        with object_store_server() as shelf:
            first = (await sealed(books))[-1]
            await books.pay(2)
            await sealed(books)
            await keeper(books.database, shelf).keep(books.ledger_id)
            await books.tamper(
                f"delete from signed_checkpoints where size > {first.size} "
                "and ledger_id = (select ledger_id from accounts where id = $1)"
            )
            before = dict(shelf.objects)
            assert await keeper(books.database, shelf).keep(books.ledger_id) == 0
            assert shelf.objects == before
            assert [one.type.value for one in await books.told()][-1] == "difference.found"


async def test_a_store_that_fails_meanwhile_loses_none(servers: Servers) -> None:
    async with tampered_books(servers) as books:
        with object_store_server() as shelf:
            ours = keeper(books.database, shelf)
            made = await sealed(books)
            shelf.answers = 503
            with pytest.raises(StoreFailed):
                await ours.keep(books.ledger_id)
            shelf.answers = None
            assert await ours.keep(books.ledger_id) == len(made)
            kept = notes(shelf, render_id(Prefix.LEDGER, books.ledger_id))
            assert (await compare_checkpoints(books.database, kept)).is_right


async def test_behind_a_name_that_is_taken_all_the_same_is_kept_and_told(servers: Servers) -> None:
    async with tampered_books(servers) as books:
        with object_store_server() as shelf:
            ours = keeper(books.database, shelf)
            await sealed(books)
            await ours.keep(books.ledger_id)
            [taken] = [key for key in shelf.objects if "/checkpoints/" in key]
            name = render_id(Prefix.LEDGER, books.ledger_id)
            for _ in range(2):
                await books.pay(1)
                newest = (await sealed(books))[-1]
                shelf.objects[f"{taken.rpartition('/')[0]}/{newest.size:020d}"] = shelf.objects[taken]
                assert await ours.keep(books.ledger_id) == 1
                assert f"\n{newest.size}\n" in notes(shelf, name)
            assert [one.type.value for one in await books.told()].count("difference.found") == 1
            before = dict(shelf.objects)
            assert await keeper(books.database, shelf).keep(books.ledger_id) == 0
            assert shelf.objects == before


async def test_one_that_another_worker_has_put_meanwhile_is_no_difference(servers: Servers) -> None:
    async with tampered_books(servers) as books:
        with object_store_server() as shelf:
            ours = keeper(books.database, shelf)
            await sealed(books)
            await ours.keep(books.ledger_id)
            for _ in range(2):
                await books.pay(1)
                await sealed(books)
                await keeper(books.database, shelf).keep(books.ledger_id)
            before = dict(shelf.objects)
            assert await ours.keep(books.ledger_id) == 2
            [added] = shelf.objects.keys() - before.keys()  # The two of them are in no object of one name.
            assert before.items() < shelf.objects.items()
            assert "difference.found" not in {one.type.value for one in await books.told()}
            assert await keeper(books.database, shelf).keep(books.ledger_id) == 0, added


@pytest.mark.parametrize(
    "content", [b"something else", b"\xff\n\n", b"zerosum/x\n99999999999999999999\nroot\n\n\xe2\x80\x94 a b\n\n"]
)
async def test_an_object_of_somebody_else_is_not_added_to_and_told(servers: Servers, content: bytes) -> None:
    async with tampered_books(servers) as books:
        with object_store_server() as shelf:
            await sealed(books)
            name = render_id(Prefix.LEDGER, books.ledger_id)
            shelf.objects[f"zero sum/{name}/checkpoints/9999/12/31/x"] = content
            ours = keeper(books.database, shelf)
            for _ in range(2):
                with pytest.raises(ValueError, match="something else"):
                    await ours.keep(books.ledger_id)
            assert len([key for key in shelf.objects if "checkpoints" in key]) == 1
            assert [one.type.value for one in await books.told()].count("difference.found") == 1


def _resealed(kept: str) -> str:
    """Its first note with a further line after the signature, which nobody has to have signed."""
    text, signature = kept.split("\n\n")[:2]
    return f"{text}\n\n{signature}\n\u2014 another x\n\n"
