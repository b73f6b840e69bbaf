"""One question, many places: what an id, a name of the outside, a reference or an idempotency key names in a ledger.

Every place is asked by an index that begins with what was given; nothing is searched through.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.console_search import called
from zerosum.db.queries.holds import HoldFilter, list_holds
from zerosum.db.queries.payments import PaymentFilter, list_payments
from zerosum.domain.errors import IdempotencyKeyNotFound, InvalidId
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, is_account_code, parse_id, render_id
from zerosum.domain.moments import render_time
from zerosum.services.console_finders import Hit as Hit  # shown by the page
from zerosum.services.console_finders import named
from zerosum.services.event_feed import PREFIXES
from zerosum.services.ledgers import KeyOutcome, Ledgers
from zerosum.services.requests.caller import Caller

SHOWN_MAX = 20
"""Of what bears one reference."""

TEXT_MAX = 255

_UUID = re.compile(ID_PATTERN_TEXT, re.IGNORECASE | re.ASCII)


class ConsoleSearch:
    def __init__(self, database: Database, ledgers: Ledgers) -> None:
        self._database = database
        self._ledgers = ledgers

    async def find(self, caller: Caller, text: str) -> list[Hit]:
        """Each thing once, by what names it best. Who may see it, the page judges."""
        found: dict[tuple[object, ...], Hit] = {}
        ids = [hit async for hit in self._by_id(caller, text)]
        for hit in ids or [hit async for hit in self._by_text(caller, text)]:
            found.setdefault((hit.prefix, hit.id, hit.name, hit.place), hit)
        return list(found.values())

    async def _by_id(self, caller: Caller, text: str) -> AsyncIterator[Hit]:
        for prefix in Prefix:
            if text.startswith(prefix.value):
                try:
                    id_ = parse_id(prefix, text)
                except InvalidId:
                    return
                async with self._database.work(caller.ledger_id) as connection:
                    async for hit in named(connection, caller.ledger_id, id_, prefix):
                        yield hit
                return
        if _UUID.fullmatch(text):
            async with self._database.work(caller.ledger_id) as connection:
                async for hit in named(connection, caller.ledger_id, UUID(text), None):
                    yield hit

    async def _by_text(self, caller: Caller, text: str) -> AsyncIterator[Hit]:
        ledger_id = caller.ledger_id
        first = {"after": None, "limit": SHOWN_MAX, "is_ascending": False}
        async with self._database.work(ledger_id) as connection:
            if is_account_code(text):
                account = await find_account(connection, ledger_id, id_=None, code=text)
                if account is not None:
                    yield Hit(prefix=Prefix.ACCOUNT, id=account.state.id, label=account.code, why="account code")
            for payment in await list_payments(connection, ledger_id, PaymentFilter(reference=text), **first):  # type: ignore[arg-type]
                label = f"{payment.type} of {payment.amount} {payment.currency}, {payment.status}"
                yield Hit(prefix=Prefix.PAYMENT, id=payment.id, label=label, why="reference")
            for hold in await list_holds(connection, ledger_id, HoldFilter(reference=text, metadata={}), **first):  # type: ignore[arg-type]
                label = f"hold of {hold.amount} {hold.currency}, {hold.status}"
                yield Hit(prefix=Prefix.HOLD, id=hold.id, label=label, why="reference")
            async for hit in _called(connection, ledger_id, text):
                yield hit
        async for hit in self._by_key(caller, text):
            yield hit

    async def _by_key(self, caller: Caller, key: str) -> AsyncIterator[Hit]:
        why = "idempotency key"
        try:
            outcome = await self._ledgers.key_outcome(caller, key)
        except IdempotencyKeyNotFound:
            return
        if outcome.refusal is not None:
            told = f"refused as {outcome.refusal.code} at {render_time(outcome.created_at)}: {outcome.refusal}"
            yield Hit(name=key, label=told, why=why)
            return
        prefix = None if outcome.resource_type is None else PREFIXES.get(outcome.resource_type)
        hits = []
        if prefix is not None and outcome.resource_id is not None:
            async with self._database.work(caller.ledger_id) as connection:
                hits = [hit async for hit in named(connection, caller.ledger_id, outcome.resource_id, prefix, why)]
        for hit in hits or [Hit(name=key, label=_made(outcome), why=why)]:
            yield hit


def _made(outcome: KeyOutcome) -> str:
    """Of what has no page. Who a subject is, is nobody's business here."""
    kind = outcome.resource_type
    what = "something" if kind is None else kind.value.replace("_", " ")
    named = "" if outcome.own_id is None or kind is ResourceType.SUBJECT else f" {outcome.own_id}"
    return f"made or changed {what}{named} at {render_time(outcome.created_at)}"


async def _called(connection: Connection, ledger_id: UUID, name: str) -> AsyncIterator[Hit]:
    """By what the outside calls it."""
    found = await called(connection, ledger_id, name, SHOWN_MAX)
    for call in found.calls:
        prefix = Prefix.PAYMENT if call.refunded_payment_id is None else Prefix.REFUND
        label = f"{prefix.name.lower()} of {call.amount} {call.currency} by {call.processor}, {call.state}"
        place = ("processor-calls", render_id(prefix, call.id))
        yield Hit(prefix=prefix, id=call.id, label=label, why="the processor's id", place=place)
    for dispute in found.disputes:
        yield Hit(prefix=Prefix.DISPUTE, id=dispute.id, label=f"dispute, {dispute.status}", why="the provider's case")
    for one in found.schedules:
        label = f"scheduled payment of {one.amount} {one.currency}, {one.status}"
        yield Hit(prefix=Prefix.SCHEDULED_PAYMENT, id=one.id, label=label, why="reference")
    if found.imported_at is not None:
        yield Hit(name=name, label=f"file, imported at {render_time(found.imported_at)}", why="the file's name")
