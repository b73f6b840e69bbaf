"""Where `zerosum import-journal` brings entries: into a ledger in a database, or to one behind a running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from zerosum.adapters.journal_client import JournalClient
from zerosum.api.card_numbers import card_numbers_refused
from zerosum.api.schemas.accounts import OpenAccountRequest
from zerosum.api.schemas.journal import JournalEntryItem
from zerosum.api.validation import validated
from zerosum.cli.import_targets import Where
from zerosum.cli.installation import chosen_data_dir
from zerosum.cli.ledger_target import opened_service
from zerosum.cli.talk import USAGE, CommandFailed
from zerosum.domain.errors import AccountExists, AccountNotFound, DomainError
from zerosum.domain.identifiers import is_reserved_code
from zerosum.domain.ledger.account import AccountType
from zerosum.ingest.journal_files.planning import WantedAccount
from zerosum.ingest.journal_files.sending import EntryResult, JournalTarget, KnownAccount
from zerosum.main import Service
from zerosum.services.accounts import OpenAccount
from zerosum.services.journal import EntryOrder
from zerosum.services.requests.caller import Caller

ACTOR = "zerosum import-journal"

_WITHOUT_FLOOR = ("clearing:", "zerosum:exchange:", "zerosum:exchange-margin:")
"""Of the codes that the service keeps for itself those of accounts which it opens without limits, as an import does."""


@asynccontextmanager
async def open_journal_target(where: Where) -> AsyncIterator[JournalTarget]:
    """Raises CommandFailed."""
    if where.url is not None:
        if not where.token:
            raise CommandFailed("--url needs --token (or ZEROSUM_TOKEN): an access token or API key", USAGE)
        try:
            connecting = JournalClient(where.url, where.token)
        except ValueError as error:
            raise CommandFailed(str(error), USAGE) from None
        async with connecting as client:
            yield ServiceJournal(client)
        return
    if where.settings is None:
        raise LookupError("a ledger in a database is found by settings")
    settings = where.settings.model_copy(update={"metrics": False})
    folder = chosen_data_dir(where.data_dir) if where.is_embedded and where.ledger is None else None
    async with opened_service(settings, where.ledger, folder, ACTOR) as (service, caller):
        yield LedgerJournal(service, caller)


class LedgerJournal:
    """Straight to a committer of our own, on the ledger's database. What is sent is judged as on the wire."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._services = service.services
        self._refuses_card_numbers = service.settings.refuse_card_numbers
        self._caller = caller

    def opens(self, code: str) -> bool:
        return not is_reserved_code(code) or code.startswith(_WITHOUT_FLOOR)

    async def time_zone(self) -> str:
        return (await self._services.ledgers.get(self._caller.ledger_id)).time_zone

    async def places(self) -> Mapping[str, int]:
        table = await self._services.currencies.table(self._caller)
        return {currency.code: currency.exponent for currency in table if table.is_custom(currency.code)}

    async def accounts(self, codes: Sequence[str]) -> Mapping[str, KnownAccount]:
        found = await self._services.accounts.find_all(self._caller, codes)
        return {code: KnownAccount(account.type, account.state.currency) for code, account in found.items()}

    async def define(self, code: str, places: int) -> None:
        await self._services.currencies.define(self._caller, code, places, "")

    async def open(self, account: WantedAccount, code: str) -> None:
        with card_numbers_refused() if self._refuses_card_numbers else nullcontext():
            body = validated(OpenAccountRequest, account_body(account, code))
        if is_reserved_code(code):
            currency = await self._services.currencies.get(self._caller.ledger_id, account.currency)
            draft = self._services.accounts.draft(self._caller, code, currency, account.type, body.name)
            await self._services.accounts.ensure(self._caller, [draft])
            return
        order = OpenAccount(
            code=body.code,
            currency=body.currency,
            type=account.type,
            name=body.name,
            min_available=body.min_available,
            max_available=body.max_available,
            metadata={},
        )
        await self._services.account_administration.carry_out(self._caller, order)

    async def post(self, entries: Sequence[Mapping[str, Any]]) -> list[EntryResult]:
        with card_numbers_refused() if self._refuses_card_numbers else nullcontext():
            orders = [_order(entry) for entry in entries]
        answers = await self._services.journal.desk.each(self._caller, orders, order_key=0)
        for answer in answers:
            if isinstance(answer, DomainError) and answer.retryable:
                raise answer
        return [
            EntryResult(answer.code, answer.detail, answer.is_replay)
            if isinstance(answer, DomainError)
            else EntryResult(None, "", answer.is_replay)
            for answer in answers
        ]


def account_body(account: WantedAccount, code: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": None if account.name == code else account.name,
        "type": account.type.value,
        "currency": account.currency,
        "min_available": None,
    }


def _order(entry: Mapping[str, Any]) -> EntryOrder | DomainError:
    try:
        return validated(JournalEntryItem, dict(entry)).order(entry["idempotency_key"])
    except DomainError as refusal:
        return refusal


class ServiceJournal:
    """Over HTTP, as any other client."""

    def __init__(self, client: JournalClient) -> None:
        self._client = client

    def opens(self, code: str) -> bool:
        return not is_reserved_code(code)

    async def time_zone(self) -> str:
        return await self._client.time_zone()

    async def places(self) -> Mapping[str, int]:
        return await self._client.places()

    async def accounts(self, codes: Sequence[str]) -> Mapping[str, KnownAccount]:
        found: dict[str, KnownAccount] = {}
        for code in codes:
            try:
                account = await self._client.account(code)
            except AccountNotFound:
                continue
            found[code] = KnownAccount(AccountType(account["type"]), account["currency"])
        return found

    async def define(self, code: str, places: int) -> None:
        await self._client.define(code, places)

    async def open(self, account: WantedAccount, code: str) -> None:
        try:
            await self._client.open(account_body(account, code))
        except AccountExists:
            # An answer that was lost on its way, and the call made again; or somebody else, whose account is looked at.
            there = (await self.accounts([code])).get(code)
            if there != (account.type, account.currency):
                raise

    async def post(self, entries: Sequence[Mapping[str, Any]]) -> list[EntryResult]:
        return [EntryResult(*told) for told in await self._client.post(entries)]
