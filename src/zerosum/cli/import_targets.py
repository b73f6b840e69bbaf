"""Where `zerosum import` brings rows: into a ledger in a database, or to one behind a running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from zerosum.adapters.transactions_client import TransactionsClient
from zerosum.cli.installation import chosen_data_dir
from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.config import Settings
from zerosum.ingest.importing import Item, Result, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What the command was told. `token` goes with `url`, the others with a database, which `settings` name."""

    url: str | None
    token: str | None
    settings: Settings | None
    is_embedded: bool
    data_dir: Path | None
    ledger: str | None
    lanes: int
    refuse_negative_total: bool


@asynccontextmanager
async def open_target(where: Where) -> AsyncIterator[Target]:
    """Raises CommandFailed."""
    if where.url is not None:
        if not where.token:
            raise CommandFailed("--url needs --token (or ZEROSUM_TOKEN): an access token or API key", USAGE)
        try:
            connecting = TransactionsClient(where.url, where.token)
        except ValueError as error:
            raise CommandFailed(str(error), USAGE) from None
        async with connecting as client:
            yield ServiceTarget(client, where.refuse_negative_total)
        return
    # The whole service comes with it, and takes a second to load. What is refused or goes over HTTP has no need of it.
    from zerosum.cli.ledger_target import open_ledger  # noqa: PLC0415

    if where.settings is None:
        raise LookupError("a ledger in a database is found by settings")
    settings = where.settings.model_copy(update={"lanes": where.lanes, "metrics": False})
    folder = chosen_data_dir(where.data_dir) if where.is_embedded and where.ledger is None else None
    async with open_ledger(settings, where.ledger, folder, refuse_negative_total=where.refuse_negative_total) as target:
        yield target


class ServiceTarget:
    """Over HTTP, as any other client."""

    def __init__(self, client: TransactionsClient, refuse_negative_total: bool) -> None:
        self._client = client
        self._refuse_negative_total = refuse_negative_total

    async def begin(self, name: str, content_sha256: str) -> None:
        await self._client.begin(name, content_sha256)

    async def send(self, lane: int, items: Sequence[Item]) -> list[Result]:  # noqa: ARG002 - one call after another
        answers = await self._client.send(items, refuse_negative_total=self._refuse_negative_total)
        return [Result(code, is_replay) for code, is_replay in answers]
