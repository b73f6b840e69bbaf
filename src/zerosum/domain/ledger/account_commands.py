"""The commands that open and change accounts. They post nothing: what they leave are settings, records and events."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from zerosum.domain.audit import AuditRecord, AuditType
from zerosum.domain.errors import AccountExists, AccountNotFound, InvalidState
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId, Prefix, render_id
from zerosum.domain.ledger.account import ACCOUNT as ACCOUNT
from zerosum.domain.ledger.account import ACCOUNT_CODE as ACCOUNT_CODE
from zerosum.domain.ledger.account import (
    Account,
    AccountState,
    AccountStatus,
    render_limit,
    status_after_freeze,
    status_after_unfreeze,
    with_limits,
)
from zerosum.domain.ledger.account_content import account_content, account_facts, velocity_content
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entryless import EntrylessCommand
from zerosum.domain.ledger.outcome import Event, Posted, Remembered
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.ledger.velocity import VelocityLimit, Window

AUDIT_RECORD = "audit_record"
"""A line of the security log."""

UNCHANGED: Any = object()
"""Stands for a member that a change leaves alone, since None means "no limit"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCommand(EntrylessCommand):
    """One account is opened or changed. `address`, `request_id` and `reason` are for the security log."""

    account_id: AccountId
    address: str | None = None
    request_id: str | None = None
    reason: str | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.account_id,)

    def windows(self) -> tuple[Window, ...]:
        """Those in which somebody of the same batch may need to know what counts, once this is done."""
        return ()

    def counted(self) -> Iterator[tuple[UUID, Window]]:
        return iter([(self.account_id, window) for window in self.windows()])

    @property
    def record_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, ACCOUNT, self.account_id)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.record_key),)

    def _done(self, account: Account, event: EventType | None) -> Posted:
        """With the account as it is at this moment: what follows in the batch must not change what is answered."""
        shown = replace(account, state=account.state.copy())
        remembered = Remembered(ResourceType.ACCOUNT, self.account_id, account_content(shown))
        if event is None:
            return Posted(self.ledger_id, (), (), shown, remembered)
        told = Event(self.id, event, ResourceType.ACCOUNT, self.account_id, account_facts(shown))
        return Posted(self.ledger_id, (), (told,), shown, remembered, self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount(AccountCommand):
    """`account` is the account as it will be. Its code is looked at under no lock: the database has the last word."""

    account: Account

    @property
    def new_accounts(self) -> Sequence[Account]:
        return (self.account,)

    def needs(self) -> tuple[Need, ...]:
        return (Need(self._code_key, is_locked=False),)

    @property
    def _code_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, ACCOUNT_CODE, self.account.code)

    def decide(self, book: Book, posted_at: datetime) -> Posted:  # noqa: ARG002 - opened when it was asked for
        found = book.records.get(self._code_key)
        if found == self.account_id:
            return self._done(self.account, None)  # by an earlier try, whose COMMIT was not answered
        if found is not None:
            raise AccountExists("The ledger has an account of this code.", pointer="/code")
        book.records[self._code_key] = self.account_id
        book.records[self.record_key] = self.account
        return self._done(self.account, EventType.ACCOUNT_OPENED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingAccountCommand(AccountCommand):
    """It changes an account. Idempotent by state: what is so already stays so, and announces nothing."""

    changes_settings = True
    event: ClassVar[EventType]

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        state = book.accounts.get(self.account_id)
        record = book.records.get(self.record_key)
        if state is None or record is None:
            raise AccountNotFound("This ledger has no such account.")
        before: Account = replace(record, state=state)
        after = self._after(before, book)
        if after == before:
            return self._done(before, None)
        book.accounts[self.account_id] = after.state
        if (after.name, after.metadata) != (before.name, before.metadata):
            book.records[self.record_key] = after
        audit = self._audit_record(before, after, posted_at)
        done = self._done(after, self.event)
        if audit is not None:
            book.records[RecordKey(self.ledger_id, AUDIT_RECORD, audit.id)] = audit
            done.told = (audit,)
        return done

    @abstractmethod
    def _after(self, account: Account, book: Book) -> Account:
        """The account as it is afterwards. Raises what stands against it."""

    @abstractmethod
    def _told(self, before: Account, after: Account) -> tuple[AuditType, Mapping[str, Any]] | None:
        """What the security log tells of it, and the facts beside the code: of its name it tells nothing."""

    def _audit_record(self, before: Account, after: Account, now: datetime) -> AuditRecord | None:
        told = self._told(before, after)
        if told is None:
            return None
        return AuditRecord(
            ledger_id=self.ledger_id,
            id=self.further_id(1),
            recorded_at=now,
            type=told[0],
            actor=self.actor,
            address=self.address,
            request_id=self.request_id,
            resource=render_id(Prefix.ACCOUNT, self.account_id),
            reason=self.reason,
            facts={"code": before.code, **told[1]},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount(ExistingAccountCommand):
    """Name, metadata and limits. What is there may lie outside a new limit: it only gets no further out."""

    event = EventType.ACCOUNT_CHANGED

    name: str | None = UNCHANGED
    min_available: Decimal | None = UNCHANGED
    max_available: Decimal | None = UNCHANGED
    velocity_limits: tuple[VelocityLimit, ...] = UNCHANGED
    """All that it has from then on."""
    new_metadata: Mapping[str, str] = UNCHANGED
    """The account's new metadata (`metadata` would be the command's own)."""

    def _after(self, account: Account, book: Book) -> Account:  # noqa: ARG002
        state = account.state
        if state.status is AccountStatus.CLOSED:
            raise InvalidState("A closed account does not change any more.", account_status=state.status.value)
        floor = state.min_available if self.min_available is UNCHANGED else self.min_available
        ceiling = state.max_available if self.max_available is UNCHANGED else self.max_available
        limited = state if not self._gives_limits else with_limits(state, floor, ceiling)
        if self.velocity_limits is not UNCHANGED:
            limited = replace(limited, velocity=self.velocity_limits)
        return replace(
            account,
            name=account.name if self.name is UNCHANGED else self.name,
            metadata=account.metadata if self.new_metadata is UNCHANGED else dict(self.new_metadata),
            state=limited,
        )

    def windows(self) -> tuple[Window, ...]:
        given = () if self.velocity_limits is UNCHANGED else self.velocity_limits
        return tuple(limit.window for limit in given)

    @property
    def _gives_limits(self) -> bool:
        return self.min_available is not UNCHANGED or self.max_available is not UNCHANGED

    def _told(self, before: Account, after: Account) -> tuple[AuditType, Mapping[str, Any]] | None:
        if not self._gives_limits and self.velocity_limits is UNCHANGED:
            return None
        facts: dict[str, Any] = {}
        if self.velocity_limits is not UNCHANGED:
            facts["velocity_limits"] = {
                "from": velocity_content(before.state),
                "to": velocity_content(after.state),
            }
        for name in ("min_available", "max_available"):
            if getattr(self, name) is not UNCHANGED:
                facts[name] = {
                    "from": render_limit(getattr(before.state, name)),
                    "to": render_limit(getattr(after.state, name)),
                }
        return AuditType.ACCOUNT_LIMITS_CHANGED, facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStatus(ExistingAccountCommand):
    """It is said anew whether the account takes postings."""

    audit_type: ClassVar[AuditType]

    def _after(self, account: Account, book: Book) -> Account:
        return replace(account, state=replace(account.state, status=self._status(account.state, book)))

    @abstractmethod
    def _status(self, state: AccountState, book: Book) -> AccountStatus: ...

    def _told(self, before: Account, after: Account) -> tuple[AuditType, Mapping[str, Any]] | None:  # noqa: ARG002
        return self.audit_type, {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeAccount(ChangeStatus):
    event = EventType.ACCOUNT_FROZEN
    audit_type = AuditType.ACCOUNT_FROZEN

    def _status(self, state: AccountState, book: Book) -> AccountStatus:  # noqa: ARG002
        return status_after_freeze(state)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeAccount(ChangeStatus):
    """`chargeback` is the record that tells whether a client was charged back, and `reopens` that this is known."""

    event = EventType.ACCOUNT_UNFROZEN
    audit_type = AuditType.ACCOUNT_UNFROZEN

    chargeback: RecordKey | None = None
    reopens: bool = False

    def needs(self) -> tuple[Need, ...]:
        """Charging a client back locks its account, so whether that was done need only be read."""
        account = Need(self.record_key)
        return (account,) if self.chargeback is None else (account, Need(self.chargeback, is_locked=False))

    def _status(self, state: AccountState, book: Book) -> AccountStatus:
        after = status_after_unfreeze(state)
        is_locked = self.chargeback is not None and self.chargeback in book.records
        if state.status is AccountStatus.FROZEN and is_locked and not self.reopens:
            raise InvalidState(
                'The client was locked by a chargeback. Say "reopen": true to open it for transactions again.',
                account_status=state.status.value,
            )
        return after
