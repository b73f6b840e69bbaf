"""Disputes on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.bulk import BalancesAfter, DryRunBalance
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    Amount,
    CurrencyCode,
    Moment,
    OneOf,
    Reason,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import render_amount
from zerosum.domain.payments.disputes import DisputeStage, DisputeStatus, DisputeTexts, DisputeVerb
from zerosum.services.disputes import DisputeChangeOrder, DisputeOrder, RecordedDispute

DisputeStatusName = Annotated[str, OneOf(DisputeStatus)]
DisputeStageName = Annotated[str, OneOf(DisputeStage)]


class LaterStage(StrEnum):
    """Those that a dispute is taken to."""

    PRE_ARBITRATION = DisputeStage.PRE_ARBITRATION.value
    ARBITRATION = DisputeStage.ARBITRATION.value


class DisputeRequest(Request):
    """What the payer's bank says of a payment."""

    reason: Annotated[Reason, Field(description="Why it is questioned.", examples=["fraudulent"])]
    amount: Annotated[Amount | None, Field(description="All that is left of the payment where nothing is said.")] = None
    provider_case_id: Annotated[
        Text | None,
        Field(
            description="The provider's own name for the case: a second notice is answered with the same dispute.",
            examples=["case-77"],
        ),
    ] = None
    network_reason_code: Annotated[Text | None, Field(description="Of the card network.", examples=["10.4"])] = None
    respond_by: Annotated[Moment | None, Field(description="Until when evidence counts.")] = None

    def order(self, idempotency_key: str, payment_id: UUID) -> DisputeOrder:
        return DisputeOrder(
            idempotency_key=idempotency_key, payment_id=payment_id, texts=self.texts(), amount=self.amount
        )

    def texts(self) -> DisputeTexts:
        moment: datetime | None = self.respond_by
        return DisputeTexts(
            reason=self.reason,
            network_reason_code=self.network_reason_code,
            provider_case_id=self.provider_case_id,
            respond_by=None if moment is None else render_time(moment),
        )


class EvidenceRequest(Request):
    """What speaks for who was paid."""

    text: Annotated[Text, Field(description="The evidence, or where it is kept.", examples=["Delivered on Monday"])]

    def order(self, idempotency_key: str, dispute_id: UUID) -> DisputeChangeOrder:
        return _change(DisputeVerb.EVIDENCE_ADDED, idempotency_key, dispute_id, self.text)


class DecisionRequest(Request):
    """How it was decided."""

    note: Annotated[Text | None, Field(description="For people.", examples=["The bank has agreed"])] = None

    def order(self, idempotency_key: str, dispute_id: UUID) -> DisputeChangeOrder:
        return _change(DisputeVerb.WON, idempotency_key, dispute_id, self.note)


class FeeRequest(Request):
    """What losing costs who was paid, besides."""

    amount: Amount
    to: AccountReference
    force: Annotated[
        bool | None,
        Field(description="Also where who was paid has not so much: he owes it then. Needs the scope `admin`."),
    ] = None


class ChargebackRequest(DecisionRequest):
    """How it was lost."""

    fee: Annotated[
        FeeRequest | None,
        Field(
            description="What losing costs who was paid besides, and who gets it. Left out: what the house rules say; "
            "null: nothing."
        ),
    ] = None

    def order(self, idempotency_key: str, dispute_id: UUID) -> DisputeChangeOrder:
        fee: dict[str, Any] = {"is_fee_waived": self.fee is None and "fee" in self.model_fields_set}
        if self.fee is not None:
            fee = {"fee": self.fee.amount, "fee_to": self.fee.to, "is_fee_forced": bool(self.fee.force)}
        return _change(DisputeVerb.LOST, idempotency_key, dispute_id, self.note, **fee)


