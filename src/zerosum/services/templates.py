"""Use cases about templates: make the next version of one, read them, post an entry by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.templates import find_template, label_under_key, list_templates
from zerosum.domain.errors import AccountNotFound, DomainError, TemplateNotFound
from zerosum.domain.ledger.entry import JournalEntry, Posting
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.templates.content import TemplateContent, read_content
from zerosum.domain.ledger.templates.filled_in import TemplateValues
from zerosum.domain.ledger.templates.template import Template, TemplateUse
from zerosum.domain.ledger.templates.template_commands import MakeTemplate, PostTemplate, template_of_facts
from zerosum.domain.money import Currency
from zerosum.services.charts import Charts, Wanted, known_or_imagined, opened_by
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.key_lookup import KeyLookup
from zerosum.services.committing.submission import (
    NOTHING_IMAGINED,
    Done,
    Imagined,
    Names,
    Prepared,
    Submission,
)
from zerosum.services.committing.work import key_reused
from zerosum.services.journal import RecordedEntries, RecordedEntry, recorded_entry
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest

READ_MAX = 64
"""Versions that are kept as they were read: half a megabyte each at the largest."""


@dataclass(slots=True, kw_only=True)
class TemplateOrder:
    """`content` are the members on the wire, whose shapes are right."""

    idempotency_key: str
    name: str
    content: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class TemplatePostOrder:
    """`version` is the one that was asked for, `template` the one that is meant, or None where there is none."""

    idempotency_key: str
    name: str
    template: Template | None
    parameters: Mapping[str, str]
    version: int | None = None
    reason: str | None = None
    effective_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Templates:
    """`desk` takes orders to post by a template, as that of the journal takes entries."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        closed_periods: ClosedPeriods,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._committer = committer
        self._cursors = cursors
        self._keys = KeyLookup(database, committer)
        self.desk: Submission[TemplatePostOrder, RecordedEntry] = Submission(
            _TemplateKind(charts, directory, currencies, closed_periods), committer, database, now
        )

    async def make(self, caller: Caller, order: TemplateOrder) -> Done[Template]:
        """Raises what is wrong with the content, IdempotencyKeyReused, and what the committer raises."""

        async def prepare() -> MakeTemplate:
            read_content(order.content)
            return self._making(caller, order)

        answer = await self._keys.carry_out(caller.ledger_id, [order.idempotency_key], prepare)
        if isinstance(answer, Posted):
            return Done(answer.resource)
        if answer.content is None:
            raise key_reused()
        return Done(template_of_facts(caller.ledger_id, answer.content), is_replay=True)

    @staticmethod
    def _making(caller: Caller, order: TemplateOrder) -> MakeTemplate:
        return MakeTemplate(
            id=new_uuid(),
            ledger_id=caller.ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=fingerprint("new template", {"name": order.name, "content": order.content}),
            actor=caller.actor,
            name=order.name,
            content=json.dumps(order.content, ensure_ascii=False, separators=(",", ":")),
        )

    async def get(self, caller: Caller, name: str, version: int | None) -> Template:
        """The newest, where no version is asked for. Raises TemplateNotFound."""
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_template(connection, caller.ledger_id, name, version)
        if found is None:
            raise _no_such_template()
        return found

    async def meant(self, caller: Caller, name: str, version: int | None, key: str) -> Template | None:
        """Which one a call to post means: the version it names, or that by which its key was answered, or the newest.

        So a call that is sent again finds its first answer, whatever has been made of the template since.
        """
        with self._keys.true_of(caller.ledger_id, [key]):
            async with self._database.work(caller.ledger_id) as connection:
                if version is None:
                    version = _version_in(await label_under_key(connection, caller.ledger_id, key), name)
                return await find_template(connection, caller.ledger_id, name, version)

    async def list(self, caller: Caller, request: PageRequest) -> Page[Template]:
        position = self._cursors.position(caller.ledger_id, request)
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_templates(
                connection,
                caller.ledger_id,
                after=position.after,
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda template: template.name)


