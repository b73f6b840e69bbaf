"""Closing an account: not while a hold, a scheduled payment, an open dispute or a processor's payment still names it.

Who places a hold or schedules a payment locks both accounts, as who closes one does: of two at once one finds what the
other has done. A dispute is a fact from outside, and may come once the account is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from zerosum.domain.audit import AuditType
from zerosum.domain.errors import InvalidState
from zerosum.domain.events import EventType
from zerosum.domain.ledger.account import AccountState, AccountStatus, status_after_close
from zerosum.domain.ledger.account_commands import ChangeStatus
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.payments.disputes import DISPUTE, Dispute
from zerosum.domain.payments.holds import HOLD, Hold, HoldStatus
from zerosum.domain.payments.processor_calls import PROCESSOR_CALL, ProcessorCall
from zerosum.domain.payments.schedules import SCHEDULED_PAYMENT, ScheduledPayment, ScheduleStatus
from zerosum.domain.payments.splits import SPLITS_MAX, split_key

ACCOUNT_USE = "account_use"
"""The record of what still names an account, known by the account's id. It is read, and written nowhere."""

USES_TOLD = 1_000
"""So many of a kind are counted. Whoever has more is told so many."""


class AccountUse(NamedTuple):
    """By what an account is still named, each by its id: the first `USES_TOLD` and one more."""

    holds: frozenset[UUID] = frozenset()
    scheduled_payments: frozenset[UUID] = frozenset()
    disputes: frozenset[UUID] = frozenset()
    processor_calls: frozenset[UUID] = frozenset()


_NOTHING = AccountUse()
_KINDS = {
    HOLD: "holds",
    SCHEDULED_PAYMENT: "scheduled_payments",
    DISPUTE: "disputes",
    PROCESSOR_CALL: "processor_calls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseAccount(ChangeStatus):
    event = EventType.ACCOUNT_CLOSED
    audit_type = AuditType.ACCOUNT_CLOSED

    def needs(self) -> tuple[Need, ...]:
        """What names it is read while its lock is held, without which nothing new can name it."""
        return (Need(self.record_key), Need(self._use_key, is_locked=False))

    @property
    def _use_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, ACCOUNT_USE, self.account_id)

    def _status(self, state: AccountState, book: Book) -> AccountStatus:
        after = status_after_close(state)
        if state.status is AccountStatus.CLOSED:
            return after
        counted = {f"open_{name}": len(ids) for name, ids in self._use(book)._asdict().items() if ids}
        if counted:
            told = {name: str(min(number, USES_TOLD)) for name, number in counted.items()}
            raise InvalidState("The account is still named by what is not ended.", **told)
        return after

    def _use(self, book: Book) -> AccountUse:
        """As it was found, with what commands before this one in the batch have made of it."""
        found: AccountUse = book.records.get(self._use_key) or _NOTHING
        for name, id_, is_open in self._seen(book):
            ids = getattr(found, name)
            if len(ids) <= USES_TOLD:
                found = found._replace(**{name: ids | {id_} if is_open else ids - {id_}})
        return found

    def _seen(self, book: Book) -> Iterator[tuple[str, UUID, bool]]:
        for key, record in book.records.items():
            if key.kind in _KINDS and (
                self.account_id in (record.payer_id, record.payee_id) or self._has_part(record, book)
            ):
                yield _KINDS[key.kind], record.id, _is_open(record)

    def _has_part(self, record: object, book: Book) -> bool:
        """Of a payment that its processor is asked for, or of what it is asked to give back of one."""
        if not isinstance(record, ProcessorCall):
            return False
        payment_id = record.refunded_payment_id or record.id
        for place in range(SPLITS_MAX + 1):
            split = book.records.get(split_key(self.ledger_id, payment_id, place))
            if split is None:
                return False
            if split.asked.account_id == self.account_id and (record.parts is None or record.parts[place]):
                return True
        return False


def _is_open(record: Hold | ScheduledPayment | Dispute | ProcessorCall) -> bool:
    if isinstance(record, Dispute):
        return not record.is_decided
    if isinstance(record, ProcessorCall):
        return not record.is_settled
    return record.status in (HoldStatus.OPEN, ScheduleStatus.SCHEDULED)
