"""A ledger's chart on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.schemas.accounts import TypeName
from zerosum.api.schemas.fields import CurrencyCode, LimitAmount, Request, Response
from zerosum.api.schemas.velocity import OpeningVelocityLimits, VelocityLimitOfAccount, velocity_orders
from zerosum.domain.errors import DomainError
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.chart import RULES_MAX, Chart, ChartRule
from zerosum.domain.ledger.code_patterns import PATTERN_TEXT
from zerosum.services.charts import rule_content

Pattern = Annotated[
    str,
    Field(
        description="Which codes: `*` stands for one or more characters up to the next colon, `**` for any.",
        examples=["customers:*"],
        json_schema_extra={"pattern": f"^{PATTERN_TEXT}$"},
    ),
]
RuleType = Annotated[TypeName, Field(description="The type of the accounts.", examples=["liability"])]
RuleCurrency = Annotated[
    CurrencyCode | None, Field(description="Null: the currency of the first payment.", examples=["USD"])
]
Limit = Annotated[LimitAmount | None, Field(description="As of an account that is opened by request.")]


class ChartRuleRequest(Request):
    """Accounts that their first use may open, and as what."""

    pattern: Pattern
    type: RuleType
    currency: RuleCurrency = None
    min_available: Limit = "0"
    max_available: Limit = None
    velocity_limits: OpeningVelocityLimits = None


class ChartRequest(Request):
    """The whole chart."""

    rules: Annotated[
        list[ChartRuleRequest],
        Field(description="The first whose pattern matches decides. None: nothing is opened.", max_length=RULES_MAX),
    ]


class ChartRuleResponse(Response):
    """Accounts that their first use may open, and as what."""

    pattern: Pattern
    type: RuleType
    currency: RuleCurrency
    min_available: Limit
    max_available: Limit
    velocity_limits: Annotated[
        list[VelocityLimitOfAccount], Field(description="As of an account that is opened by request.", examples=[[]])
    ]


class ChartResponse(Response):
    """Which accounts their first use may open."""

    version: Annotated[int, Field(description="How often it was changed.", examples=[1])]
    rules: Annotated[list[ChartRuleResponse], Field(description="The first whose pattern matches decides.")]


def chart_rules(request: ChartRequest) -> list[ChartRule]:
    """Raises ValidationFailed."""
    rules = []
    for index, one in enumerate(request.rules):
        try:
            rules.append(
                ChartRule(
                    pattern=one.pattern,
                    type=AccountType(one.type),
                    currency=one.currency,
                    min_available=one.min_available,
                    max_available=one.max_available,
                    velocity_limits=tuple(order.content for order in velocity_orders(one.velocity_limits)),
                )
            )
        except DomainError as refusal:
            raise refusal.at(f"/rules/{index}{refusal.pointer or ''}") from None
    return rules


def chart_body(chart: Chart) -> dict[str, Any]:
    return {"version": chart.version, "rules": [rule_content(rule) for rule in chart.rules]}
