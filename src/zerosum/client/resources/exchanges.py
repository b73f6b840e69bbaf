"""Exchanges of one currency for another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import Amount, amount_text, optional_amount, time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.exchanges import Exchange
from zerosum.client.writing import MoneyOptions, Rounding, written


class Exchanges(Calls[Way]):
    @call("createExchange", "POST", "/v1/exchanges", Exchange, is_keyed=True)
    def create(
        self,
        *,
        from_: str,
        to: str,
        currency: str,
        to_currency: str,
        rate: Amount,
        rate_source: str,
        rate_at: datetime,
        amount: Amount | None = None,
        bought: Amount | None = None,
        margin_percent: Amount | None = None,
        rounding: Rounding | None = None,
        reference: str | None = None,
        description: str | None = None,
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Sells an `amount`, or as much as `bought` costs, at a rate that stays with it."""
        body = {
            "from": from_,
            "to": to,
            "amount": optional_amount(amount),
            "currency": currency,
            "to_currency": to_currency,
            "bought": optional_amount(bought),
            "rate": amount_text(rate),
            "rate_source": rate_source,
            "rate_at": time_text(rate_at),
            "margin_percent": optional_amount(margin_percent),
            "rounding": rounding,
            "reference": reference,
            "description": description,
            "effective_at": time_text(effective_at),
            "metadata": metadata,
        }
        return written("createExchange", body, **options)

    @call("getExchange", "GET", "/v1/exchanges/{exchange}", Exchange)
    def get(self, exchange: str, *, with_balances: bool = False) -> Asked:
        """As it was made."""
        return Asked(path={"exchange": exchange}, query={"include": "balances" if with_balances else None})

    @listing("listExchanges", "/v1/exchanges", Exchange)
    def list(self, *, order: Literal["asc", "desc"] | None = None, page_size: int | None = None) -> Asked:
        """All there are."""
        return Asked(query={"order": order, "limit": page_size})
