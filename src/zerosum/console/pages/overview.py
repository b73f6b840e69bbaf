"""The first page of a ledger: whether the books are right, what happens now, and what needs a hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import orjson

from zerosum.api.server_sent_events import message
from zerosum.console.console import Console
from zerosum.console.lists import counted, first_few
from zerosum.console.navigation import Nav
from zerosum.console.streams import Tell
from zerosum.console.view import View
from zerosum.domain.payments.disputes import DisputeStatus
from zerosum.domain.proposals import ProposalStatus
from zerosum.domain.webhooks import DisabledReason
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.console_overview import KEPT_MAX, LIVE_SECONDS, Live
from zerosum.services.requests.paging import Page, PageRequest
from zerosum.services.shared_looks import SharedLooks

FAILING = "webhook endpoints that fail"
ENDPOINTS_MAX = 1_000
"""Of a ledger, looked at: twenty times what there may be by default."""

JSON_TYPE = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for somebody: how many, and where they are."""

    what: str
    number: str
    href: str | None


List = Callable[[Any, Any], Coroutine[Any, Any, Page[Any]]]


def overview_pages(console: Console) -> None:
    services = console.services
    looks = SharedLooks(time.monotonic, KEPT_MAX)

    async def waiting(view: View) -> tuple[list[Waiting], list[str]]:
        """As far as this person may see it, and what was looked for. Each is a page by key of an index by state."""
        found, looked_for = [], []
        asked: tuple[tuple[Scope, str, List, str, dict[str, str], str], ...] = (
            (Scope.PAYMENTS_READ, "payments held for review", services.reviews.list, "reviews",
             {"status": "in_review"}, "reviews"),
            *(
                (Scope.PAYMENTS_READ, what, console.proposals.list, "proposals", {"status": status.value}, "proposals")
                for what, status in (("acts that wait for a second person", ProposalStatus.WAITING),
                                     ("confirmed acts that are not done", ProposalStatus.CONFIRMED))
            ),
            (Scope.PAYMENTS_READ, "processor calls that a person must look at", services.processor_calls.list,
             "processor calls", {"state": "parked"}, "processor-calls"),
            (Scope.ADMIN, "dead letters", services.dead_letters.list, "dead letters", {"status": "dead"},
             "dead-letters"),
            (Scope.RECONCILIATION_READ, "breaks of reconciliation", services.reconciliation_breaks.list,
             "reconciliation breaks", {"state": "open"}, "breaks"),
            *(
                (Scope.PAYMENTS_READ, what, services.disputes.list, "disputes", {"status": status.value}, "disputes")
                for what, status in (("open disputes", DisputeStatus.OPEN),
                                     ("disputes under review", DisputeStatus.UNDER_REVIEW))
            ),
        )  # fmt: skip
        for scope, what, listed, name, filters, place in asked:
            if view.may(scope):
                looked_for.append(what)
                page = await listed(view.caller, first_few(name, filters))
                if page.items:
                    found.append(Waiting(what, counted(page), view.list_of(place, **filters)))
        if view.may(Scope.ADMIN):
            looked_for.append(FAILING)
            found += await failing_webhooks(view)
        return found, looked_for

    async def failing_webhooks(view: View) -> list[Waiting]:
        """All of them are looked at, and what somebody has disabled himself is none."""
        request = PageRequest(list_name="webhook endpoints", limit=ENDPOINTS_MAX, filters={})
        page = await services.webhook_endpoints.list(view.caller, request)
        failing = [
            one
            for one in page.items
            if one.disabled_reason is not DisabledReason.BY_REQUEST
            and (one.health.failing_since is not None or one.disabled_at is not None)
        ]
        return [Waiting(FAILING, str(len(failing)), view.list_of("webhooks"))] if failing else []

    async def overview(view: View) -> HttpAnswer:
        found, looked_for = await waiting(view)
        return view.show(
            "overview.html", waiting=found, looked_for=looked_for, admin=Scope.ADMIN, **await figures(view)
        )

    async def figures(view: View) -> dict[str, Any]:
        return {
            "proof": await console.overview.proof(),
            "totals": await console.overview.totals(view.caller),
            "live": await console.overview.live(view.caller),
        }

    async def live(view: View) -> HttpAnswer:
        return view.piece("live.html", **await figures(view))

    async def series(view: View) -> HttpAnswer:
        return HttpAnswer(200, drawn(await console.overview.live(view.caller)), (JSON_TYPE,))

    def told(view: View) -> Tell:
        """The same for whoever has the page open: written once for all of them."""

        async def write() -> bytes:
            shown = await figures(view)
            text = console.templates.render("live.html", shown)
            return message("live", text) + message("series", drawn(shown["live"]).decode())

        return lambda: looks.look(view.ledger_id, LIVE_SECONDS / 2, write)

    needs = Scope.REPORTS_READ
    console.page("/{ledger}", overview, needs=needs, nav=Nav(group="Today", title="Overview", key="o"))
    console.page("/{ledger}/overview/live", live, needs=needs)
    console.page("/{ledger}/overview/series", series, needs=needs)
    console.stream("/{ledger}/overview/stream", told, needs=needs)


def drawn(found: Live) -> bytes:
    """For uPlot: times in seconds, and payments a second."""
    first = found.until.timestamp() - found.span_seconds
    times = [round(first + place * found.step_seconds, 3) for place in range(len(found.counts))]
    rates = [round(count / found.step_seconds, 4) for count in found.counts]
    return orjson.dumps([times, rates])
