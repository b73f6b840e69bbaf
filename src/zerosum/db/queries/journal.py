"""Reading the journal. What is written to it goes through `batch.py` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Subquery,
    and_,
    exists,
    not_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.late_dates import LATE_COLUMNS, late_in, with_late_dates
from zerosum.db.queries.pages import (
    found_beside,
    in_order,
    look_up_by_key,
    made_within,
    page_by,
    page_of_either,
    within,
)
from zerosum.db.schema.tables import accounts, journal_entries, postings, template_uses
from zerosum.domain.events import ResourceType
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.periods import LateEntry
from zerosum.domain.ledger.templates.template import TemplateUse

_SIDES = {"d": Side.DEBIT, "c": Side.CREDIT}
_LAYERS = {"p": Layer.POSTED, "h": Layer.PENDING}


@dataclass(slots=True, kw_only=True)
class RecordedPosting:
    """A posting as it lies in the journal."""

    entry_id: UUID
    account_id: UUID
    account_code: str
    account_version: int
    side: Side
    layer: Layer
    releases: bool
    currency: str
    amount: Decimal
    balance_after: Decimal
    held_after: Decimal
    effective_at: datetime
    posted_at: datetime
    hash: bytes


@dataclass(slots=True, kw_only=True)
class RecordedEntry:
    """A journal entry as it lies in the journal."""

    id: UUID
    reason: str
    effective_at: datetime
    posted_at: datetime
    actor: str
    idempotency_key: str | None
    fingerprint: bytes
    resource_type: ResourceType
    resource_id: str | None
    reverses: UUID | None
    reversed_by: UUID | None
    metadata: Mapping[str, str]
    postings: tuple[RecordedPosting, ...]
    late: LateEntry | None = None
    template: TemplateUse | None = None
    """By which it was posted, where it was."""
    traceparent: str | None = None
    """Of which trace its request was a part, where it is read and was of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Entries with a posting to `account_id`. `effective_from` is inclusive, `effective_to` exclusive."""

    account_id: UUID | None = None
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    posted_to: datetime | None = None
    """Inclusive: what was written by then."""

    @property
    def is_bounded(self) -> bool:
        return self.effective_from is not None or self.effective_to is not None

    @property
    def is_by_time(self) -> bool:
        """Whether the list is in the order of what happened in the world, and not of what was written.

        So is one account's: its postings have an index for either.
        """
        return self.account_id is not None and self.is_bounded


async def find_entries(connection: AsyncConnection, ledger_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RecordedEntry]:
    """The entries with these ids, with their postings in the order in which they were given."""
    statement = _select_entries(ledger_id).where(journal_entries.c.id.in_(ids))
    rows = (await connection.execute(statement)).all()
    lines = await _postings_of(connection, ledger_id, [row.id for row in rows])
    uses = await _uses_of(connection, ledger_id, rows)
    return {row.id: _entry(row, lines.get(row.id, []), uses.get(row.id)) for row in rows}


async def list_entries(
    connection: AsyncConnection,
    ledger_id: UUID,
    wanted: EntryFilter,
    *,
    after: Sequence[Any] | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedEntry]:
    await look_up_by_key(connection)
    page = entries_page(ledger_id, wanted, after=after, limit=limit, is_ascending=is_ascending)
    statement = _select_entries(ledger_id).join(page, page.c.id == journal_entries.c.id)
    rows = (await connection.execute(in_order(statement, page, is_ascending=is_ascending))).all()
    lines = await _postings_of(connection, ledger_id, [row.id for row in rows])
    uses = await _uses_of(connection, ledger_id, rows)
    return await gently(lambda row: _entry(row, lines.get(row.id, []), uses.get(row.id)), rows)


def entries_page(
    ledger_id: UUID, wanted: EntryFilter, *, after: Sequence[Any] | None, limit: int, is_ascending: bool
) -> Subquery:
    """The ids of one page, in an order that an index has.

    Those of a time are found by their ids, which are by time, and beside them those that were given one of their own.
    """
    entry = journal_entries
    page = partial(page_by, after=after, limit=limit, is_ascending=is_ascending)
    statement = select(entry.c.id).where(entry.c.ledger_id == ledger_id)
    if wanted.posted_to is not None:
        statement = statement.where(entry.c.posted_at <= wanted.posted_to)
    for name, value in wanted.metadata.items():
        statement = statement.where(entry.c.metadata[name].astext == value)
    span = wanted.effective_from, wanted.effective_to
    if wanted.account_id is not None:
        own = postings.alias("own")
        key = [own.c.effective_at, own.c.account_version] if wanted.is_by_time else [own.c.account_version]
        return page(within(_of_account(statement, own, ledger_id, wanted.account_id), own.c.effective_at, *span), key)
    if not wanted.is_bounded:
        return page(statement, [entry.c.id])
    timed = within(statement, entry.c.effective_at, *span)
    near = timed.where(made_within(entry.c.id, *span))
    beside = found_beside(timed, *span)
    pages = [page(near, [entry.c.id]), *(page(select(found.c.id), [found.c.id]) for found in beside)]
    return page_of_either(pages, limit, is_ascending=is_ascending)


def _of_account(statement: Select[Any], own: FromClause, ledger_id: UUID, account_id: UUID) -> Select[Any]:
    """Each entry by the last of the account's postings in it, for it may have several, which follow each other."""
    next_ = postings.alias("next")
    has_next = exists().where(
        next_.c.ledger_id == ledger_id,
        next_.c.account_id == account_id,
        next_.c.account_version == own.c.account_version + 1,
        next_.c.entry_id == own.c.entry_id,
    )
    is_own = and_(own.c.ledger_id == ledger_id, own.c.entry_id == journal_entries.c.id)
    return statement.join(own, is_own).where(own.c.account_id == account_id, not_(has_next))


