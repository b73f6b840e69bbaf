"""Events: what has happened, the newest first, and what each has told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from zerosum.api.schemas.events import event_body
from zerosum.console.choices import check_choices
from zerosum.console.console import Console
from zerosum.console.lists import PAGE_SIZE
from zerosum.console.navigation import Nav
from zerosum.console.places import PLACES
from zerosum.console.view import View
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import ID_PATTERN_TEXT, Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.event_feed import PREFIXES, FeedOrder

KINDS = sorted({f"{one.value.rpartition('.')[0]}.*" for one in EventType})
"""All that begins alike, for whoever does not look for one type."""

NAMED_MAX = 20
_ID = re.compile(f"(?:{'|'.join(prefix.value for prefix in PLACES)})(?:{ID_PATTERN_TEXT})", re.ASCII)
"""Of what has a page here."""


def event_pages(console: Console) -> None:
    history = console.services.event_history

    async def listed(view: View) -> HttpAnswer:
        given = view.query(("type", "resource", "account", "before"))
        check_choices(given, type=(*KINDS, *EventType))
        before = given.pop("before", None)
        order = FeedOrder(
            types=[given["type"]] if "type" in given else (),
            resource=given.get("resource"),
            filters={"account": given["account"]} if "account" in given else {},
            limit=PAGE_SIZE,
        )
        page = await history.newest(view.caller, order, before=before)
        about = given.get("resource", "")
        await view.seen_account(given.get("account") or (about if about.startswith(Prefix.ACCOUNT.value) else None))
        more = None if page.next_before is None else render_id(Prefix.EVENT, page.next_before)
        return view.show(
            "events.html",
            events=[(event, prefix_of(event.resource_type)) for event in page.events],
            next=None if more is None else view.href("events", **given, before=more),
            given=given,
            kinds=KINDS,
            types=list(EventType),
            is_later_page=before is not None,
        )

    async def shown(view: View) -> HttpAnswer:
        told = await history.get(view.caller, view.id(Prefix.EVENT, "event"))
        body = event_body(told)
        event = told.event
        own = ((Prefix.EVENT, event.id), (PREFIXES.get(event.resource_type), event.resource_id))
        return view.show(
            "event.html",
            event=event,
            about=prefix_of(event.resource_type),
            body=body,
            named=[one for one in ids_in(body) if one not in own],
        )

    nav = Nav(group="Messages", title="Events", key="e")
    console.page("/{ledger}/events", listed, needs=Scope.EVENTS_READ, nav=nav)
    console.page("/{ledger}/events/{event}", shown, needs=Scope.EVENTS_READ, is_personal=True)


def prefix_of(kind: ResourceType) -> str | None:
    """The name of the prefix of a resource's ids, where it is named by a UUID."""
    prefix = PREFIXES.get(kind)
    return None if prefix is None else prefix.name


def ids_in(body: Mapping[str, Any]) -> list[tuple[Prefix, UUID]]:
    """What an event names besides what it is about, as its members are ids: the first NAMED_MAX, each once."""
    found: dict[tuple[Prefix, UUID], None] = {}
    rest: list[Any] = [body]
    while rest and len(found) < NAMED_MAX:
        one = rest.pop(0)
        if isinstance(one, Mapping):
            rest = [*one.values(), *rest]
        elif isinstance(one, list | tuple):
            rest = [*one, *rest]
        elif isinstance(one, str) and _ID.fullmatch(one):
            prefix = Prefix(one[: one.index("_") + 1])
            found[prefix, UUID(one.removeprefix(prefix.value))] = None
    return list(found)
