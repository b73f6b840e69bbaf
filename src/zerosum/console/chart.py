"""A line of steps as SVG: what an amount was day by day. The numbers are in words beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT, EDGE = 600, 120, 6


@dataclass(frozen=True, slots=True)
class Steps:
    """`line` and `area` are paths; `zero` is where nothing lies, as far as that is shown."""

    line: str
    area: str
    zero: float
    width: int = WIDTH
    height: int = HEIGHT


def steps(values: Sequence[Decimal]) -> Steps:
    """An amount stays what it was until the next one: there are no slopes. Always with zero in sight."""
    zero = Decimal(0)
    least, most = min(zero, *values), max(zero, *values)
    span = (most - least) or Decimal(1)

    def height_of(value: Decimal) -> float:
        return round(float(EDGE + (HEIGHT - 2 * EDGE) * (most - value) / span), 1)

    across = WIDTH / len(values)
    parts = [f"M0 {height_of(values[0])}"]
    for place, value in enumerate(values):
        parts.append(f"V{height_of(value)}H{round(across * (place + 1), 1)}")
    line = "".join(parts)
    bottom = height_of(zero)
    return Steps(line=line, area=f"{line}V{bottom}H0Z", zero=bottom)
