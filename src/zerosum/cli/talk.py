"""How commands talk: to stderr, in whole lines. Results alone go to stdout."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from typing import ParamSpec, TextIO

FAILED = 1
USAGE = 2

PRIVATE_MODE = 0o600

PLAIN_SIGNS = "zerosum-plain-signs"
PLAIN = {"…": "...", "µ": "u", "·": "*", "–": "-", "—": "-", "→": "->", "\u2018": "'", "\u2019": "'"}
"""How what we say ourselves is written in ASCII; anything else is shown by its number."""

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


def put(text: str) -> bool:
    """Results to stdout, and on their way before the command ends. Raises CommandFailed. False: nobody reads them."""
    out = results()
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        drop_stdout()
        return False
    except OSError as error:
        drop_stdout()
        raise CommandFailed(f"stdout cannot be written: {error.strerror}") from None
    return True


def drop_stdout() -> None:
    """Whoever read has enough. Python would complain again when it closes stdout at the end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(line: str) -> None:
    """What comes from elsewhere, a file name or a server's log, must not steer the terminal."""
    shown = "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in line)
    sys.stderr.write(f"{shown}\n")
    sys.stderr.flush()


def speak_any_encoding() -> None:
    """Let stdout and stderr take every text, whatever PYTHONIOENCODING and the locale say."""
    codecs.register_error(PLAIN_SIGNS, _in_plain_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=PLAIN_SIGNS)


def _in_plain_signs(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs)
    return plain, error.end


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _wrongly_set_up() -> tuple[type[Exception], ...]:
    """Asked for only when something was raised: commands without settings or servers do not load what reads them."""
    from zerosum.config import SettingsError  # noqa: PLC0415
    from zerosum.embedded import EmbeddedError  # noqa: PLC0415

    return SettingsError, EmbeddedError


def told_plainly(command: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """Expected failures become one line and an exit code, never a traceback. With stderr closed nobody is told."""

    @wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> int:
        if sys.stderr is None:
            sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        try:
            return command(*args, **kwargs)
        except CommandFailed as error:
            say(f"zerosum: {error}")
            return error.exit_code
        except KeyboardInterrupt:
            say("zerosum: stopped")
            return 130
        except _wrongly_set_up() as error:
            say(f"zerosum: {error}")
            return USAGE

    return run
