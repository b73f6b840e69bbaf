"""One question, many places: what an id, an account's code, a reference or an idempotency key names in a ledger.

Every place is asked by an index that begins with what was given; nothing is searched through.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.disputes import find_dispute
from zerosum.db.queries.exchanges import find_exchanges
from zerosum.db.queries.holds import HoldFilter, find_hold, list_holds
from zerosum.db.queries.journal import find_entries
from zerosum.db.queries.payments import PaymentFilter, find_payments, list_payments
from zerosum.db.queries.reconciliation_breaks import find_break
from zerosum.db.queries.refunds import refunds_as_made
from zerosum.db.queries.reviews import find_reviews
from zerosum.db.queries.scheduled_payments import find_schedules
from zerosum.domain.errors import IdempotencyKeyNotFound, InvalidId
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, is_account_code, parse_id
from zerosum.services.event_feed import PREFIXES
from zerosum.services.ledgers import Ledgers
from zerosum.services.requests.caller import Caller

SHOWN_MAX = 20
"""Of what bears one reference."""

TEXT_MAX = 255

_UUID = re.compile(ID_PATTERN_TEXT, re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found. `why` is what the question was to it."""

    prefix: Prefix
    id: UUID
    label: str
    why: str


class ConsoleSearch:
    def __init__(self, database: Database, ledgers: Ledgers) -> None:
        self._database = database
        self._ledgers = ledgers

    async def find(self, caller: Caller, text: str) -> list[Hit]:
        """Each thing once, by what names it best."""
        found: dict[tuple[Prefix, UUID], Hit] = {}
        ids = [hit async for hit in self._by_id(caller, text)]
        for hit in ids or [hit async for hit in self._by_text(caller, text)]:
            found.setdefault((hit.prefix, hit.id), hit)
        return list(found.values())

    async def _by_id(self, caller: Caller, text: str) -> AsyncIterator[Hit]:
        for prefix in Prefix:
            if text.startswith(prefix.value):
                try:
                    id_ = parse_id(prefix, text)
                except InvalidId:
                    return
                async with self._database.work(caller.ledger_id) as connection:
                    async for hit in _named(connection, caller.ledger_id, id_, prefix):
                        yield hit
                return
        if _UUID.fullmatch(text):
            async with self._database.work(caller.ledger_id) as connection:
                async for hit in _named(connection, caller.ledger_id, UUID(text), None):
                    yield hit

    async def _by_text(self, caller: Caller, text: str) -> AsyncIterator[Hit]:
        ledger_id = caller.ledger_id
        first = {"after": None, "limit": SHOWN_MAX, "is_ascending": False}
        async with self._database.work(ledger_id) as connection:
            if is_account_code(text):
                account = await find_account(connection, ledger_id, id_=None, code=text)
                if account is not None:
                    yield Hit(Prefix.ACCOUNT, account.state.id, account.code, "account code")
            for payment in await list_payments(connection, ledger_id, PaymentFilter(reference=text), **first):  # type: ignore[arg-type]
                label = f"{payment.type} of {payment.amount} {payment.currency}, {payment.status}"
                yield Hit(Prefix.PAYMENT, payment.id, label, "reference")
            for hold in await list_holds(connection, ledger_id, HoldFilter(reference=text, metadata={}), **first):  # type: ignore[arg-type]
                yield Hit(Prefix.HOLD, hold.id, f"hold of {hold.amount} {hold.currency}, {hold.status}", "reference")
        async for hit in self._by_key(caller, text):
            yield hit

    async def _by_key(self, caller: Caller, key: str) -> AsyncIterator[Hit]:
        try:
            outcome = await self._ledgers.key_outcome(caller, key)
        except IdempotencyKeyNotFound:
            return
        prefix = None if outcome.resource_type is None else PREFIXES.get(outcome.resource_type)
        if prefix is None or outcome.resource_id is None:
            return
        async with self._database.work(caller.ledger_id) as connection:
            async for hit in _named(connection, caller.ledger_id, outcome.resource_id, prefix, "idempotency key"):
                yield hit


async def _named(
    connection: Connection, ledger_id: UUID, id_: UUID, prefix: Prefix | None, why: str = "id"
) -> AsyncIterator[Hit]:
    """What bears this id: of one kind, or of any."""
    for kinds, find in _FINDERS:
        if prefix is None or prefix in kinds:
            for hit_prefix, hit_id, label in await find(connection, ledger_id, id_):
                yield Hit(hit_prefix, hit_id, label, why)


Named = list[tuple[Prefix, UUID, str]]


async def _payments(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_payments(connection, ledger_id, [id_])).values()
    return [(Prefix.PAYMENT, one.id, f"{one.type} of {one.amount} {one.currency}") for one in found]


async def _refunds(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await refunds_as_made(connection, ledger_id, [id_])).values()
    return [(Prefix.PAYMENT, one.payment_id, "the payment that it refunds") for one in found]


async def _disputes(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_dispute(connection, ledger_id, id_)
    if one is None:
        return []
    return [
        (Prefix.DISPUTE, id_, f"dispute, {one.status}"),
        (Prefix.PAYMENT, one.payment_id, "the payment that it questions"),
    ]


async def _holds(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_hold(connection, ledger_id, id_)
    return [] if one is None else [(Prefix.HOLD, id_, f"hold of {one.amount} {one.currency}, {one.status}")]


async def _reviews(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_reviews(connection, ledger_id, [id_])).values()
    return [(Prefix.REVIEW, one.id, f"review, {one.status}") for one in found]


async def _breaks(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_break(connection, ledger_id, id_)
    return [] if one is None else [(Prefix.RECONCILIATION_BREAK, id_, f"break of {one.amount} {one.currency}")]


async def _schedules(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_schedules(connection, ledger_id, [id_])).values()
    return [(Prefix.SCHEDULED_PAYMENT, one.id, f"scheduled payment, {one.status}") for one in found]


async def _accounts(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_account(connection, ledger_id, id_=id_, code=None)
    return [] if one is None else [(Prefix.ACCOUNT, id_, one.code)]


async def _exchanges(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_exchanges(connection, ledger_id, [id_])).values()
    return [(Prefix.EXCHANGE, one.id, "exchange") for one in found]


async def _entries(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_entries(connection, ledger_id, [id_])).values()
    return [(Prefix.JOURNAL_ENTRY, one.id, f"journal entry: {one.reason}") for one in found]


_FINDERS = (
    # An event bears the id of the entry that made it.
    ({Prefix.PAYMENT, Prefix.EVENT}, _payments),
    ({Prefix.REFUND, Prefix.EVENT}, _refunds),
    ({Prefix.DISPUTE}, _disputes),
    ({Prefix.HOLD}, _holds),
    ({Prefix.REVIEW}, _reviews),
    ({Prefix.RECONCILIATION_BREAK}, _breaks),
    ({Prefix.SCHEDULED_PAYMENT}, _schedules),
    ({Prefix.ACCOUNT}, _accounts),
    ({Prefix.EXCHANGE, Prefix.EVENT}, _exchanges),
    ({Prefix.JOURNAL_ENTRY, Prefix.EVENT}, _entries),
)
