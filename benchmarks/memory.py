"""What the API processes keep in memory while payments go through them: it should stand still."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from benchmarks.cpu import proportional_megabytes, resident_megabytes
from benchmarks.http_cases import SEED, HttpGround
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import single_payments

CONNECTIONS = 64
SAMPLES_MAX = 200


@dataclass(frozen=True, slots=True)
class Sample:
    payments: int
    """That the service had carried out by then, all API processes together."""
    resident_megabytes: tuple[float, ...]
    proportional_megabytes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class MemoryReading:
    samples: tuple[Sample, ...]

    @property
    def last(self) -> Sample:
        return self.samples[-1]

    @property
    def largest_megabytes(self) -> float:
        return max(max(sample.resident_megabytes) for sample in self.samples)

    def to_plain(self) -> list[dict[str, Any]]:
        return [
            {
                "payments": sample.payments,
                "resident_megabytes": [round(number, 1) for number in sample.resident_megabytes],
                "proportional_megabytes": [round(number, 1) for number in sample.proportional_megabytes],
            }
            for sample in self.samples
        ]


def measure_memory(
    ground: HttpGround, payments: int, on_progress: Callable[[float], None] | None = None
) -> MemoryReading:
    """Single payments until the service has carried out so many, those of earlier cases included."""
    already = ground.acknowledgements.payments
    samples = [_sample(ground, already)]
    missing = max(0, payments - already)
    plan = replace(ground.plan, connections=CONNECTIONS, seconds=None, requests=missing, warm_up_seconds=0.0)

    def look(share: float) -> None:
        done = already + int(share * missing)
        if done - samples[-1].payments >= payments / SAMPLES_MAX:
            samples.append(_sample(ground, done))
        if on_progress is not None:
            on_progress(share)

    if missing:
        requests = single_payments(replace(ground.target, key_prefix=secrets.token_hex(5)), ground.uniform, SEED)
        report = uvloop.run(run_load(plan, requests, on_progress=look))
        ground.acknowledgements.payments += report.acknowledged
        ground.acknowledgements.unknown += report.unknown
    samples.append(_sample(ground, ground.acknowledgements.payments))
    return MemoryReading(tuple(samples))


def _sample(ground: HttpGround, payments: int) -> Sample:
    pids = ground.service.api_pids
    return Sample(
        payments,
        tuple(resident_megabytes(pid) for pid in pids),
        tuple(proportional_megabytes(pid) for pid in pids),
    )
