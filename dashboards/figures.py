"""Numbers as a panel shows them, by their unit."""

from __future__ import annotations

import time

from dashboards.parts import Unit

_ENDS = {Unit.BYTES: "B", Unit.BYTES_PER_SECOND: "B/s", Unit.PER_SECOND: "/s", Unit.REQUESTS_PER_SECOND: "/s"}
_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def in_unit(value: float, unit: Unit) -> str:
    if unit is Unit.SECONDS:
        return _seconds(value)
    if unit is Unit.SHARE:
        return f"{value * 100:.3g} %"
    if unit is Unit.TIME_AGO:
        return f"{_seconds(max(0.0, time.time() - value / 1000))} ago" if value > 0 else "never"
    if unit is Unit.YES_NO:
        return "yes" if value else "no"
    shown, end = _short(value), _ENDS.get(unit, "")
    return f"{shown} {end}" if end.startswith("B") and shown[-1].isdigit() else f"{shown}{end}"


def _short(value: float) -> str:
    for step, letter in _STEPS:
        if abs(value) >= step:
            return f"{value / step:.3g} {letter}"
    return f"{value:.3g}" if value else "0"


def _seconds(value: float) -> str:
    for length, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if value >= length:
            return f"{value / length:.3g} {name}"
    if value >= 0.001:
        return f"{value * 1000:.3g} ms"
    return f"{value * 1e6:.3g} µs" if value > 0 else "0 s"
