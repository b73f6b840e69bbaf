"""Payments that wait for their day, or recur."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import Amount, amount_text, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.schedules import Run, ScheduledPayment
from zerosum.client.writing import Once, given, written

_SCHEDULED = "/v1/scheduled-payments/{scheduled_payment}"


class ScheduledPayments(Calls[Way]):
    @call("createScheduledPayment", "POST", "/v1/scheduled-payments", ScheduledPayment, is_keyed=True)
    def create(
        self,
        *,
        type: Literal["deposit", "withdrawal", "transfer"],  # noqa: A002 - the word of the wire
        amount: Amount,
        currency: str,
        execute_at: datetime,
        from_: str | None = None,
        to: str | None = None,
        rule: str | None = None,
        time_zone: str | None = None,
        on_refusal: Literal["skip", "retry"] | None = None,
        retry_attempts: int | None = None,
        retry_seconds: int | None = None,
        reference: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[Once],
    ) -> Asked:
        """`rule` (RFC 5545) and `time_zone` go together: it recurs."""
        if (rule is None) != (time_zone is None):
            raise ValueError("rule and time_zone go together")
        retry = given({"attempts": retry_attempts, "interval_seconds": retry_seconds})
        body = {
            "type": type,
            "amount": amount_text(amount),
            "currency": currency,
            "from": from_,
            "to": to,
            "execute_at": time_text(execute_at),
            "recurrence": None if rule is None else {"rule": rule, "time_zone": time_zone},
            "on_refusal": on_refusal,
            "retry": retry or None,
            "reference": reference,
            "description": description,
            "metadata": metadata,
        }
        return written("createScheduledPayment", body, **options)

    @call("getScheduledPayment", "GET", _SCHEDULED, ScheduledPayment)
    def get(self, scheduled_payment: str) -> Asked:
        """As it is now, with its newest runs."""
        return Asked(path={"scheduled_payment": scheduled_payment})

    @listing("listScheduledPayments", "/v1/scheduled-payments", ScheduledPayment)
    def list(
        self,
        *,
        account: str | None = None,
        status: Literal["scheduled", "completed", "failed", "cancelled"] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        return Asked(query={"account": account, "status": status, "order": order, "limit": page_size})

    @listing("listScheduledPaymentRuns", f"{_SCHEDULED}/runs", Run)
    def runs(
        self, scheduled_payment: str, *, order: Literal["asc", "desc"] | None = None, page_size: int | None = None
    ) -> Asked:
        """Of one of them."""
        return Asked(path={"scheduled_payment": scheduled_payment}, query={"order": order, "limit": page_size})

    @call("cancelScheduledPayment", "POST", f"{_SCHEDULED}/cancel", ScheduledPayment, is_keyed=True)
    def take_off(self, scheduled_payment: str, **options: Unpack[Once]) -> Asked:
        """No more payments are made of it."""
        return written("cancelScheduledPayment", {}, {"scheduled_payment": scheduled_payment}, **options)