async def list_postings(
    connection: AsyncConnection,
    ledger_id: UUID,
    account_id: UUID,
    *,
    effective_from: datetime | None,
    effective_to: datetime | None,
    after: Sequence[Any] | None,
    limit: int,
    is_ascending: bool,
) -> list[RecordedPosting]:
    await look_up_by_key(connection)
    page = postings_page(
        ledger_id, account_id, effective_from, effective_to, after=after, limit=limit, is_ascending=is_ascending
    )
    account = and_(accounts.c.ledger_id == ledger_id, accounts.c.id == page.c.account_id)
    statement = select(page, accounts.c.code.label("account_code")).join(accounts, account)
    return await gently(_posting, await connection.execute(in_order(statement, page, is_ascending=is_ascending)))


def postings_page(
    ledger_id: UUID,
    account_id: UUID,
    effective_from: datetime | None,
    effective_to: datetime | None,
    *,
    after: Sequence[Any] | None,
    limit: int,
    is_ascending: bool,
) -> Subquery:
    """One account's postings by version, a range scan of the primary key; within a span of time by time."""
    statement = select(postings).where(postings.c.ledger_id == ledger_id, postings.c.account_id == account_id)
    key: list[ColumnElement[Any]] = [postings.c.account_version]
    if effective_from is not None or effective_to is not None:
        key.insert(0, postings.c.effective_at)
    narrowed = within(statement, postings.c.effective_at, effective_from, effective_to)
    return page_by(narrowed, key, after, limit, is_ascending=is_ascending)


async def list_effective_postings(
    connection: AsyncConnection,
    ledger_id: UUID,
    account_id: UUID,
    *,
    start: datetime,
    end: datetime,
    limit: int,
    version_max: int | None = None,
) -> list[RecordedPosting]:
    """What happened to one account's posted balance from `start` to before `end`, in that order.

    With `version_max` as far as it was written when the account had that version.
    """
    statement = _select_postings(ledger_id).where(
        postings.c.account_id == account_id,
        postings.c.layer == "p",
        postings.c.effective_at >= start,
        postings.c.effective_at < end,
    )
    if version_max is not None:
        statement = statement.where(postings.c.account_version <= version_max)
    rows = await connection.execute(
        statement.order_by(postings.c.effective_at, postings.c.account_version).limit(limit)
    )
    return await gently(_posting, rows)


def _select_entries(ledger_id: UUID) -> Select[Any]:
    reversal = journal_entries.alias("reversal")
    reversed_by = (
        select(reversal.c.id)
        .where(reversal.c.ledger_id == ledger_id, reversal.c.reverses == journal_entries.c.id)
        .scalar_subquery()
    )
    statement = select(journal_entries, reversed_by.label("reversed_by"), *LATE_COLUMNS)
    return with_late_dates(statement).where(journal_entries.c.ledger_id == ledger_id)


def _select_postings(ledger_id: UUID) -> Select[Any]:
    return (
        select(postings, accounts.c.code.label("account_code"))
        .join(accounts, and_(accounts.c.ledger_id == postings.c.ledger_id, accounts.c.id == postings.c.account_id))
        .where(postings.c.ledger_id == ledger_id)
    )


async def _postings_of(
    connection: AsyncConnection, ledger_id: UUID, entry_ids: Sequence[UUID]
) -> dict[UUID, list[RecordedPosting]]:
    if not entry_ids:
        return {}
    statement = _select_postings(ledger_id).where(postings.c.entry_id.in_(entry_ids)).order_by(postings.c.place)
    found: dict[UUID, list[RecordedPosting]] = {}
    for row in await connection.execute(statement):
        found.setdefault(row.entry_id, []).append(_posting(row))
    return found


async def _uses_of(connection: AsyncConnection, ledger_id: UUID, rows: Sequence[Row[Any]]) -> dict[UUID, TemplateUse]:
    """Nothing is asked where none of them was posted by a template, as an entry tells itself."""
    ids = [row.id for row in rows if row.resource_type == ResourceType.JOURNAL_ENTRY and row.resource_id is not None]
    if not ids:
        return {}
    statement = select(template_uses).where(template_uses.c.ledger_id == ledger_id, template_uses.c.id.in_(ids))
    found = await connection.execute(statement)
    return {row.id: TemplateUse(row.id, row.name, row.version, row.parameters) for row in found}


def _entry(row: Row[Any], lines: Sequence[RecordedPosting], template: TemplateUse | None) -> RecordedEntry:
    return RecordedEntry(
        id=row.id,
        reason=row.reason,
        effective_at=row.effective_at,
        posted_at=row.posted_at,
        actor=row.actor,
        idempotency_key=row.idempotency_key,
        fingerprint=row.fingerprint,
        resource_type=ResourceType(row.resource_type),
        resource_id=row.resource_id,
        reverses=row.reverses,
        reversed_by=row.reversed_by,
        metadata=row.metadata or {},
        postings=tuple(lines),
        template=template,
        late=late_in(row, row.ledger_id, row.id),
        traceparent=row.traceparent,
    )


def _posting(row: Row[Any]) -> RecordedPosting:
    return RecordedPosting(
        entry_id=row.entry_id,
        account_id=row.account_id,
        account_code=row.account_code,
        account_version=row.account_version,
        side=_SIDES[row.side],
        layer=_LAYERS[row.layer],
        releases=row.releases,
        currency=row.currency,
        amount=row.amount,
        balance_after=row.balance_after,
        held_after=row.held_after,
        effective_at=row.effective_at,
        posted_at=row.posted_at,
        hash=row.hash,
    )
