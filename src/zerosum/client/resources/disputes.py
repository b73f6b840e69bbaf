"""Disputes. `payments.dispute` opens one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import Amount, amount_text, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.payments import Dispute
from zerosum.client.writing import MoneyOptions, given, written

_DISPUTE = "/v1/disputes/{dispute}"


class Disputes(Calls[Way]):
    @call("getDispute", "GET", _DISPUTE, Dispute)
    def get(self, dispute: str) -> Asked:
        """As it is now."""
        return Asked(path={"dispute": dispute})

    @listing("listDisputes", "/v1/disputes", Dispute)
    def list(
        self,
        *,
        payment: str | None = None,
        status: Literal["open", "under_review", "won", "lost"] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        return Asked(query={"payment": payment, "status": status, "order": order, "limit": page_size})

    @call("evidenceDispute", "POST", f"{_DISPUTE}/evidence", Dispute, is_keyed=True)
    def add_evidence(self, dispute: str, *, text: str, **options: Unpack[MoneyOptions]) -> Asked:
        """What speaks for the receiver."""
        return written("evidenceDispute", {"text": text}, {"dispute": dispute}, **options)

    @call("resolveDispute", "POST", f"{_DISPUTE}/resolve", Dispute, is_keyed=True)
    def resolve(self, dispute: str, *, note: str | None = None, **options: Unpack[MoneyOptions]) -> Asked:
        """Decided for the receiver: the money stays."""
        return written("resolveDispute", {"note": note}, {"dispute": dispute}, **options)

    @call("chargebackDispute", "POST", f"{_DISPUTE}/chargeback", Dispute, is_keyed=True)
    def charge_back(
        self,
        dispute: str,
        *,
        note: str | None = None,
        fee: Amount | None = None,
        fee_to: str | None = None,
        force_fee: bool | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Decided against the receiver, who pays it back, and a `fee` to `fee_to` where both are given."""
        if (fee is None) != (fee_to is None):
            raise ValueError("fee and fee_to go together")
        its_fee = None if fee is None else given({"amount": amount_text(fee), "to": fee_to, "force": force_fee})
        return written("chargebackDispute", {"note": note, "fee": its_fee}, {"dispute": dispute}, **options)

    @call("escalateDispute", "POST", f"{_DISPUTE}/escalate", Dispute, is_keyed=True)
    def escalate(
        self,
        dispute: str,
        *,
        stage: Literal["pre_arbitration", "arbitration"],
        respond_by: datetime | None = None,
        note: str | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """To its next stage."""
        body = {"stage": stage, "respond_by": time_text(respond_by), "note": note}
        return written("escalateDispute", body, {"dispute": dispute}, **options)
