"""Background work: a payment that nobody has approved in its time is refused, as if somebody had."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reviews import DueReview, find_due
from zerosum.domain.identifiers import AccountId, LedgerId, ReviewId
from zerosum.domain.payments.review_commands import RefuseReview
from zerosum.services.background.pacing import posted_of, sweep
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.judging import PaymentRules

AT_ONCE = 20
IN_ONE_TURN = 2_000
"""What is left over is looked for at the next turn."""

ACTOR = "zerosum worker"

_log = logging.getLogger(__name__)


class ReviewExpiry:
    """Each by a command of its own. Its key holds a blank, which no caller can send: a review expires once."""

    def __init__(
        self, database: Database, committer: Committer, rules: PaymentRules, now: Callable[[], datetime]
    ) -> None:
        """`rules` say how long reviews last."""
        self._database = database
        self._committer = committer
        self._rules = rules
        self._now = now

    async def run_once(self) -> int:
        """How many were refused."""
        lasts = (await self._rules.current()).reviews_last
        made_until = self._now() - lasts

        async def due(connection: Connection, after: DueReview | None, limit: int) -> list[DueReview]:
            return await find_due(connection, made_until, after, limit)

        async def refuse(found: Sequence[DueReview]) -> int:
            return await self._refuse(found, lasts)

        return await sweep(self._database, due, refuse, at_once=AT_ONCE, in_one_turn=IN_ONE_TURN)

    async def _refuse(self, due: Sequence[DueReview], lasts: timedelta) -> int:
        calls = [(f"rev_{one.id}", self._committer.carry_out(_command(one, lasts))) for one in due]
        return await posted_of(_log, "refused", calls)


def _command(review: DueReview, lasts: timedelta) -> RefuseReview:
    reason = f"Nobody has decided it within {lasts.days} days."
    return RefuseReview(
        id=new_uuid(),
        ledger_id=LedgerId(review.ledger_id),
        idempotency_key=f"review expiry {review.id}",
        fingerprint=fingerprint("review refusal", {"review": str(review.id), "reason": reason}),
        actor=ACTOR,
        review_id=ReviewId(review.id),
        payer_id=AccountId(review.payer_id),
        payee_id=AccountId(review.payee_id),
        reason=reason,
    )
