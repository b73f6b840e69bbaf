"""The load generator behind `zerosum bench` and the benchmarks."""

from zerosum.cli.load.generator import run_load
from zerosum.cli.load.histogram import Histogram
from zerosum.cli.load.plan import Acknowledged, LoadFailed, Plan
from zerosum.cli.load.report import LoadReport, Tally

__all__ = ["Acknowledged", "Histogram", "LoadFailed", "LoadReport", "Plan", "Tally", "run_load"]
