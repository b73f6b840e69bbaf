"""Use cases about ledgers, and what a ledger remembers of an idempotency key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from zerosum.db.batch import UsedKey, unlocked_loader
from zerosum.db.credentials.api_keys import ApiKeyRecord as ApiKeyRecord  # shown by the routes
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.ledgers import LedgerRecord as LedgerRecord  # shown by the routes
from zerosum.db.queries.ledgers import every_ledger as every_ledger  # for `zerosum verify`
from zerosum.db.queries.ledgers import find_ledger, insert_ledger, list_ledgers, update_ledger
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import DomainError, IdempotencyKeyNotFound, LedgerNotFound
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.outcome import OWN_ID
from zerosum.domain.ledger.periods import LatePolicy
from zerosum.domain.ledger.templates.template import label_of
from zerosum.domain.money import Currency, CurrencyTable
from zerosum.services.audit import AuditRecord, audit_record, audited
from zerosum.services.committing.idempotent_book import recalled_refusal
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.requests.caller import THE_SERVICE, Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.time_zones import parse_time_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOutcome:
    """Either what was posted under the key, or why it was refused."""

    key: str
    resource_type: ResourceType | None
    resource_id: UUID | None
    own_id: str | None
    """What the resource is called, where that is not the entry's id: the tx of a client."""
    refusal: DomainError | None
    created_at: datetime


