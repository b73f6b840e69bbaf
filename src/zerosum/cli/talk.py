"""How commands talk: to stderr, in whole lines. Results alone go to stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TextIO

from zerosum.config import SettingsError
from zerosum.embedded import EmbeddedError

FAILED = 1
USAGE = 2

Parameters = ParamSpec("Parameters")


class CommandFailed(Exception):
    """The command cannot do what it was asked for. The message is one clear line."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def results() -> TextIO:
    """Stdout. Raises CommandFailed where it is closed."""
    if sys.stdout is None:
        raise CommandFailed("stdout cannot be written: it is closed")
    return sys.stdout


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def told_plainly(command: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """Expected failures become one line and an exit code, never a traceback. With stderr closed nobody is told."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> int:
        if sys.stderr is None:
            sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        try:
            return command(*args, **kwargs)
        except (SettingsError, EmbeddedError) as error:
            say(f"zerosum: {error}")
            return USAGE
        except CommandFailed as error:
            say(f"zerosum: {error}")
            return error.exit_code
        except KeyboardInterrupt:
            say("zerosum: stopped")
            return 130

    return run
