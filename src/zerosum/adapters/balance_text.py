"""A balance as it lies in Redis: one line that says whose it is, and whether it is whole.

    V<version> <ledger> <account> <posted> <held> <available> <check sum>

Whatever else is found there is a miss: another ledger's or account's, a damaged one, nonsense.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID
from zlib import crc32

from zerosum.domain.ledger.account import AccountState
from zerosum.domain.money import render_amount, subtract

_AMOUNT = rb"(-?[0-9]{1,20}(?:\.[0-9]{1,18})?)"
_LINE = re.compile(rb"(V([0-9]{1,15}) ([0-9a-f]{32}) ([0-9a-f]{32}) %b %b %b )([0-9]{1,10})" % ((_AMOUNT,) * 3))
"""15 digits: Lua compares versions as floats, which are exact up to there."""


@dataclass(frozen=True, slots=True)
class CachedBalance:
    """Amounts in their wire form."""

    version: int
    posted: str
    held: str
    available: str


def render_balance(state: AccountState) -> str:
    posted = state.posted
    line = (
        f"V{state.version} {state.ledger_id.hex} {state.id.hex} {render_amount(posted)} {render_amount(state.held)} "
        f"{render_amount(subtract(posted, state.held))} "
    )
    return f"{line}{crc32(line.encode())}"


def parse_balance(text: object, ledger_id: UUID, account_id: UUID) -> CachedBalance | None:
    match = _LINE.fullmatch(text) if isinstance(text, bytes) else None
    if match is None:
        return None
    line, version, ledger, account, posted, held, available, check_sum = match.groups()
    if ledger != ledger_id.hex.encode() or account != account_id.hex.encode() or int(check_sum) != crc32(line):
        return None
    return CachedBalance(int(version), posted.decode(), held.decode(), available.decode())
