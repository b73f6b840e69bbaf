"""What a list shows of the views that somebody has kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    from zerosum.console.view import View


@dataclass(frozen=True, slots=True)
class ShownView:
    name: str
    href: str
    is_here: bool
    """Whether it is what the list shows now."""


@dataclass(frozen=True, slots=True)
class ShownViews:
    page: str
    query: str
    """What would be kept."""
    views: list[ShownView]


async def shown_views(view: View, page: str, given: Mapping[str, str]) -> ShownViews:
    """`given` are the filters of now."""
    kept = await view.console.views.list(view.caller, page)
    views = [
        ShownView(one.name, view.href(page, **filters), filters == dict(given))
        for one in kept
        for filters in [dict(parse_qsl(one.query))]
    ]
    return ShownViews(page, urlencode(given), views)
