"""What every list page takes and gives: filters that stand in the address, and pages by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from zerosum.api.lists import check_span
from zerosum.console.view import View
from zerosum.domain.errors import InvalidParameter
from zerosum.services.requests.paging import Page, PageRequest
from zerosum.services.requests.times import parse_filter_time

PAGE_SIZE = 50
AT_MOST_COUNTED = 20
"""Nobody counts a whole table for a figure: with more than these it is `20+`."""

ALL = "all"
"""Takes away a filter that a page has by itself."""

Item = TypeVar("Item")


def page_request(
    view: View,
    list_name: str,
    filters: tuple[str, ...],
    *,
    words: Mapping[str, Iterable[str]] | None = None,
    size: int = PAGE_SIZE,
) -> PageRequest:
    """`filters` are what the service knows, `words` what some of them may be, which services take for granted.

    Raises UnknownParameter, InvalidParameter.
    """
    given = view.query((*filters, "cursor"))
    for name, known in (words or {}).items():
        if name in given and given[name] not in set(known):
            raise InvalidParameter(f"There is no {name} of this name.", pointer=name)
    cursor = given.pop("cursor", None)
    start, end = (parse_filter_time(given, name) for name in ("effective_from", "effective_to"))
    if start is not None and end is not None:
        check_span(start, end, "effective_from", "effective_to")
    return PageRequest(list_name=list_name, limit=size, cursor=cursor, filters=given)


def narrowed(request: PageRequest, name: str, word: str) -> PageRequest:
    """What is asked for where the address says nothing of a filter: those that wait for somebody, say."""
    filters = {**request.filters, name: request.filters.get(name, word)}
    if filters[name] == ALL:
        del filters[name]
    return replace(request, filters=filters)


def next_page(view: View, request: PageRequest, page: Page[Item], *parts: str) -> str | None:
    """Where the list goes on, with the same filters; None on its last page."""
    if page.next_cursor is None:
        return None
    return view.href(*parts, **{**dict(request.filters), "cursor": page.next_cursor})


def first_few(list_name: str, filters: Mapping[str, str]) -> PageRequest:
    """To tell how many there are, up to AT_MOST_COUNTED."""
    return PageRequest(list_name=list_name, limit=AT_MOST_COUNTED, filters=filters)


def counted(page: Page[Item]) -> str:
    return f"{len(page.items)}+" if page.next_cursor is not None else str(len(page.items))
