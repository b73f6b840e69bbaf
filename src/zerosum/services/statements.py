"""Statements: one account over a span of time, by what happened in the world and not by when it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.balances import Instant, totals_at
from zerosum.db.queries.journal import RecordedPosting, list_effective_postings
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.statements import COUNTERPARTIES_MAX as COUNTERPARTIES_MAX  # shown by the routes
from zerosum.db.queries.statements import Explanation as Explanation
from zerosum.db.queries.statements import count_effective_postings, explain
from zerosum.domain.errors import AccountNotFound, TooManyItems
from zerosum.domain.ledger.account import AccountState, Side
from zerosum.domain.ledger.statements import IssuedStatement, StatementContent
from zerosum.domain.money import add, subtract
from zerosum.services.requests.account_directory import AccountDirectory, AccountName
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.times import INSTANT


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A posting, and the balance after it in the order of the statement.

    `posting.balance_after` is in the order of writing; the two differ where something was written after the fact.
    """

    posting: RecordedPosting
    running_balance: Decimal
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`start` belongs to it, `end` does not. Opening and lines add up to closing."""

    account: AccountName
    start: datetime
    end: datetime
    opening: Decimal
    lines: Sequence[StatementLine]
    closing: Decimal


class Statements:
    def __init__(
        self,
        database: Database,
        directory: AccountDirectory,
        currencies: Currencies,
        *,
        lines_max: int,
    ) -> None:
        self._database = database
        self._directory = directory
        self._currencies = currencies
        self._lines_max = lines_max

    async def get(self, caller: Caller, reference: str, *, start: datetime, end: datetime) -> Statement:
        """Raises AccountNotFound, InvalidId, and TooManyItems for a span with more lines than fit."""
        account = await self._directory.get(caller.ledger_id, reference)
        currency = await self._currencies.get(caller.ledger_id, account.currency)
        async with self._database.snapshot(caller.ledger_id) as connection:
            await look_up_by_key(connection)
            normal_side = (await _state(connection, caller.ledger_id, account.id)).normal_side
            await self._count(connection, caller, account, start, end)
            before = await totals_at(connection, caller.ledger_id, account.id, Instant(effective=start - INSTANT))
            postings = await list_effective_postings(
                connection, caller.ledger_id, account.id, start=start, end=end, limit=self._lines_max
            )
            entry_ids = [posting.entry_id for posting in postings]
            explanations = await explain(connection, caller.ledger_id, account.id, entry_ids)
        opening = currency.scaled(Decimal(0) if before is None else before.posted)
        lines = _running(opening, postings, normal_side, explanations)
        closing = lines[-1].running_balance if lines else opening
        return Statement(account=account, start=start, end=end, opening=opening, lines=lines, closing=closing)

    async def content(
        self, caller: Caller, account: AccountName, *, start: datetime, end: datetime
    ) -> StatementContent:
        """What a statement that is issued now says: one look at the account, at the version it has.

        Raises AccountNotFound and TooManyItems.
        """
        currency = await self._currencies.get(caller.ledger_id, account.currency)
        async with self._database.snapshot(caller.ledger_id) as connection:
            await look_up_by_key(connection)
            state = await _state(connection, caller.ledger_id, account.id)
            lines = await self._count(connection, caller, account, start, end)
            before = await totals_at(connection, caller.ledger_id, account.id, Instant(effective=start - INSTANT))
            after = await totals_at(connection, caller.ledger_id, account.id, Instant(effective=end - INSTANT))
        return StatementContent(
            start=start,
            end=end,
            currency=account.currency,
            opening=currency.scaled(Decimal(0) if before is None else before.posted),
            closing=currency.scaled(Decimal(0) if after is None else after.posted),
            lines=lines,
            account_version=state.version,
            head=state.head,
        )

    async def of_issued(self, caller: Caller, account: AccountName, issued: IssuedStatement) -> Statement:
        """The lines of a statement as they were when it was issued: what was written later has a higher version."""
        content = issued.content
        async with self._database.snapshot(caller.ledger_id) as connection:
            await look_up_by_key(connection)
            normal_side = (await _state(connection, caller.ledger_id, account.id)).normal_side
            postings = await list_effective_postings(
                connection,
                caller.ledger_id,
                account.id,
                start=content.start,
                end=content.end,
                limit=content.lines + 1,
                version_max=content.account_version,
            )
            entry_ids = [posting.entry_id for posting in postings]
            explanations = await explain(connection, caller.ledger_id, account.id, entry_ids)
        lines = _running(content.opening, postings, normal_side, explanations)
        return Statement(
            account=account,
            start=content.start,
            end=content.end,
            opening=content.opening,
            lines=lines,
            closing=content.closing,
        )

    async def _count(
        self, connection: Connection, caller: Caller, account: AccountName, start: datetime, end: datetime
    ) -> int:
        """How many lines it has. Raises TooManyItems."""
        count = await count_effective_postings(
            connection, caller.ledger_id, account.id, start=start, end=end, most=self._lines_max + 1
        )
        if count > self._lines_max:
            raise self._too_long()
        return count

    def _too_long(self) -> TooManyItems:
        return TooManyItems(
            f"The span has more than {self._lines_max} lines: ask for a shorter one, or page through the account's "
            "postings, which take the same times.",
            pointer="from",
            lines_max=self._lines_max,
        )


def _running(
    opening: Decimal,
    postings: Sequence[RecordedPosting],
    normal_side: Side,
    explanations: Mapping[UUID, Explanation],
) -> list[StatementLine]:
    lines: list[StatementLine] = []
    balance = opening
    for posting in postings:
        combine = add if posting.side is normal_side else subtract
        balance = combine(balance, posting.amount)
        lines.append(StatementLine(posting, balance, explanations[posting.entry_id]))
    return lines


async def _state(connection: Connection, ledger_id: UUID, account_id: UUID) -> AccountState:
    found = await find_account(connection, ledger_id, id_=account_id, code=None)
    if found is None:
        raise AccountNotFound("This ledger has no such account.")
    return found.state
