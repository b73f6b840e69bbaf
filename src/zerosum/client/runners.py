"""Carries calls out over HTTP: blocking, or awaiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx

from zerosum.client.attempts import Answer, Retries
from zerosum.client.calls import Asked, Route
from zerosum.client.models.events import Event, EventPage
from zerosum.client.models.model import Model
from zerosum.client.positions import FeedAsked, FeedPlace
from zerosum.client.steps import Pause, Send, Steps, after, decoded, page_of, steps_of
from zerosum.client.tokens import Bearer

T = TypeVar("T", bound=Model)


class BlockingRunner:
    def __init__(self, http: httpx.Client, bearer: Bearer, retries: Retries) -> None:
        self.http = http
        self._bearer = bearer
        self._retries = retries

    def run(self, route: Route[T], asked: Asked) -> T:
        return decoded(route, asked, self._through(steps_of(route, asked, self._bearer, self._retries)))

    def items(self, route: Route[T], asked: Asked) -> Iterator[T]:
        while True:
            answer = self._through(steps_of(route, asked, self._bearer, self._retries))
            page, cursor = page_of(route, answer)
            yield from page
            if cursor is None:
                return
            asked = after(asked, cursor)

    def feed(self, route: Route[EventPage], asked: FeedAsked) -> Iterator[Event]:
        place = FeedPlace(asked)
        while True:
            page = self.run(route, place.asked())
            for event in page.data:
                yield event
                place.passed(event.id)
            if not place.goes_on_behind(page):
                return

    def _through(self, steps: Steps) -> Answer:
        met: Answer | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(met)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            met = self._take(step)

    def _take(self, step: Send | Pause) -> Answer | httpx.RequestError | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            response = self.http.request(step.method, step.path, **step.options)
        except httpx.RequestError as error:
            return error
        return _answer(response)


class AwaitingRunner:
    def __init__(self, http: httpx.AsyncClient, bearer: Bearer, retries: Retries) -> None:
        self.http = http
        self._bearer = bearer
        self._retries = retries

    async def run(self, route: Route[T], asked: Asked) -> T:
        return decoded(route, asked, await self._through(steps_of(route, asked, self._bearer, self._retries)))

    async def items(self, route: Route[T], asked: Asked) -> AsyncIterator[T]:
        while True:
            answer = await self._through(steps_of(route, asked, self._bearer, self._retries))
            page, cursor = page_of(route, answer)
            for item in page:
                yield item
            if cursor is None:
                return
            asked = after(asked, cursor)

    async def feed(self, route: Route[EventPage], asked: FeedAsked) -> AsyncIterator[Event]:
        """What is kept of the place is written beside the loop."""
        place = await asyncio.to_thread(FeedPlace, asked)
        while True:
            page = await self.run(route, place.asked())
            for event in page.data:
                yield event
                await asyncio.to_thread(place.passed, event.id)
            if not await asyncio.to_thread(place.goes_on_behind, page):
                return

    async def _through(self, steps: Steps) -> Answer:
        met: Answer | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(met)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            met = await self._take(step)

    async def _take(self, step: Send | Pause) -> Answer | httpx.RequestError | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            response = await self.http.request(step.method, step.path, **step.options)
        except httpx.RequestError as error:
            return error
        return _answer(response)


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def options_of_http(url: str, **further: Any) -> dict[str, Any]:
    """What both kinds of connections are opened with. Raises ValueError for an address that is none."""
    try:
        address = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is not a URL: {error}") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError(f"{url!r} is not an http or https URL")
    # Nothing of the environment: a .netrc would send other credentials than those that were given.
    return {"base_url": address, "trust_env": False, "headers": {"User-Agent": "zerosum-client"}, **further}
