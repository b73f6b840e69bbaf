"""Whose a path is. What another account has made, or could replace, is neither trusted nor touched.

Once the way to a folder and the folder itself have been found to be ours, nobody else can change what its names mean:
from then on paths below it may be used as usual. That ends where a folder belongs to the servers' account (see
`account_work`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from zerosum.embedded.errors import PathNotOurs

LINKS_MAX = 40
"""As many as the kernel follows in one path."""

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
NOT_FOLLOWED = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Neither through a link, nor waiting for the other end of a pipe that somebody has put there."""

UID_MAP, OVERFLOW_UID = Path("/proc/self/uid_map"), Path("/proc/sys/kernel/overflowuid")
ALL_UIDS = "4294967295"
ACL_ATTRIBUTE = "system.posix_acl_access"


def require_own_way(path: Path) -> None:
    """Every folder above `path`, and every link on the way, also `path` itself where it is one, is root's or ours.

    Folders that others may write are passed only where they are sticky: there nobody can replace what is ours. Raises
    PathNotOurs. What does not exist yet is not looked at.
    """
    owners = _owners_of_ways()
    at, waiting, links = Path(path.anchor), list(reversed(path.parts[1:])), 0
    while True:
        _check_passed_folder(at, path, owners)
        if not waiting:
            return
        part = waiting.pop()
        after = at.parent if part == ".." else at / part
        try:
            facts = after.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            if facts.st_uid not in owners or links > LINKS_MAX:
                raise PathNotOurs(f"{after} is a link of {account_name(facts.st_uid)}, who could lead us anywhere")
            target = after.readlink()
            at = Path(target.anchor) if target.is_absolute() else at
            waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        elif waiting:
            at = after
        else:
            return


def require_own_folder(path: Path, *, also: frozenset[int] = frozenset()) -> None:
    """It is a folder, no link, of ours or of one of the uids in `also`, and nobody else may write in it."""
    _require(path, stat.S_IFDIR, _own_uids() | also)


def require_own_file(path: Path) -> None:
    """The same of a file. One that has a second name somewhere is refused too: it may be somebody's trap."""
    _require(path, stat.S_IFREG, _own_uids())


def require_own_descriptor(descriptor: int, path: Path) -> None:
    """As `require_own_file`, of a file that is open."""
    _judge(os.fstat(descriptor), path, stat.S_IFREG, _own_uids())


def require_own_files_in(folder: Path) -> None:
    """The folder is ours, and so is every file in it; there is nothing else."""
    require_own_folder(folder)
    for entry in folder.iterdir():
        require_own_file(entry)


def make_private(folder: Path, mode: int) -> None:
    """Give a folder of ours this mode. Raises PathNotOurs for a link or a folder of somebody else."""
    with opened_folder(folder) as descriptor:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid():
            raise PathNotOurs(f"{folder} belongs to {account_name(facts.st_uid)}, not to us")
        if stat.S_IMODE(facts.st_mode) != mode:
            os.fchmod(descriptor, mode)


@contextlib.contextmanager
def opened_folder(folder: Path) -> Iterator[int]:
    """A descriptor of the folder itself, never of what a link in its place leads to."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | NOT_FOLLOWED)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP) or not folder.is_symlink():
            raise
        raise PathNotOurs(f"{folder} is a link, and would lead us elsewhere") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_untrusted(path: Path, bytes_max: int) -> bytes | None:
    """The beginning of a file in a folder of the servers' account, or None where there is no such file.

    Reading is all that may be done there by path: no link is followed, and nothing is waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | NOT_FOLLOWED)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, bytes_max)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def account_name(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return f"`{pwd.getpwuid(uid).pw_name}`"
    return f"uid {uid}"


def _own_uids() -> frozenset[int]:
    return frozenset({0, os.geteuid()})


def _owners_of_ways() -> frozenset[int]:
    """Besides ours: whoever owns the program we run, for he has us anyway (a clone in a container, say)."""
    owners = {*_own_uids(), Path(__file__).stat().st_uid}
    with contextlib.suppress(OSError, ValueError):
        # In a user namespace the machine's own folders belong to nobody we could name.
        if ALL_UIDS not in UID_MAP.read_text().split():
            owners.add(int(OVERFLOW_UID.read_text()))
    return frozenset(owners)


def _check_passed_folder(folder: Path, path: Path, owners: frozenset[int]) -> None:
    facts = folder.stat()
    if facts.st_uid not in owners:
        raise PathNotOurs(
            f"{folder} belongs to {account_name(facts.st_uid)}, who could put anything in place of {path}"
        )
    if not facts.st_mode & stat.S_ISVTX and _others_write(folder, facts):
        raise PathNotOurs(f"{folder} can be written by others, who could put anything in place of {path}")


def _others_write(folder: Path, facts: os.stat_result) -> bool:
    """A group of our own is no other, where the mode is all there is to know."""
    if facts.st_mode & stat.S_IWOTH:
        return True
    if not facts.st_mode & stat.S_IWGRP:
        return False
    with contextlib.suppress(OSError, AttributeError):
        if os.getxattr(folder, ACL_ATTRIBUTE):
            return True  # The group's bits then stand for a list of accounts.
    own_groups = {0, os.getegid()} if os.geteuid() == 0 else {os.getegid(), *os.getgroups()}
    return facts.st_gid not in own_groups


def _require(path: Path, kind: int, uids: frozenset[int]) -> None:
    _judge(path.lstat(), path, kind, uids)


def _judge(facts: os.stat_result, path: Path, kind: int, uids: frozenset[int]) -> None:
    if stat.S_ISLNK(facts.st_mode):
        raise PathNotOurs(f"{path} is a link, and would lead us elsewhere")
    if stat.S_IFMT(facts.st_mode) != kind:
        raise PathNotOurs(f"{path} is no {'folder' if kind == stat.S_IFDIR else 'file'}")
    if facts.st_uid not in uids:
        raise PathNotOurs(f"{path} belongs to {account_name(facts.st_uid)}, not to {account_name(os.geteuid())}")
    if facts.st_mode & OTHERS_WRITE:
        raise PathNotOurs(f"{path} can be written by others (chmod go-w, if what is in it is yours)")
    if kind == stat.S_IFREG and facts.st_nlink > 1:
        raise PathNotOurs(f"{path} has a second name elsewhere")
