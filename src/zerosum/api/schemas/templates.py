"""Templates on the wire."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.accounts import SideName
from zerosum.api.schemas.fields import (
    EXAMPLE_UUID,
    GivenMetadata,
    MetadataValue,
    Moment,
    OneOf,
    Reason,
    Request,
    Response,
    Text,
    Time,
)
from zerosum.domain.ledger.entry import POSTINGS_MAX, POSTINGS_MIN
from zerosum.domain.ledger.templates.content import PARAMETERS_MAX, ParameterType
from zerosum.domain.ledger.templates.expression import EXPRESSION_LENGTH_MAX
from zerosum.domain.ledger.templates.template import TEMPLATE_NAME_PATTERN_TEXT, VERSION_MAX, Template
from zerosum.domain.money import RoundingMode
from zerosum.services.templates import TemplateOrder, TemplatePostOrder

TypeOfParameter = Annotated[str, OneOf(ParameterType)]
RoundingName = Annotated[str, OneOf(RoundingMode)]

TemplateName = Annotated[
    str,
    Field(
        description="The template's name: small letters, digits, `_`, `.` and `-`.",
        examples=["marketplace-sale"],
        pattern=f"^{TEMPLATE_NAME_PATTERN_TEXT}$",
    ),
]
VersionNumber = Annotated[int, Field(description="From 1, without a gap.", examples=[1], ge=1, le=VERSION_MAX)]
Place = Annotated[str, Field(min_length=1, max_length=128)]


class TemplateParameter(Request):
    """What a posting by the template must say."""

    type: Annotated[
        TypeOfParameter,
        Field(
            description="`amount`: money; `percent`: 0 to 100; `account`: an id or code; `currency`: a code; `text`: "
            "for the reason.",
            examples=["amount"],
        ),
    ]
    currency: Annotated[
        Place | None,
        Field(description="Of an amount: a code, or `{name}` of a currency parameter.", examples=["USD"]),
    ] = None


class TemplatePosting(Request):
    """One line of the entries to come."""

    side: Annotated[SideName, Field(description="The side of the account it stands on.", examples=["debit"])]
    account: Annotated[Place, Field(description="A code, or `{name}` of an account parameter.", examples=["{seller}"])]
    amount: Annotated[
        str,
        Field(
            description="Arithmetic over amounts and percents: + - * / % and parentheses; or `remainder`: what the "
            "other postings of the currency leave.",
            examples=["price * fee%"],
            min_length=1,
            max_length=EXPRESSION_LENGTH_MAX,
        ),
    ]
    currency: Annotated[
        Place | None,
        Field(
            description="A code, or `{name}` of a currency parameter. Wanted only where the amount does not tell it.",
            examples=["USD"],
        ),
    ] = None
    rounding: Annotated[
        RoundingName | None,
        Field(description="To the currency's last place, where it is not the template's.", examples=["half_up"]),
    ] = None


class TemplateRequest(Request):
    """The next version of a template. It must balance whatever its parameters are."""

    name: TemplateName
    description: Annotated[Text | None, Field(description="For people.", examples=["A sale, less our fee"])] = None
    reason: Annotated[
        Reason | None,
        Field(
            description="Of the entries, where a posting gives none; `{name}` is filled with a text parameter.",
            examples=["Sale {order}"],
        ),
    ] = None
    rounding: Annotated[
        RoundingName | None, Field(description="Of all its postings; `half_even` where nothing is said.")
    ] = None
    parameters: Annotated[
        dict[str, TemplateParameter],
        Field(
            description=f"By name, up to {PARAMETERS_MAX}.",
            examples=[{"price": {"type": "amount", "currency": "USD"}, "fee": {"type": "percent"}}],
        ),
    ]
    postings: Annotated[
        list[TemplatePosting],
        Field(description="The lines of its entries.", min_length=POSTINGS_MIN, max_length=POSTINGS_MAX),
    ]

    def order(self, idempotency_key: str) -> TemplateOrder:
        return TemplateOrder(
            idempotency_key=idempotency_key,
            name=self.name,
            content={
                "description": self.description,
                "reason": self.reason,
                "rounding": self.rounding or RoundingMode.HALF_EVEN.value,
                "parameters": {
                    name: {"type": one.type, "currency": one.currency} for name, one in self.parameters.items()
                },
                "postings": [line.model_dump() for line in self.postings],
            },
        )


class TemplatePostRequest(Request):
    """What one entry by the template is to say."""

    parameters: Annotated[
        dict[str, MetadataValue],
        Field(description="All that the template wants, as strings.", examples=[{"price": "100.00", "fee": "2.9"}]),
    ]
    version: Annotated[VersionNumber | None, Field(description="By default the newest.", examples=[1])] = None
    reason: Annotated[Reason | None, Field(description="By default what the template says.")] = None
    effective_at: Annotated[
        Moment | None, Field(description="When it happened in the world; by default when it is posted.")
    ] = None
    metadata: GivenMetadata = None

    def order(self, idempotency_key: str, name: str, template: Template | None = None) -> TemplatePostOrder:
        return TemplatePostOrder(
            idempotency_key=idempotency_key,
            name=name,
            template=template,
            version=self.version,
            parameters=self.parameters,
            reason=self.reason,
            effective_at=self.effective_at,
            metadata=self.metadata or {},
        )


class ParameterOfTemplate(Response):
    """A parameter."""

    type: Annotated[TypeOfParameter, Field(description="What it is.", examples=["amount"])]
    currency: Annotated[str | None, Field(description="Of an amount, or null.", examples=["USD"])]


class PostingOfTemplate(Response):
    """A line."""

    side: Annotated[SideName, Field(description="The side of the account it stands on.", examples=["debit"])]
    account: Annotated[str, Field(description="A code, or a parameter.", examples=["{seller}"])]
    amount: Annotated[str, Field(description="Arithmetic, or `remainder`.", examples=["price * fee%"])]
    currency: Annotated[str | None, Field(description="As it was given, or null.", examples=["USD"])]
    rounding: Annotated[RoundingName | None, Field(description="As it was given, or null: that of the template.")]


class TemplateResponse(Response):
    """One version of a template. It never changes; a correction is another version."""

    name: TemplateName
    version: VersionNumber
    description: Annotated[str | None, Field(description="For people, or null.", examples=["A sale, less our fee"])]
    reason: Annotated[str | None, Field(description="Of its entries, or null.", examples=["Sale {order}"])]
    rounding: Annotated[RoundingName, Field(description="Of postings that name no other.", examples=["half_even"])]
    parameters: Annotated[dict[str, ParameterOfTemplate], Field(description="By name.")]
    postings: Annotated[list[PostingOfTemplate], Field(description="The lines of its entries.")]
    created_at: Annotated[Time, Field(description="When this version was made.")]
    actor: Annotated[str, Field(description="Who made it.", examples=[f"key_{EXAMPLE_UUID}"])]


def template_body(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        **json.loads(template.content),
        "created_at": render_time(template.created_at),
        "actor": template.actor,
    }
