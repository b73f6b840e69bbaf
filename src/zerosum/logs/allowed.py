"""What may stand in a line of the log. Whatever is not listed is left out: nobody has to know what is secret.

Sentences are ours. Beside them stand names and numbers that we have made, and few of what others have chosen: a
request's own id, who calls, from where. Of an error that is not ours stands its kind and where it was, and not what it
says: that may quote a row, a header or a body.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any

from zerosum.domain.errors import DomainError
from zerosum.gateway.trace_context import may_hold_credentials, without_credentials

FIELDS = frozenset(
    {
        # Of every line.
        "event",
        "level",
        "logger",
        "timestamp",
        "exception",
        # Whom it concerns.
        "request_id",
        "trace_id",
        "ledger",
        "actor",
        "address",
        "account",
        "payment",
        "resource",
        "audit_id",
        # What has become of a request.
        "method",
        "route",
        "status",
        "code",
        "milliseconds",
        "is_slow",
        "action",
        # How often, and why, in our words.
        "occurrences",
        "why",
        "dropped",
    }
)

TEXT_CHARACTERS_MAX = 1_000
FRAMES_MAX = 30
ERRORS_MAX = 8
"""Of a chain, from the last to what has caused it."""

OURS = "zerosum."
_ADDRESS = "://"
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
"""Before the host of an address: a name and a password."""

Event = MutableMapping[str, Any]


def only_allowed(_logger: Any, _method: str, event: Event) -> Event:
    for name in event.keys() - FIELDS:
        del event[name]
    for name, value in event.items():
        if isinstance(value, str) and name != "exception":
            event[name] = without_secrets(value)[:TEXT_CHARACTERS_MAX]
    return event


def tell_errors(_logger: Any, _method: str, event: Event) -> Event:
    """The exception of a record, as far as it may be told."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_told(error))
    event.pop("stack_info", None)
    return event


def without_secrets(text: str) -> str:
    """The second line: what looks like a key, a token, or a password in an address."""
    text = without_credentials(text)
    return _LOGIN.sub("***@", text) if _ADDRESS in text else text


def may_stand_as_it_is(line: str) -> bool:
    """Whether `only_allowed` leaves all its texts as they are: a whole line is looked at once, not text by text."""
    return len(line) <= TEXT_CHARACTERS_MAX and not may_hold_credentials(line) and _ADDRESS not in line


def _told(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen and len(seen) < ERRORS_MAX:
        if seen:
            yield "because of"
        seen.add(id(cause))
        yield from _frames(cause.__traceback__)
        yield _named(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _frames(found: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(found)[-FRAMES_MAX:]:
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def _named(error: BaseException) -> str:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, DomainError):
        return f"{kind}: {error.code}"
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return f"{kind}: SQLSTATE {state}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {error.strerror}"
    return kind
