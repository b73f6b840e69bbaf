"""One token for several callers at once."""

from __future__ import annotations

import json
import time
from typing import Any

from zerosum.client import ClientCredentials, Retries
from zerosum.client.attempts import Answer
from zerosum.client.calls import Asked, Route
from zerosum.client.models.accounts import Account
from zerosum.client.steps import Send, Steps, steps_of
from zerosum.client.tokens import TOKEN_PATH, Bearer

ROUTE = Route(operation="getAccount", method="GET", path="/v1/accounts/x", answer=Account, is_keyed=False)
REFUSED = {"code": "unauthenticated", "title": "No", "detail": "No", "retryable": False}


def said(status: int, content: dict[str, Any]) -> Answer:
    return Answer(status, {}, json.dumps(content).encode())


def token(text: str, seconds: float = 900) -> Answer:
    return said(200, {"access_token": text, "expires_in": seconds})


def sent(step: object) -> str:
    """The credential of a call, or that a token is asked for."""
    assert isinstance(step, Send)
    return "a token" if step.path == TOKEN_PATH else str(step.options["headers"]["Authorization"])


def call(bearer: Bearer) -> Steps:
    return steps_of(ROUTE, Asked(), bearer, Retries())


def test_a_refusal_of_the_old_token_throws_no_newer_one_away() -> None:
    bearer = Bearer(ClientCredentials("id", "secret"), time.monotonic)
    first, second = call(bearer), call(bearer)
    assert sent(next(first)) == "a token"
    assert sent(first.send(token("one"))) == "Bearer one"
    assert sent(next(second)) == "Bearer one"
    assert sent(first.send(said(401, REFUSED))) == "a token"
    assert sent(first.send(token("two"))) == "Bearer two"
    assert sent(second.send(said(401, REFUSED))) == "Bearer two"


def test_a_token_is_never_sent_that_was_thrown_away_meanwhile() -> None:
    class Thrown(Bearer):
        """Just when it was found to be good, another thread has it refused."""

        is_first = True

        @property
        def needs_token(self) -> bool:
            found = super().needs_token
            if not found and self.is_first:
                self.is_first = False
                self._text = None
            return found

    bearer = Thrown(ClientCredentials("id", "secret"), time.monotonic)
    bearer.take(token("one"))
    steps = call(bearer)
    assert sent(next(steps)) == "a token"
    assert sent(steps.send(token("two"))) == "Bearer two"


def test_a_token_that_is_good_for_a_moment_only_is_still_sent() -> None:
    bearer = Bearer(ClientCredentials("id", "secret"), time.monotonic)
    steps = call(bearer)
    assert sent(next(steps)) == "a token"
    assert sent(steps.send(token("short", 1))) == "Bearer short"