class Ledgers:
    def __init__(self, database: Database, api_keys: ApiKeys, cursors: Cursors, now: Callable[[], datetime]) -> None:
        self._database = database
        self._api_keys = api_keys
        self._cursors = cursors
        self._now = now

    async def create(
        self,
        name: str,
        caller: Caller = THE_SERVICE,
        *,
        time_zone: str = "UTC",
        late_entries: LatePolicy = LatePolicy.REFUSE,
    ) -> LedgerRecord:
        """Raises ValidationFailed for a time zone that there is not."""
        parse_time_zone(time_zone)
        ledger = LedgerRecord(
            id=new_uuid(), name=name, created_at=self._now(), time_zone=time_zone, late_entries=late_entries
        )
        ledger_id = LedgerId(ledger.id)
        record = audit_record(
            AuditType.LEDGER_CREATED,
            caller,
            ledger.created_at,
            resource=render_id(Prefix.LEDGER, ledger_id),
            ledger_id=ledger_id,
            facts={"name": name, "time_zone": time_zone, "late_entries": late_entries.value},
        )
        async with self._database.work(ledger_id) as connection:
            await insert_ledger(connection, ledger)
            await audited(connection, record)
        return ledger

    async def change(
        self, caller: Caller, ledger_id: LedgerId, *, time_zone: str | None, late_entries: LatePolicy | None
    ) -> LedgerRecord:
        """None leaves a setting as it is. What was closed stays closed as it was.

        Raises LedgerNotFound, and ValidationFailed for a time zone that there is not.
        """
        if time_zone is not None:
            parse_time_zone(time_zone)
        async with self._database.operator_work(ledger_id) as connection:
            before = await find_ledger(connection, ledger_id, for_update=True)
            if before is None:
                raise _no_such_ledger()
            after = replace(
                before,
                time_zone=time_zone or before.time_zone,
                late_entries=late_entries or before.late_entries,
            )
            if after != before:
                await update_ledger(connection, after)
                await audited(connection, self._told(caller, ledger_id, before, after))
        return after

    async def define_currency(
        self, caller: Caller, currencies: Currencies, code: str, exponent: int, name: str
    ) -> Currency:
        """As `Currencies.define`, and told of in the security log."""
        return await currencies.define(caller, code, exponent, name, self._tell_currency)

    async def _tell_currency(self, connection: Connection, caller: Caller, currency: Currency) -> None:
        facts = {"code": currency.code, "exponent": currency.exponent, "name": currency.name}
        record = audit_record(AuditType.CURRENCY_DEFINED, caller, self._now(), resource=currency.code, facts=facts)
        await audited(connection, record)

    def _told(self, caller: Caller, ledger_id: LedgerId, before: LedgerRecord, after: LedgerRecord) -> AuditRecord:
        facts = {
            name: {"from": str(getattr(before, name)), "to": str(getattr(after, name))}
            for name in ("time_zone", "late_entries")
            if getattr(before, name) != getattr(after, name)
        }
        name = render_id(Prefix.LEDGER, ledger_id)
        return audit_record(
            AuditType.LEDGER_CHANGED, caller, self._now(), resource=name, ledger_id=ledger_id, facts=facts
        )

    async def get(self, ledger_id: UUID) -> LedgerRecord:
        found = await self._find(ledger_id)
        if found is None:
            raise _no_such_ledger()
        return found

    async def exists(self, ledger_id: UUID) -> bool:
        return await self._find(ledger_id) is not None

    async def _find(self, ledger_id: UUID) -> LedgerRecord | None:
        async with self._database.work(ledger_id) as connection:
            return await find_ledger(connection, ledger_id)

    async def only(self) -> LedgerRecord | None:
        """The one that there is; None where there is none, or more than one."""
        async with self._database.operator_work() as connection:
            found = await list_ledgers(connection, after=None, limit=2, is_ascending=True)
        return found[0] if len(found) == 1 else None

    async def list(self, request: PageRequest, only: LedgerId | None = None) -> Page[LedgerRecord]:
        """All ledgers, for an operator; or the one that the caller belongs to, as a list."""
        place = only or SERVICE_LEDGER
        position = self._cursors.position(place, request)
        work = self._database.operator_work() if only is None else self._database.work(only)
        async with work as connection:
            found = await list_ledgers(
                connection,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(place, request, position, found, lambda ledger: ledger.id)

    async def list_api_keys(self, request: PageRequest, only: LedgerId | None = None) -> Page[ApiKeyRecord]:
        """Of one ledger, or of all and of operators, for an operator. Raises InvalidId."""
        place = only or SERVICE_LEDGER
        position = self._cursors.position(place, request)
        named = position.filters.get("ledger")
        wanted = only if named is None else LedgerId(parse_id(Prefix.LEDGER, named))
        if only is not None and wanted != only:
            return Page([], None)
        found = await self._api_keys.list(
            wanted,
            after=position.after_as(UUID),
            limit=request.limit + 1,
            is_ascending=position.is_ascending,
        )
        return self._cursors.page(place, request, position, found, lambda key: key.id)

    def list_currencies(self, caller: Caller, table: CurrencyTable, request: PageRequest) -> Page[Currency]:
        """What the ledger can count in, by code: first what it has defined for itself, then ISO 4217."""
        position = self._cursors.position(caller.ledger_id, request)
        keyed = [(_currency_key(table, currency), currency) for currency in table]
        keyed.sort(key=lambda pair: pair[0])
        found = [currency for key, currency in keyed if position.after is None or key > position.after]
        return self._cursors.page(
            caller.ledger_id, request, position, found[: request.limit + 1], lambda item: _currency_key(table, item)
        )

    async def key_outcome(self, caller: Caller, key: str) -> KeyOutcome:
        """Raises IdempotencyKeyNotFound: nothing was done under it, or not yet."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await unlocked_loader(connection).used_keys([(caller.ledger_id, key)])
        used = found.get((caller.ledger_id, key))
        if used is None:
            raise IdempotencyKeyNotFound("Nothing is recorded under this key.")
        return _outcome(key, used)


def _no_such_ledger() -> LedgerNotFound:
    return LedgerNotFound("There is no such ledger.")


def _currency_key(table: CurrencyTable, currency: Currency) -> str:
    return f"{'own' if table.is_custom(currency.code) else 'standard'} {currency.code}"


_NAMED_BY: dict[str, str] = {ResourceType.ACCOUNT_GROUP: "name", ResourceType.SUBJECT: "subject"}
"""The member of what is remembered that names it, as its path does."""


def _own_id(used: UsedKey) -> str | None:
    """Of what has no entry's id. An entry by a template tells the template there, and is itself what was made."""
    if used.resource_type == ResourceType.TEMPLATE and used.content is not None:
        return label_of(used.content["name"], used.content["version"])
    if used.resource_type == ResourceType.JOURNAL_ENTRY:
        return None
    content = used.content or {}
    name: str | None = content.get(_NAMED_BY.get(used.resource_type or "", OWN_ID))
    return used.own_id or name


def _outcome(key: str, used: UsedKey) -> KeyOutcome:
    return KeyOutcome(
        key=key,
        resource_type=None if used.resource_type is None else ResourceType(used.resource_type),
        resource_id=used.resource_id,
        own_id=_own_id(used),
        refusal=None if used.problem is None else recalled_refusal(used.problem),
        created_at=used.created_at,
    )
