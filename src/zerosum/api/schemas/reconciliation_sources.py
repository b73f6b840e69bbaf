"""Sources of reconciliation on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    AnsweredCode,
    LimitAmount,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.reconciliation.sources import (
    SOURCE_NAME_PATTERN_TEXT,
    WINDOW_DAYS_MAX,
    DateForm,
    ReconciliationSource,
    RecordFormat,
    TextEncoding,
)
from zerosum.services.reconciliation.sources import SourceOrder

FormatName = Annotated[str, OneOf(RecordFormat)]
DateFormName = Annotated[str, OneOf(DateForm)]
EncodingName = Annotated[str, OneOf(TextEncoding)]

SourceName = Annotated[
    str,
    Field(
        description="The source's name: small letters, digits, `_`, `.` and `-`.",
        examples=["acme-settlements"],
        pattern=f"^{SOURCE_NAME_PATTERN_TEXT}$",
    ),
]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Column = ColumnName | None
Word = Annotated[str, Field(min_length=1, max_length=64)]


class CsvColumns(Request):
    """Which column says what. Either `amount`, or `paid_in` and `paid_out`."""

    date: Annotated[ColumnName, Field(description="The day it was booked.", examples=["decided_at"])]
    value_date: Annotated[Column, Field(description="The day the money is there; it is matched by it.")] = None
    amount: Annotated[Column, Field(description="With a sign or a `direction`.", examples=["amount"])] = None
    paid_in: Annotated[Column, Field(description="What has come in.")] = None
    paid_out: Annotated[Column, Field(description="What has gone out.")] = None
    direction: Annotated[Column, Field(description="In or out, by the words below.", examples=["type"])] = None
    currency: Annotated[Column, Field(description="It must be the account's everywhere.", examples=["currency"])] = None
    id: Annotated[
        Column,
        Field(description="The outside's own name of a line: one that an earlier file has told of is not told again."),
    ] = None
    references: Annotated[
        list[ColumnName] | None,
        Field(description="By which it is matched.", max_length=8, examples=[["key"]]),
    ] = None
    description: Annotated[Column, Field(description="For people.")] = None
    balance: Annotated[Column, Field(description="After each line; it is checked.")] = None


class CsvMappingRequest(Request):
    """How a CSV file is read."""

    columns: Annotated[CsvColumns, Field(description="By the names in the first row.")]
    incoming: Annotated[
        list[Word] | None, Field(description="Words of `direction`.", max_length=20, examples=[["deposit"]])
    ] = None
    outgoing: Annotated[
        list[Word] | None, Field(description="Words of `direction`.", max_length=20, examples=[["withdrawal"]])
    ] = None
    only: Annotated[
        dict[ColumnName, Annotated[str, Field(max_length=128)]] | None,
        Field(
            description="Rows that say something else there are left out.", max_length=5, examples=[{"status": "paid"}]
        ),
    ] = None
    delimiter: Annotated[
        str | None, Field(description="Between the fields; `,` by default.", pattern="^[,;|\t]$", examples=[";"])
    ] = None
    encoding: Annotated[EncodingName | None, Field(description="`utf-8` by default.")] = None
    decimal_mark: Annotated[str | None, Field(description="`.` by default.", pattern="^[.,]$", examples=[","])] = None
    group_mark: Annotated[
        str | None, Field(description="Between thousands; none by default.", pattern="^[., ']$", examples=["."])
    ] = None
    date_form: Annotated[
        DateFormName | None,
        Field(description="`yyyy-mm-dd` by default, which reads times in RFC 3339 too."),
    ] = None
    rows_before: Annotated[
        int | None, Field(description="Before the row that names the columns; 0 by default.", ge=0, le=20)
    ] = None

    @model_validator(mode="after")
    def _fits_together(self) -> CsvMappingRequest:
        columns = self.columns
        is_split = columns.paid_in is not None and columns.paid_out is not None
        if (columns.amount is None) != is_split or (not is_split and (columns.paid_in or columns.paid_out)):
            raise PydanticCustomError("columns", "Name `amount`, or `paid_in` and `paid_out`.")
        words = [*(self.incoming or ()), *(self.outgoing or ())]
        if (columns.direction is None) == bool(words) or len(words) != len(set(words)) or (words and is_split):
            raise PydanticCustomError("direction", "A `direction` goes with `amount` and words for it, each once.")
        if self.group_mark is not None and self.group_mark == (self.decimal_mark or "."):
            raise PydanticCustomError("marks", "The mark between thousands is another one than that before the places.")
        return self

    def content(self) -> dict[str, Any]:
        return {
            **self.columns.model_dump(exclude={"references"}),
            "references": self.columns.references or [],
            "incoming": self.incoming or [],
            "outgoing": self.outgoing or [],
            "only": self.only or {},
            "delimiter": self.delimiter or ",",
            "encoding": self.encoding or TextEncoding.UTF_8.value,
            "decimal_mark": self.decimal_mark or ".",
            "group_mark": self.group_mark,
            "date_form": self.date_form or DateForm.ISO.value,
            "rows_before": self.rows_before or 0,
        }


class MatchingRulesRequest(Request):
    """When a line and an entry are the same. What they share a reference with, they are matched with."""

    tolerance: Annotated[LimitAmount | None, Field(description="Amounts may differ by so much; `0` by default.")] = None
    window_days: Annotated[
        int | None,
        Field(description="Days may differ by so many; 3 by default.", ge=0, le=WINDOW_DAYS_MAX, examples=[3]),
    ] = None
    transit_days: Annotated[
        int | None,
        Field(
            description="So long the outside need not know of an entry: it is explained as in transit; 0 by default.",
            ge=0,
            le=WINDOW_DAYS_MAX,
        ),
    ] = None
    by_amount: Annotated[
        bool | None, Field(description="What has no reference is matched by amount and day; not so by default.")
    ] = None
    by_sum: Annotated[
        bool | None,
        Field(description="And one with two to four that come to it; not so by default."),
    ] = None
    reference_member: Annotated[
        Word | None,
        Field(description="Of an entry's metadata, a reference besides its ids and keys.", examples=["settlement"]),
    ] = None

    def content(self) -> dict[str, Any]:
        return {
            "tolerance": self.tolerance or "0",
            "window_days": 3 if self.window_days is None else self.window_days,
            "transit_days": self.transit_days or 0,
            "by_amount": bool(self.by_amount),
            "by_sum": bool(self.by_sum),
            "reference_member": self.reference_member,
        }


class ReconciliationSourceRequest(Request):
    """The next version of a source. What was matched by an older one stays."""

    name: SourceName
    description: Annotated[Text | None, Field(description="For people.", examples=["Daily payouts of Acme"])] = None
    account: Annotated[AccountReference, Field(description="The account it tells of; fixed for ever.")]
    format: Annotated[FormatName, Field(description="What its files are.", examples=["csv"])]
    csv: Annotated[CsvMappingRequest | None, Field(description="Of `csv`: how it is read.")] = None
    outside_account: Annotated[
        Word | None,
        Field(
            description="Of `camt.053`: the IBAN or number that each statement must bear.",
            examples=["DE02120300000000202051"],
        ),
    ] = None
    time_zone: Annotated[
        str | None,
        Field(
            description="Of its days, by IANA; `UTC` by default.",
            min_length=1,
            max_length=64,
            examples=["Europe/Berlin"],
        ),
    ] = None
    rules: Annotated[MatchingRulesRequest | None, Field(description="By default those of an empty object.")] = None

    @model_validator(mode="after")
    def _has_a_mapping(self) -> ReconciliationSourceRequest:
        if (self.format == RecordFormat.CSV) != (self.csv is not None):
            raise PydanticCustomError("mapping", "`csv` says how a CSV file is read, and goes with no other format.")
        if self.outside_account is not None and self.format == RecordFormat.CSV:
            raise PydanticCustomError("outside_account", "`outside_account` goes with `camt.053`.")
        return self

    def order(self) -> SourceOrder:
        return SourceOrder(
            name=self.name,
            account=self.account,
            content={
                "description": self.description,
                "format": self.format,
                "csv": None if self.csv is None else self.csv.content(),
                "outside_account": self.outside_account,
                "time_zone": self.time_zone or "UTC",
                "rules": (self.rules or MatchingRulesRequest()).content(),
            },
        )


class ReconciliationSourceResponse(Response):
    """One version of a source."""

    name: SourceName
    version: Annotated[int, Field(description="From 1, without a gap.", examples=[1], ge=1)]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Daily payouts of Acme"])]
    account: AnsweredCode
    account_id: Annotated[str, id_field(Prefix.ACCOUNT, "The account.")]
    currency: Annotated[str, Field(description="The account's.", examples=["USD"])]
    format: Annotated[FormatName, Field(description="What its files are.", examples=["csv"])]
    csv: Annotated[dict[str, Any] | None, Field(description="How a CSV file is read, whole, or null.", examples=[None])]
    outside_account: Annotated[str | None, Field(description="The number each statement must bear, or null.")]
    time_zone: Annotated[str, Field(description="Of its days.", examples=["UTC"])]
    rules: Annotated[dict[str, Any], Field(description="When a line and an entry are the same.", examples=[{}])]
    created_at: Annotated[Time, Field(description="When this version was made.")]
    actor: Annotated[str, Field(description="Who made it.", examples=[f"key_{EXAMPLE_UUID}"])]


def source_body(source: ReconciliationSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "version": source.version,
        **source.content,
        "account_id": render_id(Prefix.ACCOUNT, source.account_id),
        "created_at": render_time(source.created_at),
        "actor": source.actor,
    }
