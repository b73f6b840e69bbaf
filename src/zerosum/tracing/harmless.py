"""Spans are written where payments are made: a fault in that is told, and costs nobody his answer."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def harmless() -> Iterator[None]:
    try:
        yield
    except Exception:
        _log.exception("a span could not be told")
