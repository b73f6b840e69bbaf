"""Functions run in forks of this process: for generators that must not share one core, and for measuring alone."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from zerosum.embedded.child_processes import dying_with_parent

Result = TypeVar("Result")


class ForkFailed(Exception):
    """A function in a fork has failed; its traceback was written to stderr."""


def in_forks(functions: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of all functions, run at once, each in a fork of its own. Raises ForkFailed.

    For the main thread of a process without other threads. No fork is left behind, whatever happens.
    """
    children: list[tuple[int, int]] = []
    try:
        for function in functions:
            children.append(_fork(function))
        return [_result(read_end) for _, read_end in children]
    finally:
        for pid, read_end in children:
            os.close(read_end)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # One that has sent its result has nothing more to do.
            os.waitpid(pid, 0)


def _fork(function: Callable[[], Result]) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    die_with_parent = dying_with_parent(signal.SIGKILL)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _run_and_exit(function, write_end, die_with_parent)
    os.close(write_end)
    return pid, read_end


def _run_and_exit(function: Callable[[], object], write_end: int, die_with_parent: Callable[[], None]) -> NoReturn:
    try:
        die_with_parent()
        result = pickle.dumps(function())
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(result)
    except KeyboardInterrupt:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)  # Never back into the parent's code. An empty pipe says that it has failed.


def _result(read_end: int) -> Result:  # type: ignore[type-var]
    with os.fdopen(os.dup(read_end), "rb") as pipe:
        content = pipe.read()
    if not content:
        raise ForkFailed("a measurement in a process of its own has failed")
    return pickle.loads(content)  # type: ignore[no-any-return] # noqa: S301 - from a fork of this very process
