"""Bodies without card numbers, where an installation wants them so (`ZEROSUM_REFUSE_CARD_NUMBERS`).

`validated` asks here before a model looks at a body, so every route that takes one is covered, later ones too. Neither
the answer nor the log repeats what was found.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from zerosum.domain.errors import PanNotAllowed
from zerosum.gateway.app import App
from zerosum.gateway.exchange import Scope, Send
from zerosum.gateway.json_guard import pointer_step
from zerosum.gateway.request_guard import Receive
from zerosum.services.card_numbers import holds_card_number

_is_refusing: ContextVar[bool] = ContextVar("refuse_card_numbers", default=False)

NO_TEXT = frozenset(
    {"account", "amount", "from", "idempotency_key", "ledger", "max_available", "min_available", "sha256", "to"}
)
"""Members that hold no text of the caller's: names of what is there, keys, numbers."""

FREE_MEMBERS = "metadata"
"""In here members are called as callers like: all of them are texts, and so are their names."""


def refusing_card_numbers(app: App) -> App:
    """The same service, in which no body may hold a card number."""

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        before = _is_refusing.set(True)
        try:
            await app(scope, receive, send)
        finally:
            _is_refusing.reset(before)

    return refusing


def check_no_card_number(content: Any) -> None:
    """Raises PanNotAllowed, pointing at the text, or at the object that has it as the name of a member."""
    if _is_refusing.get():
        _check(content, "", are_names_free=False)


def _check(value: Any, pointer: str, *, are_names_free: bool) -> None:
    if isinstance(value, str):
        if holds_card_number(value):
            raise PanNotAllowed("The text holds what looks like a card number.", pointer=pointer)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}", are_names_free=are_names_free)
    elif isinstance(value, dict):
        for name, member in value.items():
            if holds_card_number(name):
                raise PanNotAllowed("The name of a member looks like a card number.", pointer=pointer)
            if are_names_free or name not in NO_TEXT:
                here = f"{pointer}/{pointer_step(name)}"
                _check(member, here, are_names_free=are_names_free or name == FREE_MEMBERS)
