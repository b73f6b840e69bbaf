"""A settlement file or bank statement as CSV, read as its source's mapping says.

Everything that is wrong is told by line and column, and nothing is taken of a file that has a fault.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal

from zerosum.domain.money import Currency, add, subtract
from zerosum.domain.reconciliation.outside import (
    LINES_MAX,
    Faults,
    OutsideLine,
    OutsideRecord,
    repeated_ids,
    spoken_of,
)
from zerosum.domain.reconciliation.sources import CsvMapping, TextEncoding
from zerosum.services.reconciliation.csv_values import CsvValues, Unreadable, one_line

Row = Mapping[str, str]
"""By what is read, not by what the columns are called."""


def read_csv(content: bytes, mapping: CsvMapping, currency: Currency, zone: tzinfo) -> OutsideRecord:
    """Raises ReconciliationFileInvalid."""
    faults = Faults()
    text = _decoded(content, mapping.encoding, faults)
    reader = _Reader(mapping, currency, zone, faults)
    lines = reader.lines(text)
    for line in repeated_ids(lines):
        faults.note(line.place, mapping.id or "", "duplicate_line", "An earlier line of the file has this id.")
    if not lines and not faults.found:
        faults.note(1, "", "no_lines", "The file has no lines with an amount.")
    faults.check()
    from_on, to_on = spoken_of(lines)
    return OutsideRecord(lines=lines, from_on=from_on, to_on=to_on, opening=reader.opening, closing=reader.closing)


def _decoded(content: bytes, encoding: TextEncoding, faults: Faults) -> str:
    try:
        return content.decode("utf-8-sig" if encoding is TextEncoding.UTF_8 else encoding)
    except UnicodeDecodeError as error:
        place = content.count(b"\n", 0, error.start) + 1
        faults.note(place, "", "invalid_encoding", "This is not UTF-8. The source may say `latin-1`.")
        faults.check()
        raise LookupError("a fault was noted") from error


class _Reader:
    def __init__(self, mapping: CsvMapping, currency: Currency, zone: tzinfo, faults: Faults) -> None:
        self._mapping = mapping
        self._currency = currency
        self._values = CsvValues(mapping, currency, zone)
        self._faults = faults
        self._columns = mapping.columns()
        self.opening: Decimal | None = None
        self.closing: Decimal | None = None

    def lines(self, text: str) -> list[OutsideLine]:
        found: list[OutsideLine] = []
        for place, row in self._rows(text):
            line = self._line(place, row)
            if line is not None:
                found.append(line)
            if len(found) > LINES_MAX:
                self._faults.note(place, "", "too_many_lines", f"A file has at most {LINES_MAX} lines.")
            if self._faults.are_too_many or len(found) > LINES_MAX:
                break
        return found

    def _rows(self, text: str) -> Iterator[tuple[int, Row]]:
        """Each with the line it begins in, but for those that are left out."""
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._mapping.delimiter, strict=True)
        header: list[str] | None = None
        place, before = 1, self._mapping.rows_before
        try:
            for fields in reader:
                here, place = place, reader.line_num + 1
                is_blank = not any(field.strip() for field in fields)
                if before > 0 or is_blank:
                    before -= 1
                elif header is None:
                    header = [name.strip() for name in fields]
                    if not self._has_columns(here, header):
                        return
                else:
                    if len(fields) != len(header):
                        self._faults.note(here, "", "wrong_fields", f"This has not {len(header)} fields.")
                        continue
                    row = dict(zip(header, fields, strict=True))
                    named = {what: row[column].strip() for what, column in self._columns.items()}
                    if all(named[f"only/{name}"] == wanted for name, wanted in self._mapping.only.items()):
                        yield here, named
        except csv.Error:
            self._faults.note(
                place, "", "invalid_quoting", "The quotes of this line do not fit, or a field is too long."
            )
            return
        if header is None:
            self._faults.note(place, "", "no_header", "The line that names the columns is missing.")

    def _has_columns(self, place: int, header: Sequence[str]) -> bool:
        for column in dict.fromkeys(self._columns.values()):
            if header.count(column) != 1:
                word = "missing" if column not in header else "there twice"
                self._faults.note(place, column, "missing_column", f"The column is {word}.")
        return not self._faults.found

    def _line(self, place: int, row: Row) -> OutsideLine | None:
        """None where it has a fault, which is noted, or moves nothing."""
        what = ""
        try:
            what = "currency"
            if row.get("currency", self._currency.code) != self._currency.code:
                raise Unreadable("currency_mismatch", f"The account holds {self._currency.code}.")
            what = "date"
            booked_on = self._values.day(row["date"])
            what = "value_date"
            value_on = self._values.day(row["value_date"]) if row.get("value_date") else None
            what = "amount" if self._mapping.amount else "paid_in"
            amount = self._signed(row)
            what = "balance"
            self._check_balance(row, amount)
            texts: dict[str, str] = {}
            for what in ("id", "description", *(name for name in row if name.startswith("references/"))):
                texts[what] = one_line(row.get(what, ""))
        except Unreadable as error:
            fault, detail, *other = error.args
            what = other[0] if other else what
            self._faults.note(place, self._columns.get(what, what), fault, detail)
            return None
        if not amount:
            return None
        references = tuple(dict.fromkeys(text for name, text in texts.items() if text and name.startswith("ref")))
        return OutsideLine(
            place=place,
            booked_on=booked_on,
            value_on=value_on,
            amount=amount,
            outside_id=texts["id"] or None,
            references=references,
            description=texts["description"] or None,
        )

    def _signed(self, row: Row) -> Decimal:
        if self._mapping.amount is None:
            paid_in, paid_out = (
                self._values.amount(row[what]) if row.get(what) else None for what in ("paid_in", "paid_out")
            )
            if paid_in and paid_out:
                raise Unreadable("invalid_amount", "Either something comes in or it goes out.")
            if paid_in is None and paid_out is None:
                raise Unreadable("invalid_amount", "The amount is missing.")
            return paid_in or (paid_out or Decimal(0)).copy_abs().copy_negate()
        amount = self._values.amount(row["amount"])
        direction = row.get("direction")
        if direction is None:
            return amount
        if direction in self._mapping.incoming:
            return amount
        if direction in self._mapping.outgoing:
            return amount.copy_negate()
        detail = "This is none of the words that the source names for in and out."
        raise Unreadable("invalid_direction", detail, "direction")

    def _check_balance(self, row: Row, amount: Decimal) -> None:
        """Each is the one before it and the amount."""
        if "balance" not in row:
            return
        balance = self._values.amount(row["balance"])
        if self.closing is None:
            self.opening = subtract(balance, amount)
        elif add(self.closing, amount) != balance:
            self.closing = balance
            raise Unreadable("wrong_balance", "This is not the balance of the line before with this amount.")
        self.closing = balance
