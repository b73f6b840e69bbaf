"""What the first page of the console tells of a ledger, each part bounded however large the ledger is.

Many people may have it open at once: what they see is read once for all of them, every few seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from zerosum.db.engine import Database
from zerosum.db.queries.console_overview import NewPayment, newest_payments
from zerosum.domain.errors import Unavailable
from zerosum.domain.money import add
from zerosum.domain.payments.payment import PaymentStatus
from zerosum.services.background.audit_positions import AUDIT_AGE_SECONDS_MAX, AuditPositions
from zerosum.services.balances import Balances, CurrencyTotal
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import PageRequest
from zerosum.services.shared_looks import SharedLooks

LOOKED_BACK = timedelta(hours=1)
LOOKED_AT_MAX = 2_000
"""Payments, the newest: a busy ledger's picture spans less than an hour."""

POINTS = 60
"""Of the picture."""

LIVE_SECONDS = 2.0
TOTALS_SECONDS = 60.0
"""So long what was read holds for everybody. Totals add up every account of the ledger."""

TOTALS_SECONDS_MAX = 600.0
"""So old they may be, as the page tells, while they are added up anew: of a million accounts that takes a while."""

NOT_MOVED = frozenset({PaymentStatus.PROCESSING, PaymentStatus.FAILED})
"""Of these nothing is posted."""

KEPT_MAX = 200
"""Ledgers whose figures are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the self-audit has found. `proved_at` None: no pass through all ledgers has ended yet."""

    proved_at: datetime | None = None
    begun_at: datetime | None = None
    differences: int = 0
    left_out: int = 0
    is_old: bool = False
    """No pass has ended for so long that nothing follows from the last one: the worker is behind, or away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The trial balance in one line a currency, as it was at `as_of`."""

    as_of: datetime
    currencies: Sequence[CurrencyTotal]

    @property
    def is_zero(self) -> bool:
        return not any(total.difference for total in self.currencies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The newest payments: `counts` are those of each `step_seconds`, the oldest first, up to `until`."""

    until: datetime
    step_seconds: float
    counts: Sequence[int]
    number: int
    is_whole: bool
    """Whether the span is LOOKED_BACK; if not, there were more in less time."""
    by_status: Sequence[tuple[str, int]]
    by_currency: Sequence[tuple[str, int, Decimal]]
    """Of those whose money has moved: not of what its processor has declined, or has not answered yet."""

    @property
    def span_seconds(self) -> float:
        return self.step_seconds * len(self.counts)

    @property
    def per_second(self) -> float:
        return self.number / self.span_seconds if self.span_seconds else 0.0


class ConsoleOverview:
    def __init__(
        self, database: Database, balances: Balances, now: Callable[[], datetime], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._balances = balances
        self._now = now
        self._audit = AuditPositions(database, now)
        self._looks = SharedLooks(clock, KEPT_MAX)

    async def proof(self) -> Proof:
        """Of all ledgers: chains and sums are walked again and again, slice by slice."""
        going = await self._audit.find_pass()
        if going is None:
            return Proof()
        since = going.completed_at or going.begun_at
        return Proof(
            is_old=(self._now() - since).total_seconds() > AUDIT_AGE_SECONDS_MAX,
            proved_at=going.completed_at,
            begun_at=going.begun_at,
            differences=going.differences,
            left_out=going.left_out,
        )

    async def totals(self, caller: Caller) -> Totals | None:
        """None where they cannot be added up in time."""

        async def read() -> Totals:
            request = PageRequest(list_name="trial balance", limit=1, filters={})
            # One look: what is on other pages is not asked for, so nothing has to settle.
            found = await self._balances.trial_balance(caller, request, is_pinned=False)
            return Totals(as_of=found.as_of, currencies=found.currencies)

        key = ("totals", caller.ledger_id)
        try:
            return await self._looks.look(key, TOTALS_SECONDS, read, meanwhile_seconds=TOTALS_SECONDS_MAX)
        except Unavailable:
            return None

    async def live(self, caller: Caller) -> Live:
        async def read() -> Live:
            now = self._now()
            async with self._database.work(caller.ledger_id) as connection:
                found = await newest_payments(connection, caller.ledger_id, now - LOOKED_BACK, LOOKED_AT_MAX)
            return live_figures(found, now)

        return await self._looks.look(("live", caller.ledger_id), LIVE_SECONDS, read)


def live_figures(found: Sequence[NewPayment], now: datetime) -> Live:
    """`found` are the newest first."""
    is_whole = len(found) < LOOKED_AT_MAX
    span = LOOKED_BACK if is_whole else max(now - found[-1].made_at, timedelta(seconds=POINTS))
    step = span.total_seconds() / POINTS
    counts = [0] * POINTS
    amounts: dict[str, Decimal] = {}
    for payment in found:
        place = int((payment.made_at - (now - span)).total_seconds() // step)
        counts[min(max(place, 0), POINTS - 1)] += 1
    moved = [payment for payment in found if payment.status not in NOT_MOVED]
    for payment in moved:
        amounts[payment.currency] = add(amounts.get(payment.currency, Decimal()), payment.amount)
    numbers = Counter(payment.currency for payment in moved)
    return Live(
        until=now,
        step_seconds=step,
        counts=counts,
        number=len(found),
        is_whole=is_whole,
        by_status=Counter(payment.status for payment in found).most_common(),
        by_currency=[(currency, number, amounts[currency]) for currency, number in numbers.most_common()],
    )
