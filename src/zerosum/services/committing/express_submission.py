"""A submission that also takes orders between two socket events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.book import LedgerCommand
from zerosum.domain.ledger.outcome import Answer, Posted
from zerosum.services.committing.committer import each_of
from zerosum.services.committing.submission import AnyOrder, Done, Prepared, Submission, View
from zerosum.services.committing.work import Answers
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller


class Undertaken(Protocol[View]):
    """An order that is carried out whoever waits for it."""

    @property
    def outcome(self) -> asyncio.Future[Any]: ...

    def view(self) -> View | None:
        """What was posted, once the outcome is there. None for whatever else has become of it: ask `done`."""

    async def done(self) -> Done[View]:
        """Raises the refusal."""


class ExpressSubmission(Submission[AnyOrder, View]):
    def begin(self, caller: Caller, order: AnyOrder) -> Undertaken[View]:
        """Hand it over; if something it names has to be fetched first, or rules judge it, to a task that does both.

        Raises what is wrong with the order; but only `one` looks whether its key was used before, so ask that.
        """
        if not self.is_unjudged:
            return self._in_a_task(caller, order)  # Whoever judges may have to ask.
        try:
            prepared = self._kind.command(caller, order, is_prepared=False)
        except NotPrepared:
            return self._in_a_task(caller, order)
        return Handed(self, caller, prepared, self.hand_over((prepared.command,)))

    @property
    def is_unjudged(self) -> bool:
        """No rules judge what is handed over."""
        return self._judge is None or self._judge.is_idle

    def hand_over(self, commands: Sequence[LedgerCommand]) -> asyncio.Future[Answers]:
        """Commands that were made of orders otherwise, where nobody judges them."""
        return self._committer.hand_over(commands, is_atomic=False, order_key=None)

    def _in_a_task(self, caller: Caller, order: AnyOrder) -> Fetching[View]:
        return Fetching(asyncio.create_task(self.one(caller, order), name="an order with what it names"))

    def view_of(self, prepared: Prepared, posted: Posted) -> View:
        return self._kind.view(posted, prepared.names)

    async def done(self, caller: Caller, prepared: Prepared, answers: Answers) -> Done[View]:
        """Whatever has become of one order. Raises the refusal."""
        return await self._one_done(caller, prepared, each_of(answers)[0])

    async def done_each(
        self, caller: Caller, prepared: Sequence[Prepared], answers: Sequence[Answer]
    ) -> list[Done[View] | DomainError]:
        """Whatever has become of each of several."""
        return await self._done(caller, prepared, answers)


@dataclass(frozen=True, slots=True)
class Handed(Generic[View]):
    """An order with the committer."""

    desk: ExpressSubmission[AnyOrder, View]  # type: ignore[valid-type]
    caller: Caller
    prepared: Prepared
    outcome: asyncio.Future[Answers]

    def view(self) -> View | None:
        answers = self.outcome.result()
        answer = answers[0]
        return self.desk.view_of(self.prepared, answer) if isinstance(answer, Posted) else None

    async def done(self) -> Done[View]:
        return await self.desk.done(self.caller, self.prepared, await self.outcome)


@dataclass(frozen=True, slots=True)
class Fetching(Generic[View]):
    """An order whose names are being fetched, or that is with the committer since."""

    outcome: asyncio.Task[Done[View]]

    def view(self) -> View | None:
        if self.outcome.cancelled() or self.outcome.exception() is not None:
            return None
        done = self.outcome.result()
        return None if done.is_replay else done.view

    async def done(self) -> Done[View]:
        return await self.outcome
