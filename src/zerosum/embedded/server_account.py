"""The account the servers run as. PostgreSQL refuses to run as root, and Valkey has no need to."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zerosum.embedded.errors import EmbeddedError

PREFERRED_ACCOUNTS = ("postgres", "nobody")
TRIAL_SECONDS_MAX = 20.0
"""A trial run of a program takes milliseconds; this bounds a hung disk."""

CHILD_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""Ours may hold secrets and PG* variables; a server needs neither. LC_ALL=C keeps its messages in English."""


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """An account other than our own."""

    name: str
    uid: int
    gid: int


def account_for_servers(existing_data: Path) -> ServerAccount | None:
    """The account to start servers as, or None for our own.

    Only root can choose. A database that exists can be served by its owner alone, so that owner wins.
    """
    if os.geteuid() != 0:
        _require_passwd_entry()
        return None
    if existing_data.exists() and (owner := existing_data.lstat().st_uid) != 0:
        return _account(owner)
    for name in PREFERRED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerAccount(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("Started as root, but there is no account `postgres` or `nobody` to run PostgreSQL as.")


def uids_for_servers() -> frozenset[int]:
    """To whom a folder of root's servers may belong. A database of anybody else was put there by him."""
    found = set()
    for name in PREFERRED_ACCOUNTS if os.geteuid() == 0 else ():
        with suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return frozenset(found)


def run_briefly(command: list[str], account: ServerAccount | None) -> subprocess.CompletedProcess[str]:
    """Run a short program as the account. Raises OSError when it cannot even be started or hangs."""
    try:
        return subprocess.run(  # noqa: S603 - the programs are found by `binaries`, never named by a request.
            command,
            cwd="/",
            env=CHILD_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TRIAL_SECONDS_MAX,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{command[0]} did not end within {TRIAL_SECONDS_MAX:.0f} s") from error


def can_run(program: Path, account: ServerAccount | None) -> bool:
    """Whether `program --version` works as the account: also its libraries must be within reach."""
    try:
        return run_briefly([str(program), "--version"], account).returncode == 0
    except OSError:
        return False


def can_write(folder: Path, account: ServerAccount) -> bool:
    """Whether the account can enter the folder and write there. Tried, because modes alone do not tell (ACLs, NFS)."""
    try:
        trial = run_briefly(["/bin/sh", "-c", 'cd -- "$1" && test -w .', "sh", str(folder)], account)
    except OSError:
        return False
    return trial.returncode == 0


@contextmanager
def acting_as(account: ServerAccount | None) -> Iterator[None]:
    """Look at things as the account does. Only for looking, and only for the one thread we have."""
    if account is None:
        yield
        return
    uid, gid = os.geteuid(), os.getegid()
    os.setegid(account.gid)
    try:
        os.seteuid(account.uid)
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)


def _account(uid: int) -> ServerAccount:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(f"The database belongs to uid {uid}, which has no account on this machine.") from None
    return ServerAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _require_passwd_entry() -> None:
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedError(
            f"PostgreSQL needs a passwd entry for the account it runs as; uid {uid} has none."
        ) from None
