"""What is announced of accounts that get into debt, and out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from zerosum.domain.commands import Command
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.outcome import Event
from zerosum.domain.money import render_amount

_FURTHER = 10_000
"""What a command makes besides has lower numbers."""


def debt_events(
    command: Command, accounts: Mapping[UUID, AccountState], before: set[UUID], after: set[UUID]
) -> Iterator[Event]:
    """In the order of the accounts. `before` and `after` are those that are in debt."""
    for place, id_ in enumerate(sorted(before ^ after)):
        state = accounts[id_]
        facts = {
            "currency": state.currency,
            "available": render_amount(state.available),
            "debt": render_amount(state.debt),
        }
        type_ = EventType.ACCOUNT_FELL_INTO_DEBT if id_ in after else EventType.ACCOUNT_LEFT_DEBT
        yield Event(command.further_id(_FURTHER + place), type_, ResourceType.ACCOUNT, AccountId(id_), facts)
