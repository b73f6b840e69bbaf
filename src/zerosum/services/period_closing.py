"""Closing a period.

| step | what | holds locked |
| --- | --- | --- |
| 1 | the closing is written and committed: from then on nothing new is dated before its end | a name of its own |
| 2 | whoever was writing then is waited for: what is dated before the end does not change any more | nothing |
| 3 | the balances are read, some accounts at a time, and digested | nothing |
| 4 | the seal is written, with event, log and what the key is to answer | a name of its own |

No payment waits for any of it. Where it is cut off after step 1, whoever asks for the same period again goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from zerosum.db.advisory_locks import lock_until_commit
from zerosum.db.batch import UsedKey, unlocked_loader
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.answers import insert_answer
from zerosum.db.queries.events import NewEvent, insert_events
from zerosum.db.queries.ledgers import find_ledger
from zerosum.db.queries.periods import (
    RecordedClosing,
    find_closing,
    insert_closing,
    insert_seal,
    newest_posting,
    sealed_lines,
)
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import LedgerNotFound, PeriodClosed, PeriodClosing, PeriodNotFound, PeriodNotOver
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.chain import microseconds
from zerosum.domain.ledger.outcome import OWN_ID, RECORDED_ID
from zerosum.domain.ledger.period_seal import closing_hash, no_balances, no_closings, with_balance
from zerosum.domain.ledger.periods import Period, closed_facts
from zerosum.domain.moments import render_time
from zerosum.domain.money import add, render_amount
from zerosum.services.audit import audit_record, audited
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import Done
from zerosum.services.committing.work import key_reused
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.settled_time import CLOCKS_APART_MAX, SettledTime
from zerosum.services.requests.time_zones import parse_time_zone

OVER_FOR = 2 * CLOCKS_APART_MAX
"""So long a period has ended before it can be closed: then no clock that is right shows a time that lies in it."""

ACCOUNTS_AT_ONCE = 250
"""Whose balances are read in one transaction. Then it rests for as long as that took: half of the time is others'."""

_ZERO = Decimal(0)


@dataclass(slots=True)
class _Balances:
    """What was digested so far."""

    digest: bytes
    accounts: int
    totals: dict[str, tuple[Decimal, Decimal]]


