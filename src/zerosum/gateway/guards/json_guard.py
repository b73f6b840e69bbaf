"""Judges a body before anything else looks into it: strict UTF-8, strict JSON, bounded depth and sizes.

The defaults of Python and its frameworks are not enough for money: they take the last of two equal members, accept NaN
and a byte order mark, and answer some of it with a 500. What is too deep or too much is found by the brackets and
commas alone, before a single value of it is made (`json_structure`).
"""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

import orjson

from zerosum.domain.errors import (
    DuplicateKey,
    InvalidEncoding,
    InvalidString,
    MalformedJson,
    TooDeep,
    ValidationFailed,
)
from zerosum.gateway.json_structure import DEPTH_MAX, ITEMS_MAX, VALUES_MAX, check_structure, pointer_step

_TEXT = {str}
_NOT_PLAIN = -(10**9)
_ALLOWED_CONTROLS = frozenset("\t\n\r")


def parse_json(body: bytes, values_max: int = VALUES_MAX) -> dict[str, Any]:
    """The object in the body, its text in Unicode normal form C. `values_max` bounds members and elements in all.

    Raises MalformedJson, InvalidEncoding, DuplicateKey, TooDeep, TooManyItems, InvalidString; ValidationFailed for
    JSON that is not an object.
    """
    # Most bodies are so small that no bound can be reached.
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX or body.count(b",") >= ITEMS_MAX:
        _check_encoding(body)
        check_structure(body, values_max)
    # And most are plain ASCII without escapes: in their texts there is nothing to look for.
    is_plain = body.isascii() and b"\\" not in body and b"\x7f" not in body
    plain = _read_plain(body) if is_plain else None
    if plain is not None:
        return plain
    text = _check_encoding(body)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise TooDeep(f"The JSON is nested more than {DEPTH_MAX} deep.") from None
    except ValueError:
        raise MalformedJson("The body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise ValidationFailed("The body must be a JSON object.", pointer="")
    checked: dict[str, Any] = value if is_plain else _checked(value, "")
    return checked


def _check_encoding(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidEncoding("The body is not valid UTF-8.") from None


def _read_plain(body: bytes) -> dict[str, Any] | None:
    """The object in a body without escapes, read by the faster parser: objects, lists, texts and nulls.

    That parser takes the last of two equal members. But each text there has its two quotes, and where a member is lost
    there are more quotes than texts. None is no judgement: the strict parser has to look.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict:
        return None
    quotes = body.count(b'"')
    if quotes == 4 * len(value) and {type(member) for member in value.values()} == _TEXT:
        return value  # The usual body: nothing but texts.
    return value if quotes == 2 * _count_texts(value) else None


def _count_texts(value: Any) -> int:
    """Names of members too. Far below the truth where there is a number or a truth value."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is dict:
        return len(value) + sum([1 if type(member) is str else _count_texts(member) for member in value.values()])
    if kind is list:
        return sum(map(_count_texts, value))
    return 0 if value is None else _NOT_PLAIN


def _checked(value: Any, pointer: str) -> Any:
    if isinstance(value, str):
        return checked_text(value, pointer)
    if isinstance(value, list):
        return [_checked(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    if isinstance(value, dict):
        checked = {
            checked_text(name, pointer): _checked(member, f"{pointer}/{pointer_step(name)}")
            for name, member in value.items()
        }
        if len(checked) != len(value):
            raise DuplicateKey("An object has the same member twice.", pointer=pointer)
        return checked
    return value


def checked_text(text: str, pointer: str) -> str:
    """The text in normal form C. Raises InvalidString for control characters and lone surrogates."""
    if text.isascii():
        if text.isprintable():
            return text
    else:
        text = unicodedata.normalize("NFC", text)
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs") and character not in _ALLOWED_CONTROLS:
            raise InvalidString("The text holds a control character or half a surrogate pair.", pointer=pointer)
    return text


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise DuplicateKey("An object has the same member twice.")
    return members


def _refuse_constant(_: str) -> float:
    raise ValueError("NaN and Infinity are not JSON")


def _finite_float(text: str) -> float:
    """Kept only until the schema refuses it: no member of ours is a JSON number with a fraction."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite_float
)
