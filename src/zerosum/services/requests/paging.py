"""Pages: bounded, by key, with a cursor nobody can forge."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Generic, TypeVar
from uuid import UUID

from zerosum.db.gently import gently as gently  # for those who write pages out
from zerosum.domain.errors import InvalidCursor

PAGE_SIZE_MAX = 200
PAGE_SIZE_DEFAULT = 50
_MAC_BYTES = 16

OLD_NAMES = {"from": "effective_from", "to": "effective_to"}
"""What parameters were called before: they still go, and mean the same."""

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """`next_cursor` continues the list where this page ends; None when it is the last."""

    items: Sequence[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a reader asks of a list. `filters` are the narrowing parameters in their wire form."""

    list_name: str
    limit: int = PAGE_SIZE_DEFAULT
    cursor: str | None = None
    is_ascending: bool | None = None
    filters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page starts: after this key, with the filters and order that the first page had.

    `pinned` is the instant of the first page, in a list that looks at one instant on all its pages.
    """

    after: str | None
    is_ascending: bool
    filters: Mapping[str, str]
    pinned: datetime | None = None

    def after_as(self, parse: Callable[[str], Key]) -> Key | None:
        """The unique key that the page before ended with; None of the first page."""
        return parse(self.after) if self.after else None

    def key(self, parse: Callable[[str], object], *, is_timed: bool = False) -> tuple[object, ...] | None:
        """What the page before ended with: a unique key, with a time before it where that gives the order."""
        if not self.after:
            return None
        if not is_timed:
            return (parse(self.after),)
        moment, _, unique = self.after.partition(" ")
        return (datetime.fromisoformat(moment), parse(unique))


class Cursors:
    """Makes and reads cursors. Each carries the filter and order of its list and a MAC over them and the ledger."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def position(self, ledger_id: UUID, request: PageRequest) -> Position:
        """Repeating the filter and order beside the cursor is fine; others than its own raise InvalidCursor."""
        if request.cursor is None:
            return Position(after=None, is_ascending=bool(request.is_ascending), filters=request.filters)
        content = self._open(ledger_id, request.cursor)
        if content["list"] != request.list_name:
            raise InvalidCursor("The cursor belongs to another list.", pointer="cursor")
        filters = with_new_names(content["filters"])
        if request.filters and dict(request.filters) != filters:
            raise InvalidCursor("The cursor belongs to other filters.", pointer="cursor")
        if request.is_ascending is not None and request.is_ascending != content["ascending"]:
            raise InvalidCursor("The cursor belongs to another order.", pointer="cursor")
        pinned = content.get("pinned")
        return Position(
            after=content["after"],
            is_ascending=content["ascending"],
            filters=filters,
            pinned=None if pinned is None else datetime.fromisoformat(pinned),
        )

    def page(
        self,
        ledger_id: UUID,
        request: PageRequest,
        position: Position,
        found: Sequence[Item],
        key: Callable[[Item], object],
        *,
        looked_to: object | None = None,
    ) -> Page[Item]:
        """`found` holds up to one item more than the limit, which tells whether there is more.

        `looked_to` is where looking ended, of a list that looks at so many and finds few of them: there it goes on.
        """
        items = found[: request.limit]
        if len(found) <= request.limit and looked_to is None:
            return Page(found, None)
        last = key(items[-1]) if len(found) > request.limit else looked_to
        content = {
            "list": request.list_name,
            "after": str(last),
            "ascending": position.is_ascending,
            "filters": dict(position.filters),
        }
        if position.pinned is not None:
            content["pinned"] = position.pinned.astimezone(UTC).isoformat()
        body = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return Page(items, base64.urlsafe_b64encode(self._mac(ledger_id, body) + body).decode().rstrip("="))

    def _open(self, ledger_id: UUID, cursor: str) -> dict[str, Any]:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if hmac.compare_digest(mac, self._mac(ledger_id, body)):
                content: dict[str, Any] = json.loads(body)
                return content
        except (ValueError, binascii.Error, UnicodeError):
            pass
        raise InvalidCursor("The cursor is not one this list has given.", pointer="cursor")

    def _mac(self, ledger_id: UUID, body: bytes) -> bytes:
        return hmac.digest(self._secret, b"zerosum.cursor.v1" + ledger_id.bytes + body, sha256)[:_MAC_BYTES]


def with_new_names(filters: Mapping[str, str]) -> dict[str, str]:
    return {OLD_NAMES.get(name, name): value for name, value in filters.items()}


def timed_key(moment: datetime, key: object) -> str:
    """Where a page ends in a list that is in the order of a time: the time is not unique, so a key stands beside it."""
    return f"{moment.astimezone(UTC).isoformat()} {key}"
