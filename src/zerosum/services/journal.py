"""Use cases about journal entries and the postings of an account."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.journal import EntryFilter, find_entries, list_entries, list_postings
from zerosum.db.queries.journal import RecordedEntry as RecordedEntry  # shown by the routes
from zerosum.db.queries.journal import RecordedPosting as RecordedPosting
from zerosum.domain.errors import AccountNotFound, InvalidState, JournalEntryNotFound
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId
from zerosum.domain.ledger.account import Side
from zerosum.domain.ledger.entry import JournalEntry, PostedEntry, Posting
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.post_entry import PostEntry
from zerosum.domain.ledger.reverse import RefusedReversal, Reverse, reversal
from zerosum.domain.ledger.templates.template import TemplateUse
from zerosum.domain.money import Money, render_amount
from zerosum.services.accounts import metadata_filters
from zerosum.services.charts import Charts, known_or_imagined, opened_by
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.conditions import ConditionOrder, ConditionReader, fingerprint_with
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, Page, PageRequest, timed_key
from zerosum.services.requests.personal import PersonalOrder, sealed_members
from zerosum.services.requests.times import parse_filter_time
from zerosum.services.subjects import Subjects


@dataclass(slots=True, kw_only=True)
class PostingOrder:
    """One line in its wire form. `account` is an id or a code."""

    account: str
    side: Side
    amount: str
    currency: str


@dataclass(slots=True, kw_only=True)
class EntryOrder:
    idempotency_key: str
    reason: str
    postings: Sequence[PostingOrder]
    effective_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    override_closed_period: str | None = None
    """Why it may be dated into a closed period. Who may say so is for the caller's scope to say."""
    conditions: Sequence[ConditionOrder] = ()
    personal: PersonalOrder | None = None
    """Once that is sealed, `metadata` commits to it."""


@dataclass(slots=True, kw_only=True)
class ReversalOrder:
    """`original` is the entry to take back, or None where the ledger has none of that id."""

    idempotency_key: str
    original: RecordedEntry | None
    reason: str
    is_forced: bool = False
    """Recorded whatever the accounts are meant to hold. Who may ask for that is for the caller's scope to say."""


class Journal:
    """`desk` and `reversals` take orders; the rest reads."""

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
        subjects: Subjects | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._cursors = cursors
        self.desk: ExpressSubmission[EntryOrder, RecordedEntry] = ExpressSubmission(
            _EntryKind(charts, directory, currencies, closed_periods, subjects), committer, database, now
        )
        self.reversals: Submission[ReversalOrder, RecordedEntry] = Submission(
            _ReversalKind(currencies), committer, database, now
        )

    async def get(self, caller: Caller, entry_id: UUID) -> RecordedEntry:
        found = await self.find(caller, entry_id)
        if found is None:
            raise _no_such_entry()
        return found

    async def find(self, caller: Caller, entry_id: UUID) -> RecordedEntry | None:
        async with self._database.work(caller.ledger_id) as connection:
            return (await find_entries(connection, caller.ledger_id, [entry_id])).get(entry_id)

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedEntry]:
        """Raises InvalidParameter, AccountNotFound for an account that is named and not there."""
        position = self._cursors.position(caller.ledger_id, request)
        account = await self._directory.find_filter(caller.ledger_id, position.filters)
        wanted = EntryFilter(
            account_id=None if account is None else account.id,
            effective_from=parse_filter_time(position.filters, "effective_from"),
            effective_to=parse_filter_time(position.filters, "effective_to"),
            metadata=metadata_filters(position.filters),
        )

        def key(entry: RecordedEntry) -> object:
            versions = [line.account_version for line in entry.postings if account and line.account_id == account.id]
            number = max(versions) if versions else entry.id
            return timed_key(entry.effective_at, number) if wanted.is_by_time else number

        async with self._database.work(caller.ledger_id) as connection:
            found = await list_entries(
                connection,
                caller.ledger_id,
                wanted,
                after=position.key(UUID if account is None else int, is_timed=wanted.is_by_time),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, key)

    async def list_postings(self, caller: Caller, reference: str, request: PageRequest) -> Page[RecordedPosting]:
        """An account's history, newest first. Its cursors are good under the id and the code alike."""
        account = await self._directory.get(caller.ledger_id, reference)
        request = replace(request, list_name=f"{request.list_name} of {account.id}")
        position = self._cursors.position(caller.ledger_id, request)
        start, end = (parse_filter_time(position.filters, name) for name in ("effective_from", "effective_to"))
        is_timed = start is not None or end is not None

        def key(line: RecordedPosting) -> object:
            return timed_key(line.effective_at, line.account_version) if is_timed else line.account_version

        async with self._database.work(caller.ledger_id) as connection:
            found = await list_postings(
                connection,
                caller.ledger_id,
                account.id,
                effective_from=start,
                effective_to=end,
                after=position.key(int, is_timed=is_timed),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, key)


