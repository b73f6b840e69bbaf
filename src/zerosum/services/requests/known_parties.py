"""Whom payments and holds are between. It is remembered once it is fixed for ever; until then it is read each time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.parties import Parties, glance_at_payments
from zerosum.domain.errors import DomainError, PaymentNotFound
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.outcome import PostedPair
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller

REMEMBERED_MAX = 50_000
"""Of each kind, in each process; about 30 MB when full."""

Find = Callable[[Database, UUID, Collection[UUID]], Awaitable[dict[UUID, Parties]]]
"""Reads those that there are of a ledger, in a unit of work of its own."""


def in_a_work(find: Callable[[Connection, UUID, Collection[UUID]], Awaitable[dict[UUID, Parties]]]) -> Find:
    async def found(database: Database, ledger_id: UUID, ids: Collection[UUID]) -> dict[UUID, Parties]:
        async with database.work(ledger_id) as connection:
            return await find(connection, ledger_id, ids)

    return found


READ_AT_ONCE_MAX = 2_000
"""So many are looked up in one read; who comes then waits for the next."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One that has not begun yet: whoever comes joins it."""

    ids: set[UUID]
    task: asyncio.Task[None]


class KnownParties:
    """Of one kind of resource: `find` reads them, `missing` is the refusal for what is not there."""

    def __init__(self, database: Database, find: Find, missing: Callable[[], DomainError]) -> None:
        self._database = database
        self._find = find
        self._missing = missing
        self._parties: OrderedDict[tuple[UUID, UUID], Parties] = OrderedDict()
        self._waiting: dict[UUID, _Read] = {}
        self._last: dict[UUID, asyncio.Task[None]] = {}
        """Of each ledger the read that was begun last: one at a time, so that those who come meanwhile share one."""

    def known(self, ledger_id: UUID, id_: UUID, *, is_prepared: bool) -> Parties:
        """Raises NotPrepared, and what is missing once it was looked for."""
        found = self._parties.get((ledger_id, id_))
        if found is None:
            raise self._missing() if is_prepared else NotPrepared
        if not found.is_final and not is_prepared:
            raise NotPrepared
        return found

    async def load(self, ledger_id: UUID, ids: Collection[UUID]) -> list[Parties]:
        """Remember these. Those that there are."""
        wanted = []
        for id_ in ids:
            if (ledger_id, id_) in self._parties and self._parties[ledger_id, id_].is_final:
                self._parties.move_to_end((ledger_id, id_))  # About to be asked for.
            else:
                wanted.append(id_)
        if wanted:
            await asyncio.shield(self._joined(ledger_id, wanted))
        return [self._parties[ledger_id, id_] for id_ in ids if (ledger_id, id_) in self._parties]

    def _joined(self, ledger_id: UUID, wanted: Collection[UUID]) -> asyncio.Task[None]:
        """A read of these, and of what else is asked for while another read of the ledger is under way."""
        waiting = self._waiting.get(ledger_id)
        if waiting is not None and len(waiting.ids) + len(wanted) <= READ_AT_ONCE_MAX:
            waiting.ids.update(wanted)
            return waiting.task
        ids = set(wanted)
        task = asyncio.create_task(self._read(ledger_id, ids, self._last.get(ledger_id)), name="known parties")
        self._waiting[ledger_id] = _Read(ids, task)
        self._last[ledger_id] = task
        return task

    async def _read(self, ledger_id: UUID, ids: Collection[UUID], before: asyncio.Task[None] | None) -> None:
        own = self._waiting[ledger_id]
        if before is not None:
            await asyncio.wait({before})
        if self._waiting.get(ledger_id) is own:
            del self._waiting[ledger_id]
        try:
            for id_, parties in (await self._find(self._database, ledger_id, ids)).items():
                self.remember(ledger_id, id_, parties)
        finally:
            if self._last.get(ledger_id) is own.task:
                del self._last[ledger_id]

    def remember(self, ledger_id: UUID, id_: UUID, parties: Parties) -> None:
        self._parties[ledger_id, id_] = parties
        self._parties.move_to_end((ledger_id, id_))  # It may have been there, and is about to be asked for.
        while len(self._parties) > REMEMBERED_MAX:
            self._parties.popitem(last=False)


def known_payments(database: Database) -> KnownParties:
    """What refunds and disputes are about."""
    return KnownParties(database, glance_at_payments, lambda: PaymentNotFound("This ledger has no such payment."))


def paid_between(posted: PostedPair, codes: Mapping[UUID, str]) -> Parties:
    """Of a payment that was made as a plain pair: it was final at once."""
    payment = posted.resource
    payer_id, payee_id = payment.payer_id, payment.payee_id
    return Parties(
        payer_id,
        codes[payer_id],
        payee_id,
        codes[payee_id],
        payment.money.currency.code,
        processor=payment.processor,
    )


def members_between(parties: Parties, caller: Caller, key: str, fingerprint: bytes) -> dict[str, Any]:
    """What every command about something between these two accounts bears."""
    return {
        "id": new_uuid(),
        "ledger_id": caller.ledger_id,
        "idempotency_key": key,
        "fingerprint": fingerprint,
        "actor": caller.actor,
        "codes": {parties.payer_id: parties.payer_code, parties.payee_id: parties.payee_code},
        "payer_id": AccountId(parties.payer_id),
        "payee_id": AccountId(parties.payee_id),
    }
