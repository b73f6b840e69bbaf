"""Accounts that are opened by the first command that uses them, in its transaction (docs/decisions/0034)."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from datetime import datetime
from uuid import UUID

from zerosum.domain.errors import AccountOpenedMeanwhile
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.ledger.account import ACCOUNT, ACCOUNT_CODE, Account, AccountState
from zerosum.domain.ledger.account_content import account_facts
from zerosum.domain.ledger.outcome import Event
from zerosum.domain.ledger.records import Need, RecordKey, Records
from zerosum.domain.ledger.velocity import Used, zone_of


def code_needs(opens: Sequence[Account]) -> tuple[Need, ...]:
    """Whether their codes are taken is looked at under no lock: the unique index has the last word."""
    return tuple(Need(_code_key(account), is_locked=False) for account in opens)


def open_accounts(
    opens: Sequence[Account], accounts: MutableMapping[UUID, AccountState], records: Records, posted_at: datetime
) -> tuple[Event, ...]:
    """Open those that are not open yet. Raises AccountOpenedMeanwhile where a code names another account by now."""
    events = []
    for account in opens:
        found = records.get(_code_key(account))
        if found == account.state.id:
            continue  # by a command before this one
        if found is not None:
            raise AccountOpenedMeanwhile("The account was opened meanwhile; send the request again.")
        records[_code_key(account)] = account.state.id
        # What is recorded stays as it was opened: its postings are written upon it.
        records[RecordKey(account.state.ledger_id, ACCOUNT, account.state.id)] = account
        accounts[account.state.id] = _unused(account.state, posted_at)
        events.append(_opening(account))
    return tuple(events)


def _unused(state: AccountState, posted_at: datetime) -> AccountState:
    """As it enters the book: nothing has moved yet in the windows of its limits."""
    entered = state.copy()
    if entered.velocity:
        zone, nothing = zone_of(entered.ledger_id), entered.posted
        entered.used = {
            limit.window: Used(
                posted_at, limit.window.start(posted_at, zone), limit.window.end(posted_at, zone), nothing, 0
            )
            for limit in entered.velocity
        }
    return entered


def _opening(account: Account) -> Event:
    """As that of an account that was opened by request."""
    id_ = account.state.id
    return Event(id_, EventType.ACCOUNT_OPENED, ResourceType.ACCOUNT, id_, account_facts(account))


def _code_key(account: Account) -> RecordKey:
    return RecordKey(account.state.ledger_id, ACCOUNT_CODE, account.code)
