"""The kinds of values on the wire, each described once, with its unit, bounds and an example."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, get_args

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from zerosum.api.generator_rules import without_null
from zerosum.api.render import in_one_order
from zerosum.domain.errors import IdempotencyKeyInvalid
from zerosum.domain.identifiers import (
    CODE_PATTERN_TEXT,
    ID_PATTERN_TEXT,
    RESERVED_CODES_PATTERN_TEXT,
    Prefix,
    is_account_code,
)
from zerosum.domain.ledger.subjects import RESERVED_MEMBERS
from zerosum.domain.money import AMOUNT_PATTERN_TEXT, CURRENCY_CODE_PATTERN_TEXT
from zerosum.gateway.guards.request_guard import KEY_PATTERN_TEXT, parse_key
from zerosum.services.requests.times import TIME_PATTERN_TEXT, parse_time

TEXT_MAX = 500
TEXT_BYTES_MAX = 2000
METADATA_KEYS_MAX = 50
METADATA_KEY_MAX = 64

AMOUNT_MEMBERS = frozenset(
    {"amount", "bought", "capture_max", "min_available", "max_available", "available_at_least", "available_at_most"}
)
"""Members whose value is an amount: a JSON number there is an `invalid_amount`, not just a wrong type."""

REFERENCE_PATTERN_TEXT = f"^(acc_{ID_PATTERN_TEXT}|(?!acc_){CODE_PATTERN_TEXT})$"
"""An account's id, or a code, which cannot be mistaken for one."""

EXAMPLE_UUID = "01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word that the code knows: `Annotated[str, OneOf(PaymentType)]`. A new member is on the wire by being there."""

    words: type[StrEnum]

    def __get_pydantic_core_schema__(self, _: Any, __: Any) -> CoreSchema:
        return core_schema.literal_schema([word.value for word in self.words])


