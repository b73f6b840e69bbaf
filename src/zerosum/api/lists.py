"""What every list route takes: limit, cursor, order, and its own filters."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from zerosum.api.endpoints import check_parameters
from zerosum.domain.errors import InvalidParameter
from zerosum.gateway.routing import Call
from zerosum.services.paging import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PageRequest
from zerosum.services.times import parse_filter_time

PAGE_PARAMETERS = ("limit", "cursor", "order")

SPAN_MAX = timedelta(days=366)
"""Of a list that is bounded on both sides."""

_DIGITS = re.compile("[0-9]{1,18}", re.ASCII)


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("digits", "This is a whole number in plain digits.")
    return value


Limit = Annotated[
    int,
    BeforeValidator(_digits),
    Query(ge=1, le=PAGE_SIZE_MAX, description="How many items the page holds at most."),
]
Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the page before, and nothing else.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    ),
]
Order = Annotated[
    str | None, Query(pattern="^(asc|desc)$", description="`desc` (newest first) by default, `asc` to sync.")
]
VersionParameter = Annotated[
    int,
    BeforeValidator(_digits),
    Query(ge=0, le=10**15, description="A version a write has returned: the answer is at least as new."),
]
TimeParameter = Annotated[
    str | None,
    Query(description="RFC 3339, with its zone.", examples=["2026-11-21T09:30:00Z"]),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

DEFAULT_LIMIT = PAGE_SIZE_DEFAULT


def page_request(
    call: Call,
    list_name: str,
    limit: int,
    cursor: str | None,
    order: str | None,
    filters: tuple[str, ...] = (),
    families: tuple[str, ...] = (),
) -> PageRequest:
    """The page that is asked for. `filters` and `families` name the narrowing parameters of this list."""
    given = check_parameters(call.query_string, frozenset((*PAGE_PARAMETERS, *filters)), families)
    narrowing = {name: value for name, value in given.items() if name not in PAGE_PARAMETERS}
    start, end = parse_filter_time(narrowing, "from"), parse_filter_time(narrowing, "to")
    if start is not None and end is not None:
        check_span(start, end)
    return PageRequest(
        list_name=list_name,
        limit=limit,
        cursor=cursor,
        is_ascending=None if order is None else order == "asc",
        filters=narrowing,
    )


def check_span(start: datetime, end: datetime) -> None:
    """Raises InvalidParameter."""
    if start > end:
        raise InvalidParameter("`from` lies after `to`.", pointer="from")
    if end - start > SPAN_MAX:
        raise InvalidParameter(f"From `from` to `to` it is at most {SPAN_MAX.days} days.", pointer="to")
