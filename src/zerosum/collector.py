"""The collector that spans are sent to, if any: made in one place for every process that traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zerosum.config import Settings

if TYPE_CHECKING:
    # It takes time and memory, and not everybody wants it.
    from zerosum.tracing.spans import Tracing

    Kind = TypeVar("Kind", bound=Tracing)


def make_tracing(settings: Settings, process: str, load: Callable[[], type[Kind]]) -> Kind | None:
    """To be started and stopped by whoever has asked for it; `load` imports its kind. None without a collector."""
    return load()(settings.otlp_endpoint, settings.trace_ratio, process) if settings.otlp_endpoint else None


def started_tracing(settings: Settings, process: str) -> Tracing | None:
    """Of a process that nobody calls over HTTP, and whose loop runs already."""
    tracing = make_tracing(settings, process, _plain)
    if tracing is not None:
        tracing.start()
    return tracing


def _plain() -> type[Tracing]:
    from zerosum.tracing.spans import Tracing  # noqa: PLC0415 - as above

    return Tracing