class RecordedEntries:
    """What is shown of a journal entry."""

    def view(self, posted: Posted, names: Names) -> RecordedEntry:
        return recorded_entry(posted.entry, names)

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedEntry]:
        return await entries_as_made(connection, ledger_id, ids)


async def entries_as_made(
    connection: Connection, ledger_id: UUID, ids: Collection[UUID]
) -> Mapping[UUID, RecordedEntry]:
    """As they were when they were made: whatever takes one back came later."""
    found = await find_entries(connection, ledger_id, list(ids))
    return {id_: replace(entry, reversed_by=None) for id_, entry in found.items()}


class _EntryKind(RecordedEntries):
    """How an order for a journal entry becomes a command."""

    def __init__(
        self,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        closed_periods: ClosedPeriods,
        subjects: Subjects | None,
    ) -> None:
        self._subjects = subjects
        self._charts = charts
        self._directory = directory
        self._currencies = currencies
        self._closed_periods = closed_periods
        self._conditions = ConditionReader(directory, currencies)

    def command(
        self,
        caller: Caller,
        order: EntryOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,
    ) -> Prepared:
        ledger_id = caller.ledger_id
        personal = sealed_members(order.personal)
        known = known_or_imagined(self._directory, imagined)
        names: dict[UUID, str] = {}
        postings: list[Posting] = []
        for index, line in enumerate(order.postings):
            here = f"/postings/{index}"
            currency = self._currencies.known(
                ledger_id, line.currency, is_prepared=is_prepared, pointer=f"{here}/currency"
            )
            money = Money.parse(line.amount, currency, pointer=f"{here}/amount")
            try:
                account = known(ledger_id, line.account, is_prepared=is_prepared, pointer=f"{here}/account")
            except AccountNotFound as missing:
                rest = _named_after(order, index)
                raise self._directory.all_missing(ledger_id, missing, rest, imagined) from None
            names[account.id] = account.code
            postings.append(Posting(account.id, line.side, money))
        ordered, conditions = _fingerprint(order, postings), None
        if order.conditions:
            conditions = self._conditions.read(ledger_id, order.conditions, ordered, is_prepared=is_prepared)
            ordered = fingerprint_with(conditions)
        command = PostEntry(
            id=new_uuid(),
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=ordered,
            actor=caller.actor,
            metadata=order.metadata,
            codes=names,
            opens=opened_by([line.account for line in order.postings], imagined),
            called=[line.account for line in order.postings],
            entry=JournalEntry(order.reason, tuple(postings), order.effective_at),
            dating=self._closed_periods.dating(
                ledger_id, order.effective_at, order.override_closed_period, is_prepared=is_prepared
            ),
            conditions=conditions,
            personal=personal,
        )
        return Prepared(command, names)

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[EntryOrder],
        *,
        may_write: bool,
    ) -> Imagined:
        lines = [line for order in orders for line in order.postings]
        await self._currencies.load(caller.ledger_id, {line.currency for line in lines})
        await self._directory.load(caller.ledger_id, {line.account for line in lines})
        await self._closed_periods.load(caller.ledger_id, [order.effective_at for order in orders])
        await self._conditions.load(caller.ledger_id, [one for order in orders for one in order.conditions])
        if self._subjects is not None:
            await self._subjects.seal(caller.ledger_id, orders, may_write=may_write)
        wanted = ((line.account, line.currency) for line in lines)
        return await self._charts.imagined(caller, wanted, may_write=may_write)


