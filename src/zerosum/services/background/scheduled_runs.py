"""Background work: scheduled payments that are due are made, each occurrence once and in its order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.scheduled_payments import DueSchedule, find_due_schedules
from zerosum.domain.errors import InvalidState
from zerosum.domain.identifiers import AccountId, LedgerId, Prefix, ScheduledPaymentId, render_id
from zerosum.domain.ledger.outcome import Answer, Refused
from zerosum.domain.payments.schedule_commands import RunScheduledPayment
from zerosum.domain.payments.schedules import Recurrence, occurrence_key
from zerosum.services.apart import apart
from zerosum.services.background.judged_runs import JudgedRuns
from zerosum.services.background.pacing import posted_of, sweep
from zerosum.services.committing.committer import Committer
from zerosum.services.judging import PaymentRules
from zerosum.services.requests.occurrences import occurrence_at
from zerosum.services.spans import NO_SPANS, Attributes, Spans, Step, StepKind, in_step

AT_ONCE = 25
"""So many are run in one batch: who pays from the same account at that moment waits no longer than for that."""

IN_ONE_TURN = 1_000
"""What is left over is looked for at the next turn, a moment later."""

_log = logging.getLogger(__name__)


class ScheduledRuns:
    """Each run by a command of its own, through the committer, as everything that moves money.

    Its key names the occurrence and holds blanks, which no caller can send: however many workers look, and wherever
    one of them dies, an occurrence is paid once. What fell due while no worker ran is run late, one occurrence of a
    schedule after the other.
    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        now: Callable[[], datetime],
        rules: PaymentRules | None = None,
        spans: Spans = NO_SPANS,
    ) -> None:
        """`rules` judge each payment when it is run, and not when it was ordered."""
        self._judging = None if rules is None else JudgedRuns(database, rules)
        self._database = database
        self._committer = committer
        self._now = now
        self._spans = spans

    async def run_once(self) -> int:
        """How many were run, paid or refused. What cannot be run now is passed by until the next turn."""
        return await sweep(self._database, self._due, self._run, at_once=AT_ONCE, in_one_turn=IN_ONE_TURN)

    async def _due(self, connection: Connection, after: DueSchedule | None, limit: int) -> list[DueSchedule]:
        return await find_due_schedules(connection, self._now(), after, limit)

    async def _run(self, due: Sequence[DueSchedule]) -> int:
        commands: list[RunScheduledPayment] = []
        for schedule in due:
            with apart(_log, "sch_%s cannot be run: when it is due next is not to be told", schedule.id):
                commands.append(_command(schedule))
        steps = {command.id: self._begin(command) for command in commands}
        if self._judging is not None:
            try:
                commands = await self._judging.judged(commands, {id_: step.origin for id_, step in steps.items()})
            except BaseException:
                for step in steps.values():
                    step.end("not_judged")
                raise
        running = [(f"sch_{one.schedule_id}", self._run_one(one, steps[one.id])) for one in commands]
        return await posted_of(_log, "run", running)

    def _begin(self, command: RunScheduledPayment) -> Step:
        """Its order was long ago: it may begin a trace."""
        said: Attributes = {"zerosum.id": render_id(Prefix.SCHEDULED_PAYMENT, command.schedule_id)}
        return self._spans.begin("scheduled payment", StepKind.WORKS, None, said, may_begin=True)

    async def _run_one(self, command: RunScheduledPayment, step: Step) -> Answer:
        with in_step(step) as ended:
            answer = await self._committer.carry_out(command)
            if isinstance(answer, Refused):
                ended.error = answer.refusal.code
        if isinstance(answer, Refused) and answer.refusal.code != InvalidState.code:
            raise answer.refusal
        return answer


def _command(due: DueSchedule) -> RunScheduledPayment:
    next_due_at = None
    if due.rule is not None and due.time_zone is not None and due.occurrence < due.occurrences:
        recurrence = Recurrence(due.rule, due.time_zone)
        next_due_at = occurrence_at(recurrence, due.execute_at, due.occurrence + 1)
    return RunScheduledPayment(
        id=new_uuid(),
        ledger_id=LedgerId(due.ledger_id),
        idempotency_key=occurrence_key(due.id, due.occurrence),
        fingerprint=due.fingerprint,
        actor=due.actor,
        is_remembered=False,
        schedule_id=ScheduledPaymentId(due.id),
        payer_id=AccountId(due.payer_id),
        payee_id=AccountId(due.payee_id),
        occurrence=due.occurrence,
        attempt=due.attempt,
        next_due_at=next_due_at,
    )
