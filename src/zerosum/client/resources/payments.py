"""Payments, and what is given back of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import Amount, optional_amount, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing, metadata_filters
from zerosum.client.models.payments import Dispute, Payment, Refund
from zerosum.client.orders import Condition, NewPayment, Split
from zerosum.client.results import PaymentResults
from zerosum.client.writing import MoneyOptions, bulk, written


class Payments(Calls[Way]):
    @call("createPayment", "POST", "/v1/payments", Payment, is_keyed=True)
    def create(
        self,
        *,
        type: Literal["deposit", "withdrawal", "transfer"],  # noqa: A002 - the word of the wire
        amount: Amount,
        currency: str,
        from_: str | None = None,
        to: str | None = None,
        reference: str | None = None,
        description: str | None = None,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        splits: Sequence[Split] | None = None,
        conditions: Sequence[Condition] | None = None,
        processor: str | None = None,
        late_because: str | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """A deposit names `to`, a withdrawal `from_`, a transfer both. Raises PaymentInReview where a rule holds it.

        `late_because` is why a closed period is to be overridden.
        """
        order = NewPayment(
            type=type,
            amount=amount,
            currency=currency,
            from_=from_,
            to=to,
            reference=reference,
            description=description,
            effective_at=effective_at,
            metadata=metadata,
            splits=splits,
            conditions=conditions,
            processor=processor,
            late_because=late_because,
        )
        return written("createPayment", order.wire(), **options)

    @call("createPayments", "POST", "/v1/payments/bulk", PaymentResults, is_keyed=True)
    def create_many(
        self,
        payments: Sequence[NewPayment],
        *,
        mode: Literal["independent", "atomic"] = "independent",
        dry_run: bool = False,
        with_balances: bool = False,
    ) -> Asked:
        """Up to 1,000 at once, each under its own key. `independent` ones may be refused: look at each result."""
        return bulk([one.item() for one in payments], mode, dry_run, with_balances)

    @call("getPayment", "GET", "/v1/payments/{payment}", Payment)
    def get(self, payment: str, *, with_balances: bool = False) -> Asked:
        """As it is now."""
        return Asked(path={"payment": payment}, query={"include": "balances" if with_balances else None})

    @listing("listPayments", "/v1/payments", Payment)
    def list(
        self,
        *,
        account: str | None = None,
        type: Literal["deposit", "withdrawal", "transfer"] | None = None,  # noqa: A002
        status: str | None = None,
        currency: str | None = None,
        reference: str | None = None,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit, the newest first unless `order` is `asc`."""
        query = {
            "account": account,
            "type": type,
            "status": status,
            "currency": currency,
            "reference": reference,
            "effective_from": time_text(effective_from),
            "effective_to": time_text(effective_to),
            "order": order,
            "limit": page_size,
        }
        return Asked(query=query | metadata_filters(metadata))

    @call("refundPayment", "POST", "/v1/payments/{payment}/refund", Refund, is_keyed=True)
    def refund(
        self,
        payment: str,
        *,
        amount: Amount | None = None,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Without `amount` all that is left of it."""
        body = {"amount": optional_amount(amount), "reason": reason, "metadata": metadata}
        return written("refundPayment", body, {"payment": payment}, **options)

    @listing("listRefunds", "/v1/payments/{payment}/refunds", Refund)
    def refunds(self, payment: str, *, page_size: int | None = None) -> Asked:
        """Of one payment."""
        return Asked(path={"payment": payment}, query={"limit": page_size})

    @call("disputePayment", "POST", "/v1/payments/{payment}/dispute", Dispute, is_keyed=True)
    def dispute(
        self,
        payment: str,
        *,
        reason: str,
        amount: Amount | None = None,
        provider_case_id: str | None = None,
        network_reason_code: str | None = None,
        respond_by: datetime | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """What the payer's bank questions is held at who was paid."""
        body = {
            "reason": reason,
            "amount": optional_amount(amount),
            "provider_case_id": provider_case_id,
            "network_reason_code": network_reason_code,
            "respond_by": time_text(respond_by),
        }
        return written("disputePayment", body, {"payment": payment}, **options)
