"""Every metric, by what it is about. A metric that is not declared here cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from zerosum.metrics.declaration import Metric
from zerosum.metrics.declared import committer, gateway, ledger, outside, payments, postgres

GROUPS: Mapping[str, ModuleType] = MappingProxyType(
    {
        "Requests and processes": gateway,
        "Payments": payments,
        "The committer": committer,
        "The books": ledger,
        "Events, messages and processors": outside,
        "PostgreSQL": postgres,
    }
)


def metrics_of(group: ModuleType) -> Iterator[Metric]:
    """In the order of their declaration."""
    return (value for value in vars(group).values() if isinstance(value, Metric))


ALL: tuple[Metric, ...] = tuple(metric for group in GROUPS.values() for metric in metrics_of(group))

BY_NAME: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in ALL})
if len(BY_NAME) != len(ALL):
    raise ValueError("a metric is declared twice")
