"""The one search box."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.places import PLACES
from zerosum.console.view import View, see_other
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.console_search import TEXT_MAX, Hit


def search_pages(console: Console) -> None:
    async def search(view: View) -> HttpAnswer:
        """Where there is one thing, and it has a page, that page."""
        text = view.query(("q",)).get("q", "")
        if len(text) > TEXT_MAX:
            raise InvalidParameter(f"At most {TEXT_MAX} characters.", pointer="q")
        found = await console.search.find(view.caller, text) if text else []
        hits = [(hit, _address(view, hit)) for hit in found if _may_see(view, hit)]
        leading = [address for _, address in hits if address is not None]
        if len(leading) == 1:
            return see_other(leading[0])
        return view.show("search.html", text=text, hits=hits)

    console.page("/{ledger}/search", search, needs=Scope.PAYMENTS_READ)


def _address(view: View, hit: Hit) -> str | None:
    if hit.place:
        return view.href(*hit.place)
    if hit.prefix is None or hit.id is None:
        return None
    if hit.prefix is Prefix.API_KEY:
        return view.list_of("api-keys", key=render_id(hit.prefix, hit.id))
    return view.page_of(hit.prefix.name, hit.id)


def _may_see(view: View, hit: Hit) -> bool:
    """As its own page would judge; what has none is told to whoever may look for it."""
    places = view.console.places
    if hit.prefix is Prefix.API_KEY:
        scope = places.scope_of("api-keys")
    elif hit.place:
        scope = places.scope_of(*hit.place)
    else:
        scope = None if hit.prefix not in PLACES else places.scope_of(*PLACES[hit.prefix].split("/"), "")
    return scope is None or view.may(scope)
