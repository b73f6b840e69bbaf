"""A ledger's house rules on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.schemas.accounts import AccountId
from zerosum.api.schemas.fields import AccountReference, Amount, CurrencyCode, Request, Response
from zerosum.api.schemas.splits import Percent
from zerosum.domain.payments.house_rules import HouseRules
from zerosum.services.house_rules import FeeOrder, HouseRulesOrder, OverAmount

CURRENCIES_MAX = 100

PercentOfHeld = Annotated[Percent | None, Field(description="Of what is held at first, rounded down.", examples=["15"])]
FixedAmounts = Field(description="Beside that, in these currencies.", max_length=CURRENCIES_MAX)
_FORCE = "Also where who was paid has not so much: he owes it then."


class OverAmountRequest(Request):
    """A fixed amount in one currency."""

    amount: Amount
    currency: CurrencyCode


class OverCaptureRequest(Request):
    """What may be captured beyond a hold that says nothing of its own: the percentage and the amount together."""

    percent: PercentOfHeld = None
    amounts: Annotated[list[OverAmountRequest] | None, FixedAmounts] = None


class FeeRuleRequest(Request):
    """What losing a dispute in one currency costs who was paid, where nothing else is said."""

    amount: Annotated[Amount, Field(examples=["15.00"])]
    currency: CurrencyCode
    to: AccountReference
    force: Annotated[bool | None, Field(description=_FORCE)] = None


class HouseRulesRequest(Request):
    """All of them: what is left out is no rule any more."""

    over_capture: Annotated[OverCaptureRequest | None, Field(description="None where it is left out.")] = None
    dispute_fees: Annotated[
        list[FeeRuleRequest] | None, Field(description="One for each currency.", max_length=CURRENCIES_MAX)
    ] = None

    def order(self, idempotency_key: str) -> HouseRulesOrder:
        over = self.over_capture or OverCaptureRequest()
        return HouseRulesOrder(
            idempotency_key=idempotency_key,
            over_percent=over.percent,
            over_amounts=[OverAmount(one.amount, one.currency) for one in over.amounts or ()],
            dispute_fees=[
                FeeOrder(one.amount, one.currency, one.to, bool(one.force)) for one in self.dispute_fees or ()
            ],
        )


class OverAmountResponse(Response):
    """A fixed amount in one currency."""

    amount: Amount
    currency: CurrencyCode


class OverCaptureResponse(Response):
    """What may be captured beyond a hold that says nothing of its own: the percentage and the amount together."""

    percent: PercentOfHeld
    amounts: Annotated[list[OverAmountResponse], Field(description="By currency.")]


class FeeRuleResponse(Response):
    """What losing a dispute in one currency costs who was paid, where nothing else is said."""

    amount: Annotated[Amount, Field(examples=["15.00"])]
    currency: CurrencyCode
    to: AccountId
    force: Annotated[bool, Field(description=_FORCE, examples=[False])]


class HouseRulesResponse(Response):
    """What holds and disputes are made under where their requests say nothing."""

    version: Annotated[int, Field(description="How often they were changed.", examples=[1])]
    over_capture: Annotated[OverCaptureResponse, Field(description="What may be captured beyond a hold.")]
    dispute_fees: Annotated[list[FeeRuleResponse], Field(description="By currency.")]


def house_rules_body(rules: HouseRules) -> dict[str, Any]:
    content = rules.content
    over = content["over_capture"]
    return {
        "version": rules.version,
        "over_capture": {
            "percent": over["percent"],
            "amounts": [{"amount": amount, "currency": code} for code, amount in over["amounts"].items()],
        },
        "dispute_fees": [
            {"amount": fee["amount"], "currency": code, "to": fee["to"], "force": fee["force"]}
            for code, fee in content["dispute_fees"].items()
        ],
    }
