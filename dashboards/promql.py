"""The forms of PromQL that most panels are made of."""

from __future__ import annotations

from dashboards.parts import Query

SHARES = (0.5, 0.95, 0.99)


def rate(metric: str, selector: str = "", *, by: str = "") -> str:
    """How many a second, over all processes."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({_selected(metric, selector)}[$__rate_interval]))"


def or_zero(expr: str) -> str:
    """Nothing was counted yet means none."""
    return f"({expr} or vector(0))"


def ratio(part: str, whole: str) -> str:
    """The share of it; where there is no part it is nothing."""
    return f"{or_zero(part)} / {whole}"


def top(expr: str, count: int = 8) -> str:
    return f"topk({count}, {expr})"


def within(metric: str, span: str, selector: str = "") -> str:
    """How many there were in the last `span`."""
    return or_zero(f"sum(increase({_selected(metric, selector)}[{span}]))")


def largest(metric: str, selector: str = "", *, by: str = "") -> str:
    """A level that whoever has read it last tells for all."""
    return f"max{f' by ({by})' if by else ''} ({_selected(metric, selector)})"


def together(metric: str, selector: str = "", *, by: str = "") -> str:
    """A level that every process tells of itself."""
    return f"sum{f' by ({by})' if by else ''} ({_selected(metric, selector)})"


def quantile(share: float, histogram: str, selector: str = "", *, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', selector, by=grouped)})"


def quantiles(histogram: str, selector: str = "") -> tuple[Query, ...]:
    """So that half of all, 95 and 99 of a hundred lie below."""
    return tuple(Query(quantile(share, histogram, selector), f"p{share * 100:.0f}") for share in SHARES)


def mean(histogram: str, selector: str = "") -> str:
    return f"{rate(f'{histogram}_sum', selector)} / {rate(f'{histogram}_count', selector)}"


def age(metric: str, *, by: str = "") -> str:
    """Of a time in seconds since 1970; nothing where it never was."""
    return f"time() - {largest(metric, by=by)} > 0 < 1e9"


def _selected(metric: str, selector: str) -> str:
    return f"{metric}{{{selector}}}" if selector else metric
