"""A part of a proof: the totals of branches, beside which pages are read, are what accounts and postings say.

Each seal is compared with the one before it and what was posted in between; the newest totals with the accounts, so
that those they began with are proved, too; and what is kept of dated postings, day by day. That there are none is no
difference: the worker makes them later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.branch_total_proofs import (
    BEGINNING,
    compared_lines,
    newest_seal,
    next_dated_day,
    seals_after,
    wrong_hours,
    wrong_steps,
)
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

SEALS_AT_ONCE = 5
"""With a thousand entries between each and the one before, or where a ledger is very busy with some ten thousand."""

LINES_AT_ONCE = 20
"""The largest are all accounts of a type and currency."""

DAY = timedelta(days=1)


class TotalSealsProof:
    """From each seal to the next."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last = (BEGINNING, BEGINNING)
        self._until: datetime | None = None
        """Those behind it are another's."""

    def position(self) -> dict[str, Any]:
        until = None if self._until is None else self._until.isoformat()
        return {"last": [moment.isoformat() for moment in self._last], "until": until}

    def go_on(self, position: Mapping[str, Any]) -> None:
        if position.get("until") is not None:
            self._until = datetime.fromisoformat(position["until"])
        sealed_at, accounts_until = map(datetime.fromisoformat, position["last"])
        self._last = (sealed_at, accounts_until)

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        ledger_id, limit = self._report.ledger_id, part_of(SEALS_AT_ONCE, share)
        seals = await seals_after(connection, ledger_id, self._last[0], until=self._until, limit=limit)
        for seal in seals:
            own = (seal.sealed_at, max(seal.accounts_until, BEGINNING))
            for branch in await wrong_steps(connection, ledger_id, self._last, own, limit=BREAKS_MAX):
                what = (
                    f"the totals of {_named(branch)} at {_text(own[0])} are not those before, and what was posted since"
                )
                self._report.note(what)
            self._last = own
        return len(seals) < limit


class BranchTotalsProof:
    """The newest ones, of each branch, type and currency."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._after = ("", "", "")

    def position(self) -> dict[str, Any]:
        return {"after": list(self._after)}

    def go_on(self, position: Mapping[str, Any]) -> None:
        branch, type_, currency = position["after"]
        self._after = (str(branch), str(type_), str(currency))

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        ledger_id, limit = self._report.ledger_id, part_of(LINES_AT_ONCE, share)
        seal = await newest_seal(connection, ledger_id)
        rows = await compared_lines(connection, ledger_id, self._after, seal, limit=limit)
        for row in rows:
            if not row.is_right:
                self._report.note(f"the totals of {_named(row.branch)} are not what its accounts come to")
            if not row.is_dated_right:
                self._report.note(f"the dated totals of {_named(row.branch)} are not those of its days and hours")
            self._after = (row.branch, row.type, row.currency)
        return len(rows) < limit


class DatedTotalsProof:
    """Dated postings, by the days and hours in which they happened."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._from = BEGINNING

    def position(self) -> dict[str, Any]:
        return {"from": self._from.isoformat()}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._from = datetime.fromisoformat(position["from"])

    async def take_slice(self, connection: Connection, share: float) -> bool:  # noqa: ARG002 - a day cannot be parted
        """Whether that was the last one."""
        ledger_id = self._report.ledger_id
        day = await next_dated_day(connection, ledger_id, self._from)
        if day is None:
            return True
        for branch in await wrong_hours(connection, ledger_id, day, limit=BREAKS_MAX):
            self._report.note(
                f"the dated totals of {_named(branch)} of the day of {_text(day)} are not its dated postings"
            )
        self._from = day + DAY
        return False


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _named(branch: str) -> str:
    return f"the branch {branch}" if branch else "the whole chart"
