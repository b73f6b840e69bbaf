"""One call from its first attempt to its answer, as steps that either runner takes in its own way."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from zerosum.client.attempts import Answer, Attempts, Retries, outcome_unknown
from zerosum.client.calls import Asked, Route
from zerosum.client.decoding import decode
from zerosum.client.errors import PaymentInReview, UnexpectedAnswer, ZerosumError
from zerosum.client.models.model import Model
from zerosum.client.models.payments import Review
from zerosum.client.tokens import TOKEN_PATH, Bearer

T = TypeVar("T", bound=Model)

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Of these the service has seen nothing."""


@dataclass(frozen=True, slots=True)
class Send:
    """Answered with the Answer, or with what went wrong on the way."""

    method: str
    path: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Steps = Generator[Send | Pause, Answer | httpx.RequestError | None, Answer]


def steps_of(route: Route[Any], asked: Asked, bearer: Bearer, retries: Retries) -> Steps:
    """Raises ZerosumError."""
    attempts = Attempts(
        retries,
        key=asked.key,
        is_repeatable=route.is_repeatable,
        is_writing=route.method != "GET",
        clock=time.monotonic,
    )
    is_renewed = False
    while True:
        if bearer.needs_token:
            yield from _renew(bearer, attempts)
        header = bearer.header
        if header is None:
            continue
        answer = yield _request(route, asked, header)
        if isinstance(answer, Answer) and answer.status == 401 and not is_renewed and bearer.was_refused(header):
            is_renewed = True
            continue
        pause = _judged(attempts, answer)
        if pause is None:
            assert isinstance(answer, Answer)
            return answer
        yield Pause(pause)


def decoded(route: Route[T], asked: Asked, answer: Answer) -> T:
    """Raises PaymentInReview, UnexpectedAnswer; OutcomeUnknown where what answers that a write was done is not ours."""
    try:
        content = content_of(answer)
        if answer.status == 202 and content.get("status") == "in_review":
            raise PaymentInReview(decode(Review, content))
        if answer.headers.get("idempotency-replayed") == "true":
            content = {**content, "replayed": True}
        return decode(route.answer, content)
    except UnexpectedAnswer as error:
        raise error if route.method == "GET" else outcome_unknown(error, asked.key) from error


def page_of(route: Route[T], answer: Answer) -> tuple[list[T], str | None]:
    """Its items, and the cursor of the next page."""
    content = content_of(answer)
    try:
        items = [decode(route.answer, item) for item in content[route.member]]
        cursor: str | None = content["next_cursor"] if content["has_more"] else None
    except (KeyError, TypeError):
        raise UnexpectedAnswer(f"{route.path} answers with no page of a list") from None
    return items, cursor


def after(asked: Asked, cursor: str) -> Asked:
    return Asked(path=asked.path, query={**asked.query, "cursor": cursor})


def content_of(answer: Answer) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UnexpectedAnswer(f"{answer.status}, but no JSON object: this service does not answer so")
    return content


def _request(route: Route[Any], asked: Asked, header: Mapping[str, str]) -> Send:
    headers = {**header}
    if asked.key is not None:
        headers["Idempotency-Key"] = asked.key
    options: dict[str, Any] = {
        "headers": headers,
        "params": {name: _text(value) for name, value in asked.query.items() if value is not None},
    }
    if asked.body is not None:
        options["json"] = asked.body
    return Send(route.method, route.address(asked), options)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _renew(bearer: Bearer, attempts: Attempts) -> Generator[Send | Pause, Answer | httpx.RequestError | None, None]:
    """Nothing of the call itself is sent meanwhile."""
    assert bearer.credentials is not None
    while True:
        answer = yield Send("POST", TOKEN_PATH, {"data": bearer.credentials.form()})
        if isinstance(answer, Answer) and answer.status in (200, 400, 401):
            try:
                bearer.take(answer)
            except ZerosumError as error:
                raise attempts.ended_by(error) from error
            return
        pause = _judged(attempts, answer, is_of_the_call=False)
        if pause is None:
            raise UnexpectedAnswer(f"{TOKEN_PATH} answers with no token")
        yield Pause(pause)


def _judged(
    attempts: Attempts, answer: Answer | httpx.RequestError | None, *, is_of_the_call: bool = True
) -> float | None:
    if isinstance(answer, Answer):
        return attempts.after_answer(answer)
    assert answer is not None
    return attempts.after_failure(answer, may_have_arrived=is_of_the_call and not isinstance(answer, NEVER_SENT))
