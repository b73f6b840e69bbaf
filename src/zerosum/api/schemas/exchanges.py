"""Exchanges on the wire."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.bulk import BalancesAfter, DryRunBalance
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    AccountReference,
    Amount,
    AnsweredCode,
    AnsweredMetadata,
    BalanceAmount,
    CurrencyCode,
    GivenMetadata,
    Moment,
    OneOf,
    Request,
    Response,
    Text,
    Time,
    id_field,
)
from zerosum.api.schemas.late_dates import LateDate, late_body
from zerosum.api.schemas.splits import Percent
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.money import RATE_PATTERN_TEXT, RoundingMode, render_amount, render_number
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.exchanges import ExchangeOrder, RecordedExchange

RoundingModeName = Annotated[str, OneOf(RoundingMode)]
Rate = Annotated[
    str,
    Field(
        description="How much of `to_currency` one of `currency` is worth, with up to 18 places.",
        examples=["0.92135"],
        json_schema_extra={"pattern": RATE_PATTERN_TEXT},
    ),
]
_TEXTS_OF = attrgetter(*PaymentTexts._fields)


class ExchangeRequest(Request):
    """What is sold, for which currency, and at whose rate."""

    from_: Annotated[AccountReference, Field(alias="from", description="The account that sells.")]
    to: Annotated[
        AccountReference, Field(description="The account that gets what is bought.", examples=["customers:alice:eur"])
    ]
    amount: Annotated[Amount | None, Field(description="What is sold: this or `bought`.", examples=["100.00"])] = None
    currency: CurrencyCode
    to_currency: Annotated[CurrencyCode, Field(description="The currency that is bought.", examples=["EUR"])]
    bought: Annotated[
        Amount | None,
        Field(description="What `to` is to get, where that is said and not what is sold.", examples=[None]),
    ] = None
    rate: Rate
    rate_source: Annotated[Text, Field(description="Whose rate it is.", examples=["ECB reference rates"])]
    rate_at: Annotated[Moment, Field(description="When it was given: at most five minutes ahead.")]
    margin_percent: Annotated[Percent | None, Field(description="What of the bought amount is kept.")] = None
    rounding: Annotated[
        RoundingModeName | None,
        Field(description="Of what is finer: `half_even` where nothing is said; `up` with `bought`."),
    ] = None
    reference: Annotated[Text | None, Field(description="Your own reference.", examples=["order 1001"])] = None
    description: Annotated[Text | None, Field(description="For people.", examples=["Holiday money"])] = None
    effective_at: Annotated[Moment | None, Field(description="When it happened; by default when it is posted.")] = None
    metadata: GivenMetadata = None

    def order(self, idempotency_key: str) -> ExchangeOrder:
        """Raises ValidationFailed."""
        if (self.amount is None) is (self.bought is None):
            raise ValidationFailed("Either what is sold is said (`amount`), or what is bought.", pointer="/amount")
        if self.bought is not None and self.rounding not in (None, RoundingMode.UP):
            raise ValidationFailed("What is sold for what is to be bought is rounded up.", pointer="/rounding")
        rounding = RoundingMode.HALF_EVEN if self.bought is None else RoundingMode.UP
        return ExchangeOrder(
            idempotency_key=idempotency_key,
            payer=self.from_,
            payee=self.to,
            amount=self.amount,
            currency=self.currency,
            bought_currency=self.to_currency,
            rate=self.rate,
            rate_source=self.rate_source,
            rate_at=self.rate_at,
            margin_percent=self.margin_percent,
            bought=self.bought,
            rounding=RoundingMode(self.rounding or rounding),
            texts=PaymentTexts._make(_TEXTS_OF(self)),
            effective_at=self.effective_at,
            metadata=self.metadata or {},
        )


class ExchangeResponse(Response):
    """An exchange: `bought`, `margin` and `gain` are `exact` and `difference` together, to the last digit."""

    id: Annotated[str, id_field(Prefix.EXCHANGE, "The exchange.")]
    from_: Annotated[AccountId, Field(alias="from", description="The account that sold.")]
    from_code: AnsweredCode
    to: Annotated[AccountId, Field(description="The account that got what was bought.")]
    to_code: Annotated[AnsweredCode, Field(examples=["customers:alice:eur"])]
    amount: Annotated[Amount, Field(description="What was sold.", examples=["100.00"])]
    currency: CurrencyCode
    bought: Annotated[Amount, Field(description="What was bought, without the margin.", examples=["91.68"])]
    to_currency: Annotated[CurrencyCode, Field(examples=["EUR"])]
    margin: Annotated[BalanceAmount, Field(description="What was kept of it.", examples=["0.46"])]
    margin_percent: Annotated[str | None, Field(description="As it was asked for, or null.", examples=["0.5"])]
    gain: Annotated[
        BalanceAmount | None,
        Field(
            description="What was earned by rounding up what is sold, in whole units of what is bought; null where it "
            "was said what is sold.",
            examples=[None],
        ),
    ]
    rate: Rate
    rate_source: Annotated[str, Field(description="Whose rate it is.", examples=["ECB reference rates"])]
    rate_at: Annotated[Time, Field(description="When it was given.")]
    exact: Annotated[str, Field(description="The amount times the rate, with all its places.", examples=["92.135"])]
    rounding: Annotated[RoundingModeName, Field(description="How that was rounded.")]
    difference: Annotated[
        str,
        Field(
            description="What the exchange account has given beyond `exact`; below zero: what it has kept of it.",
            examples=["0.005"],
        ),
    ]
    reference: Annotated[str | None, Field(description="Your own reference, or null.", examples=["order 1001"])]
    description: Annotated[str | None, Field(description="For people, or null.", examples=["Holiday money"])]
    journal_entry_ids: Annotated[list[str], Field(description="What it has posted.", examples=[[f"je_{EXAMPLE_UUID}"]])]
    account_versions: Annotated[
        dict[str, int],
        Field(
            description="The version each account has reached by it: for `min_version`.",
            examples=[{f"acc_{EXAMPLE_UUID}": 1}],
        ),
    ]
    effective_at: Annotated[Time, Field(description="When it happened in the world.")]
    created_at: Annotated[Time, Field(description="When it was written.")]
    metadata: AnsweredMetadata
    late: Annotated[LateDate | None, Field(description="Only of one that was dated into a closed period.")] = None
    balances: BalancesAfter = None


class ExchangeDryRun(ExchangeResponse):
    """An exchange as it would be, and the balances after it."""

    dry_run: Annotated[Literal[True], Field(description="Nothing was written.")]
    balances: Annotated[list[DryRunBalance], Field(description="How the touched accounts would stand.")]


def exchange_body(exchange: RecordedExchange) -> dict[str, Any]:
    terms, conversion = exchange.terms, exchange.conversion
    late = {} if exchange.late is None else {"late": late_body(exchange.late)}
    return {
        "id": render_id(Prefix.EXCHANGE, exchange.id),
        "from": render_id(Prefix.ACCOUNT, exchange.payer_id),
        "from_code": exchange.payer_code,
        "to": render_id(Prefix.ACCOUNT, exchange.payee_id),
        "to_code": exchange.payee_code,
        "amount": render_amount(exchange.amount),
        "currency": exchange.currency,
        "bought": render_amount(conversion.bought),
        "to_currency": exchange.bought_currency,
        "margin": render_amount(conversion.margin),
        "margin_percent": None if terms.margin_percent is None else render_number(terms.margin_percent),
        "gain": None if conversion.gain is None else render_amount(conversion.gain),
        "rate": render_number(terms.rate),
        "rate_source": terms.source,
        "rate_at": render_time(terms.rate_at),
        "exact": render_number(conversion.exact),
        "rounding": terms.rounding,
        "difference": render_number(conversion.difference),
        **exchange.texts._asdict(),
        # The entry bears the same UUID.
        "journal_entry_ids": [render_id(Prefix.JOURNAL_ENTRY, exchange.id)],
        "account_versions": {
            render_id(Prefix.ACCOUNT, account_id): version for account_id, version in exchange.account_versions.items()
        },
        "effective_at": render_time(exchange.effective_at),
        "created_at": render_time(exchange.created_at),
        "metadata": dict(exchange.metadata),
        **late,
    }
