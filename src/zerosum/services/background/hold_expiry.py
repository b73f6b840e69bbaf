"""Background work: what is still held by holds whose time is over is set free."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.holds import DueHold, find_due
from zerosum.domain.identifiers import AccountId, HoldId, LedgerId, Prefix, render_id
from zerosum.domain.ledger.outcome import Answer, Refused
from zerosum.domain.payments.hold_commands import ExpireHold
from zerosum.services.background.pacing import posted_of, sweep
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.spans import NO_SPANS, Spans, StepKind, in_step

AT_ONCE = 10
"""So many are released in one batch: who pays at the same moment waits no longer than for that."""

IN_ONE_TURN = 2_000
"""What is left over is looked for at the next turn, a moment later."""

ACTOR = "zerosum worker"

_log = logging.getLogger(__name__)


class HoldExpiry:
    """Each hold by a command of its own, through the committer, as everything that moves what is held.

    Its key holds a blank, which no caller can send: a hold expires once, however many workers look.
    """

    def __init__(
        self, database: Database, committer: Committer, now: Callable[[], datetime], spans: Spans = NO_SPANS
    ) -> None:
        self._database = database
        self._committer = committer
        self._now = now
        self._spans = spans

    async def run_once(self) -> int:
        """How many were released. What cannot be released now is passed by, and looked at again at the next turn."""
        return await sweep(self._database, self._due, self._release, at_once=AT_ONCE, in_one_turn=IN_ONE_TURN)

    async def _due(self, connection: Connection, after: DueHold | None, limit: int) -> list[DueHold]:
        return await find_due(connection, self._now(), after, limit)

    async def _release(self, due: Sequence[DueHold]) -> int:
        return await posted_of(_log, "released", [(f"hold_{hold.id}", self._release_one(hold)) for hold in due])

    async def _release_one(self, hold: DueHold) -> Answer:
        """Nobody has asked for it: it may begin a trace."""
        said = {"zerosum.id": render_id(Prefix.HOLD, hold.id)}
        with in_step(self._spans.begin("hold expiry", StepKind.WORKS, None, said, may_begin=True)) as ended:
            answer = await self._committer.carry_out(_command(hold))
            if isinstance(answer, Refused):
                ended.error = answer.refusal.code
            return answer


def _command(hold: DueHold) -> ExpireHold:
    return ExpireHold(
        id=new_uuid(),
        ledger_id=LedgerId(hold.ledger_id),
        idempotency_key=f"hold expiry {hold.id}",
        fingerprint=fingerprint("hold expiry", {"hold": str(hold.id)}),
        actor=ACTOR,
        is_remembered=False,
        hold_id=HoldId(hold.id),
        payer_id=AccountId(hold.payer_id),
        payee_id=AccountId(hold.payee_id),
    )
