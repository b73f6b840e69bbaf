"""Bodies without card numbers, where an installation wants them so (`ZEROSUM_REFUSE_CARD_NUMBERS`).

`validated` asks here before a model looks at a body, so every route that takes one is covered, later ones too; and so
do plain payments, which go past it. Neither the answer nor the log repeats what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from zerosum.gateway.app import Gateway
from zerosum.gateway.guards.request_guard import Receive
from zerosum.gateway.request_state import Scope, Send
from zerosum.services.card_numbers import holds_card_number

_is_refusing: ContextVar[bool] = ContextVar("refuse_card_numbers", default=False)

NO_TEXT = frozenset(
    {
        "account",
        "amount",
        "available_at_least",
        "available_at_most",
        "from",
        "idempotency_key",
        "ledger",
        "max_available",
        "min_available",
        "sha256",
        "to",
    }
)
"""Members that hold no text of the caller's: names of what is there, keys, numbers."""

FREE_MEMBERS = frozenset({"metadata", "members"})
"""In here members are called as callers like: all of them are texts, and so are their names."""


Place = tuple[int | str, ...]


class RefusingCardNumbers:
    """The same service, in which no body may hold a card number.

    Nothing goes express there: bodies are looked at by what was told to refuse, and that is the ordinary way.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.count_refused = gateway.count_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with card_numbers_refused():
            await self._gateway(scope, receive, send)


@contextmanager
def card_numbers_refused() -> Iterator[None]:
    """For whatever is validated meanwhile."""
    before = _is_refusing.set(True)
    try:
        yield
    finally:
        _is_refusing.reset(before)


def refuse_card_numbers() -> None:
    """From now on, in everything this task and those it starts look at: for a process that serves no HTTP."""
    _is_refusing.set(True)


def are_card_numbers_refused() -> bool:
    return _is_refusing.get()


def place_of_card_number(content: Any) -> Place | None:
    """Where in a body a card number is that must not be there: in a text, or in the name of a member of an object."""
    return _place(content, (), are_names_free=False) if _is_refusing.get() else None


def _place(value: Any, here: Place, *, are_names_free: bool) -> Place | None:
    if isinstance(value, str):
        return here if holds_card_number(value) else None
    if isinstance(value, list):
        members: Iterable[tuple[int | str, Any]] = enumerate(value)
    elif isinstance(value, dict):
        if any(map(holds_card_number, value)):
            return here
        members = [member for member in value.items() if are_names_free or member[0] not in NO_TEXT]
    else:
        return None
    for step, member in members:
        is_free = are_names_free or step in FREE_MEMBERS
        found = _place(member, (*here, step), are_names_free=is_free)
        if found is not None:
            return found
    return None
