"""The one search box."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.view import View, see_other
from zerosum.domain.errors import InvalidParameter
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.console_search import TEXT_MAX


def search_pages(console: Console) -> None:
    async def search(view: View) -> HttpAnswer:
        """Where there is one thing, and it has a page, that page."""
        text = view.query(("q",)).get("q", "")
        if len(text) > TEXT_MAX:
            raise InvalidParameter(f"At most {TEXT_MAX} characters.", pointer="q")
        found = await console.search.find(view.caller, text) if text else []
        hits = [(hit, view.page_of(hit.prefix.name, hit.id)) for hit in found]
        leading = [address for _, address in hits if address is not None]
        if len(leading) == 1:
            return see_other(leading[0])
        return view.show("search.html", text=text, hits=hits)

    console.page("/{ledger}/search", search, needs=Scope.PAYMENTS_READ)
