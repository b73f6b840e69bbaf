"""An order on the express way: answered as through the framework (`desk_routes`), at once where that is possible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from zerosum.api.endpoints import JSON_TYPE, REPLAYED
from zerosum.gateway.routing import Begun, Call, HttpAnswer
from zerosum.services.committing.express_submission import ExpressSubmission, Undertaken

View = TypeVar("View")

CREATED = 201

HEADERS = (JSON_TYPE,)
HEADERS_OF_REPLAY = (JSON_TYPE, REPLAYED)


@dataclass(frozen=True, slots=True)
class BegunOrder(Generic[View]):
    """`text_of` is the body of an answer as it is written, `status` that of one that is not refused.

    `status_of` says it of what is shown, where that may be something else.
    """

    undertaken: Undertaken[View]
    text_of: Callable[[View], bytes]
    status: int = CREATED
    status_of: Callable[[View], int] | None = None

    @property
    def outcome(self) -> asyncio.Future[Any]:
        return self.undertaken.outcome

    def plain_answer(self) -> HttpAnswer | None:
        view = self.undertaken.view()
        return None if view is None else HttpAnswer(self._status(view), self.text_of(view), HEADERS)

    async def answer(self) -> HttpAnswer:
        done = await self.undertaken.done()
        headers = HEADERS_OF_REPLAY if done.is_replay else HEADERS
        return HttpAnswer(self._status(done.view), self.text_of(done.view), headers)

    def _status(self, view: View) -> int:
        return self.status if self.status_of is None else self.status_of(view)


def begun(
    desk: ExpressSubmission[Any, View],
    call: Call,
    order: Any,
    text_of: Callable[[View], bytes],
    status: int = CREATED,
    status_of: Callable[[View], int] | None = None,
) -> Begun:
    """Raises what is wrong with the order."""
    return BegunOrder(desk.begin(call.caller, order), text_of, status, status_of)


def as_text(body_of: Callable[[View], dict[str, Any]]) -> Callable[[View], bytes]:
    return lambda view: orjson.dumps(body_of(view))
