"""The run in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.ratios import Ratio
from benchmarks.readings import Results
from benchmarks.report import Run

INK, MET, MISSED = "#30507a", "#3c8d5a", "#c0504d"
ROW_INCHES = 0.3
WIDTH_INCHES = 11.0


def draw(run: Run, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - the extra `bench`, and slow to load

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    rows = max(1, len(run.results.readings)), max(1, len(run.ratios))
    height = ROW_INCHES * sum(rows) + 2.5
    figure, (rates, targets) = plt.subplots(
        2, 1, figsize=(WIDTH_INCHES, height), height_ratios=rows, layout="constrained"
    )
    _draw_rates(rates, run.results)
    _draw_ratios(targets, run.ratios)
    figure.suptitle(
        f"Zerosum {run.conditions['revision']} on {run.conditions['processors']} processors, "
        f"PostgreSQL {run.conditions['postgres']}, fsync {run.conditions['fsync_microseconds']:.0f} µs"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_rates(axes: Any, results: Results) -> None:
    names, medians, errors = [], [], []
    for part, name in results.readings:
        spread = results.spread(part, name)
        if spread is not None:
            names.append(f"{part}: {name}")
            medians.append(spread.median)
            errors.append((spread.median - spread.low, spread.high - spread.median))
    if not names:
        return
    axes.barh(names, medians, xerr=list(zip(*errors, strict=True)), color=INK, ecolor="#999999", capsize=2)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("items a second (median, lowest to highest of the rounds), logarithmic")
    for index, median in enumerate(medians):
        axes.annotate(f" {median:,.0f}", (median, index), va="center", fontsize=8)


def _draw_ratios(axes: Any, ratios: list[Ratio]) -> None:
    """As a part of the target: to the right of the line is good."""
    names = [f"{ratio.name}: {ratio.measured.median:.3g} ({ratio.target_text})" for ratio in ratios]
    shares = [_share(ratio) for ratio in ratios]
    colors = [MET if ratio.is_met else MISSED for ratio in ratios]
    axes.barh(names, shares, color=colors)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("share of the target reached")


def _share(ratio: Ratio) -> float:
    if ratio.is_upper_bound:
        return ratio.target / ratio.measured.median if ratio.measured.median else 0.0
    return ratio.measured.median / ratio.target
