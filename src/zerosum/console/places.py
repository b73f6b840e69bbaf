"""Where a resource has a page: what names one leads there, and nowhere where there is none."""

from __future__ import annotations

from zerosum.console.view import View
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import Prefix

NOUNS = {
    Prefix.ACCOUNT: "accounts",
    Prefix.DISPUTE: "disputes",
    Prefix.EVENT: "events",
    Prefix.HOLD: "holds",
    Prefix.JOURNAL_ENTRY: "journal",
    Prefix.PAYMENT: "payments",
    Prefix.REVIEW: "reviews",
    Prefix.WEBHOOK_ENDPOINT: "webhook-endpoints",
}


def page_of(view: View, wire_id: str) -> str | None:
    """The page of what an id names, by its prefix."""
    for prefix, noun in NOUNS.items():
        if wire_id.startswith(prefix.value):
            return view.href(noun, wire_id) if _has_page(view, noun) else None
    return None


def page_of_resource(view: View, kind: ResourceType, own_id: str | None) -> str | None:
    """The page of what an entry or an event speaks of; `own_id` is as it stands on the wire."""
    if own_id is None:
        return None
    if kind is ResourceType.PERIOD:
        return view.href("periods", own_id)
    return page_of(view, own_id)


def _has_page(view: View, noun: str) -> bool:
    begins = f"/console/{{ledger}}/{noun}/{{"
    return any(
        route.method == "GET" and route.template.startswith(begins) and route.template.count("/") == begins.count("/")
        for route in view.console.routes
    )
