"""Closed periods: their seals follow from each other, their balances from postings, and nothing came in behind them.

All closings are proved in one pass over the postings: each posting belongs to the first closing that had it, dated
before the end and written before the seal, and to all that follow. It shares no code with what seals
(`domain/ledger/period_seal.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.period_proofs import (
    PeriodSums,
    closings_with_seals,
    late_entries_without_entry,
    overridden_among,
    period_sums_after,
)
from zerosum.db.queries.proofs import FIRST_ID
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.report import BREAKS_MAX, Report, part_of

ACCOUNTS_AT_ONCE = 500

_EXACT = Context(prec=100, traps=[Inexact])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)


class PeriodsProof:
    """`on_closing` is told of each seal: the proof of events counts them. Closings of later are left to the next."""

    def __init__(self, report: Report, on_closing: Callable[[Any], None]) -> None:
        self._report = report
        self._on_closing = on_closing
        self._after = FIRST_ID
        self._digests: list[str] | None = None
        """Of the closings so far, in their order; None before they were looked at."""
        self._totals: list[dict[str, list[str]]] = []
        self._accounts: list[int] = []

    def position(self) -> dict[str, Any]:
        return {
            "after": str(self._after),
            "digests": self._digests,
            "totals": self._totals,
            "accounts": self._accounts,
        }

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = UUID(position["after"])
        digests = position["digests"]
        self._digests = None if digests is None else [*map(str, digests)]
        self._totals = [*position["totals"]]
        self._accounts = [*map(int, position["accounts"])]

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report = self._report
        closings = await closings_with_seals(connection, report.ledger_id)
        if self._digests is None:
            await self._begin(connection, closings)
        sealed = closings[: len(self._digests or ())]
        if not sealed:
            return True
        limit = part_of(ACCOUNTS_AT_ONCE, share)
        rows, last = await period_sums_after(connection, report.ledger_id, sealed, after=self._after, limit=limit)
        for (account_id, currency), own in groupby(rows, key=attrgetter("account_id", "currency")):
            with report.noting("the postings to the account in closed periods cannot be read", account_id):
                self._take(account_id, currency, list(own))
        await self._look_for_strays(connection, rows)
        if last is not None:
            self._after = last
            return False
        for place, closing in enumerate(sealed):
            with report.noting(f"the seal of the period {closing.period} cannot be read"):
                self._compare(place, closing)
        return True

    async def _begin(self, connection: Connection, closings: Sequence[Any]) -> None:
        """What closings say of each other, and late entries of nothing."""
        report = self._report
        head = hashlib.sha256(b"zerosum.periods-genesis.v1" + report.ledger_id.bytes).digest()
        sealed = 0
        for place, closing in enumerate(closings, start=1):
            what = f"the closing {place} of periods"
            with report.noting(f"{what} cannot be read"):
                if closing.number != place:
                    report.note(f"{what} is missing")
                if closing.sealed_at is None:
                    if place < len(closings):
                        report.note(f"{what} has no seal")
                    break
                if _hash_of(head, closing) != closing.hash:
                    report.note(f"{what} does not follow from what it says and from the one before")
                head = closing.hash
                self._on_closing(_Announced(closing))
                sealed += 1
        genesis = hashlib.sha256(b"zerosum.period-balances.v1" + report.ledger_id.bytes).hexdigest()
        self._digests, self._accounts = [genesis] * sealed, [0] * sealed
        self._totals = [{} for _ in range(sealed)]
        for id_ in await late_entries_without_entry(connection, report.ledger_id, limit=BREAKS_MAX):
            report.note(f"the late entry {render_id(Prefix.JOURNAL_ENTRY, id_)} has no journal entry")

    def _take(self, account_id: UUID, currency: str, sums: Sequence[PeriodSums]) -> None:
        """One account: what was posted to it in each closing is in those that follow, too."""
        digests = self._digests or []
        by_place = {row.place: row for row in sums}
        debits = credits_ = _NOTHING
        for place, digest in enumerate(digests):
            row = by_place.get(place)
            if row is not None:
                debits = _EXACT.add(debits, Decimal(row.debits))
                credits_ = _EXACT.add(credits_, Decimal(row.credits))
            if debits or credits_:
                own = f"{account_id}|{currency}|{_short(debits)}|{_short(credits_)}"
                digests[place] = hashlib.sha256(bytes.fromhex(digest) + own.encode()).hexdigest()
                self._accounts[place] += 1
                before = self._totals[place].get(currency, ["0", "0"])
                self._totals[place][currency] = [
                    _short(_EXACT.add(Decimal(so_far), own_sum))
                    for so_far, own_sum in zip(before, (debits, credits_), strict=True)
                ]

    async def _look_for_strays(self, connection: Connection, rows: Sequence[PeriodSums]) -> None:
        """What was written into closed time after its seal, and nobody has overridden that."""
        found = {id_: row.account_id for row in rows for id_ in row.late_ids or ()}
        if not found:
            return
        overridden = await overridden_among(connection, self._report.ledger_id, list(found))
        for id_ in sorted(found.keys() - overridden):
            name = render_id(Prefix.JOURNAL_ENTRY, id_)
            self._report.note(f"the journal entry {name} was put into a period after its closing", found[id_])

    def _compare(self, place: int, closing: Any) -> None:
        digests = self._digests or []
        is_so = (closing.accounts, closing.digest.hex()) == (self._accounts[place], digests[place])
        told = {
            one["currency"]: [_short(Decimal(one["debits"])), _short(Decimal(one["credits"]))] for one in closing.totals
        }
        if not is_so or told != self._totals[place]:
            self._report.note(f"the balances of the period {closing.period} are not those that were sealed")


class _Announced:
    """A closing, as the proof of events knows entries."""

    resource_type, reason, resource_id = "period", "closed", None

    def __init__(self, closing: Any) -> None:
        self.id, self.posted_at = closing.id, str(_micros(closing.sealed_at))


def _hash_of(previous: bytes, closing: Any) -> bytes:
    """As `docs/ARCHITECTURE.md` describes it."""
    moments = ("starts_at", "ends_at", "begun_at", "recorded_until", "sealed_at")
    texts = [
        str(closing.number),
        str(closing.id),
        closing.period,
        closing.time_zone,
        closing.actor,
        *(str(_micros(getattr(closing, name))) for name in moments),
        str(closing.accounts),
        closing.digest.hex(),
        *("|".join((total["currency"], total["debits"], total["credits"])) for total in closing.totals),
    ]
    content = b"".join(b"%d:%b," % (len(text.encode()), text.encode()) for text in texts)
    return hashlib.sha256(b"zerosum.period.v1" + previous + content).digest()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _short(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
