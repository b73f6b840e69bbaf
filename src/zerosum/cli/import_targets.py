"""Where `zerosum import` brings rows: into a ledger in a database, or to one behind a running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from zerosum.adapters.transactions_client import TransactionsClient
from zerosum.cli.installation import Credentials, chosen_data_dir
from zerosum.cli.processes import collect_seldom
from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.config import Settings
from zerosum.domain.errors import DomainError, InvalidId, LedgerNotFound
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.payments.clients import ClientCommandType
from zerosum.ingest.importing import Item, Result, Target
from zerosum.main import Service
from zerosum.services.clients import ClientOrder
from zerosum.services.requests.caller import Caller

ACTOR = "zerosum import"
_TYPES = {type_.value: type_ for type_ in ClientCommandType}


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
    if where.settings is None:
        raise LookupError("a ledger in a database is found by settings")
    collect_seldom()
    service = Service(where.settings.model_copy(update={"lanes": where.lanes, "metrics": False}))
    await service.start()
    try:
        caller = Caller(await _ledger(service, where), ACTOR)
        yield LedgerTarget(service, caller, where.refuse_negative_total)
    finally:
        await service.stop()


class LedgerTarget:
    """Straight to a committer of our own, on the ledger's database."""

    def __init__(self, service: Service, caller: Caller, refuse_negative_total: bool) -> None:
        self._service = service
        self._caller = caller
        self._refuse_negative_total = refuse_negative_total

    async def begin(self, name: str, content_sha256: str) -> None:
        await self._service.services.imports.begin(self._caller, name, bytes.fromhex(content_sha256))

    async def send(self, lane: int, items: Sequence[Item]) -> list[Result]:
        orders = [
            ClientOrder(
                idempotency_key=item.key,
                type=_TYPES[item.type],
                client=item.client,
                tx=item.tx,
                amount=item.amount,
                refuse_negative_total=self._refuse_negative_total and item.type == ClientCommandType.CHARGEBACK,
            )
            for item in items
        ]
        answers = await self._service.services.clients.desk.each(self._caller, orders, order_key=lane)
        return [
            Result(answer.code if isinstance(answer, DomainError) else None, answer.is_replay) for answer in answers
        ]


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


async def _ledger(service: Service, where: Where) -> LedgerId:
    """The one that was named, or the data folder's, or the only one there is."""
    if where.ledger is not None:
        try:
            return LedgerId((await service.services.ledgers.get(parse_id(Prefix.LEDGER, where.ledger))).id)
        except InvalidId as error:
            raise CommandFailed(error.detail, USAGE) from None
        except LedgerNotFound:
            raise CommandFailed(f"there is no ledger {where.ledger}", USAGE) from None
    if where.is_embedded:
        credentials = Credentials.read(chosen_data_dir(where.data_dir))
        if credentials is not None:
            return LedgerId(parse_id(Prefix.LEDGER, credentials.ledger))
    only = await service.services.ledgers.only()
    if only is None:
        raise CommandFailed("name the ledger with --ledger led_…: there is not exactly one", USAGE)
    return LedgerId(only.id)