def _check_reversible(original: RecordedEntry) -> None:
    """By what it was posted for. Raises InvalidState."""
    if original.resource_type is ResourceType.CLIENT_TRANSACTION:
        raise InvalidState("A client's transaction is disputed and charged back; it is not reversed.")
    if original.resource_type is not ResourceType.JOURNAL_ENTRY:
        raise InvalidState(
            "What a payment has posted is refunded, not reversed, and a hold is voided: refund the payment, or "
            "correct it by a journal entry."
        )


class _ReversalKind(RecordedEntries):
    """How an order to reverse an entry becomes a command. The entry itself never changes, so it is read before."""

    def __init__(self, currencies: Currencies) -> None:
        self._currencies = currencies

    def command(
        self,
        caller: Caller,
        order: ReversalOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - all accounts are there
    ) -> Prepared:
        original = order.original
        if original is None:
            raise _no_such_entry()
        postings: list[Posting] = []
        for line in original.postings:
            currency = self._currencies.known(caller.ledger_id, line.currency, is_prepared=is_prepared)
            money = Money(line.amount, currency)
            postings.append(Posting(AccountId(line.account_id), line.side, money, line.layer, line.releases))
        original_id = JournalEntryId(original.id)
        names = {line.account_id: line.account_code for line in original.postings}
        force = "true" if order.is_forced else None
        asked = {"entry": str(original.id), "reason": order.reason, "force": force}
        members: dict[str, Any] = {
            "id": new_uuid(),
            "ledger_id": caller.ledger_id,
            "idempotency_key": order.idempotency_key,
            "fingerprint": fingerprint("reversal", asked),
            "actor": caller.actor,
            "codes": names,
        }
        try:
            _check_reversible(original)
            entry = reversal(original_id, postings, order.reason, is_forced=order.is_forced)
        except InvalidState as refusal:
            accounts = tuple(dict.fromkeys(posting.account_id for posting in postings))
            return Prepared(RefusedReversal(**members, refusal=refusal, original_account_ids=accounts), names)
        return Prepared(Reverse(**members, entry=entry, original_id=original_id), names)

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[ReversalOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        lines = [line for order in orders if order.original is not None for line in order.original.postings]
        await self._currencies.load(caller.ledger_id, {line.currency for line in lines})
        return NOTHING_IMAGINED


def _named_after(order: EntryOrder, index: int) -> list[tuple[str, str]]:
    """The accounts of the lines that follow, and where they stand."""
    return [(line.account, f"/postings/{place}/account") for place, line in enumerate(order.postings) if place > index]


def _no_such_entry() -> JournalEntryNotFound:
    return JournalEntryNotFound("This ledger has no such journal entry.")


def recorded_entry(entry: PostedEntry, names: Names, template: TemplateUse | None = None) -> RecordedEntry:
    """The entry just posted, as reading it back would give it."""
    return RecordedEntry(
        id=entry.id,
        reason=entry.entry.reason,
        effective_at=entry.effective_at,
        posted_at=entry.posted_at,
        actor=entry.actor,
        idempotency_key=entry.idempotency_key,
        fingerprint=entry.fingerprint,
        resource_type=entry.resource_type,
        resource_id=entry.resource_id,
        reverses=entry.entry.reverses,
        reversed_by=None,
        metadata=entry.metadata,
        late=entry.late,
        template=template,
        postings=tuple(
            RecordedPosting(
                entry_id=entry.id,
                account_id=line.posting.account_id,
                account_code=names[line.posting.account_id],
                account_version=line.account_version,
                side=line.posting.side,
                layer=line.posting.layer,
                releases=line.posting.releases,
                currency=line.posting.money.currency.code,
                amount=line.posting.money.amount,
                balance_after=line.balance_after,
                held_after=line.held_after,
                effective_at=entry.effective_at,
                posted_at=entry.posted_at,
                hash=line.hash,
            )
            for line in entry.postings
        ),
    )


def _fingerprint(order: EntryOrder, postings: Sequence[Posting]) -> bytes:
    return fingerprint(
        "journal entry",
        {
            "reason": order.reason,
            "effective_at": order.effective_at,
            "metadata": order.metadata,
            "override": order.override_closed_period,
            "postings": [
                [line.account, line.side, render_amount(posting.money.amount), line.currency]
                for line, posting in zip(order.postings, postings, strict=True)
            ],
        },
    )
