"""What a page about an account or an entry tells besides the books themselves: days, reasons, links of the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.account_history import links_of, standings
from zerosum.db.queries.journal import RecordedPosting
from zerosum.db.queries.statements import Explanation, explain
from zerosum.domain.ledger.account import Account
from zerosum.domain.ledger.chain import genesis
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.times import DAY, INSTANT

DAYS_MAX = 90


@dataclass(frozen=True, slots=True)
class DayEnd:
    """What lay in an account when a day of UTC ended, or now of the day that has not ended. As it is known today."""

    at: datetime
    posted: Decimal
    held: Decimal


class AccountHistory:
    def __init__(self, database: Database, currencies: Currencies, now: Callable[[], datetime]) -> None:
        self._database = database
        self._currencies = currencies
        self._now = now

    async def days(self, caller: Caller, account: Account, days: int) -> list[DayEnd]:
        """The ends of the last days, today's being now; the oldest first. No more than DAYS_MAX."""
        now = self._now()
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        ends = [today - DAY * back - INSTANT for back in reversed(range(min(days, DAYS_MAX) - 1))]
        currency = await self._currencies.get(caller.ledger_id, account.state.currency)
        async with self._database.snapshot(caller.ledger_id) as connection:
            found = await standings(connection, caller.ledger_id, account.state.id, [*ends, now])
        return [DayEnd(one.at, currency.scaled(one.posted), currency.scaled(one.held)) for one in found]

    async def explained(
        self, caller: Caller, account_id: UUID, postings: Sequence[RecordedPosting]
    ) -> Mapping[UUID, Explanation]:
        """By entry: why each line of an account is there, and with whom."""
        async with self._database.work(caller.ledger_id) as connection:
            return await explain(connection, caller.ledger_id, account_id, [line.entry_id for line in postings])

    async def links_before(
        self, caller: Caller, postings: Iterable[RecordedPosting]
    ) -> dict[tuple[UUID, int], bytes | None]:
        """By account and version: the hash that each line follows. None of one that follows nothing, and should."""
        lines = list(postings)
        before = {(line.account_id, line.account_version - 1) for line in lines if line.account_version > 1}
        async with self._database.work(caller.ledger_id) as connection:
            found = await links_of(connection, caller.ledger_id, sorted(before))
        return {
            (line.account_id, line.account_version): genesis(caller.ledger_id, line.account_id)
            if line.account_version == 1
            else found.get((line.account_id, line.account_version - 1))
            for line in lines
        }
