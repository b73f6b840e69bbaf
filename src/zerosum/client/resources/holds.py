"""Holds: placed, captured, voided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import Amount, amount_text, optional_amount, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing, metadata_filters
from zerosum.client.models.holds import Hold
from zerosum.client.orders import Split, wires
from zerosum.client.writing import MoneyOptions, written

_HOLD = "/v1/holds/{hold}"


class Holds(Calls[Way]):
    @call("createHold", "POST", "/v1/holds", Hold, is_keyed=True)
    def place(
        self,
        *,
        from_: str,
        to: str,
        amount: Amount,
        currency: str,
        expires_at: datetime | None = None,
        capture_max: Amount | None = None,
        reference: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Keeps money for somebody without paying it."""
        body = {
            "from": from_,
            "to": to,
            "amount": amount_text(amount),
            "currency": currency,
            "expires_at": time_text(expires_at),
            "capture_max": optional_amount(capture_max),
            "reference": reference,
            "description": description,
            "metadata": metadata,
        }
        return written("createHold", body, **options)

    @call("captureHold", "POST", f"{_HOLD}/capture", Hold, is_keyed=True)
    def capture(
        self,
        hold: str,
        *,
        amount: Amount | None = None,
        final: bool | None = None,
        splits: Sequence[Split] | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Pays it, all that is left or an `amount`; `final` sets the rest free."""
        body = {"amount": optional_amount(amount), "final": final, "splits": wires(splits)}
        return written("captureHold", body, {"hold": hold}, **options)

    @call("incrementHold", "POST", f"{_HOLD}/increment", Hold, is_keyed=True)
    def increment(self, hold: str, *, amount: Amount, **options: Unpack[MoneyOptions]) -> Asked:
        """Holds so much more."""
        return written("incrementHold", {"amount": amount_text(amount)}, {"hold": hold}, **options)

    @call("extendHold", "POST", f"{_HOLD}/extend", Hold, is_keyed=True)
    def extend(self, hold: str, *, expires_at: datetime, **options: Unpack[MoneyOptions]) -> Asked:
        """Holds it for longer."""
        return written("extendHold", {"expires_at": time_text(expires_at)}, {"hold": hold}, **options)

    @call("voidHold", "POST", f"{_HOLD}/void", Hold, is_keyed=True)
    def void(self, hold: str, **options: Unpack[MoneyOptions]) -> Asked:
        """Sets free what is left."""
        return written("voidHold", {}, {"hold": hold}, **options)

    @call("getHold", "GET", _HOLD, Hold)
    def get(self, hold: str) -> Asked:
        """As it is now."""
        return Asked(path={"hold": hold})

    @listing("listHolds", "/v1/holds", Hold)
    def list(
        self,
        *,
        account: str | None = None,
        status: Literal["open", "captured", "voided", "expired"] | None = None,
        currency: str | None = None,
        reference: str | None = None,
        metadata: Mapping[str, str] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        query = {
            "account": account,
            "status": status,
            "currency": currency,
            "reference": reference,
            "order": order,
            "limit": page_size,
        }
        return Asked(query=query | metadata_filters(metadata))
