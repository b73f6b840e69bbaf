"""Where the page of a thing is: by the prefix of its id. A place whose page nobody has added yet is no link."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from zerosum.console.navigation import ROOT
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.services.event_feed import PREFIXES

if TYPE_CHECKING:
    from zerosum.console.console import Console

PLACES = {
    Prefix.ACCOUNT: "accounts",
    Prefix.API_KEY: "api-keys",
    Prefix.DEAD_LETTER: "dead-letters",
    Prefix.DISPUTE: "disputes",
    Prefix.EVENT: "events",
    Prefix.EXCHANGE: "exchanges",
    Prefix.HOLD: "holds",
    Prefix.JOURNAL_ENTRY: "journal",
    Prefix.PAYMENT: "payments",
    Prefix.RECONCILIATION_BREAK: "breaks",
    Prefix.RECONCILIATION_FILE: "reconciliation/files",
    Prefix.REFUND: "refunds",
    Prefix.PROPOSAL: "proposals",
    Prefix.REVIEW: "reviews",
    Prefix.SCHEDULED_PAYMENT: "scheduled-payments",
    Prefix.WEBHOOK_ENDPOINT: "webhooks",
}
"""The first part of the address behind the ledger: "/{ledger}/accounts/{account}"."""

PREFIX_OF: dict[ResourceType, Prefix] = dict(PREFIXES)


class Places:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._there: set[str] = set()

    def _pages(self) -> set[str]:
        """The templates of all pages, once they are all added."""
        if not self._there:
            self._there = {route.template for route in self._console.routes if route.method == "GET"}
        return self._there

    def list_of(self, ledger: str, place: str, **filters: str) -> str | None:
        """The list page "/{ledger}/place", where there is one."""
        is_there = f"{ROOT}/{{ledger}}/{place}" in self._pages()
        return self._console.href(ledger, place, **filters) if is_there else None

    def page_of(self, ledger: str, prefix: Prefix, id_: UUID) -> str | None:
        """The page of one thing, where there is one."""
        place = PLACES.get(prefix)
        below = f"{ROOT}/{{ledger}}/{place}/{{"
        if place is None or not any(page.startswith(below) and page.endswith("}") for page in self._pages()):
            return None
        return self._console.href(ledger, *place.split("/"), render_id(prefix, id_))

    def scope_of(self, *parts: str) -> Scope | None:
        """What the page needs whose address behind the ledger has these parts. None: nothing, or there is none."""
        for route in self._console.routes:
            segments = route.template.removeprefix(f"{ROOT}/{{ledger}}/").split("/")
            is_like = len(segments) == len(parts) and all(
                segment == part or segment.startswith("{") for segment, part in zip(segments, parts, strict=True)
            )
            if is_like and route.method == "GET":
                return route.needs
        return None
