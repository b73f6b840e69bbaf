"""A log is published as tiles behind its checkpoints, and mirrored by whoever has its key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.adapters.object_store_server import KEY_ID, SECRET, Shelf, object_store_server
from tests.committer.ground import connecting, running_committer
from tests.conftest import Servers
from tests.services.tampered_books import Books, tampered_books
from tests.services.test_signed_checkpoints import keys_of, sealed
from zerosum.adapters import whole_files
from zerosum.adapters.clock import now
from zerosum.adapters.object_store import ObjectStore, StoreAddress, StoreFailed
from zerosum.config import SettingsError, load_settings
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.proof_log.tiles import root_of_tiles
from zerosum.services.proof_log import publishing, sealing, tile_places
from zerosum.services.proof_log.documents import key_of
from zerosum.services.proof_log.publishing import LogPublisher
from zerosum.services.proof_log.tile_places import FolderOfTiles, StoreOfTiles, TilePlace
from zerosum.verifier import standalone


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with tampered_books(servers) as made:
        yield made


def name_of(books: Books) -> str:
    return render_id(Prefix.LEDGER, books.ledger_id)


def in_folder(books: Books, folder: Path) -> LogPublisher:
    """Another worker each time."""
    return LogPublisher(books.database, FolderOfTiles(folder), now)


def in_store(books: Books, shelf: Shelf) -> LogPublisher:
    return LogPublisher(books.database, place_of(shelf), now)


def place_of(shelf: Shelf) -> TilePlace:
    return StoreOfTiles(ObjectStore(StoreAddress.parse(shelf.address), KEY_ID, SecretStr(SECRET), now))


async def mirrored(books: Books, source: Path, mirror: Path) -> int:
    keys = [key_of(books.ledger_id, key) for key in await keys_of(books).every()]
    return standalone.main(["mirror", str(source), str(mirror), *[part for key in keys for part in ("--key", key)]])


def taken_down(shelf: Shelf, books: Books, folder: Path) -> Path:
    """As whoever copies all of it has it."""
    for key, content in shelf.objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "zero sum" / name_of(books)


def noted_size(log: Path) -> int:
    return int((log / "checkpoint").read_text().split("\n")[1])


async def differences(books: Books) -> int:
    return [one.type.value for one in await books.told()].count("difference.found")


async def test_it_is_published_in_steps_and_mirrored_from_one_to_the_next(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "EVENTS_AT_ONCE", 60)
    monkeypatch.setattr(publishing, "LEAVES_AT_ONCE", 100)
    monkeypatch.setattr(publishing, "STEPS_MAX", 2)
    first = (await sealed(books))[-1].size
    log, mirror = tmp_path / name_of(books), tmp_path / "mirror"
    published = in_folder(books, tmp_path)
    assert await published.run_once() >= 1
    assert (noted_size(log), (log / "tile/0/000.p" / str(first)).stat().st_size) == (first, first * 32)
    assert await mirrored(books, log, mirror) == 0
    async with running_committer(connecting(books.service_dsn)) as committer:
        for turn in range(250):
            giver, taker = books.accounts[:: 1 if turn % 2 else -1]
            await committer.carry_out(books.ground.transfer(giver, taker, "1.00"))
    last = (await sealed(books))[-1].size
    assert last > 256
    # What is too much for one run is gone on with at the next.
    assert await published.publish(books.ledger_id) == 2
    assert first < noted_size(log) < last
    while await published.publish(books.ledger_id):
        assert await mirrored(books, log, mirror) == 0
    assert noted_size(log) == last
    assert await mirrored(books, log, mirror) == 0
    assert (mirror / "checkpoint").read_bytes() == (log / "checkpoint").read_bytes()
    assert not (log / "tile/0/000.p").exists()
    assert {path.name for path in (mirror / "tile/0").iterdir()} == {"000", "001.p"}


async def test_a_worker_that_dies_between_a_tile_and_the_checkpoint_has_published_nothing(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sealed(books)
    log, mirror = tmp_path / name_of(books), tmp_path / "mirror"
    await in_folder(books, tmp_path).publish(books.ledger_id)
    before = (log / "checkpoint").read_bytes()
    assert await mirrored(books, log, mirror) == 0

    def dies_before(path: Path, content: bytes, *, mode: int) -> None:
        if path.name == "checkpoint":
            raise OSError("the power is gone")
        whole_files.write_whole(path, content, mode=mode)

    await books.pay(1)
    torn = (await sealed(books))[-1].size
    monkeypatch.setattr(tile_places, "write_whole", dies_before)
    with pytest.raises(OSError, match="power"):
        await in_folder(books, tmp_path).publish(books.ledger_id)
    monkeypatch.undo()
    assert (log / f"tile/0/000.p/{torn}").exists()
    assert (log / "checkpoint").read_bytes() == before
    assert await mirrored(books, log, mirror) == 0
    await books.pay(1)
    await sealed(books)
    assert await in_folder(books, tmp_path).publish(books.ledger_id) == 1
    assert noted_size(log) == torn + 1
    assert await mirrored(books, log, mirror) == 0


REWRITTEN = {
    "its end is cut off": (
        "delete from signed_checkpoints where number > 1 and ledger_id = (select ledger_id from accounts where id = $1)"
    ),
    "its root is another": "update signed_checkpoints set root = sha256('x') where $1::uuid is not null",
    "a leaf is another": (
        "update signed_checkpoints set hashes = sha256('x') || substr(hashes, 33) where number > 2 "
        "and $1::uuid is not null"
    ),
}


@pytest.mark.parametrize("statement", REWRITTEN.values(), ids=REWRITTEN)
async def test_nothing_of_a_log_that_was_rewritten_is_published(books: Books, tmp_path: Path, statement: str) -> None:
    await sealed(books)
    await books.pay(1)
    await sealed(books)
    await in_folder(books, tmp_path).publish(books.ledger_id)
    before = (tmp_path / name_of(books) / "checkpoint").read_bytes()
    await books.pay(1)
    await sealed(books)
    await books.tamper(statement)
    ours = in_folder(books, tmp_path)
    for _ in range(2):
        with suppress(ValueError):
            assert await ours.publish(books.ledger_id) == 0
    assert (tmp_path / name_of(books) / "checkpoint").read_bytes() == before
    assert await differences(books) == 1


async def test_a_log_that_does_not_continue_what_is_published_is_not(books: Books, tmp_path: Path) -> None:
    """A leaf was changed that is published, and a checkpoint signed over it: each by itself is as it should be."""
    await sealed(books)
    await books.pay(1)
    await sealed(books)
    await in_folder(books, tmp_path).publish(books.ledger_id)
    before = (tmp_path / name_of(books) / "checkpoint").read_bytes()
    await books.tamper(REWRITTEN["a leaf is another"].replace("number > 2", "number = 2"))
    await books.pay(1)
    size = (await sealed(books))[-1].size
    _, _, tiles = await in_folder(books, tmp_path)._next(books.ledger_id, size - 1)  # type: ignore[misc]
    forged = root_of_tiles(tiles, size).hex()
    await books.tamper(
        f"update signed_checkpoints set root = '\\x{forged}' where size = {size} and $1::uuid is not null"
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="does not continue"):
            await in_folder(books, tmp_path).publish(books.ledger_id)
    assert (tmp_path / name_of(books) / "checkpoint").read_bytes() == before
    assert await differences(books) == 2


async def test_a_folder_is_not_another_workers_until_what_was_begun_is_written(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told to stop meanwhile: an older checkpoint would take the newer one's place."""
    await sealed(books)
    begun, may_end = threading.Event(), threading.Event()

    def slow(path: Path, content: bytes, *, mode: int) -> None:
        if path.name == "checkpoint":
            begun.set()
            assert may_end.wait(30)
        whole_files.write_whole(path, content, mode=mode)

    monkeypatch.setattr(tile_places, "write_whole", slow)
    publishing_it = asyncio.create_task(in_folder(books, tmp_path).publish(books.ledger_id))
    assert await asyncio.to_thread(begun.wait, 30)
    publishing_it.cancel()
    await asyncio.sleep(0.05)
    publishing_it.cancel()
    async with FolderOfTiles(tmp_path).log(name_of(books)) as another:
        assert another is None
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await publishing_it
    assert (tmp_path / name_of(books) / "checkpoint").exists()
    async with FolderOfTiles(tmp_path).log(name_of(books)) as another:
        assert another is not None


