"""An order on the express way: answered as through the framework (`desk_routes`), at once where that is possible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from zerosum.api.endpoints import JSON_TYPE, REPLAYED
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.committing.express_submission import Handed

View = TypeVar("View")

CREATED = 201

_HEADERS = (JSON_TYPE,)
_HEADERS_OF_REPLAY = (JSON_TYPE, REPLAYED)


@dataclass(frozen=True, slots=True)
class BegunOrder(Generic[View]):
    """`text_of` is the body of an answer as it is written."""

    handed: Handed[View]
    text_of: Callable[[View], bytes]

    @property
    def outcome(self) -> asyncio.Future[Any]:
        return self.handed.outcome

    def plain_answer(self) -> HttpAnswer | None:
        view = self.handed.view()
        return None if view is None else HttpAnswer(CREATED, self.text_of(view), _HEADERS)

    async def answer(self) -> HttpAnswer:
        done = await self.handed.done()
        return HttpAnswer(CREATED, self.text_of(done.view), _HEADERS_OF_REPLAY if done.is_replay else _HEADERS)
