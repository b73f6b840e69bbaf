"""What is wrong with a request that does not fit its schema: by pointer and code, never by repeating the value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from zerosum.api.card_numbers import place_of_card_number
from zerosum.api.schemas.fields import AMOUNT_MEMBERS
from zerosum.domain.errors import (
    DomainError,
    InvalidAmount,
    InvalidParameter,
    PanNotAllowed,
    UnknownField,
    UnknownParameter,
    ValidationFailed,
)
from zerosum.gateway.json_structure import pointer_step

Body = TypeVar("Body", bound=BaseModel)

ERRORS_MAX = 20
"""Of one request; a body with more faults than this is not worth a longer list."""

# The classes whose code a single kind of fault gives to the whole problem.
_CLASSES: dict[str, type[DomainError]] = {
    cls.code: cls for cls in (InvalidAmount, InvalidParameter, UnknownField, UnknownParameter)
}

_DETAILS = {
    "extra_forbidden": "There is no such member here.",
    "missing": "This is required.",
    "string_type": "This must be a string.",
    "int_type": "This must be a whole number.",
    "list_type": "This must be a list.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
}


def validated(model: type[Body], content: Any) -> Body:
    """The content as the model. Raises the refusal that names its faults, or PanNotAllowed before a model looks."""
    place = place_of_card_number(content)
    if place is not None:
        raise PanNotAllowed("The text holds what looks like a card number.", pointer=_pointer(place))
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise schema_refusal(error.errors(include_url=False, include_input=True), ("body",)) from None


def schema_refusal(errors: Sequence[Any], prefix: tuple[str, ...] = ()) -> DomainError:
    """One refusal for all faults: with their common code, or `validation_error` where they differ."""
    faults: list[dict[str, str]] = []
    for error in errors[:ERRORS_MAX]:
        fault = _fault(error, (*prefix, *error["loc"]))
        if fault not in faults:
            faults.append(fault)
    codes = {fault["code"] for fault in faults}
    cls = _CLASSES.get(codes.pop()) if len(codes) == 1 else None
    if cls is None:
        return ValidationFailed("The request does not fit its schema.", errors=faults)
    refusals = [cls(fault["detail"], pointer=fault["pointer"]) for fault in faults]
    refusals[0].others = refusals[1:]
    return refusals[0]


def _fault(error: Any, location: tuple[Any, ...]) -> dict[str, str]:
    kind, where = str(error["type"]), location[0]
    if where in ("query", "path", "header"):
        code = "unknown_parameter" if kind == "extra_forbidden" else "invalid_parameter"
        return {"pointer": str(location[-1]), "code": code, "detail": _detail(error)}
    return {
        "pointer": _pointer(location[1:]),
        "code": _body_code(kind, location, error.get("input")),
        "detail": _detail(error),
    }


def _pointer(steps: Iterable[Any]) -> str:
    return "".join(f"/{pointer_step(str(step))}" for step in steps)


def _body_code(kind: str, location: tuple[Any, ...], value: Any) -> str:
    if kind == "extra_forbidden":
        return "unknown_field"
    if kind == "string_type" and location[-1] in AMOUNT_MEMBERS and isinstance(value, int | float):
        return "invalid_amount"
    return "validation_error"


def _detail(error: Any) -> str:
    """In words, without the value: pydantic's own messages name only types, bounds and patterns."""
    return _DETAILS.get(str(error["type"]), str(error["msg"]))
