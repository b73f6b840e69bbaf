"""A restored database against checkpoints that were kept: older by right, or cut off."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.conftest import Servers
from tests.services.tampered_books import tampered_books
from tests.services.test_signed_checkpoints import sealed
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proof_log.keeping import CheckpointKeeper
from zerosum.services.proof_log.places import FolderPlace
from zerosum.services.proofs.kept_age import SEALED_BEFORE, age_of


async def test_what_is_missing_is_age_or_wrong_by_the_time_the_database_has_come_to(
    servers: Servers, tmp_path: Path
) -> None:
    async with tampered_books(servers) as books:
        first = (await sealed(books))[-1]
        await books.pay(2)
        last = (await sealed(books))[-1]
        await CheckpointKeeper(books.database, FolderPlace(tmp_path), now).keep(books.ledger_id)
        kept = (tmp_path / f"{render_id(Prefix.LEDGER, books.ledger_id)}.checkpoints").read_text()

        newest = await age_of(books.database, kept, last.sealed_at + timedelta(days=1))
        assert (newest.report.is_right, newest.size, newest.held, newest.later) == (True, last.size, kept, ())

        await books.tamper(
            f"delete from signed_checkpoints where size > {first.size} "
            "and ledger_id = (select ledger_id from accounts where id = $1)"
        )
        older = await age_of(books.database, kept, last.sealed_at)
        assert (older.report.is_right, older.size, older.missing_leaves) == (True, first.size, 2)
        assert kept.startswith(older.held)
        assert older.later[-1] == (last.size, last.sealed_at)

        cut = await age_of(books.database, kept, last.sealed_at + SEALED_BEFORE + timedelta(seconds=1))
        assert [one.what for one in cut.report.breaks] == [
            f"the kept checkpoint of size {size} was sealed before that and is not there" for size, _ in cut.later
        ]
        assert cut.later == older.later
        assert not cut.report.is_right
