"""The life of a payment as a timeline: each step with who, when, and what it did to the books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.domain.ledger.account import Layer
from zerosum.services.disputes import RecordedDispute
from zerosum.services.payment_lives import PaymentLife, RefundLife
from zerosum.services.processor_calls import RecordedMove
from zerosum.services.refunds import RecordedRefund
from zerosum.services.webhooks.announcing import shown_address


@dataclass(frozen=True, slots=True, kw_only=True)
class TAccount:
    """What an entry has put on either side of an account."""

    id: UUID
    code: str
    currency: str
    lines: Sequence[tuple[str, Decimal, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`kind` is the template's part that shows `shown`."""

    at: datetime
    title: str
    kind: str
    who: str = ""
    tone: str = ""
    shown: Any = None
    accounts: Sequence[TAccount] = ()
    events: Sequence[Any] = field(default_factory=tuple)


def steps_of(life: PaymentLife) -> list[Step]:
    """In the order in which they happened."""
    found = [*_before(life), *_entries(life, life.refunds, life.disputes, life.payment.id), *_outside(life, life.moves)]
    return sorted(found, key=lambda step: step.at)


def steps_of_refund(life: RefundLife) -> list[Step]:
    """The same of a refund. Nothing of it is linked to itself."""
    found = [*_entries(life, (), (), life.refund.id), *_outside(life, ())]
    return sorted(found, key=lambda step: step.at)


def _before(life: PaymentLife) -> Iterator[Step]:
    review, hold = life.review, life.hold
    if review is not None:
        yield Step(
            at=review.created_at, title=f"Held for review by the rule {review.rule}", kind="review", who=review.actor,
            tone="pending", shown=review,
        )  # fmt: skip
        for number, decision in enumerate(filter(None, (review.first, review.last)), 1):
            title = "Approved" if review.approvals_needed == 1 else f"Approved, {number} of {review.approvals_needed}"
            yield Step(at=decision.decided_at, title=title, kind="decision", who=decision.actor, shown=decision)
    if hold is not None:
        yield Step(at=hold.created_at, title="Held before it was captured", kind="hold", shown=hold)


def _entries(
    life: PaymentLife | RefundLife,
    refunded: Sequence[RecordedRefund],
    disputed: Sequence[RecordedDispute],
    first_id: UUID,
) -> Iterator[Step]:
    """A refund that a processor was asked for has two entries: that which proposed it, and that which settled it."""
    refunds = {refund.id: refund for refund in refunded}
    refunds |= {refund.settlement.entry_id: refund for refund in refunded if refund.settlement is not None}
    disputes = {entry_id: dispute for dispute in disputed for entry_id in dispute.entry_ids}
    deliveries = defaultdict(list)
    for sent in life.deliveries:
        # Many receivers take the path for a secret: who may set webhooks sees it on their own page.
        deliveries[sent.event_id].append(sent._replace(url=shown_address(sent.url)))
    told = defaultdict(list)
    for event in life.events:
        told[event.id].append((event, deliveries[event.id]))
    for entry in life.entries:
        refund, dispute = refunds.get(entry.id), disputes.get(entry.id)
        yield Step(
            at=entry.posted_at,
            title=entry.reason[:1].upper() + entry.reason[1:],
            kind="entry",
            who=entry.actor,
            shown={"entry": entry, "refund": refund, "dispute": dispute, "is_first": entry.id == first_id},
            accounts=_t_accounts(entry.postings),
            events=told[entry.id],
        )


def _t_accounts(postings: Sequence[Any]) -> list[TAccount]:
    """One for each account, in the order of the entry's lines."""
    by_account: dict[UUID, list[Any]] = {}
    for line in postings:
        by_account.setdefault(line.account_id, []).append(line)
    return [
        TAccount(
            id=id_,
            code=lines[0].account_code,
            currency=lines[0].currency,
            lines=[(line.side.value, line.amount, _layer(line)) for line in lines],
        )
        for id_, lines in by_account.items()
    ]


def _layer(line: Any) -> str:
    if line.layer is Layer.POSTED:
        return ""
    return "released" if line.releases else "pending"


def _outside(life: PaymentLife | RefundLife, moves: Sequence[RecordedMove]) -> Iterator[Step]:
    call = life.call
    if call is None:
        return
    first = moves[0].processor if moves else call.processor
    yield Step(at=call.created_at, title=f"To be carried out by {first}", kind="route", shown=call)
    for move in moves:
        if move.sent_at is not None:
            yield Step(at=move.sent_at, title=f"{move.processor} was asked", kind="left", shown=move)
        said = f"{move.processor} has not carried it out: {move.to_processor} is asked"
        yield Step(at=move.moved_at, title=said, kind="left", tone="pending", shown=move)
    if call.sent_at is not None:
        yield Step(at=call.sent_at, title=f"{call.processor} was asked", kind="attempt", shown=call)
    if call.settled_at is not None:
        tone = "" if call.approved else "failed"
        yield Step(at=call.settled_at, title=f"{call.processor}: {call.state}", kind="settled", tone=tone, shown=call)
    for told in life.callbacks:
        yield Step(at=told.received_at, title=f"{call.processor} has told: {told.told}", kind="callback", shown=told)