class PeriodCloser:
    def __init__(
        self,
        database: Database,
        currencies: Currencies,
        settled: SettledTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._currencies = currencies
        self._settled = settled
        self._now = now

    async def close(self, caller: Caller, period_id: str, key: str, note: str | None = None) -> Done[RecordedClosing]:
        """The note is for the security log.

        Raises InvalidId, PeriodNotOver, PeriodClosed, PeriodClosing for another one, and IdempotencyKeyReused.
        """
        asked = fingerprint("period close", {"period": period_id, "note": note})
        async with self._database.work(caller.ledger_id) as connection:
            await lock_until_commit(connection, _lock_name(caller))
            replayed = await self._replayed(connection, caller, key, asked)
            if replayed is not None:
                return replayed
            closing = await self._begun(connection, caller, period_id)
        recorded_until = await self._settled.reach(caller.ledger_id)
        async with self._database.work(caller.ledger_id) as connection:
            # A clock that was ahead has written later times than ours; they belong to what was written by now.
            newest = await newest_posting(connection, caller.ledger_id)
        recorded_until = max(recorded_until, newest or recorded_until)
        balances = await self._digested(closing, recorded_until)
        told = await self._with_totals(closing, recorded_until, balances)
        return await self._seal(caller, told, key=key, asked=asked, note=note)

    async def _replayed(
        self, connection: Connection, caller: Caller, key: str, asked: bytes
    ) -> Done[RecordedClosing] | None:
        found = await unlocked_loader(connection).used_keys([(caller.ledger_id, key)])
        used: UsedKey | None = found.get((caller.ledger_id, key))
        if used is None:
            return None
        if used.fingerprint != asked or used.content is None:
            raise key_reused()
        return Done(await closing_of(connection, caller, used.content[OWN_ID]), is_replay=True)

    async def _begun(self, connection: Connection, caller: Caller, period_id: str) -> RecordedClosing:
        """Step 1; or the same closing, where it was begun before and not ended."""
        period, time_zone = await period_of(connection, caller, period_id)
        newest = await find_closing(connection, caller.ledger_id)
        if newest is not None and newest.recorded_until is None:
            if newest.period == period_id:
                return newest
            raise unfinished(newest.period)
        if newest is not None and period.ends_at <= newest.ends_at:
            raise PeriodClosed("The period is closed already.", **closed_facts(period_id, newest.ends_at))
        same = await find_closing(connection, caller.ledger_id, period=period_id)
        if same is not None:  # in another time zone
            raise PeriodClosed("A period of this name is closed already.", **closed_facts(period_id, same.ends_at))
        begun_at = self._now()
        if period.ends_at + OVER_FOR > begun_at:
            raise PeriodNotOver(
                "A period is closed when it has ended.", period=period_id, ends_at=render_time(period.ends_at)
            )
        closing = RecordedClosing(
            ledger_id=caller.ledger_id,
            number=1 if newest is None else newest.number + 1,
            id=new_uuid(),
            period=period_id,
            time_zone=time_zone,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            begun_at=begun_at,
            actor=caller.actor,
        )
        await insert_closing(connection, closing)
        return closing

    async def _digested(self, closing: RecordedClosing, recorded_until: datetime) -> _Balances:
        """Step 3. What it reads does not change any more, so it may read it in pieces."""
        found = _Balances(no_balances(closing.ledger_id), 0, {})
        after = FIRST_ID
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            async with self._database.work(closing.ledger_id) as connection:
                page = await sealed_lines(
                    connection,
                    closing.ledger_id,
                    ends_at=closing.ends_at,
                    recorded_until=recorded_until,
                    after=after,
                    limit=ACCOUNTS_AT_ONCE,
                )
            for line in page:
                debits, credits_ = Decimal(line.debits), Decimal(line.credits)
                if debits or credits_:
                    found.digest = with_balance(found.digest, line.id, line.currency, line.debits, line.credits)
                    found.accounts += 1
                    so_far = found.totals.get(line.currency, (_ZERO, _ZERO))
                    found.totals[line.currency] = add(so_far[0], debits), add(so_far[1], credits_)
            if len(page) < ACCOUNTS_AT_ONCE:
                return found
            after = page[-1].id
            await asyncio.sleep(loop.time() - begun)

    async def _with_totals(
        self, closing: RecordedClosing, recorded_until: datetime, balances: _Balances
    ) -> RecordedClosing:
        totals = []
        for code, (debits, credits_) in sorted(balances.totals.items()):
            currency = await self._currencies.get(closing.ledger_id, code)
            totals.append(
                {
                    "currency": code,
                    "debits": render_amount(currency.scaled(debits)),
                    "credits": render_amount(currency.scaled(credits_)),
                }
            )
        return replace(
            closing,
            recorded_until=recorded_until,
            accounts=balances.accounts,
            totals=totals,
            digest=balances.digest,
        )

    async def _seal(
        self, caller: Caller, closing: RecordedClosing, *, key: str, asked: bytes, note: str | None
    ) -> Done[RecordedClosing]:
        """Step 4, unless somebody else who went on with the same closing was first."""
        ledger_id = caller.ledger_id
        async with self._database.work(ledger_id) as connection:
            await lock_until_commit(connection, _lock_name(caller))
            replayed = await self._replayed(connection, caller, key, asked)
            if replayed is not None:
                return replayed
            stored = await find_closing(connection, ledger_id, number=closing.number)
            if stored is None or stored.recorded_until is not None:
                raise PeriodClosed("The period is closed already.", **closed_facts(closing.period, closing.ends_at))
            before = await find_closing(connection, ledger_id, number=closing.number - 1)
            previous = no_closings(ledger_id) if before is None or before.hash is None else before.hash
            sealed = replace(closing, sealed_at=self._now())
            sealed = replace(sealed, hash=closing_hash(previous, sealed_texts(sealed)))
            await insert_seal(connection, sealed)
            await insert_events(connection, [_event(sealed)])
            remembered = {RECORDED_ID: str(sealed.id), OWN_ID: sealed.period}
            resource = ResourceType.PERIOD, sealed.id
            moment = _there(sealed.sealed_at)
            await insert_answer(connection, (ledger_id, key), asked, resource, remembered, moment)
            facts = {"number": sealed.number, "ends_at": render_time(sealed.ends_at)}
            record = audit_record(
                AuditType.PERIOD_CLOSED, caller, moment, resource=sealed.period, reason=note, facts=facts
            )
            await audited(connection, record)
        return Done(sealed)


def sealed_texts(closing: RecordedClosing) -> list[str]:
    """All that a closing and its seal say, in the order in which it is hashed."""
    moments = [closing.starts_at, closing.ends_at, closing.begun_at]
    sealed = [_there(closing.recorded_until), _there(closing.sealed_at)]
    return [
        str(closing.number),
        str(closing.id),
        closing.period,
        closing.time_zone,
        closing.actor,
        *(str(microseconds(moment)) for moment in (*moments, *sealed)),
        str(closing.accounts),
        (closing.digest or b"").hex(),
        *(f"{total['currency']}|{total['debits']}|{total['credits']}" for total in closing.totals or ()),
    ]


async def period_of(connection: Connection, caller: Caller, period_id: str) -> tuple[Period, str]:
    ledger = await find_ledger(connection, caller.ledger_id)
    if ledger is None:
        raise LedgerNotFound("There is no such ledger.")
    return Period.parse(period_id, parse_time_zone(ledger.time_zone)), ledger.time_zone


async def closing_of(connection: Connection, caller: Caller, period_id: str) -> RecordedClosing:
    found = await find_closing(connection, caller.ledger_id, period=period_id)
    if found is None:
        raise PeriodNotFound("The ledger has closed no such period.")
    return found


def _event(closing: RecordedClosing) -> NewEvent:
    data: dict[str, Any] = {
        "period": closing.period,
        "number": closing.number,
        "time_zone": closing.time_zone,
        "starts_at": render_time(closing.starts_at),
        "ends_at": render_time(closing.ends_at),
        "accounts": closing.accounts,
        "totals": closing.totals,
        "hash": (closing.hash or b"").hex(),
    }
    return NewEvent(
        ledger_id=closing.ledger_id,
        id=closing.id,
        type=EventType.PERIOD_CLOSED,
        resource_type=ResourceType.PERIOD,
        resource_id=None,
        created_at=_there(closing.sealed_at),
        data=data,
    )


def unfinished(period: str) -> PeriodClosing:
    return PeriodClosing("Its closing was begun and is not ended: ask for the closing again.", period=period)


def _there(moment: datetime | None) -> datetime:
    if moment is None:
        raise LookupError("a closing that is not sealed")
    return moment


def _lock_name(caller: Caller) -> str:
    return f"periods:{caller.ledger_id}"
