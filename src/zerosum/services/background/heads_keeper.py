"""Files of exported heads: one made on demand, and one a day by the worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

from zerosum.adapters.whole_files import whole_file
from zerosum.db.engine import Database
from zerosum.db.queries.ledgers import every_ledger
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.proofs.exported_heads import FIRST_LINE, LAST_LINE, ledger_heads


class HeadsKeeper:
    """Leaves a file a day (UTC) in `folder`, which must be there. Old ones are left to who copies them away."""

    def __init__(self, database: Database, folder: Path, now: Callable[[], datetime]) -> None:
        self._database = database
        self._folder = folder
        self._now = now

    async def run_once(self) -> None:
        """Nothing where the file of today is there. Raises OSError."""
        path = self._folder / f"heads-{self._now():%Y-%m-%d}.txt"
        if not path.exists():
            await write_heads(self._database, path, None, self._now)


async def write_heads(
    database: Database, path: Path, ledger_ids: list[UUID] | None, now: Callable[[], datetime]
) -> None:
    """Of these ledgers or of all, each as at one moment. The file is there as a whole or not at all. Raises OSError."""
    with whole_file(path) as file:
        file.write(f"{FIRST_LINE}\n")
        chosen = [ledger.id async for ledger in every_ledger(database)] if ledger_ids is None else ledger_ids
        if ledger_ids is None:
            chosen.append(SERVICE_LEDGER)
        for ledger_id in chosen:
            async with database.snapshot(ledger_id) as connection:
                lines = [line async for line in ledger_heads(connection, ledger_id, now())]
            file.writelines(lines)
        file.write(f"{LAST_LINE.format(len(chosen))}\n")
