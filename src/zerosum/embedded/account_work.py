"""Work in the folders of the servers' account, done as that account.

A server's folder belongs to the account it runs as, so any name in it may be a link by the time root uses it, placed
to have root write, read or give away something else. So root does nothing there: a fork gives up all its rights for
good, and does the work with those of the account.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from zerosum.embedded.errors import EmbeddedError
from zerosum.embedded.server_account import ServerAccount

WORK_SECONDS_MAX = 20.0
"""The work is a few small files; the account may have put a pipe in place of one."""

ANSWER_BYTES_MAX = 64 * 1024

SIGNALS_OF_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)


def done_as(account: ServerAccount | None, work: Callable[[], bool | None]) -> bool:
    """What `work` returns, done as the account (None: our own, in this process). An OSError comes back as one.

    `work` must not import anything: the account may not be able to read our code.
    """
    if account is None:
        return bool(work())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _work_and_exit(account, work, writing)
    os.close(writing)
    try:
        answer = _answer(reading)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)  # It has answered, or does not mean to. Ours to wait for, so the pid is its own.
        os.waitpid(pid, 0)
    return _result(answer, account)


def _work_and_exit(account: ServerAccount, work: Callable[[], bool | None], writing: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        for signal_number in SIGNALS_OF_OURS:
            signal.signal(signal_number, signal.SIG_DFL)
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        os.umask(0o077)
        answer: dict[str, object] = {"result": bool(work())}
    except OSError as error:
        answer = {"errno": error.errno, "words": error.strerror or str(error), "file": str(error.filename or "")}
    except BaseException as error:
        answer = {"words": f"{type(error).__name__}: {error}"}
    try:
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _answer(reading: int) -> bytes:
    parts, deadline = b"", time.monotonic() + WORK_SECONDS_MAX
    while len(parts) < ANSWER_BYTES_MAX:
        readable, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(reading, ANSWER_BYTES_MAX) if readable else b""
        if not part:
            break
        parts += part
    return parts


def _result(answer: bytes, account: ServerAccount) -> bool:
    try:
        facts = json.loads(answer)
    except ValueError:
        raise EmbeddedError(f"The account `{account.name}` did not get done in its folders what was needed.") from None
    if "result" in facts:
        return bool(facts["result"])
    if "errno" in facts:
        raise OSError(facts["errno"], facts["words"], facts["file"] or None)
    raise EmbeddedError(f"The account `{account.name}` could not work in its folders: {facts['words']}")