def _of_request(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """No default is promised: generators would demand the member, or send what was never asked for."""
    _described(schema, model)
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


def _of_response(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """A member with a default is absent where there is nothing to say; it is never null."""
    _described(schema, model)
    for member in schema.get("properties", {}).values():
        if "default" in member and member.pop("default") is None:
            without_null(member)


def _described(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """A model made from a generic one says what that says."""
    origin = model.__pydantic_generic_metadata__["origin"]
    if origin is not None and origin.__doc__:
        schema.setdefault("description", cleandoc(origin.__doc__))


class Request(BaseModel):
    """A body: exactly these members, exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra=_of_request)


class Response(BaseModel):
    """An answer. Clients must ignore members they do not know: more may come."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra=_of_response)


def null() -> None:
    """Of a member that is not always there, and may be null where it is: `= Field(default_factory=null)`."""


def noun_of(model: Any) -> str:
    """What a model is about: the name of its class without the part it plays. Of several the first says it."""
    if isinstance(model, UnionType):
        return noun_of(get_args(model)[0])
    name: str = getattr(model, "__name__", str(model))
    for part in ("Request", "Response", "Item"):
        name = name.removesuffix(part)
    return name


def _within_bytes(text: str) -> str:
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise PydanticCustomError(
            "string_too_long", "This has at most {bytes} bytes in UTF-8.", {"bytes": TEXT_BYTES_MAX}
        )
    return text


def _says_something(text: str) -> str:
    if not text.strip(" \t\n\r"):
        raise PydanticCustomError("blank", "This is more than blanks.")
    return text


def _moment(value: Any) -> Any:
    moment = parse_time(value) if isinstance(value, str) else None
    if moment is None:
        raise PydanticCustomError("time", "A time is written like 2026-11-21T09:30:00Z, with its zone.")
    return moment


def _account_code(text: str) -> str:
    if not is_account_code(text):
        raise PydanticCustomError("account_code", "A code is up to 128 letters, digits and _.:@/- but no acc_…")
    return text


def _metadata(value: dict[str, str]) -> dict[str, str]:
    """In the order in which they will be read back."""
    for key in value:
        if not 1 <= len(key) <= METADATA_KEY_MAX:
            raise PydanticCustomError(
                "metadata_key", "A key has 1 to {characters} characters.", {"characters": METADATA_KEY_MAX}
            )
        if key in RESERVED_MEMBERS:
            raise PydanticCustomError("metadata_key", "A member of this name is written by the service alone.")
    return in_one_order(value) if len(value) > 1 else value


def _item_key(text: str) -> str:
    """Read as in the header, where quotes around a key are no part of it."""
    try:
        return parse_key(text.encode("utf-8", "replace"))
    except IdempotencyKeyInvalid as refusal:
        raise PydanticCustomError("idempotency_key", refusal.detail) from None


Amount = Annotated[
    str,
    Field(
        description="A positive decimal number as a string, no finer than its currency: at most 20 integer digits.",
        examples=["12.34"],
        json_schema_extra={"pattern": AMOUNT_PATTERN_TEXT},
    ),
]
BalanceAmount = Annotated[
    str,
    Field(
        description="A decimal number with exactly the currency's places; it may carry a minus sign.",
        examples=["12.34"],
    ),
]
LimitAmount = Annotated[
    str,
    Field(
        description="A decimal number as a string; it may carry a minus sign.",
        examples=["0"],
        json_schema_extra={"pattern": r"^-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"},
    ),
]
CurrencyCode = Annotated[
    str,
    Field(
        description="An ISO 4217 code, or one this ledger has defined for itself.",
        examples=["USD"],
        json_schema_extra={"pattern": CURRENCY_CODE_PATTERN_TEXT},
    ),
]
AccountCode = Annotated[
    str,
    Field(
        description="Your own name for the account, unique in the ledger and fixed. It must not begin with `acc_`, nor "
        "as the codes that the service gives to accounts of its own (`clearing:`, `clients:`, `disputes:`, `holds:`, "
        "`zerosum:`).",
        examples=["customers:alice"],
        json_schema_extra={"pattern": f"^(?!acc_|{RESERVED_CODES_PATTERN_TEXT}){CODE_PATTERN_TEXT}$"},
    ),
    AfterValidator(_account_code),
]
AccountReference = Annotated[
    str,
    Field(
        description="An account, by its id (`acc_…`) or its code.",
        examples=["customers:alice"],
        min_length=1,
        json_schema_extra={"pattern": REFERENCE_PATTERN_TEXT},
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=TEXT_MAX), AfterValidator(_within_bytes)]
Reason = Annotated[Text, Field(json_schema_extra={"pattern": "[^ \t\n\r]"}), AfterValidator(_says_something)]
"""Why something is done. Whoever asks later is to find an answer."""
Name = Annotated[str, Field(min_length=1, max_length=TEXT_MAX), AfterValidator(_within_bytes)]
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema(
        {"type": "string", "pattern": TIME_PATTERN_TEXT, "examples": ["2026-11-21T09:30:00Z"]}, mode="validation"
    ),
]
Time = Annotated[
    str,
    Field(
        description="RFC 3339 in UTC with microseconds.",
        examples=["2026-11-21T09:30:00.000000Z"],
        json_schema_extra={"format": "date-time"},
    ),
]


class ClosedPeriodOverride(Request):
    """That something may be dated into a closed period all the same. Needs the scope `admin` too."""

    reason: Annotated[Reason, Field(description="Why.", examples=["Invoice found after the close"])]


MetadataValue = Annotated[str, Field(max_length=TEXT_MAX)]
Metadata = Annotated[
    dict[str, MetadataValue],
    Field(
        description="Up to 50 members of your own; keys of 64 and values of 500 characters.",
        max_length=METADATA_KEYS_MAX,
        examples=[{"order": "A-1001"}],
        json_schema_extra={"propertyNames": {"minLength": 1, "maxLength": METADATA_KEY_MAX}},
    ),
    AfterValidator(_metadata),
]
ItemKey = Annotated[
    str,
    Field(
        description="This item's own idempotency key: 1 to 255 visible ASCII characters.",
        examples=["order-1001"],
        json_schema_extra={"pattern": KEY_PATTERN_TEXT},
    ),
    AfterValidator(_item_key),
]
Version = Annotated[
    int, Field(description="How many postings the account has had; the first gives 1.", examples=[1], ge=0)
]


def id_path(prefix: Prefix, description: str) -> Any:
    """An id of one kind, as it stands in a path."""
    return Path(
        description=description,
        examples=[f"{prefix.value}{EXAMPLE_UUID}"],
        json_schema_extra={"pattern": f"^{prefix.value}{ID_PATTERN_TEXT}$"},
    )


AnsweredCode = Annotated[str, Field(description="The account's code.", examples=["customers:alice"])]
AnsweredMetadata = Annotated[
    dict[str, str], Field(description="What was given; empty where nothing was.", examples=[{"order": "A-1001"}])
]
GivenMetadata = Annotated[
    Metadata | None, Field(description="Members of your own, to find it by.", examples=[{"order": "A-1001"}])
]


def id_field(prefix: Prefix, description: str) -> Any:
    """An id of one kind, as it stands in an answer."""
    return Field(
        description=description,
        examples=[f"{prefix.value}{EXAMPLE_UUID}"],
        json_schema_extra={"pattern": f"^{prefix.value}{ID_PATTERN_TEXT}$"},
    )
