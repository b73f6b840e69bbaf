"""Answers as dataclasses, by their annotations: amounts become Decimal without ever being a float."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from zerosum.client.errors import UnexpectedAnswer
from zerosum.client.models.model import Model

M = TypeVar("M", bound=Model)
Converter = Callable[[Any], Any]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def decode(model: type[M], content: Any) -> M:
    """What is not known is in `raw` alone. Raises UnexpectedAnswer where a member is missing or of another kind."""
    if not isinstance(content, dict):
        raise UnexpectedAnswer(f"a {model.__name__} is told as an object, not as a {type(content).__name__}")
    as_known: Any = model
    given: dict[str, Any] = {"raw": content}
    for name, wire_name, convert, is_needed in _plan(as_known):
        if wire_name in content:
            try:
                given[name] = convert(content[wire_name])
            except (TypeError, ValueError) as error:
                raise UnexpectedAnswer(f"{model.__name__}.{wire_name} is not what it should be: {error}") from None
        elif is_needed:
            raise UnexpectedAnswer(f"{model.__name__} came without {wire_name}")
    return model(**given)


def wire_name(name: str) -> str:
    """Python keeps some words for itself: `from_` is `from`."""
    return name.rstrip("_")


@cache
def _plan(model: Any) -> tuple[tuple[str, str, Converter, bool], ...]:
    hints = get_type_hints(model)
    return tuple(
        (
            one.name,
            wire_name(one.name),
            _converter(hints[one.name]),
            one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(model)
        if one.name != "raw"
    )


def _converter(hint: Any) -> Converter:
    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        [inner] = [_converter(one) for one in within if one is not type(None)]
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        one = _converter(within[0])
        return lambda value: tuple(one(item) for item in _of(list, value))
    if origin is Mapping:
        of_value = _converter(within[1])
        return lambda value: {name: of_value(item) for name, item in _of(dict, value).items()}
    if isinstance(hint, type) and issubclass(hint, Model):
        return lambda value: decode(hint, value)
    if hint is Decimal:
        return _decimal
    if hint is datetime:
        return lambda value: datetime.fromisoformat(_of(str, value))
    if hint in (str, bool, int):
        return lambda value: _of(hint, value)
    return lambda value: value


def _of(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"a {type(value).__name__} in place of a {kind.__name__}")
    return value


def _decimal(value: Any) -> Decimal:
    if not _NUMBER.fullmatch(_of(str, value)):
        raise ValueError("no plain decimal number")
    return Decimal(value)
