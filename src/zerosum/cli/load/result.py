"""What `zerosum bench` has found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zerosum.cli.load.ledger import Books
from zerosum.cli.load.report import LoadReport


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    connections: int | None = None
    seconds: float = 5.0
    is_hot: bool = False
    bulk: int | None = None
    rate: float | None = None
    accounts: int = 1000
    is_json: bool = False
    is_sure: bool = False
    """Pay also in a ledger that is not for that."""


@dataclass(frozen=True, slots=True)
class Result:
    options: BenchOptions
    url: str
    connections: int
    load: LoadReport
    books: Books

    @property
    def is_right(self) -> bool:
        """Everything acknowledged is in the books, and nothing else except what nobody knows of."""
        return self.books.balance and self.load.acknowledged <= self.books.payments <= self.acknowledged_at_most

    @property
    def acknowledged_at_most(self) -> int:
        return self.load.acknowledged + self.load.unknown * (self.options.bulk or 1)


def plain(result: Result) -> dict[str, Any]:
    """For machines."""
    load, latencies = result.load, result.load.window.latencies
    options = result.options
    return {
        "url": result.url,
        "mode": mode_of(options),
        "connections": result.connections,
        "seconds": round(load.seconds, 3),
        "payments_per_second": round(load.items_per_second, 1),
        "requests_per_second": round(load.requests_per_second, 1),
        "latency_seconds": {
            **{name: latencies.seconds_at(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))},
            "max": latencies.max_seconds,
        },
        "statuses": {str(status): number for status, number in sorted(load.statuses.items())},
        "failures": dict(load.failures),
        "acknowledged": load.acknowledged,
        "unknown": load.unknown * (options.bulk or 1),
        "in_the_books": result.books.payments,
        "money_missing": str(result.books.money_missing),
        "trial_balance_differences": dict(result.books.trial_balance_differences),
        "is_right": result.is_right,
        "generator_cpu_microseconds": round(load.cpu_microseconds, 1),
    }


def mode_of(options: BenchOptions) -> str:
    where = "one hot account" if options.is_hot else f"uniform over {options.accounts:,} accounts"
    how = f"{options.bulk:,} payments a call" if options.bulk else "single payments"
    return f"{how}, {where}" + (f", {options.rate:g} arrivals a second" if options.rate else "")


def complaints(result: Result) -> list[str]:
    """What a reader must not overlook."""
    load, books = result.load, result.books
    lines = []
    if not books.balance:
        lines.append(
            f"THE BOOKS DO NOT BALANCE: {dict(books.trial_balance_differences)}, missing {books.money_missing}"
        )
    if not load.acknowledged <= books.payments <= result.acknowledged_at_most:
        lines.append(f"MONEY WAS LOST OR DOUBLED: {load.acknowledged} acknowledged, {books.payments} in the books")
    if load.statuses[429]:
        lines.append("the rate limit stepped in (ZEROSUM_RATE_LIMIT_PER_PRINCIPAL, …_PER_ADDRESS): this measured it")
    if not load.window.acknowledged:
        lines.append(f"no payment was acknowledged; answers: {dict(load.statuses)}")
    return lines


def table_rows(result: Result) -> list[tuple[str, str]]:
    load, latencies = result.load, result.load.window.latencies
    milliseconds = "  ".join(
        f"{name} {seconds * 1000:.1f}"
        for name, seconds in (
            ("p50", latencies.seconds_at(0.5)),
            ("p95", latencies.seconds_at(0.95)),
            ("p99", latencies.seconds_at(0.99)),
            ("max", latencies.max_seconds),
        )
    )
    others = {str(status): number for status, number in load.statuses.items() if status >= 300}
    refused = "  ".join(f"{kind}: {number:,}" for kind, number in (others | dict(load.failures)).items())
    verdict = "right" if result.is_right else "WRONG"
    return [
        ("connections", f"{result.connections}"),
        ("payments/s", f"{load.items_per_second:,.0f}"),
        ("requests/s", f"{load.requests_per_second:,.0f}"),
        ("latency ms", milliseconds),
        ("refused or failed", refused or "none"),
        ("acknowledged", f"{load.acknowledged:,}"),
        ("in the books", f"{result.books.payments:,} ({verdict})"),
        ("generator CPU", f"{load.cpu_microseconds:.0f} µs a request"),
    ]
