"""A source: who tells what of which account, how its files are read, and by which rules they are matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

SOURCE_NAME_PATTERN_TEXT = "[a-z0-9][a-z0-9_.-]{0,63}"
VERSIONS_MAX = 1_000
SOURCES_MAX = 200
"""Of one ledger."""

WINDOW_DAYS_MAX = 31


class RecordFormat(StrEnum):
    """What the files of a source are."""

    CSV = "csv"
    CAMT053 = "camt.053"


class DateForm(StrEnum):
    """How days are written. The first also reads times in RFC 3339, which lie in a day of the source's zone."""

    ISO = "yyyy-mm-dd"
    PLAIN = "yyyymmdd"
    POINTS = "dd.mm.yyyy"
    SLASHES = "dd/mm/yyyy"
    AMERICAN = "mm/dd/yyyy"


class TextEncoding(StrEnum):
    """Of a CSV file."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvMapping:
    """Which column says what. Either `amount`, or `paid_in` and `paid_out`."""

    date: str
    amount: str | None = None
    paid_in: str | None = None
    paid_out: str | None = None
    value_date: str | None = None
    direction: str | None = None
    incoming: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    currency: str | None = None
    id: str | None = None
    references: tuple[str, ...] = ()
    description: str | None = None
    balance: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)
    """Rows that have something else in such a column are left out."""
    delimiter: str = ","
    encoding: TextEncoding = TextEncoding.UTF_8
    decimal_mark: str = "."
    group_mark: str | None = None
    date_form: DateForm = DateForm.ISO
    rows_before: int = 0
    """Before the one that names the columns."""

    def columns(self) -> dict[str, str]:
        """What is read, by the column it stands in."""
        single = {
            "date": self.date,
            "value_date": self.value_date,
            "amount": self.amount,
            "paid_in": self.paid_in,
            "paid_out": self.paid_out,
            "direction": self.direction,
            "currency": self.currency,
            "id": self.id,
            "description": self.description,
            "balance": self.balance,
        }
        found = {what: column for what, column in single.items() if column is not None}
        found |= {f"references/{place}": column for place, column in enumerate(self.references)}
        return found | {f"only/{column}": column for column in self.only}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationSource:
    """One version of it, which never changes. `content` is as it is stored and shown."""

    ledger_id: UUID
    name: str
    version: int
    content: Mapping[str, Any]
    actor: str
    created_at: datetime

    @property
    def account_id(self) -> UUID:
        return UUID(self.content["account_id"])

    @property
    def format(self) -> RecordFormat:
        return RecordFormat(self.content["format"])

    @property
    def time_zone(self) -> str:
        zone: str = self.content["time_zone"]
        return zone

    @property
    def rules(self) -> Mapping[str, Any]:
        rules: Mapping[str, Any] = self.content["rules"]
        return rules

    def mapping(self) -> CsvMapping:
        stored = dict(self.content["csv"])
        tuples = {name: tuple(stored[name]) for name in ("incoming", "outgoing", "references")}
        words = {"encoding": TextEncoding(stored["encoding"]), "date_form": DateForm(stored["date_form"])}
        return CsvMapping(**{**stored, **tuples, **words})
