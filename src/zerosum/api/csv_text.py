"""Tables as CSV (RFC 4180), in which no spreadsheet takes for a formula what a caller has written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Header, Query, Response

from zerosum.api.schemas.fields import OneOf
from zerosum.services.requests.paging import gently


class TableForm(StrEnum):
    """By the name it has in `format=`."""

    JSON = "json"
    CSV = "csv"


Format = Annotated[
    Annotated[str, OneOf(TableForm)] | None, Query(description="`csv` as `Accept: text/csv` does; `json` by default.")
]
Accept = Annotated[str, Header(include_in_schema=False)]

MEDIA_TYPE = "text/csv; charset=utf-8; header=present"

# Also behind what some spreadsheets take for the end of a cell, and in the full width of East Asian writing.
_FORMULA = re.compile("(^|[;\\t\\r\\n])(?=\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")


def wants_csv(format_: str | None, accept: str) -> bool:
    """Whether it is asked for by the parameter, or else by a header that names CSV and not JSON before it."""
    if format_ is not None:
        return format_ == "csv"
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return next((kind == "text/csv" for kind in kinds if kind in ("text/csv", "application/json")), False)


async def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, free: Collection[str]) -> str:
    """`free` are the columns that hold what callers wrote. Members that are no column are left out."""
    written = io.StringIO()
    writer = csv.DictWriter(written, columns, extrasaction="ignore", lineterminator="\r\n")
    writer.writeheader()

    def write(row: Mapping[str, Any]) -> None:
        texts = {name: harmless(row[name]) for name in free if row.get(name)}
        writer.writerow({**row, **texts})

    await gently(write, rows)
    return written.getvalue()


def csv_response(text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, media_type=MEDIA_TYPE, headers=headers)


def harmless(text: str) -> str:
    """With an apostrophe before what would begin a formula: so spreadsheets themselves write text that looks so."""
    return _FORMULA.sub(r"\1'", text)
