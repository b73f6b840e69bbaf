"""Filters that somebody has kept by a name of their own, above the lists they are of."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from zerosum.console.console import Console
from zerosum.console.pages import journal, payments
from zerosum.console.view import View, see_other
from zerosum.domain.errors import NotFound, ValidationFailed
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.console_views import QUERY_MAX, KeptView

FILTERS = {"payments": payments.FILTERS, "journal": journal.FILTERS}
"""The lists that views are kept of, and what may be said in one."""


def saved_view_pages(console: Console) -> None:
    views = console.views

    async def keep(view: View) -> HttpAnswer:
        page = page_of(view)
        filters = read(page, view.form.get("query", ""))
        await views.keep(view.caller, page, KeptView(view.field("name"), urlencode(filters)))
        return see_other(view.href(page, **filters))

    async def rename(view: View) -> HttpAnswer:
        page = page_of(view)
        await views.rename(view.caller, page, view.field("name"), view.field("new_name"))
        return see_other(view.href(page))

    async def delete(view: View) -> HttpAnswer:
        page = page_of(view)
        await views.delete(view.caller, page, view.field("name"))
        return see_other(view.href(page))

    for name, act in (("keep", keep), ("rename", rename), ("delete", delete)):
        console.act(f"/{{ledger}}/views/{{page}}/{name}", act, needs=None, name=f"{name} a view", is_own=True)


def page_of(view: View) -> str:
    """Raises NotFound."""
    if view.path["page"] not in FILTERS:
        raise NotFound("No views are kept of this page.")
    return view.path["page"]


def read(page: str, query: str) -> dict[str, str]:
    """Filters as an address has them. Raises ValidationFailed."""
    try:
        found = dict(parse_qsl(query[: QUERY_MAX + 1], strict_parsing=bool(query), errors="strict"))
    except ValueError:
        found = {"": ""}
    if found.keys() - set(FILTERS[page]):
        raise ValidationFailed("These are no filters of this list.", pointer="/query")
    return found
