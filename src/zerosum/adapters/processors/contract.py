"""What a processor is asked and what it answers. A plug-in needs this file and nothing else of Zerosum.

Its methods are plain calls: they run in threads of their own, under a time-out, with no transaction open. Whatever one
raises, and a reply that does not come, means that nobody knows what became of the payment: it is looked up later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class ProcessorOutcome(StrEnum):
    APPROVED = "approved"
    """Carried out, wholly or in part: money has moved."""
    DECLINED = "declined"
    """Not carried out, and it never will be."""
    PENDING = "pending"
    """Taken on and not decided yet: it is looked up later, or told by a callback."""
    ABSENT = "absent"
    """Of a look-up: the processor knows no payment of this key, and so has not carried it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorOrder:
    """What is to be carried out. However often it is asked for, the `key` is the same: it must be done once.

    `type` is `deposit` or `withdrawal`, `amount` a decimal number with exactly the currency's places.
    """

    key: str
    payment_id: str
    type: str
    amount: str
    currency: str
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    traceparent: str | None = None
    """Of which trace it is a part (W3C Trace Context), for the processor's own records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorRefundOrder:
    """So much of a payment is to be given back. The `key` is the refund's own, and the same however often it is sent.

    `type` is that of the payment, `payment_key` its key and `processor_payment_id` how the processor has called it.
    """

    key: str
    refund_id: str
    payment_id: str
    payment_key: str
    processor_payment_id: str | None
    type: str
    amount: str
    currency: str
    reason: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorAnswer:
    """`amount` None: all that was asked for. `reason` is the processor's own code for why it has declined."""

    outcome: ProcessorOutcome
    amount: str | None = None
    processor_payment_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorDispute:
    """The payer's bank questions a deposit. A case is one dispute, however it is told; `amount` None: all of it."""

    case_id: str
    reason: str
    amount: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorCallback:
    """What a processor tells by itself. It sends the same `event_id` however often it repeats it.

    With a `dispute` it tells of that; its answer is PENDING then, and decides nothing.
    """

    event_id: str
    key: str
    answer: ProcessorAnswer
    dispute: ProcessorDispute | None = None


class NotSent(Exception):
    """Raised by `pay` where nothing has reached the processor, for no connection came about: another may be asked."""


class BadCallback(Exception):
    """Nobody knows who has sent this: the signature does not fit, or it is older than five minutes."""


class Processor(Protocol):
    def pay(self, order: ProcessorOrder) -> ProcessorAnswer:
        """Carry it out. Asked for again with the same key, it answers what has become of the first."""
        ...

    def look_up(self, key: str) -> ProcessorAnswer:
        """What has become of the payment of this key."""
        ...

    def parse_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> ProcessorCallback:
        """Names of headers are in lower case. Raises BadCallback for one whose signature over the body does not fit.

        Its `key` is that of the payment or refund that it tells of.
        """
        ...


@runtime_checkable
class RefundingProcessor(Protocol):
    """One that also gives back. Refunds through one that has not these two are only recorded in the books."""

    def refund(self, order: ProcessorRefundOrder) -> ProcessorAnswer:
        """Give it back. Asked for again with the same key, it answers what has become of the first."""
        ...

    def look_up_refund(self, key: str) -> ProcessorAnswer:
        """What has become of the refund of this key."""
        ...


@runtime_checkable
class WithdrawingProcessor(Protocol):
    """One that holds orders before they go out, and can be told that a person has settled one by hand."""

    def withdraw(self, key: str, *, is_approved: bool, amount: str | None) -> None:
        """Do not send the payment of this key any more, where it has not gone out; a look-up says from now on what the
        person has said. Told before it is settled: where it raises, nothing is settled, and the person tries again."""
        ...
