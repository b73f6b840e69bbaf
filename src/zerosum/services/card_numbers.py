"""Card numbers in texts: found by how networks give them out, and by their check digit.

Whoever keeps one falls under the rules of the card industry (PCI DSS), and so would these books, which never forget.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

DIGITS_MIN, DIGITS_MAX = 13, 19


class Issuer(NamedTuple):
    """Numbers of a network: the range of their first digits, and how long they are."""

    low: str
    high: str
    lengths: tuple[int, ...]


ISSUERS = (
    Issuer("4", "4", (13, 16, 19)),  # Visa
    Issuer("51", "55", (16,)),  # Mastercard
    Issuer("2221", "2720", (16,)),
    Issuer("34", "34", (15,)),  # American Express
    Issuer("37", "37", (15,)),
    Issuer("6011", "6011", (16, 17, 18, 19)),  # Discover
    Issuer("644", "649", (16, 17, 18, 19)),
    Issuer("65", "65", (16, 17, 18, 19)),
    Issuer("3528", "3589", (16, 17, 18, 19)),  # JCB
    Issuer("36", "36", (14, 15, 16, 17, 18, 19)),  # Diners Club
    Issuer("38", "38", (14, 15, 16, 17, 18, 19)),
    Issuer("300", "305", (14, 15, 16, 17, 18, 19)),
    Issuer("62", "62", (16, 17, 18, 19)),  # UnionPay
)
"""Without Maestro: its ranges (50, 56 to 69, of 12 to 19 digits) would make one order number of thirty a card."""

_SEPARATORS = " \\-\u00a0\u2009\u202f\u2010\u2011\u2012\u2013"
_CANDIDATE = re.compile(rf"[0-9](?:[{_SEPARATORS}]?[0-9]){{{DIGITS_MIN - 1},}}", re.ASCII)
"""At least so many digits, with at most one blank or hyphen between two of them."""
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_GROUP = re.compile("[0-9]+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
"""Most likely an id of somebody's, and now and then all digits."""
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Each digit as the sum of the digits of its double."""
_ZERO = ord("0")


def holds_card_number(text: str) -> bool:
    """Whether part of it, from the beginning of one group of digits to the end of another, is a card number."""
    if not text.isascii():
        # Digits of other widths and scripts are digits to whoever reads them, and what has no width is not there.
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    if len(text) < DIGITS_MIN or _CANDIDATE.search(text) is None:
        return False
    return any(_begins_with_card_number(groups) for groups in _runs(_UUID.sub(" . ", text)))


def _runs(text: str) -> list[list[str]]:
    """For each group of digits, itself and those that follow it in the same candidate, as far as they can matter."""
    found = []
    for candidate in _CANDIDATE.finditer(text):
        groups = _GROUP.findall(candidate.group())
        found += [groups[place : place + DIGITS_MAX] for place in range(len(groups))]
    return found


def _begins_with_card_number(groups: list[str]) -> bool:
    digits = ""
    for group in groups:
        digits += group
        if len(digits) > DIGITS_MAX:
            return False
        if len(digits) >= DIGITS_MIN and _is_card_number(digits):
            return True
    return False


def _is_card_number(digits: str) -> bool:
    return any(
        len(digits) in issuer.lengths and issuer.low <= digits[: len(issuer.low)] <= issuer.high for issuer in ISSUERS
    ) and _is_checked(digits)


def _is_checked(digits: str) -> bool:
    """By Luhn: every second digit from the right is doubled, the sum of all digits then ends in 0."""
    values = digits[::-2].encode() + digits[-2::-2].translate(_DOUBLED).encode()
    return (sum(values) - len(values) * _ZERO) % 10 == 0
