"""Account groups: accounts of a ledger under a name, whatever their codes begin with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.code_patterns import code_expression
from zerosum.domain.ledger.velocity import VelocityLimit, velocity_limit

GROUP_NAME_PATTERN_TEXT = "[a-z0-9][a-z0-9_-]{0,63}"

MEMBERS_MAX = 100
"""Patterns and codes in one group, not the accounts that these come to."""

LIMITED_GROUPS_MAX = 100
"""Groups with limits in one ledger: whoever opens an account looks at all of them."""

LIMITED_ACCOUNTS_MAX = 1_000
"""In a group that is given limits: whoever posts to one of them adds up what all of them have moved."""

GROUP_VERSIONS_MAX = 10_000
"""Of one name. Every one is kept for ever."""


class GroupLimit(NamedTuple):
    """A limit of what the accounts of one currency may move together."""

    currency: str
    limit: VelocityLimit

    @property
    def content(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {"currency": self.currency, **self.limit.content}


def group_limit(content: Mapping[str, Any]) -> GroupLimit:
    """What `content` has told."""
    return GroupLimit(content["currency"], velocity_limit(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountGroup:
    """One version of a group. `members` are codes, and patterns of codes; the newest version counts.

    `id` is that of the command which made it. Without members it says that the group is gone.
    """

    ledger_id: LedgerId
    id: UUID
    name: str
    version: int
    description: str | None
    members: Sequence[str]
    limits: Sequence[GroupLimit]
    created_at: datetime
    actor: str

    @property
    def is_gone(self) -> bool:
        return not self.members

    @property
    def content(self) -> dict[str, Any] | None:
        """As it is stored and told to the security log: None where it is gone."""
        if self.is_gone:
            return None
        limits = [one.content for one in self.limits]
        return {"description": self.description, "members": list(self.members), "velocity_limits": limits}


def read_group(
    ledger_id: LedgerId, id_: UUID, name: str, version: int, content: Any, created_at: datetime, actor: str
) -> AccountGroup:
    """What `AccountGroup.content` has told. Raises LookupError, TypeError, ValueError."""
    said: Mapping[str, Any] = (
        {"description": None, "members": (), "velocity_limits": ()} if content is None else content
    )
    return AccountGroup(
        ledger_id=ledger_id,
        id=id_,
        name=name,
        version=version,
        description=said["description"],
        members=tuple(said["members"]),
        limits=tuple(group_limit(one) for one in said["velocity_limits"]),
        created_at=created_at,
        actor=actor,
    )


class Members:
    """What members of a group come to: single codes, and the expressions of patterns."""

    __slots__ = ("codes", "expressions")

    def __init__(self, members: Sequence[str]) -> None:
        """Raises ValidationFailed."""
        if len({*members}) < len(members):
            raise ValidationFailed("A member is named twice.", pointer="/members")
        found = {one: code_expression(one, pointer=f"/members/{place}") for place, one in enumerate(members)}
        self.codes = [one for one in members if "*" not in one]
        self.expressions = [found[one] for one in members if "*" in one]

    def have(self, code: str) -> bool:
        return code in self.codes or any(re.fullmatch(one, code, re.ASCII) for one in self.expressions)
