"""One of many, whose turns have nothing to do with each other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from zerosum.domain.errors import Unavailable


@contextmanager
def apart(log: logging.Logger, what: str, *named: object) -> Iterator[None]:
    """Whatever is wrong with it is logged, and holds up no other. Raises Unavailable, by which all of them fail."""
    try:
        yield
    except Unavailable:
        raise
    except Exception:
        log.exception(what, *named)
