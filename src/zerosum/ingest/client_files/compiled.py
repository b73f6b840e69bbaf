"""How the inner loops of the fast engine are compiled: once, and kept beside the source or in the user's cache.

Functions that call each other stand in one file, for what is kept is renewed only when its own file changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    make: Any = numba.njit
    try:
        kept: Callable[Parameters, Result] = make(cache=True)(function)
    except RuntimeError:  # There is nowhere to keep it: it is compiled at each start.
        kept = make(function)
    return kept
