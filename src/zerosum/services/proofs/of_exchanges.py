"""Exchanges: what each says follows from its rate, in fractions, and is what its entry moved in both currencies."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from uuid import UUID

import orjson

from zerosum.db.engine import Connection
from zerosum.db.queries.exchange_proofs import exchanges_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.of_fingerprints import is_exchange_of
from zerosum.services.proofs.report import Report, part_of

EXCHANGES_AT_ONCE = 1_000


class ExchangesProof(BehindIds):
    """`places` are those of the ledger's currencies."""

    def __init__(self, report: Report, places: Mapping[str, int]) -> None:
        self._report = report
        self._places = places

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(EXCHANGES_AT_ONCE, share)
        rows = await exchanges_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            what, concerned = f"the exchange {render_id(Prefix.EXCHANGE, row.id)}", (row.payer_id, row.payee_id)
            with report.noting(f"{what} or its journal entry cannot be read", concerned=concerned):
                fault = self._fault_of(row)
                if fault is not None:
                    report.note(f"{what} {fault}", concerned=concerned)
            self._after = row.id
        return len(rows) < limit

    def _fault_of(self, row: Any) -> str | None:
        if not row.has_entry or (row.resource_type, row.reason) != ("exchange", "exchange"):
            return "has no journal entry"
        unit = Fraction(1, 10 ** self._places[row.bought_currency])
        exact = Fraction(row.amount) * Fraction(row.rate)
        said = [Fraction(text or 0) for text in (row.exact, row.difference, row.margin, row.bought, row.gain)]
        if said != (self._sold(row, exact, unit) if row.gain is None else self._bought(row, exact, unit)):
            return "is not what its rate makes of it"
        if _moved(row) != _expected(row):
            return "is not what its journal entry moved"
        if not is_exchange_of(row):
            return "is not what was ordered: its journal entry has another fingerprint"
        return None

    @staticmethod
    def _sold(row: Any, exact: Fraction, unit: Fraction) -> list[Fraction]:
        """What must come of what was sold."""
        whole = _rounded(exact, unit, row.rounding)
        margin = _rounded(whole * Fraction(row.margin_percent or 0) / 100, unit, row.rounding)
        return [exact, whole - exact, margin, whole - margin, Fraction(0)]

    def _bought(self, row: Any, exact: Fraction, unit: Fraction) -> list[Fraction] | None:
        """What must come of what was to be bought. None where another amount would have had to be sold."""
        bought, percent = Fraction(row.bought), Fraction(row.margin_percent or 0)
        margin = _rounded(bought * percent / (100 - percent), unit, "up")
        needed = (bought + margin) / Fraction(row.rate)
        sold = _rounded(needed, Fraction(1, 10 ** self._places[row.currency]), "up")
        if (sold, row.rounding) != (Fraction(row.amount), "up"):
            return None
        gain = _rounded(exact - bought - margin, unit, "down")
        return [exact, bought + margin + gain - exact, margin, bought, gain]


def _rounded(exact: Fraction, unit: Fraction, mode: str) -> Fraction:
    below = exact // unit
    fraction = exact / unit - below
    rises = {
        "down": False,
        "up": fraction > 0,
        "half_up": fraction >= Fraction(1, 2),
        "half_down": fraction > Fraction(1, 2),
        "half_even": fraction > Fraction(1, 2) or (fraction == Fraction(1, 2) and below % 2 == 1),
    }
    return (below + rises[mode]) * unit


def _moved(row: Any) -> list[tuple[Any, ...]]:
    return [
        (code, UUID(account_id), side, layer, currency, Fraction(amount))
        for code, account_id, side, layer, currency, amount in orjson.loads(row.lines or "[]")
    ]


def _expected(row: Any) -> list[tuple[Any, ...]]:
    """The lines in their order. The ledger's own accounts are known by their codes."""
    sold, bought, margin = Fraction(row.amount), Fraction(row.bought), Fraction(row.margin)
    gain = Fraction(row.gain or 0)
    ids = {code: account_id for code, account_id, *_ in _moved(row)}

    def line(code: str, account_id: UUID | None, side: str, currency: str, amount: Fraction) -> tuple[Any, ...]:
        return (code, account_id or ids.get(code), side, "p", currency, amount)

    lines = [
        line(row.payer_code, row.payer_id, "d", row.currency, sold),
        line(f"zerosum:exchange:{row.currency}", None, "c", row.currency, sold),
        line(f"zerosum:exchange:{row.bought_currency}", None, "d", row.bought_currency, bought + margin + gain),
        line(row.payee_code, row.payee_id, "c", row.bought_currency, bought),
    ]
    if margin:
        own = f"zerosum:exchange-margin:{row.bought_currency}"
        lines.append(line(own, None, "c", row.bought_currency, margin))
    if gain:
        lines.append(line(f"zerosum:exchange-rounding:{row.bought_currency}", None, "c", row.bought_currency, gain))
    return lines
