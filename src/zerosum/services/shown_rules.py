"""The rules by which payments are judged, as people read them: what the service goes by now, and nothing secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from zerosum.domain.ledger.velocity import VelocityLimit
from zerosum.domain.payments.rules import Rule

VALUES_SHOWN_MAX = 20
"""Of what a rule lists."""


class AnyRule(Protocol):
    @property
    def rule(self) -> Rule: ...


class ShownRuleSet(Protocol):
    """Those of one version of the file. `outside` are asked."""

    @property
    def version(self) -> str: ...
    @property
    def static(self) -> Sequence[Any]: ...
    @property
    def checks(self) -> Sequence[Any]: ...
    @property
    def outside(self) -> Sequence[Any]: ...


class ShownRuleBook(Protocol):
    async def current(self) -> ShownRuleSet: ...


@dataclass(frozen=True, slots=True)
class ShownRule:
    """`action` is what is done about a payment that it catches; of one that is asked, where that does not answer.

    `says` is what it looks for. Of what is asked outside nothing is told: its address may be a secret.
    """

    rule: Rule
    action: str
    is_asked: bool
    says: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RulesNow:
    version: str
    rules: Sequence[ShownRule]


class ShownRules:
    """`book` None: the installation has no file of rules."""

    def __init__(self, book: ShownRuleBook | None) -> None:
        self._book = book

    async def now(self) -> RulesNow | None:
        """In the order of the file."""
        if self._book is None:
            return None
        found = await self._book.current()
        own = [ShownRule(one.rule, one.rule.action.value, False, _says(one)) for one in (*found.static, *found.checks)]
        asked = [ShownRule(one.rule, one.default.value, True, {}) for one in found.outside]
        return RulesNow(found.version, sorted((*own, *asked), key=lambda one: one.rule.place))


def _says(one: Any) -> dict[str, str]:
    """Its own members, but what all rules share."""
    told = {member.name: getattr(one, member.name) for member in fields(one) if member.name != "rule"}
    limit = told.pop("limit", None)
    if isinstance(limit, VelocityLimit):
        told |= limit.content
    return {name: _text(value) for name, value in told.items() if value not in (None, (), frozenset(), {})}


def _text(value: Any) -> str:
    if isinstance(value, frozenset | tuple | list):
        every = sorted(map(str, value))
        more = f" and {len(every) - VALUES_SHOWN_MAX} more" if len(every) > VALUES_SHOWN_MAX else ""
        return ", ".join(every[:VALUES_SHOWN_MAX]) + more
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_text(values)}" for name, values in sorted(value.items()))
    return str(value)
