"""A dispute: the payer's bank questions a payment. What was paid is held at who was paid until that is decided.

Everything about it is a fact from outside: no limit, freeze or closing of an account refuses it. Where the money is
gone the account is left below its floor, and flagged, until what comes in next has made up for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from zerosum.domain.identifiers import AccountId, DisputeId, LedgerId, PaymentId
from zerosum.domain.money import Money, render_amount

DISPUTE = "dispute"
"""Of which kind disputes are among the records."""

DISPUTE_CASE = "dispute_case"
"""And by which they are found under the provider's own name for the case."""

DISPUTE_CHANGE = "dispute_change"
"""The steps of their lives, each known by the command that made it."""

EVIDENCE_MAX = 50


class DisputeStatus(StrEnum):
    OPEN = "open"
    UNDER_REVIEW = "under_review"
    """Evidence was handed in."""
    WON = "won"
    """For who was paid: what was held is his again."""
    LOST = "lost"
    """Against him: the money has gone back."""


class DisputeVerb(StrEnum):
    """What a step of a dispute's life did."""

    OPENED = "opened"
    EVIDENCE_ADDED = "evidence_added"
    ESCALATED = "escalated"
    """Taken to the next stage. Where it was won already, the money is held again."""
    WON = "won"
    LOST = "lost"


class DisputeStage(StrEnum):
    """How far it has gone between the banks. What one stage has decided for who was paid, the next may question."""

    FIRST = "first"
    PRE_ARBITRATION = "pre_arbitration"
    ARBITRATION = "arbitration"
    """The network decides, and that is the end."""


STAGES = tuple(DisputeStage)


class Evidence(NamedTuple):
    text: str
    added_at: str
    """In its wire form: nothing is decided by it."""


class DisputeTexts(NamedTuple):
    """What the provider has said. It decides nothing; it is kept and shown as it was given."""

    reason: str
    network_reason_code: str | None = None
    provider_case_id: str | None = None
    respond_by: str | None = None
    """In its wire form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """It bears the UUID of the entry that opened it. `payee_id` was paid, `payer_id` gets it if the dispute is lost.

    `fee` is what losing it has cost the payee besides, and `fee_account_id` who got that; `fee_house_rules` is the
    version of the house rules by which it was so, where the request has said nothing.
    """

    id: DisputeId
    ledger_id: LedgerId
    payment_id: PaymentId
    status: DisputeStatus
    money: Money
    payer_id: AccountId
    payee_id: AccountId
    texts: DisputeTexts
    note: str | None
    evidence: tuple[Evidence, ...]
    entry_ids: tuple[UUID, ...]
    created_at: datetime
    last_change_id: UUID
    stage: DisputeStage = DisputeStage.FIRST
    fee: Money | None = None
    fee_account_id: AccountId | None = None
    fee_house_rules: int | None = None
    changes: int = 1

    @property
    def is_decided(self) -> bool:
        return self.status in (DisputeStatus.WON, DisputeStatus.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeChange:
    """A step of a dispute's life, and the dispute as it left it. It bears the id of its command."""

    id: UUID
    verb: DisputeVerb
    changed_at: datetime
    dispute: Dispute


def dispute_facts(dispute: Dispute) -> dict[str, Any]:
    """What an event tells of a dispute: as it was."""
    return {
        "payment_id": f"pay_{dispute.payment_id}",
        "status": dispute.status.value,
        "stage": dispute.stage.value,
        "amount": render_amount(dispute.money.amount),
        "currency": dispute.money.currency.code,
        **{name: value for name, value in dispute.texts._asdict().items() if value is not None},
        "evidence": [piece._asdict() for piece in dispute.evidence],
        "note": dispute.note,
        "fee": None if dispute.fee is None else render_amount(dispute.fee.amount),
        "fee_account_id": None if dispute.fee_account_id is None else f"acc_{dispute.fee_account_id}",
        "journal_entry_ids": [f"je_{entry_id}" for entry_id in dispute.entry_ids],
    }
