"""The feed of events: every fact of the ledger, the oldest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate

from zerosum.client.calls import Asked, Calls, Listing, P, Route, Way, call
from zerosum.client.models.events import Event, EventPage
from zerosum.client.positions import FeedAsked, Position

_PATH = "/v1/events"
_ROUTE = Route(operation="listEvents", method="GET", path=_PATH, answer=EventPage, is_keyed=False)

Types = str | Sequence[str]
"""`payment.succeeded`, `payment.*`, or several."""


def _feed(asks: Callable[Concatenate[Any, P], FeedAsked]) -> Listing[P, Event]:
    return Listing(_ROUTE, asks, "feed")


class Events(Calls[Way]):
    @call("listEvents", "GET", _PATH, EventPage)
    def page(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        wait: int | None = None,
        type: Types | None = None,  # noqa: A002 - the word of the wire
        resource: str | None = None,
        account: str | None = None,
    ) -> Asked:
        """One page. `wait` is for how many seconds to wait where there is nothing yet. Raises EventsGone."""
        return Asked(query={"after": after, "limit": limit, "wait": wait, **_filter(type, resource, account)})

    @_feed
    def read(
        self,
        *,
        after: str | None = None,
        position: Position | None = None,
        type: Types | None = None,  # noqa: A002
        resource: str | None = None,
        account: str | None = None,
    ) -> FeedAsked:
        """All there are by now, behind the kept position, else behind `after`, else from the beginning.

        The position is kept when the next event is asked for, so what was not done comes again. Raises EventsGone.
        """
        return FeedAsked(after=after, query=_filter(type, resource, account), position=position)

    @_feed
    def follow(
        self,
        *,
        after: str | None = None,
        position: Position | None = None,
        type: Types | None = None,  # noqa: A002
        resource: str | None = None,
        account: str | None = None,
    ) -> FeedAsked:
        """As `read`, and then whatever comes. It ends with what the service refuses, or when it is away for long."""
        return FeedAsked(after=after, query=_filter(type, resource, account), position=position, is_endless=True)


def _filter(type_: Types | None, resource: str | None, account: str | None) -> dict[str, str | int | None]:
    types = type_ if type_ is None or isinstance(type_, str) else ",".join(type_)
    return {"type": types, "resource": resource, "account": account}