class EscalationRequest(Request):
    """To which stage it goes."""

    stage: Annotated[str, OneOf(LaterStage), Field(description="The next one, or the last at once.")]
    respond_by: Annotated[Moment | None, Field(description="Until when evidence counts now.")] = None
    note: Annotated[Text | None, Field(description="For people.", examples=["The bank does not agree"])] = None

    def order(self, idempotency_key: str, dispute_id: UUID) -> DisputeChangeOrder:
        respond_by = None if self.respond_by is None else render_time(self.respond_by)
        stage = DisputeStage(self.stage)
        return _change(
            DisputeVerb.ESCALATED, idempotency_key, dispute_id, self.note, stage=stage, respond_by=respond_by
        )


def _change(verb: DisputeVerb, key: str, dispute_id: UUID, text: str | None, **members: Any) -> DisputeChangeOrder:
    return DisputeChangeOrder(idempotency_key=key, dispute_id=dispute_id, verb=verb, text=text, **members)


class FeeResponse(Response):
    """What losing has cost who was paid, besides."""

    amount: Annotated[Amount, Field(description="In the currency of the dispute.")]
    to: Annotated[str, id_field(Prefix.ACCOUNT, "Who got it.")]
    house_rules: Annotated[
        int | None,
        Field(description="The version of the house rules that said so; null: the request.", examples=[None]),
    ]


class EvidenceResponse(Response):
    """A piece of evidence."""

    text: Annotated[str, Field(description="As it was given.", examples=["Delivered on Monday"])]
    added_at: Annotated[Time, Field(description="When it was given.")]


class DisputeResponse(Response):
    """A dispute, and how it stands."""

    id: Annotated[str, id_field(Prefix.DISPUTE, "The dispute.")]
    payment_id: Annotated[str, id_field(Prefix.PAYMENT, "The payment that is questioned.")]
    status: Annotated[DisputeStatusName, Field(description="What has become of it; `won` is for who was paid.")]
    stage: Annotated[DisputeStageName, Field(description="How far it has gone between the banks.")]
    amount: Annotated[Amount, Field(description="What of the payment is questioned.")]
    currency: CurrencyCode
    reason: Annotated[str, Field(description="Why.", examples=["fraudulent"])]
    network_reason_code: Annotated[str | None, Field(description="Of the card network, or null.", examples=["10.4"])]
    provider_case_id: Annotated[str | None, Field(description="The provider's name for it, or null.", examples=["c7"])]
    respond_by: Annotated[Time | None, Field(description="Until when evidence counts, or null.")]
    evidence: Annotated[list[EvidenceResponse], Field(description="What was handed in, the oldest first.")]
    note: Annotated[
        str | None, Field(description="Of the last decision or escalation, or null.", examples=["The bank has agreed"])
    ]
    fee: Annotated[FeeResponse | None, Field(description="Of a lost one, or null.")]
    journal_entry_ids: Annotated[
        list[str], Field(description="What it has posted, the oldest first.", examples=[[f"je_{EXAMPLE_UUID}"]])
    ]
    created_at: Annotated[Time, Field(description="When it was opened.")]
    balances: BalancesAfter = None


class DisputeDryRun(DisputeResponse):
    """A dispute as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def dispute_body(dispute: RecordedDispute) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.DISPUTE, dispute.id),
        "payment_id": render_id(Prefix.PAYMENT, dispute.payment_id),
        "status": dispute.status,
        "stage": dispute.stage,
        "amount": render_amount(dispute.amount),
        "currency": dispute.currency,
        **dispute.texts._asdict(),
        "evidence": [piece._asdict() for piece in dispute.evidence],
        "note": dispute.note,
        "fee": None
        if dispute.fee is None or dispute.fee_account_id is None
        else {
            "amount": render_amount(dispute.fee),
            "to": render_id(Prefix.ACCOUNT, dispute.fee_account_id),
            "house_rules": dispute.fee_house_rules,
        },
        "journal_entry_ids": [render_id(Prefix.JOURNAL_ENTRY, entry_id) for entry_id in dispute.entry_ids],
        "created_at": render_time(dispute.created_at),
    }
