"""What every list route takes: limit, cursor, order, and its own filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from zerosum.api.endpoints import check_parameters
from zerosum.domain.errors import InvalidParameter
from zerosum.gateway.routing import Call
from zerosum.services.requests.paging import OLD_NAMES, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, PageRequest, with_new_names
from zerosum.services.requests.times import parse_filter_time

PAGE_PARAMETERS = ("limit", "cursor", "order")

SPAN_MAX = timedelta(days=366)
"""Of a list that is bounded on both sides."""

_DIGITS = re.compile("[0-9]{1,18}", re.ASCII)


def digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("digits", "This is a whole number in plain digits.")
    return value


Limit = Annotated[
    int,
    BeforeValidator(digits),
    Query(ge=1, le=PAGE_SIZE_MAX, description="How many items the page holds at most."),
]
Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the page before, and nothing else.",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"},
    ),
]
SortOrder = Annotated[
    str | None, Query(pattern="^(asc|desc)$", description="`desc` (newest first) by default, `asc` to sync.")
]
VersionParameter = Annotated[
    int,
    BeforeValidator(digits),
    Query(ge=0, le=10**15, description="A version a write has returned: the answer is at least as new."),
]
AsOf = Annotated[
    str | None,
    Query(
        description="A time (RFC 3339, with its zone), or a day, which stands for its end in UTC.",
        examples=["2026-11-21T09:30:00Z"],
    ),
    WithJsonSchema({"type": "string"}),
]
_BOUND = "A day (from midnight UTC) or a time in RFC 3339, with its zone."
EffectiveFrom = Annotated[
    str | None,
    Query(description=f"Only what happened then or later. {_BOUND}", examples=["2026-11-01"]),
    WithJsonSchema({"type": "string"}),
]
EffectiveTo = Annotated[
    str | None,
    Query(description=f"Only what happened before. {_BOUND}", examples=["2026-12-01"]),
    WithJsonSchema({"type": "string"}),
]
OldFrom = Annotated[
    str | None,
    Query(alias="from", description="The old name of `effective_from`.", deprecated=True),
    WithJsonSchema({"type": "string"}),
]
OldTo = Annotated[
    str | None,
    Query(alias="to", description="The old name of `effective_to`.", deprecated=True),
    WithJsonSchema({"type": "string"}),
]
TIMES = ("effective_from", "effective_to")
OLD_TIMES = tuple(OLD_NAMES)

AccountFilter = Annotated[
    str | None,
    Query(
        description="Only what concerns this account, by its id or its code.",
        examples=["customers:alice"],
        min_length=1,
    ),
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
    narrowing = {name: value for name, value in given.items() if name not in (*PAGE_PARAMETERS, "format")}
    _check_bounds(narrowing)
    return PageRequest(
        list_name=list_name,
        limit=limit,
        cursor=cursor,
        is_ascending=None if order is None else order == "asc",
        filters=with_new_names(narrowing),
    )


def _check_bounds(narrowing: Mapping[str, str]) -> None:
    """The times that bound a list, by the names they were given. Raises InvalidParameter."""
    called: list[str] = []
    for old, new in OLD_NAMES.items():
        if old in narrowing and new in narrowing:
            raise InvalidParameter(f"`{old}` is the old name of `{new}`: give one of them.", pointer=old)
        called.append(old if old in narrowing else new)
    start, end = (parse_filter_time(narrowing, name) for name in called)
    if start is not None and end is not None:
        check_span(start, end, *called)


def check_span(start: datetime, end: datetime, start_name: str = "from", end_name: str = "to") -> None:
    """Raises InvalidParameter."""
    if start > end:
        raise InvalidParameter(f"`{start_name}` lies after `{end_name}`.", pointer=start_name)
    if end - start > SPAN_MAX:
        raise InvalidParameter(
            f"From `{start_name}` to `{end_name}` it is at most {SPAN_MAX.days} days.", pointer=end_name
        )
