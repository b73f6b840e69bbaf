"""The ledger in a database that commands write to, by a service in the command's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from zerosum.cli.installation import Credentials
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


@asynccontextmanager
async def open_ledger(
    settings: Settings, ledger: str | None, data_dir: Path | None, *, refuse_negative_total: bool
) -> AsyncIterator[Target]:
    """Without `ledger` that of `data_dir`, where `zerosum up` keeps the database. Raises CommandFailed."""
    async with opened_service(settings, ledger, data_dir, ACTOR) as (service, caller):
        yield LedgerTarget(service, caller, refuse_negative_total)


@asynccontextmanager
async def opened_service(
    settings: Settings, ledger: str | None, data_dir: Path | None, actor: str, *, process: str = "import"
) -> AsyncIterator[tuple[Service, Caller]]:
    """A service of this process alone, and who asks it. Raises CommandFailed."""
    collect_seldom()
    service = Service(settings, process=process)
    await service.start()
    try:
        yield service, Caller(await _ledger(service, ledger, data_dir), actor)
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


async def _ledger(service: Service, named: str | None, data_dir: Path | None) -> LedgerId:
    """The one that was named, or the data folder's, or the only one there is."""
    if named is not None:
        try:
            return LedgerId((await service.services.ledgers.get(parse_id(Prefix.LEDGER, named))).id)
        except InvalidId as error:
            raise CommandFailed(error.detail, USAGE) from None
        except LedgerNotFound:
            raise CommandFailed(f"there is no ledger {named}", USAGE) from None
    if data_dir is not None:
        credentials = Credentials.read(data_dir)
        if credentials is not None:
            return LedgerId(parse_id(Prefix.LEDGER, credentials.ledger))
    only = await service.services.ledgers.only()
    if only is None:
        raise CommandFailed("name the ledger with --ledger led_…: there is not exactly one", USAGE)
    return LedgerId(only.id)
