"""How much of what is much alike is tried: a few with each change, and all of it by `make test-long`.

Only where many cases go through the same lines, so that a fault in these shows in each of them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from typing import TypeVar

import pytest

AT_LENGTH = "TESTS_AT_LENGTH" in os.environ

Case = TypeVar("Case")


def some(cases: Iterable[Case], one_in: int) -> list[Case]:
    """The first, and every so manieth behind it."""
    return list(cases)[:: 1 if AT_LENGTH else one_in]


def as_many_as(few: int, *, at_length: int) -> int:
    return at_length if AT_LENGTH else few


BOTH_WAYS_ONE_IN = 3


def is_left_out(item: pytest.Item) -> bool:
    """Two thirds of what is asked on both ways is asked on the express one alone: the framework's is that of all else.

    Which goes by its name, so that it is the same in each process.
    """
    callspec = getattr(item, "callspec", None)
    is_second = callspec is not None and callspec.params.get("either_client") == "framework"
    return is_second and bool(zlib.crc32(item.nodeid.encode()) % BOTH_WAYS_ONE_IN)