class _TemplateKind(RecordedEntries):
    """How an order to post by a template becomes a command. What a version says never changes, so it is read before."""

    def __init__(
        self, charts: Charts, directory: AccountDirectory, currencies: Currencies, closed_periods: ClosedPeriods
    ) -> None:
        self._charts = charts
        self._directory = directory
        self._currencies = currencies
        self._closed_periods = closed_periods

    def view(self, posted: Posted, names: Names) -> RecordedEntry:
        return recorded_entry(posted.entry, names, posted.resource)

    def command(
        self,
        caller: Caller,
        order: TemplatePostOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,
    ) -> Prepared:
        template, values = _values_of(order)
        ledger_id, id_ = caller.ledger_id, new_uuid()
        currencies = self._known_currencies(ledger_id, values, is_prepared=is_prepared)
        postings, names = self._postings(ledger_id, values, currencies, imagined, is_prepared=is_prepared)
        use = TemplateUse(id_, template.name, template.version, values.canonical(currencies))
        reason = order.reason or values.reason(template.name)
        lines = values.content.lines
        called = [values.filled(line.account) for line in lines]
        command = PostTemplate(
            id=id_,
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=_fingerprint(order, use),
            actor=caller.actor,
            metadata=order.metadata,
            codes=names,
            called=called,
            opens=opened_by(called, imagined),
            entry=JournalEntry(reason, tuple(postings), order.effective_at),
            dating=self._closed_periods.dating(ledger_id, order.effective_at, None, is_prepared=is_prepared),
            use=use,
            stands_on=use.label,
            pointers=[(values.pointer_of(line.account), values.amount_pointer_of(line)) for line in lines],
        )
        return Prepared(command, names)

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[TemplatePostOrder],
        *,
        may_write: bool,
    ) -> Imagined:
        wanted: list[tuple[str, str]] = []
        await self._closed_periods.load(caller.ledger_id, [order.effective_at for order in orders])
        for order in orders:
            try:
                _, values = _values_of(order)
            except DomainError:
                continue  # `command` raises it
            await self._currencies.load(caller.ledger_id, values.currency_places().values())
            await self._directory.load(caller.ledger_id, {values.filled(line.account) for line in values.content.lines})
            wanted += self._wanted(caller.ledger_id, values)
        return await self._charts.imagined(caller, wanted, may_write=may_write)

    def _wanted(self, ledger_id: UUID, values: TemplateValues) -> Wanted:
        """Nothing where the order will be refused, which `command` explains."""
        try:
            money = values.money(self._known_currencies(ledger_id, values, is_prepared=True))
        except DomainError:
            return ()
        named = [values.filled(line.account) for line in values.content.lines]
        return [(name, one.currency.code) for name, one in zip(named, money, strict=True)]

    def _known_currencies(self, ledger_id: UUID, values: TemplateValues, *, is_prepared: bool) -> dict[str, Currency]:
        return {
            place: self._currencies.known(ledger_id, code, is_prepared=is_prepared, pointer=values.pointer_of(place))
            for place, code in values.currency_places().items()
        }

    def _postings(
        self,
        ledger_id: UUID,
        values: TemplateValues,
        currencies: Mapping[str, Currency],
        imagined: Imagined,
        *,
        is_prepared: bool,
    ) -> tuple[list[Posting], dict[UUID, str]]:
        known = known_or_imagined(self._directory, imagined)
        names: dict[UUID, str] = {}
        postings: list[Posting] = []
        accounts = [(values.filled(line.account), values.pointer_of(line.account)) for line in values.content.lines]
        for place, (line, money) in enumerate(zip(values.content.lines, values.money(currencies), strict=True)):
            called, pointer = accounts[place]
            try:
                account = known(ledger_id, called, is_prepared=is_prepared, pointer=pointer)
            except AccountNotFound as missing:
                raise self._directory.all_missing(ledger_id, missing, accounts[place + 1 :], imagined) from None
            names[account.id] = account.code
            postings.append(Posting(account.id, line.side, money))
        return postings, names


def _values_of(order: TemplatePostOrder) -> tuple[Template, TemplateValues]:
    template = order.template
    if template is None:
        raise _no_such_template()
    return template, TemplateValues(_content_of(template.content), order.parameters)


@lru_cache(READ_MAX)
def _content_of(content: str) -> TemplateContent:
    """What a version says never changes: it is read once."""
    return read_content(json.loads(content))


def _fingerprint(order: TemplatePostOrder, use: TemplateUse) -> bytes:
    return fingerprint(
        "template",
        {
            "template": order.name,
            "version": order.version,
            "parameters": use.parameters,
            "reason": order.reason,
            "effective_at": order.effective_at,
            "metadata": order.metadata,
        },
    )


def _version_in(label: str | None, name: str) -> int | None:
    """Of this name, in what an entry says it was posted for."""
    of, _, version = (label or "").partition("@")
    return int(version) if of == name and version else None


def _no_such_template() -> TemplateNotFound:
    return TemplateNotFound("This ledger has no such template.")
