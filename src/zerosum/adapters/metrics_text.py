"""Reads the page that Prometheus reads: samples by name and labels, and what they come to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

TEXT_BYTES_MAX = 16_000_000

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)(?: .*)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPE = re.compile(r"\\.")


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """What was read at one moment."""

    samples: Mapping[str, list[Sample]]

    def sum(self, *names: str, **labels: str) -> float | None:
        """Of all samples with these labels, of the first of these names that has any; None where none has."""
        for name in names:
            found = [sample.value for sample in self._having(name, labels)]
            if found:
                return sum(found)
        return None

    def by(self, label: str, *names: str) -> dict[str, float]:
        """The same by the values of one label."""
        for name in names:
            found: dict[str, float] = {}
            for sample in self.samples.get(name, ()):
                if label in sample.labels:
                    found[sample.labels[label]] = found.get(sample.labels[label], 0.0) + sample.value
            if found:
                return found
        return {}

    def _having(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        for sample in self.samples.get(name, ()):
            if all(sample.labels.get(key) == value for key, value in labels.items()):
                yield sample


def read_metrics(lines: Iterable[str]) -> MetricsPage:
    """What cannot be read is left out: the page may be of another version."""
    samples: dict[str, list[Sample]] = {}
    for line in lines:
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line.rstrip())
        if found is None:
            continue
        name, labels, value = found.groups()
        try:
            number = float(value)
        except ValueError:
            continue
        samples.setdefault(name, []).append(Sample(_labels(labels or ""), number))
    return MetricsPage(samples)


def level_of(page: bytes, name: str) -> int | None:
    """A level without labels, out of a page of which nothing else is wanted."""
    found = re.search(rb"^%s ([0-9.e+]+)$" % re.escape(name.encode("ascii")), page, re.MULTILINE)
    return None if found is None else int(float(found[1]))


def _labels(text: str) -> dict[str, str]:
    return {
        name: _ESCAPE.sub(lambda sign: _ESCAPES.get(sign[0], sign[0]), value) for name, value in _LABEL.findall(text)
    }