@pytest.mark.parametrize("name", ["tile/0/000.p/13", "checkpoint"])
async def test_what_somebody_else_has_put_there_is_told_and_stays(books: Books, tmp_path: Path, name: str) -> None:
    await sealed(books)
    ours, log = in_folder(books, tmp_path), tmp_path / name_of(books)
    await ours.publish(books.ledger_id)
    await books.pay(1)
    assert (await sealed(books))[-1].size == 13
    (log / name).write_bytes(b"something else")
    before = (log / "checkpoint").read_bytes()
    with pytest.raises(ValueError, match=r"is another one|not enough values"):
        await ours.publish(books.ledger_id)
    assert ((log / name).read_bytes(), (log / "checkpoint").read_bytes()) == (b"something else", before)
    assert await differences(books) == 1


def test_tiles_without_a_place_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_CHECKPOINTS_TILES needs "):
        load_settings(checkpoints_tiles=True)


async def test_in_an_object_store_it_is_the_same_and_never_goes_back(books: Books, tmp_path: Path) -> None:
    with object_store_server() as shelf:
        first = await sealed(books)
        assert await in_store(books, shelf).publish(books.ledger_id) == 1
        assert await mirrored(books, taken_down(shelf, books, tmp_path / "1"), tmp_path / "mirror") == 0
        async with place_of(shelf).log(name_of(books)) as slow:
            assert slow is not None
            await books.pay(1)
            made = await sealed(books)
            shelf.answers = 503
            with pytest.raises(StoreFailed):
                await in_store(books, shelf).publish(books.ledger_id)
            shelf.answers = None
            assert await in_store(books, shelf).publish(books.ledger_id) == 1
            shelf.are_tags_weak = True
            with pytest.raises(StoreFailed, match="strong ETag"):
                await in_store(books, shelf).publish(books.ledger_id)
            shelf.are_tags_weak = False
            # Another worker that has slept since before that does not put an older one over it.
            assert slow.checkpoint is not None
            assert not await slow.publish(slow.checkpoint)
        [checkpoint] = [content for key, content in shelf.objects.items() if key.endswith("/checkpoint")]
        assert int(checkpoint.split(b"\n")[1]) == made[-1].size > first[-1].size
        taken = taken_down(shelf, books, tmp_path / "2")
        assert await mirrored(books, taken, tmp_path / "mirror") == 0
        await in_folder(books, tmp_path).publish(books.ledger_id)
        own = tmp_path / name_of(books)
        for path in own.rglob("*"):
            assert path.is_dir() or (taken / path.relative_to(own)).read_bytes() == path.read_bytes()
        forms = {key.rpartition("/")[2]: form for key, form in shelf.forms.items()}
        assert forms["checkpoint"] == ("text/plain; charset=utf-8", "max-age=5")
        assert forms["13"] == ("application/octet-stream", "public, max-age=31536000, immutable")


async def test_a_folder_in_which_another_worker_publishes_is_left_to_it(books: Books, tmp_path: Path) -> None:
    await sealed(books)
    async with FolderOfTiles(tmp_path).log(name_of(books)):
        assert await in_folder(books, tmp_path).publish(books.ledger_id) == 0
    assert await in_folder(books, tmp_path).publish(books.ledger_id) == 1
    with pytest.raises(NotADirectoryError, match="no log is published"):
        await in_folder(books, tmp_path / "away").run_once()
