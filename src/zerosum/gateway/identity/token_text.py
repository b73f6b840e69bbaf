"""The text of a token (RFC 7515, compact form), read strictly and before any library or key sees it.

Libraries accept more than one text for a token, follow instructions in its header, and fall over deep nesting. So the
header is read here against a list of what is allowed, and everything unknown is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from zerosum.services.credentials import base64url

TOKEN_CHARACTERS_MAX = 8192

OBJECTS_AND_ARRAYS_MAX = 64
"""Counted in the raw text: depth can never be more than their number, so no parser runs out of stack."""

HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)

HEADER_MEMBERS = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
"""All else is refused, above all keys and places of keys (jwk, jku, x5c, x5u), extensions we would have to understand
(crit, b64), and everything of JWE (enc, zip, epk). The two thumbprints are common and have no effect here."""


class TokenRefused(ValueError):
    """Why a token is refused: for the debug log, never for the caller, and never with a piece of the token."""


@dataclass(frozen=True, slots=True)
class TokenText:
    """A well-formed token. Nothing in it has been verified yet."""

    text: str
    algorithm: str
    type: str | None
    """In lower case, since it is compared without regard to case."""
    key_id: str | None
    claims: dict[str, Any]


def read_token(text: str) -> TokenText:
    """Raises TokenRefused or another ValueError."""
    if len(text) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("longer than allowed")
    if not text.isascii():
        raise TokenRefused("not ASCII")
    parts = text.split(".")
    if len(parts) != 3:
        raise TokenRefused("not three parts")
    header_part, claims_part, signature_part = parts
    if not signature_part:
        raise TokenRefused("not signed")
    base64url.decode(signature_part)
    header = _read_object(base64url.decode(header_part))
    for name, value in header.items():
        if name not in HEADER_MEMBERS:
            raise TokenRefused("a header member that is not allowed")
        if not isinstance(value, str) or not HEADER_VALUE.fullmatch(value):
            raise TokenRefused("a header value that is not plain text")
    if "alg" not in header:
        raise TokenRefused("no algorithm")
    type_ = header.get("typ")
    return TokenText(
        text=text,
        algorithm=header["alg"],
        type=None if type_ is None else type_.lower(),
        key_id=header.get("kid"),
        claims=_read_object(base64url.decode(claims_part)),
    )


def _read_object(raw: bytes) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > OBJECTS_AND_ARRAYS_MAX:
        raise TokenRefused("too many objects and arrays")
    found = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    if not isinstance(found, dict):
        raise TokenRefused("not a JSON object")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenRefused("a member given twice")
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise TokenRefused("NaN or Infinity")
