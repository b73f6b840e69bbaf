"""Use cases about sources of reconciliation: make the next version of one, read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zerosum.db.engine import Database
from zerosum.db.queries.reconciliation_sources import count_sources, find_source, insert_source, list_sources
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import (
    AccountNotFound,
    InvalidId,
    InvalidState,
    QuotaExceeded,
    ReconciliationSourceNotFound,
)
from zerosum.domain.money import parse_signed_amount, render_amount
from zerosum.domain.reconciliation.sources import SOURCES_MAX, VERSIONS_MAX, ReconciliationSource
from zerosum.services.audit import audit_record, audited
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.time_zones import parse_time_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOrder:
    """`content` is all that is said but for the account, which is an id or a code; its tolerance is as it was given."""

    name: str
    account: str
    content: Mapping[str, Any]


class ReconciliationSources:
    def __init__(
        self,
        database: Database,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._directory = directory
        self._currencies = currencies
        self._cursors = cursors
        self._now = now

    async def make(self, caller: Caller, order: SourceOrder) -> ReconciliationSource:
        """The next version; the same again changes nothing.

        Raises what is wrong with it, QuotaExceeded, and InvalidState where another request was faster.
        """
        content = await self._content(caller, order)
        async with self._database.work(caller.ledger_id) as connection:
            before = await find_source(connection, caller.ledger_id, order.name)
            if before is not None and before.content == content:
                return before
            if before is None and await count_sources(connection, caller.ledger_id) >= SOURCES_MAX:
                raise QuotaExceeded(f"A ledger has at most {SOURCES_MAX} sources of reconciliation.")
            version = 1 if before is None else before.version + 1
            if version > VERSIONS_MAX:
                raise QuotaExceeded(f"A source has at most {VERSIONS_MAX} versions.")
            if before is not None and before.content["account_id"] != content["account_id"]:
                raise InvalidState("A source stays with its account: make another one.")
            made = ReconciliationSource(
                ledger_id=caller.ledger_id,
                name=order.name,
                version=version,
                content=content,
                actor=caller.actor,
                created_at=self._now(),
            )
            if not await insert_source(connection, made):
                raise InvalidState("Another request has changed the source at the same time.")
            facts = {"version": version, "content": content}
            record = audit_record(
                AuditType.RECONCILIATION_SOURCE_CHANGED, caller, made.created_at, resource=order.name, facts=facts
            )
            await audited(connection, record)
        return made

    async def _content(self, caller: Caller, order: SourceOrder) -> dict[str, Any]:
        try:
            account = await self._directory.get(caller.ledger_id, order.account)
        except (AccountNotFound, InvalidId) as refusal:
            raise refusal.at("/account") from None
        currency = await self._currencies.get(caller.ledger_id, account.currency)
        parse_time_zone(order.content["time_zone"])
        rules = dict(order.content["rules"])
        tolerance = parse_signed_amount(rules["tolerance"].removeprefix("-"), currency, pointer="/rules/tolerance")
        rules["tolerance"] = render_amount(tolerance)
        told = {"account_id": str(account.id), "account": account.code, "currency": account.currency}
        return {**order.content, **told, "rules": rules}

    async def get(self, caller: Caller, name: str, version: int | None = None) -> ReconciliationSource:
        """Raises ReconciliationSourceNotFound."""
        found = None
        if "\0" not in name:
            async with self._database.work(caller.ledger_id) as connection:
                found = await find_source(connection, caller.ledger_id, name, version)
        if found is None:
            raise ReconciliationSourceNotFound("This ledger has no such source of reconciliation.")
        return found

    async def list(self, caller: Caller, request: PageRequest) -> Page[ReconciliationSource]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_sources(
                connection,
                caller.ledger_id,
                after=position.after,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda source: source.name)
