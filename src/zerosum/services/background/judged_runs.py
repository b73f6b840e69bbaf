"""Scheduled payments under the rules: each is judged when it is run, as a payment of that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from zerosum.db.batch.record_sets import stored_money
from zerosum.db.engine import Database
from zerosum.db.queries.scheduled_payments import RecordedSchedule, find_schedules
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.money import render_amount
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.schedule_commands import RunScheduledPayment
from zerosum.domain.traces import TraceOrigin
from zerosum.services.judging import PaymentRules, Rules
from zerosum.services.spans import in_trace

UNATTENDED = "A scheduled payment cannot wait for a review."


class JudgedRuns:
    def __init__(self, database: Database, rules: PaymentRules) -> None:
        self._database = database
        self._rules = rules

    async def judged(
        self, runs: Sequence[RunScheduledPayment], origins: Mapping[UUID, TraceOrigin | None]
    ) -> list[RunScheduledPayment]:
        """In another order: ledger by ledger. All at once: who hangs is waited for once, and not once for each."""
        rules = await self._rules.current()
        if rules.is_empty:
            return list(runs)
        by_ledger = groupby(sorted(runs, key=attrgetter("ledger_id")), key=attrgetter("ledger_id"))
        judging = [self._judged_of(ledger_id, list(own), rules, origins) for ledger_id, own in by_ledger]
        return [run for own in await asyncio.gather(*judging) for run in own]

    async def _judged_of(
        self,
        ledger_id: LedgerId,
        runs: Sequence[RunScheduledPayment],
        rules: Rules,
        origins: Mapping[UUID, TraceOrigin | None],
    ) -> list[RunScheduledPayment]:
        async with self._database.work(ledger_id) as connection:
            found = await find_schedules(connection, ledger_id, [run.schedule_id for run in runs])
        payments = [_payment(run, found[run.schedule_id]) for run in runs]
        with in_trace(*[origins[run.id] for run in runs]):
            rulings = await self._rules.rulings(rules, payments, [UNATTENDED for _ in runs])
        return [
            replace(run, payment=payment, ruling=None if ruling.is_clear else ruling)
            for run, payment, ruling in zip(runs, payments, rulings, strict=True)
        ]


def _payment(run: RunScheduledPayment, schedule: RecordedSchedule) -> Pay:
    """What it will pay, which never changes."""
    return Pay(
        id=run.id,
        ledger_id=run.ledger_id,
        idempotency_key=run.idempotency_key,
        fingerprint=run.fingerprint,
        actor=schedule.actor,
        metadata=schedule.metadata,
        codes={schedule.payer_id: schedule.payer_code, schedule.payee_id: schedule.payee_code},
        type=schedule.type,
        money=stored_money(render_amount(schedule.amount), schedule.currency),
        payer_id=run.payer_id,
        payee_id=run.payee_id,
        texts=schedule.texts,
    )
