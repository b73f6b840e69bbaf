"""How the sandbox treats a payment: as its reference says, or by chance, the same for the same seed and key."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

SCRIPT_PREFIX = "sandbox:"
"""A reference that begins so says what is to happen, such as `sandbox:lost`."""


class Deed(StrEnum):
    """What happens to a payment that is asked for the first time. Asked for again it is as it was left."""

    APPROVED = "approved"
    DECLINED = "declined"
    PARTIAL = "partial"
    """Half of it is carried out."""
    LOST = "lost"
    """It is carried out, and the connection ends without a reply."""
    HANGS = "hangs"
    """It is carried out, and the reply comes when nobody waits for it any more."""
    NEVER = "never"
    """The connection ends, and it was not carried out."""
    FAILS = "fails"
    """The reply is an error, and it was not carried out."""
    PENDING = "pending"
    """It is taken on, and decided a little later."""
    SILENT = "silent"
    """It is taken on, and never decided."""
    DISPUTED = "disputed"
    """It is carried out, and a dispute of it is told afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Shares of all payments, from 0 to 1. What is left is approved."""

    declined: float = 0.0
    partial: float = 0.0
    lost: float = 0.0
    hangs: float = 0.0
    never: float = 0.0
    fails: float = 0.0
    pending: float = 0.0

    def shares(self) -> Iterator[tuple[Deed, float]]:
        for name in ("declined", "partial", "lost", "hangs", "never", "fails", "pending"):
            yield Deed(name), getattr(self, name)


_BY_AMOUNT = {f"{place:02}": deed for place, deed in enumerate(Deed)}
"""With scripted amounts: by the last two digits of the amount, 00 being the first of them."""


def deed_of(key: str, reference: str | None, amount: str, chances: Chances, seed: int, *, by_amount: bool) -> Deed:
    named = (reference or "").removeprefix(SCRIPT_PREFIX)
    if named != (reference or "") and named in set(Deed):
        return Deed(named)
    if by_amount:
        return _BY_AMOUNT.get(amount[-2:], Deed.APPROVED)
    drawn = dice(seed, key, "deed").random()
    for deed, share in chances.shares():
        if drawn < share:
            return deed
        drawn -= share
    return Deed.APPROVED


def dice(seed: int, key: str, purpose: str) -> random.Random:
    """The same throws whenever it is asked for the same."""
    return random.Random(f"{seed}:{key}:{purpose}")  # noqa: S311 - of a game that can be played again


def half_of(amount: str) -> str:
    """Of as many places, and not nothing."""
    whole = Decimal(amount)
    half = (whole / 2).quantize(Decimal(1).scaleb(whole.as_tuple().exponent))  # type: ignore[arg-type]
    return format(half or whole, "f")
