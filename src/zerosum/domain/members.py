"""The order of the members of an object, where callers may call them as they like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Member = TypeVar("Member")


def in_one_order(members: Mapping[str, Member]) -> dict[str, Member]:
    """The members of an object as PostgreSQL keeps them (jsonb): short names first, equally long ones by their bytes.

    What is answered out of memory and what is read back later is so the same text.
    """
    return {name: members[name] for name in sorted(members, key=_kept_at)}


def _kept_at(name: str) -> tuple[int, bytes]:
    written = name.encode("utf-8", "surrogatepass")
    return len(written), written
