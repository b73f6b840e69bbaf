"""`zerosum keys`: rotates what signs tokens and what seals secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.cli.installation import reachable_settings
from zerosum.cli.talk import say, told_plainly
from zerosum.db.engine import Database, make_engine
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.envelope import MasterKeys
from zerosum.services.sealing import Sealer
from zerosum.services.signing_keys import SigningKeys


@told_plainly
def rotate_signing_key(data_dir: Path | None) -> int:
    async def rotate(database: Database, sealer: Sealer) -> str:
        kid = await SigningKeys(database, sealer).rotate(now())
        return f"the key {kid} is published and will sign tokens soon; the present one stays valid for its tokens"

    return _run(data_dir, rotate)


@told_plainly
def rewrap_data_keys(data_dir: Path | None) -> int:
    async def rewrap(_: Database, sealer: Sealer) -> str:
        return f"{await sealer.rewrap()} data keys are now wrapped under the first key of ZEROSUM_MASTER_KEYS"

    return _run(data_dir, rewrap)


@told_plainly
def rotate_data_key(data_dir: Path | None) -> int:
    async def rotate(_: Database, sealer: Sealer) -> str:
        return f"{await sealer.rotate_data_key(SERVICE_LEDGER)} secrets are sealed anew under a new data key"

    return _run(data_dir, rotate)


def _run(data_dir: Path | None, act: Callable[[Database, Sealer], Awaitable[str]]) -> int:
    settings = reachable_settings(data_dir)
    current_id, keys = settings.master_key_pairs()

    async def connected() -> str:
        database = Database(make_engine(settings.required_database_url(), pool_size=1))
        try:
            return await act(database, Sealer(database, MasterKeys(current_id, keys), now))
        finally:
            await database.close()

    say(f"zerosum: {asyncio.run(connected())}")
    return 0
