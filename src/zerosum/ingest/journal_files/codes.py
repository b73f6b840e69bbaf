"""What accounts and commodities of a file are called in a ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from zerosum.domain.identifiers import is_account_code
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.money.currency import CURRENCY_CODE_PATTERN_TEXT
from zerosum.ingest.journal_files.read import JournalFault, ReadAccount, shown

SIGNS = {
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₫": "VND",
    "₪": "ILS",
    "₴": "UAH",
    "₦": "NGN",
    "฿": "THB",
}
"""What a sign means where nothing else is said. Several countries have a dollar."""

_CURRENCY = re.compile(CURRENCY_CODE_PATTERN_TEXT, re.ASCII)
_BLANKS = re.compile(r"\s+")
_OTHER = re.compile(r"[^A-Za-z0-9_.:@/-]")
_TYPE_OF_NAME = (
    (re.compile("assets?(:|$)", re.IGNORECASE), AccountType.ASSET),
    (re.compile("(debts?|liabilit(y|ies))(:|$)", re.IGNORECASE), AccountType.LIABILITY),
    (re.compile("equity(:|$)", re.IGNORECASE), AccountType.EQUITY),
    (re.compile("(income|revenues?)(:|$)", re.IGNORECASE), AccountType.REVENUE),
    (re.compile("expenses?(:|$)", re.IGNORECASE), AccountType.EXPENSE),
)


class Commodities:
    """`given` wins over what signs mean elsewhere."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._known = {**SIGNS, **given}

    def __call__(self, commodity: str) -> str | None:
        code = self._known.get(commodity, commodity)
        return code if _CURRENCY.fullmatch(code) else None


def type_of(name: str, declared: Mapping[str, ReadAccount], line: int) -> AccountType:
    """As the file declares it of the account or of one above it, or else as its name says. Raises JournalFault."""
    above = name
    while above:
        account = declared.get(above)
        if account is not None and account.type is not None:
            return account.type
        above = above.rpartition(":")[0]
    for pattern, type_ in _TYPE_OF_NAME:
        if pattern.match(name):
            return type_
    raise JournalFault(
        line, f"what is {shown(name)}? Say it by a line `account {shown(name)}  ; type:A` (or L, E, R, X)"
    )


def code_of(name: str, renamed: Iterable[tuple[str, str]], line: int) -> str:
    """Blanks become `_`; any other sign that no code holds, `-` and its bytes in hex. Raises JournalFault."""
    for old, new in renamed:
        if name.startswith(old):
            name = new + name.removeprefix(old)
            break
    code = _OTHER.sub(lambda sign: "".join(f"-{byte:02x}" for byte in sign[0].encode()), _BLANKS.sub("_", name))
    if not is_account_code(code):
        raise JournalFault(line, f"{shown(name)} makes no code for an account: rename it by --account OLD=NEW")
    return code
