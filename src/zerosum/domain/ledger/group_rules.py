"""How a Book judges the velocity limits of account groups: what their accounts move together.

An entry counts once for a group and currency, with what it does to what is available in all the group's accounts of
that currency. So what goes from one of them to another takes nothing from the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account_change import ZERO, AccountChange
from zerosum.domain.ledger.account_groups import GroupLimit
from zerosum.domain.ledger.velocity import Used, Window
from zerosum.domain.ledger.velocity_rules import Moved, counted_on, limit_objection
from zerosum.domain.money import add, subtract


class GroupWindow(NamedTuple):
    currency: str
    window: Window


@dataclass(slots=True, kw_only=True)
class LimitedGroup:
    """A group with limits, whose row is locked while it is decided about its accounts."""

    ledger_id: LedgerId
    name: str
    limits: Sequence[GroupLimit]
    used: Mapping[GroupWindow, Used] = field(default_factory=dict)
    """What counts in the windows of its limits, at the one moment at which a Book posts."""


LimitedGroups = dict[tuple[LedgerId, str], LimitedGroup]


class _Together:
    """What one entry does to the accounts of one group and currency."""

    __slots__ = ("held", "pointer", "posted")

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        self.posted = self.held = ZERO

    def include(self, change: AccountChange) -> None:
        self.posted, self.held = add(self.posted, change.posted), add(self.held, change.held)

    @property
    def moved(self) -> Moved:
        growth = subtract(self.posted, self.held)
        return Moved(growth, growth if self.held > 0 else self.posted)


def group_objections(groups: LimitedGroups, changes: Iterable[AccountChange]) -> Iterator[DomainError]:
    """Whoever has filled the book has loaded what counts in the windows of all groups that its accounts are in."""
    for group, by_currency in _together(groups, changes):
        for currency, limit in group.limits:
            if currency not in by_currency:
                continue
            objection = limit_objection(
                limit,
                group.used[GroupWindow(currency, limit.window)],
                by_currency[currency].moved,
                detail="The accounts of the group would move more, or more often, than they may together within this "
                "window of time.",
                pointer=by_currency[currency].pointer,
                group=group.name,
                currency=currency,
            )
            if objection is not None:
                yield objection


def count_in_groups(groups: LimitedGroups, changes: Iterable[AccountChange]) -> None:
    """One more entry, posted now, whether or not a limit could have refused it."""
    for group, by_currency in _together(groups, changes):
        group.used = {
            own: used
            if own.currency not in by_currency
            else _counted(used, by_currency[own.currency].moved, own.window)
            for own, used in group.used.items()
        }


def _counted(used: Used, moved: Moved, window: Window) -> Used:
    return counted_on(used, moved.counted(window.direction))


def _together(
    groups: LimitedGroups, changes: Iterable[AccountChange]
) -> list[tuple[LimitedGroup, dict[str, _Together]]]:
    """In the order of the groups' names."""
    found: dict[tuple[LedgerId, str], dict[str, _Together]] = {}
    for change in changes:
        account = change.account
        for name in account.groups:
            by_currency = found.setdefault((account.ledger_id, name), {})
            by_currency.setdefault(account.currency, _Together(change.pointer)).include(change)
    return [(groups[key], found[key]) for key in sorted(found.keys() & groups.keys())]
