"""Webhook endpoints as they fare: what lies before each, what was delivered, and sending it again."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.webhooks import RETRIES, DeliveryStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.message_progress import COUNTED_MAX
from zerosum.services.requests.times import parse_day_or_time
from zerosum.services.webhooks.deliveries import ReplayOrder

FILTERS = ("status", "type", "event", "effective_from", "effective_to")
WORDS = {"status": DeliveryStatus, "type": EventType}
ATTEMPTS_MAX = len(RETRIES) + 1


def webhook_pages(console: Console) -> None:
    services = console.services

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "webhook endpoints", ())
        page = await services.webhook_endpoints.list(view.caller, request)
        backlogs = await services.message_progress.backlogs(view.caller, [one.id for one in page.items])
        return view.show(
            "webhooks.html",
            endpoints=[(one, backlogs.get(one.id)) for one in page.items],
            next=next_page(view, request, page, "webhooks"),
            counted_max=COUNTED_MAX,
        )

    async def shown(view: View) -> HttpAnswer:
        endpoint_id = view.id(Prefix.WEBHOOK_ENDPOINT, "endpoint")
        request = page_request(view, f"webhook deliveries {endpoint_id}", FILTERS, words=WORDS)
        endpoint = await services.webhook_endpoints.get(view.caller, endpoint_id)
        page = await services.webhook_deliveries.list(view.caller, endpoint_id, request)
        backlogs = await services.message_progress.backlogs(view.caller, [endpoint_id])
        wire_id = render_id(Prefix.WEBHOOK_ENDPOINT, endpoint_id)
        return view.show(
            "webhook.html",
            endpoint=endpoint,
            wire_id=wire_id,
            backlog=backlogs.get(endpoint_id),
            counted_max=COUNTED_MAX,
            attempts_max=ATTEMPTS_MAX,
            deliveries=page.items,
            next=next_page(view, request, page, "webhooks", wire_id),
            given=request.filters,
            statuses=list(DeliveryStatus),
            types=list(EventType),
        )

    async def replay_one(view: View) -> HttpAnswer:
        endpoint_id, event_id = view.id(Prefix.WEBHOOK_ENDPOINT, "endpoint"), view.id(Prefix.EVENT, "event")
        await services.webhook_deliveries.replay_one(view.caller, endpoint_id, event_id)
        return view.go_to("webhooks", view.path["endpoint"])

    async def replay(view: View) -> HttpAnswer:
        """As many as one call looks at; where that ends, the page says so by what is left."""
        until = view.form.get("until")
        order = ReplayOrder(
            since=parse_day_or_time(view.field("since"), "since"),
            until=None if until is None else parse_day_or_time(until, "until"),
            only_undelivered=view.form.get("all") != "true",
        )
        await services.webhook_deliveries.replay(view.caller, view.id(Prefix.WEBHOOK_ENDPOINT, "endpoint"), order)
        return view.go_to("webhooks", view.path["endpoint"])

    write = Scope.WEBHOOKS_WRITE
    nav = Nav(group="Messages", title="Webhooks", key="w", also=("new-webhook",))
    console.page("/{ledger}/webhooks", listed, needs=write, nav=nav)
    console.page("/{ledger}/webhooks/{endpoint}", shown, needs=write)
    console.act("/{ledger}/webhooks/{endpoint}/replay", replay, needs=write, name="replay a webhook's events")
    console.act(
        "/{ledger}/webhooks/{endpoint}/deliveries/{event}/replay",
        replay_one,
        needs=write,
        name="replay a webhook's delivery",
    )
