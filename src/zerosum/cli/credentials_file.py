"""Where new credentials go: a file that only its owner reads, or stdout."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zerosum.cli.talk import USAGE, CommandFailed, put


@contextmanager
def credentials_to(out: Path | None) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """What writes them. The file is made before the key is: a key that nobody can read would be lost.

    It is never one that is there already, nor behind a link. Raises CommandFailed.
    """
    if out is None:
        yield _print
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise CommandFailed(f"{out} is there already, and is not overwritten", USAGE) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandFailed(f"{out} cannot be written: {reason}", USAGE) from None
    is_written = False

    def write(credentials: Mapping[str, str]) -> None:
        nonlocal is_written
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(_text(credentials))
            file.flush()
            os.fsync(descriptor)
        is_written = True

    try:
        yield write
    finally:
        os.close(descriptor)
        if not is_written:
            out.unlink(missing_ok=True)


def _print(credentials: Mapping[str, str]) -> None:
    put(_text(credentials))


def _text(credentials: Mapping[str, str]) -> str:
    return f"{json.dumps(dict(credentials), indent=2)}\n"
