"""What the committer counts for metrics: plain numbers, a batch at a time wherever that says enough.

What a batch waits for is measured where it waits, on its connection, so that whoever decides and writes knows nothing
of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self

from zerosum.db.batch import AccountKey, BatchConnection
from zerosum.db.batch.loading import Loader
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer, PostedPair, Refused, Replayed
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR
from zerosum.domain.payments.review_commands import JudgedPayment
from zerosum.services.committing.work import Answers, Work
from zerosum.services.tallies import Counts, Hottest, Spread, Spreads

COMMANDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
DEPTHS = (0.0, 1.0, 10.0, 100.0, 1000.0, 5000.0, 10000.0, 20000.0)
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

SLOW_LOCK_SECONDS = 0.005
"""Who waits so long for rows waits for somebody: the accounts of the batch are noted, and the hot one recurs."""

IN_STEPS = ("steps",)
IN_ONE_TRIP = ("one_trip",)

POSTED, PROPOSED, HELD, REPLAYED, REFUSED = "posted", "proposed", "held", "replayed", "refused"

_HUMP = re.compile("(?<=[a-z])(?=[A-Z])", re.ASCII)
_names: dict[type, str] = {}


class CommitTally:
    """Of one process, over all its lanes."""

    def __init__(self) -> None:
        self.batch_commands = Spread(COMMANDS)
        self.queue_depth = Spread(DEPTHS)
        self.queue_wait = Spread(SECONDS)
        self.lock_wait = Spread(SECONDS)
        self.commit = Spreads(SECONDS)
        self.batch = Spread(SECONDS)
        self.answers = Counts()
        """By command, outcome and the code of a refusal."""
        self.payments = Counts()
        """By type, processor, outcome and the code of a refusal."""
        self.amounts = Counts()
        self.waited_for = Hottest()
        self.found_held = Hottest()

    def took(self, commands: int, waiting: int, seconds: float) -> None:
        """A batch was taken on, and left so many in the queue; its first one had waited so long."""
        self.batch_commands.observe(commands)
        self.queue_depth.observe(waiting)
        self.queue_wait.observe(max(0.0, seconds))

    def locked(self, keys: Iterable[AccountKey], seconds: float) -> None:
        self.lock_wait.observe(seconds)
        if seconds >= SLOW_LOCK_SECONDS:
            for _, account_id in keys:
                self.waited_for.add(account_id, seconds)

    def count(self, works: Sequence[Work], answers: Sequence[Answers]) -> None:
        """What is committed and about to be answered.

        Plain payments, which nearly all are, are added up here first: a third of what each by itself would cost.
        """
        plain: dict[tuple[str, str], list[Any]] = {}
        for work, told in zip(works, answers, strict=True):
            if isinstance(told, tuple):
                self._count_one(work.commands[told[0]], told[1])
                continue
            for command, answer in zip(work.commands, told, strict=True):
                if type(command) is not Pay or type(answer) is not PostedPair:
                    self._count_one(command, answer)
                    continue
                money = command.money
                key = (command.type._value_, money.currency.code)
                if (sums := plain.get(key)) is None:
                    plain[key] = [1, money.amount]
                else:
                    sums[0] += 1
                    sums[1] += money.amount
        for (type_, currency), (number, amount) in plain.items():
            self.answers.add(("pay", POSTED, ""), number)
            self.payments.add((type_, INTERNAL_PROCESSOR, POSTED, ""), number)
            self.amounts.add((currency,), float(amount))

    def _count_one(self, command: LedgerCommand, answer: Answer) -> None:
        outcome, code = _outcome(answer)
        kind = type(command)
        self.answers.add((_names.get(kind) or _name(kind), outcome, code))
        payment = command.payment if isinstance(command, JudgedPayment) else command
        if not isinstance(payment, Pay):
            return
        processor = getattr(payment, "processor", INTERNAL_PROCESSOR)
        if outcome is POSTED and type(answer) is not PostedPair:
            outcome = _at_length(answer, processor)
        self.payments.add((payment.type.value, processor, outcome, code))
        if outcome is POSTED or outcome is PROPOSED:
            self.amounts.add((payment.money.currency.code,), float(payment.money.amount))


def _outcome(answer: Answer) -> tuple[str, str]:
    if isinstance(answer, Refused):
        return REPLAYED if answer.is_replay else REFUSED, answer.refusal.code
    if isinstance(answer, Replayed):
        return REPLAYED, ""
    return POSTED, ""


def _at_length(answer: Any, processor: str) -> str:
    if not answer.entries:
        return HELD
    return POSTED if processor == INTERNAL_PROCESSOR else PROPOSED


def _name(kind: type) -> str:
    """`ChangeHold` is told as `change_hold`. There are as many as there are commands."""
    name = _names[kind] = _HUMP.sub("_", kind.__name__).lower()
    return name


class MeasuredConnection(BatchConnection):
    """A lane's connection that says how long was waited on it."""

    tally: CommitTally

    @classmethod
    async def measuring(cls, tally: CommitTally, url: str, connect_seconds_max: float) -> Self:
        """As `open`."""
        connection = await cls.open(url, connect_seconds_max)
        connection.tally = tally
        connection.loader = _MeasuredLoader(connection.fetch, tally)
        return connection

    async def post(self, statement: str, arguments: Sequence[Any], seconds_max: float) -> tuple[str, int | None]:
        begun = time.perf_counter()
        told = await super().post(statement, arguments, seconds_max)
        self.tally.commit.observe(IN_ONE_TRIP, time.perf_counter() - begun)
        return told

    async def commit(self, seconds_max: float) -> None:
        begun = time.perf_counter()
        await super().commit(seconds_max)
        self.tally.commit.observe(IN_STEPS, time.perf_counter() - begun)


class _MeasuredLoader(Loader):
    def __init__(self, fetch: Any, tally: CommitTally) -> None:
        super().__init__(fetch, is_locking=True)
        self._tally = tally

    async def accounts(self, wanted: Collection[AccountKey], *, skip_locked: bool = False) -> list[AccountState]:
        begun = time.perf_counter()
        found = await super().accounts(wanted, skip_locked=skip_locked)
        if not skip_locked:
            self._tally.locked(wanted, time.perf_counter() - begun)
        return found

    async def versions(self, wanted: Collection[AccountKey]) -> dict[AccountKey, int]:
        """Asked for those only that somebody else holds."""
        found = await super().versions(wanted)
        for _, account_id in found:
            self._tally.found_held.add(account_id, 1)
        return found
