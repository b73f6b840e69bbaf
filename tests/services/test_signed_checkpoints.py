"""The proof log is carried on behind its writers, signed, and gives proofs that a stranger can check."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.conftest import Servers
from tests.services.tampered_books import Books, tampered_books
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.db.advisory_locks import try_lock_until_commit
from zerosum.db.queries.proof_log_leaves import hashes_again, next_leaves
from zerosum.db.queries.signed_checkpoints import SignedCheckpoint, end_of_log, list_checkpoints
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.proof_log.note import Statement, signed_note, verifier_key
from zerosum.domain.proof_log.tree import Frontier, root_of_inclusion
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys, endorsed_text, is_signed
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.proof_log import sealing as sealing_module
from zerosum.services.proof_log.export import ledger_export
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import FolderPlace
from zerosum.services.proof_log.proofs import inclusion_proof
from zerosum.services.proof_log.sealing import CheckpointSealing
from zerosum.services.proofs.kept_checkpoints import CheckpointsUnreadable, compare_checkpoints
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.verifier import standalone


@pytest.fixture
async def books(servers: Servers) -> AsyncIterator[Books]:
    async with tampered_books(servers) as made:
        yield made


def keys_of(books: Books) -> CheckpointKeys:
    return CheckpointKeys(books.database, Sealer(books.database, MasterKeys("test", {"test": bytes(32)}), now))


async def sealed(books: Books) -> list[SignedCheckpoint]:
    """All checkpoints, once the log has every payment."""
    sealing = CheckpointSealing(books.database, keys_of(books), now)

    async def look() -> list[SignedCheckpoint]:
        await sealing.seal(books.ledger_id)
        async with books.database.work(books.ledger_id) as connection:
            return await list_checkpoints(connection, books.ledger_id, after=None, limit=100, is_ascending=True)

    async with books.database.work(books.ledger_id) as connection:
        wanted = (await connection.exec_driver_sql("select count(*) from journal_entries")).scalar_one()
    return await until(look, lambda found: sum(leaf.kind == "e" for one in found for leaf in one.leaves) == wanted)


async def test_every_payment_and_account_is_a_leaf_and_every_checkpoint_is_signed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_module, "EVENTS_AT_ONCE", 3)
    made = await sealed(books)
    assert len(made) > 3
    assert [one.number for one in made] == list(range(1, len(made) + 1))
    leaves = [leaf for one in made for leaf in one.leaves]
    assert sorted(leaf.kind for leaf in leaves) == ["a"] * 2 + ["e"] * 10
    tree = Frontier()
    for one in made:
        for leaf in one.leaves:
            list(tree.append(leaf.hash))
        assert (one.size, one.root, one.frontier) == (tree.size, tree.root, tree.hashes)
    (key,) = await keys_of(books).every()
    assert all(is_signed(key, one.statement.text, one.signature) for one in made)
    assert not is_signed(key, made[0].statement.text, made[1].signature)
    async with books.database.work(books.ledger_id) as connection:
        assert await hashes_again(connection, books.ledger_id, leaves) == [leaf.hash for leaf in leaves]
        for place, leaf in enumerate(leaves):
            proof = await inclusion_proof(connection, books.ledger_id, place, len(leaves))
            assert root_of_inclusion(leaf.hash, place, len(leaves), proof) == made[-1].root


async def test_what_was_sealed_is_not_sealed_again(books: Books) -> None:
    made = await sealed(books)
    sealing = CheckpointSealing(books.database, keys_of(books), now)
    assert await sealing.run_once() >= 0
    assert await sealing.seal(books.ledger_id) == 0
    await books.pay(1)
    more = await sealed(books)
    assert [one.size for one in more[: len(made)]] == [one.size for one in made]
    assert more[-1].size == made[-1].size + 1


async def test_nothing_is_sealed_behind_a_transaction_that_still_runs(books: Books) -> None:
    """It could still commit something that lies before."""
    made = await sealed(books)
    sealing = CheckpointSealing(books.database, keys_of(books), now)
    open_one = await asyncpg.connect(books.superuser_dsn)
    await open_one.execute("begin")
    await open_one.fetchval("select pg_current_xact_id()")
    await books.pay(2)
    assert (await sealing.run_once(), await sealing.seal(books.ledger_id)) == (0, 0)
    await open_one.execute("rollback")
    await open_one.close()
    assert (await sealed(books))[-1].size == made[-1].size + 2


async def test_two_sealers_at_once_carry_the_log_on_once(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing_module, "EVENTS_AT_ONCE", 2)
    await sealed(books)
    await books.pay(6)

    async def settled() -> bool:
        async with books.database.work(books.ledger_id) as connection:
            end = await end_of_log(connection, books.ledger_id)
            return (await next_leaves(connection, books.ledger_id, end.until, 100)).events == 6

    await until(settled, bool)
    both = [CheckpointSealing(books.database, keys_of(books), now) for _ in range(3)]
    async with books.database.work(books.ledger_id) as connection:
        assert await try_lock_until_commit(connection, f"proof log of {books.ledger_id}")
        assert await both[0].seal(books.ledger_id) == 0, "another one is at it"
    await asyncio.gather(*[one.seal(books.ledger_id) for one in both])
    made = await sealed(books)
    leaves = [leaf[:3] for one in made for leaf in one.leaves]
    assert len(leaves) == len(set(leaves)) == made[-1].size
    assert await found_wrong(books) == []


async def test_a_key_that_was_rotated_signs_no_more_of_what_is_made_up_for(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_module, "EVENTS_AT_ONCE", 3)
    seal_next, rotated = CheckpointSealing._seal_next, list[str]()

    async def rotating(*given: Any) -> Any:
        done = await seal_next(*given)
        if not rotated:
            rotated.append(await keys_of(books).rotate(now()))
        return done

    monkeypatch.setattr(CheckpointSealing, "_seal_next", rotating)
    first, *others = await sealed(books)
    assert first.key_id not in rotated
    assert {one.key_id for one in others} == set(rotated)
    assert await found_wrong(books) == []


async def found_wrong(books: Books, ledger_id: LedgerId | None = None) -> list[str]:
    report = await verify_ledger(books.database, ledger_id or books.ledger_id, lambda _done, _total: None)
    return [one.what for one in report.breaks]


TAMPERED = {
    "a checkpoint taken away": (
        "delete from signed_checkpoints where number = 2 and $1::uuid is not null",
        "the signed checkpoint 2 is missing",
    ),
    "a forged signature": (
        "update signed_checkpoints set signature = sha512('x') where number = 2 and $1::uuid is not null",
        "the signature of the signed checkpoint 2 is forged",
    ),
    "a signature of another time": (
        "update signed_checkpoints set sealed_at = sealed_at + interval '1 second' where number = 2 "
        "and $1::uuid is not null",
        "the signature of the signed checkpoint 2 is forged",
    ),
    "another root": (
        "update signed_checkpoints set root = sha256('x') where number = 2 and $1::uuid is not null",
        "the root of the signed checkpoint 2 does not follow from its leaves",
    ),
    "another leaf": (
        "update signed_checkpoints set hashes = sha256('x') || substr(hashes, 33) where number = 2 "
        "and $1::uuid is not null",
        "the root of the signed checkpoint 2 does not follow from its leaves",
    ),
    "a posting under another hash": (
        "update postings set hash = sha256('x') where account_id = $1 and account_version = 5",
        " is not what was sealed",
    ),
    "a revision under another hash": (
        "update account_changes set hash = sha256('x') where account_id = $1",
        " is not what was sealed",
    ),
    "a leaf left out": (
        "update signed_checkpoints set kinds = substr(kinds, 2), ids = ids[2:], numbers = numbers[2:], "
        "hashes = substr(hashes, 33) where number = 2 and $1::uuid is not null",
        " was not sealed, though what came later was",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_what_is_tampered_with_is_found(books: Books, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sealing_module, "EVENTS_AT_ONCE", 3)
    await sealed(books)
    statement, what = TAMPERED[name]
    await books.tamper(statement)
    found = await found_wrong(books)
    assert any(one.endswith(what) if what.startswith(" ") else one == what for one in found), found


async def test_a_tail_that_was_cut_off_is_found_by_what_was_kept(books: Books, tmp_path: Path) -> None:
    made = await sealed(books)
    keeper = CheckpointKeeper(books.database, FolderPlace(tmp_path), now)
    assert await keeper.run_once() >= len(made)
    assert await keeper.run_once() == 0
    name = render_id(Prefix.LEDGER, books.ledger_id)
    file, keys = tmp_path / f"{name}.checkpoints", tmp_path / f"{name}.keys"
    assert standalone.main(["checkpoints", str(file), "--key", str(keys)]) == 0
    assert (await compare_checkpoints(books.database, file.read_text())).is_right
    assert await found_wrong(books) == []

    # Somebody with every right takes the last checkpoint away: nothing within the database contradicts itself.
    await books.tamper(
        "delete from signed_checkpoints where size = (select max(size) from signed_checkpoints "
        "where ledger_id = (select ledger_id from accounts where id = $1))"
    )
    assert await found_wrong(books) == []
    report = await compare_checkpoints(books.database, file.read_text())
    assert [one.what for one in report.breaks] == [f"the kept checkpoint of size {made[-1].size} is not there"]
    again = CheckpointKeeper(books.database, FolderPlace(tmp_path), now)
    before = file.read_bytes()
    await again.keep(books.ledger_id)
    assert file.read_bytes() == before
    assert [one.type.value for one in await books.told()][-1] == "difference.found"


@pytest.mark.parametrize("size", ["\N{SUPERSCRIPT TWO}", "9" * 19, "9" * 5_000, "-1"])
async def test_a_kept_size_that_is_none_is_told(books: Books, size: str) -> None:
    note = f"zerosum/{render_id(Prefix.LEDGER, books.ledger_id)}\n{size}\nroot\nsealed_at x\n\n\u2014 a b\n\n"
    with pytest.raises(CheckpointsUnreadable, match="none of this ledger"):
        await compare_checkpoints(books.database, note)


async def test_a_folder_that_is_not_there_is_told_and_not_made(books: Books, tmp_path: Path) -> None:
    await sealed(books)
    away = tmp_path / "mount"
    with pytest.raises(NotADirectoryError, match="no checkpoint leaves the database"):
        await CheckpointKeeper(books.database, FolderPlace(away), now).run_once()
    assert not away.exists()


async def test_a_note_that_was_cut_off_by_a_crash_is_taken_off(books: Books, tmp_path: Path) -> None:
    made = await sealed(books)
    keeper = CheckpointKeeper(books.database, FolderPlace(tmp_path), now)
    await keeper.keep(books.ledger_id)
    file = tmp_path / f"{render_id(Prefix.LEDGER, books.ledger_id)}.checkpoints"
    whole = file.read_bytes()
    assert whole.count(b"sealed_at") == len(made)
    for torn in (
        b"zerosum/led",
        b"zerosum/led\n7\nroot\nsealed_at x\n\n",
        b"zerosum/led\n7\nroot\nx\n\n\xe2\x80\x94 z",
    ):
        file.write_bytes(whole + torn)
        await books.pay(1)
        await sealed(books)
        await CheckpointKeeper(books.database, FolderPlace(tmp_path), now).keep(books.ledger_id)
        assert file.read_bytes().startswith(whole)
        whole = file.read_bytes()
        assert whole.count(b"sealed_at") > len(made)
    assert (await compare_checkpoints(books.database, file.read_text())).is_right


def with_swapped(member: str, lines: list[str]) -> list[str]:
    """The two accounts, each with what the other says of itself."""
    places = [number for number, line in enumerate(lines) if '"is":"account"' in line]
    first, second = (json.loads(lines[place]) for place in places)
    first[member], second[member] = second[member], first[member] if first[member] != second[member] else "EUR"
    for place, told in zip(places, (first, second), strict=True):
        lines[place] = json.dumps(told) + "\n"
    return lines


async def exported(books: Books, path: Path) -> None:
    path.write_text("".join([line async for line in ledger_export(books.database, books.ledger_id, now())]))


async def test_an_export_is_checked_link_by_link_without_the_service(
    books: Books, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sealed(books)
    await CheckpointKeeper(books.database, FolderPlace(tmp_path), now).keep(books.ledger_id)
    name = render_id(Prefix.LEDGER, books.ledger_id)
    kept, keys, export = tmp_path / f"{name}.checkpoints", str(tmp_path / f"{name}.keys"), tmp_path / "export.jsonl"
    await exported(books, export)

    def checked() -> int:
        capsys.readouterr()
        return standalone.main(["export", str(export), "--key", keys, "--checkpoints", str(kept), "--balances"])

    assert checked() == 0
    out = capsys.readouterr().out
    assert "right, 10 entries, 2 accounts" in out
    assert " -10.00 USD held 0" in out or " -10.00 USD held 0.00" in out
    assert standalone.main(["checkpoints", str(kept), "--key", keys, "--export", str(export)]) == 0
    whole = export.read_text()
    for old, new in (
        ('"amount":"1.00"', '"amount":"2.00"'),
        ('"balance_after":"5.00"', '"balance_after":"6.00"'),
        ('"actor":"', '"actor":"x'),
        ('"is":"revision"', '"is":"seal","kind":"s","number":1,"x":"'),
    ):
        assert old in whole
        export.write_text(whole.replace(old, new, 1))
        assert checked() in (1, 2)
    for said in ("code", "type", "currency"):
        export.write_text("".join(with_swapped(said, whole.splitlines(keepends=True))))
        assert checked() == 1, f"whose balance is whose is told by the {said}"
    export.write_text(whole.replace('"name":', '"name":"Eve","x":', 1))
    assert checked() == 1, "what is said of an account is what its revision is the hash of"
    lines = whole.splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if '"is":"entry"' in line)
    export.write_text("".join(lines[:place] + lines[place + 1 :]))
    assert checked() == 1, "an entry was left out"
    assert "is missing" in capsys.readouterr().out
    export.write_text("".join(lines[:-1]))
    assert checked() == 2, "it is cut off"


async def test_books_that_were_recomputed_from_end_to_end_are_found_by_what_was_kept(
    books: Books, tmp_path: Path
) -> None:
    """Somebody with every right and our own code writes other books, chains and all: they are right within."""
    await sealed(books)
    await CheckpointKeeper(books.database, FolderPlace(tmp_path), now).keep(books.ledger_id)
    name = render_id(Prefix.LEDGER, books.ledger_id)
    kept, keys = tmp_path / f"{name}.checkpoints", str(tmp_path / f"{name}.keys")
    # A log of its own over the same books, but for the last payment, signed by a key of the forger's.
    forged = tmp_path / "forged.jsonl"
    await exported(books, forged)
    lines = forged.read_text().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if '"is":"entry"' in line)
    export = standalone.Export(standalone.read_keys([keys]), [])
    for line in lines[:last]:
        export.take(json.loads(line))
    private = Ed25519PrivateKey.generate()
    statement = Statement(ledger_id=books.ledger_id, size=export.tree.size, root=export.tree.root(), sealed_at=now())
    public = private.public_key().public_bytes_raw()
    note = signed_note(statement, 1, public, private.sign(statement.text.encode()))
    end = {"is": "end", "entries": export.entries, "size": export.tree.size}
    kept_lines = [line for line in lines[:last] if '"is":"checkpoint"' not in line]
    forged.write_text("".join([*kept_lines, json.dumps({"is": "checkpoint", "note": note}) + "\n", json.dumps(end)]))
    own = verifier_key(f"zerosum/{name}", 1, public)
    assert standalone.main(["export", str(forged), "--key", own]) == 0, "within itself it is right"
    assert standalone.main(["export", str(forged), "--key", keys]) == 1, "but signed by nobody we know"
    both = ["--key", keys, "--key", own]
    assert standalone.main(["export", str(forged), *both, "--checkpoints", str(kept)]) == 1


async def test_a_key_is_vouched_for_by_the_one_before(books: Books) -> None:
    keys = keys_of(books)
    first = await keys.current(now())
    second = await keys.rotate(now())
    assert (await keys.current(now())).id == second != first.id
    old, new = await keys.every()
    assert (old.id, old.ended_at is not None, new.endorser_id) == (first.id, True, first.id)
    assert new.endorsement is not None
    assert is_signed(old, endorsed_text(new.algorithm, new.public_key), new.endorsement)
