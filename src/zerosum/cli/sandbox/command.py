"""`zerosum sandbox` in the foreground, until it is stopped."""

from __future__ import annotations

import secrets
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from zerosum.cli.sandbox.behaviour import Chances
from zerosum.cli.sandbox.server import Sandbox, SandboxOptions
from zerosum.cli.talk import USAGE, CommandFailed, say, told_plainly

SECRET_BYTES_MIN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCommand:
    port: int
    secret_file: Path | None
    callback_url: str | None
    seed: int
    by_amount: bool
    delay_seconds: float
    hang_seconds: float
    repeats: float
    chances: Chances = field(default_factory=Chances)


@told_plainly
def run_sandbox(command: SandboxCommand) -> int:
    if sum(share for _, share in command.chances.shares()) > 1:
        raise CommandFailed("the shares come to more than 1", USAGE)
    options = SandboxOptions(
        port=command.port,
        secret=_secret(command.secret_file),
        chances=command.chances,
        seed=command.seed,
        by_amount=command.by_amount,
        delay_seconds=command.delay_seconds,
        hang_seconds=command.hang_seconds,
        callback_url=command.callback_url,
        repeats=command.repeats,
    )
    try:
        sandbox = Sandbox(options)
    except OSError as error:
        raise CommandFailed(f"port {command.port} cannot be listened at: {error.strerror}") from None
    say(f"sandbox processor at {sandbox.url}; it moves no money")

    def stop(_: int, __: FrameType | None) -> None:
        threading.Thread(target=sandbox.server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    sandbox.serve_forever()
    return 0


def _secret(path: Path | None) -> bytes:
    """Of the file; one that is not there is made, for its owner alone."""
    if path is None:
        raise CommandFailed("--secret-file is missing: the secret that the service signs with", USAGE)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_urlsafe(32)}\n", encoding="utf-8")
    secret = path.read_text(encoding="utf-8").strip().encode()
    if len(secret) < SECRET_BYTES_MIN:
        raise CommandFailed(f"{path} has less than {SECRET_BYTES_MIN} bytes")
    return secret
