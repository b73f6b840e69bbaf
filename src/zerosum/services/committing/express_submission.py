"""A submission that also takes orders between two socket events, where all they name is in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic

from zerosum.domain.ledger.outcome import Posted
from zerosum.services.committing.committer import each_of
from zerosum.services.committing.submission import AnyOrder, Done, Prepared, Submission, View
from zerosum.services.committing.work import Answers
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller


class ExpressSubmission(Submission[AnyOrder, View]):
    def begin(self, caller: Caller, order: AnyOrder) -> Handed[View] | None:
        """Hand it over, or None: then nothing was done, and `one` is the way.

        Raises what is wrong with the order; but only `one` looks whether its key was used before, so ask that.
        """
        if self._judge is not None and not self._judge.is_idle:
            return None  # Whoever judges may have to ask.
        try:
            prepared = self._kind.command(caller, order, is_prepared=False)
        except NotPrepared:
            return None
        outcome = self._committer.hand_over((prepared.command,), is_atomic=False, order_key=None)
        return Handed(self, caller, prepared, outcome)

    def view_of(self, prepared: Prepared, posted: Posted) -> View:
        return self._kind.view(posted, prepared.names)

    async def done(self, caller: Caller, prepared: Prepared, answers: Answers) -> Done[View]:
        """Whatever has become of one order. Raises the refusal."""
        return await self._one_done(caller, prepared, each_of(answers)[0])


@dataclass(frozen=True, slots=True)
class Handed(Generic[View]):
    """An order with the committer, which carries it out whoever waits for it."""

    desk: ExpressSubmission[AnyOrder, View]  # type: ignore[valid-type]
    caller: Caller
    prepared: Prepared
    outcome: asyncio.Future[Answers]

    def view(self) -> View | None:
        """What was posted, once the outcome is there. None for whatever else has become of it: ask `done`."""
        answers = self.outcome.result()
        answer = answers[0]
        return self.desk.view_of(self.prepared, answer) if isinstance(answer, Posted) else None

    async def done(self) -> Done[View]:
        """Raises the refusal."""
        return await self.desk.done(self.caller, self.prepared, await self.outcome)
