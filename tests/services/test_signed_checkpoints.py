"""The proof log is carried on behind its writers, signed, and gives proofs that a stranger can check."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Servers
from tests.services.tampered_books import Books, tampered_books
from tests.webhooks.conftest import until
from zerosum.adapters.clock import now
from zerosum.db.queries.proof_log_leaves import hashes_again
from zerosum.db.queries.signed_checkpoints import SignedCheckpoint, list_checkpoints
from zerosum.domain.proof_log.tree import Frontier, root_of_inclusion
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys, endorsed_text, is_signed
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.proof_log import sealing as sealing_module
from zerosum.services.proof_log.proofs import inclusion_proof
from zerosum.services.proof_log.sealing import CheckpointSealing


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


async def test_a_key_is_vouched_for_by_the_one_before(books: Books) -> None:
    keys = keys_of(books)
    first = await keys.current(now())
    second = await keys.rotate(now())
    assert (await keys.current(now())).id == second != first.id
    old, new = await keys.every()
    assert (old.id, old.ended_at is not None, new.endorser_id) == (first.id, True, first.id)
    assert new.endorsement is not None
    assert is_signed(old, endorsed_text(new.algorithm, new.public_key), new.endorsement)
