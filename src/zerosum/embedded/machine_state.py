"""A folder of the machine for what cannot stay where it is: programs and data that the servers' account cannot reach.

That happens to root alone: a checkout or a data folder below a home of mode 700 is closed to `postgres`, and opening
up somebody's home is not ours to do. So programs are copied out, and server data is kept here from the start.

    <root>/programs/<name>-<version>-<hash>/   copies, shared by all data folders
    <root>/data/<hash of the data folder>/     server data; `data-dir.json` in it and in the data folder name each other
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from zerosum.embedded.binaries import PostgresBinaries, ValkeyBinary
from zerosum.embedded.durable_files import make_folder
from zerosum.embedded.errors import EmbeddedError
from zerosum.embedded.ownership import require_own_way
from zerosum.embedded.server_account import ServerAccount, can_run

MACHINE_STATE_ROOT = Path("/var/lib/zerosum")
COPIED_PARTS = ("bin", "lib", "share")
NOT_COPIED = ("pkgconfig", "*.a")
"""Needed only to compile against PostgreSQL."""

COPIED_BYTES_MAX = 512 * 1024 * 1024
"""A PostgreSQL is a tenth of this. More means that it shares its folder with other things, say a home's `.local`."""


class MachineState:
    """Made on first use; nothing is written as long as nothing has to be moved."""

    def __init__(self, roots: Sequence[Path] | None = None) -> None:
        """The first of `roots` that can be used will be."""
        self._roots = roots or (MACHINE_STATE_ROOT, Path(tempfile.gettempdir()) / MACHINE_STATE_ROOT.name)

    def data_path(self, data_dir: Path) -> Path:
        """Where the server data of this data folder would be. Its parent exists afterwards, the folder need not."""
        folder = self._root() / "data"
        make_folder(folder, mode=0o711)
        return folder / sha256(os.fsencode(os.path.realpath(data_dir))).hexdigest()[:16]

    def runnable_postgres(self, binaries: PostgresBinaries, account: ServerAccount | None) -> PostgresBinaries:
        """The same programs where the account can run them. Raises EmbeddedError if it cannot run them anywhere."""
        if account is None or _all_run(binaries, account):
            return binaries
        copy = self._copy_of(binaries.postgres, f"postgresql-{binaries.version}")
        moved = replace(binaries, bin_path=copy / _package_of(binaries).name / binaries.bin_path.parent.name / "bin")
        if not _all_run(moved, account):
            _make_anew(copy, lambda new: _copy_postgres(binaries, new))
        if not _all_run(moved, account):
            raise EmbeddedError(f"The account `{account.name}` cannot run {binaries.postgres}, nor a copy in {copy}.")
        return moved

    def runnable_valkey(self, binary: ValkeyBinary, account: ServerAccount | None) -> ValkeyBinary:
        """The same program where the account can run it. Raises EmbeddedError if it cannot run it anywhere."""
        if account is None or can_run(binary.program, account):
            return binary
        copy = self._copy_of(binary.program, f"valkey-{binary.version}")
        moved = replace(binary, program=copy / binary.program.name)
        if not can_run(moved.program, account):
            _make_anew(copy, lambda new: _copy_program(binary.program, new))
        if not can_run(moved.program, account):
            raise EmbeddedError(f"The account `{account.name}` cannot run {binary.program}, nor a copy in {copy}.")
        return moved

    def _copy_of(self, program: Path, name: str) -> Path:
        folder = self._root() / "programs"
        make_folder(folder, mode=0o755)
        return folder / f"{name}-{sha256(program.read_bytes()).hexdigest()[:12]}"

    def _root(self) -> Path:
        faults = []
        for root in self._roots:
            try:
                return _usable_root(root)
            except (OSError, EmbeddedError) as error:
                faults.append(str(error))
        raise EmbeddedError(f"There is no place for what the servers' account must reach: {'; '.join(faults)}")


def _usable_root(root: Path) -> Path:
    make_folder(root, mode=0o755)
    require_own_way(root.absolute())
    # In a temporary folder anybody may have made it first, to have us run their programs as the servers' account.
    facts = root.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedError(f"{root} is not a folder of our own")
    if not os.access(root, os.W_OK):
        raise EmbeddedError(f"{root} cannot be written")
    return root


def _all_run(binaries: PostgresBinaries, account: ServerAccount) -> bool:
    # initdb needs libpq, which a wheel keeps in a folder beside the package; postgres alone would not notice.
    return can_run(binaries.postgres, account) and can_run(binaries.initdb, account)


def _package_of(binaries: PostgresBinaries) -> Path:
    return binaries.bin_path.parent.parent


def _copy_postgres(binaries: PostgresBinaries, new: Path) -> None:
    """Keep the layout: the programs find their libraries by the way from `bin` to the package's `*.libs` sibling."""
    installation, package = binaries.bin_path.parent, _package_of(binaries)
    parts = {installation / name: new / package.name / installation.name / name for name in COPIED_PARTS}
    parts[package.parent / f"{package.name}.libs"] = new / f"{package.name}.libs"
    parts[package / ".dylibs"] = new / package.name / ".dylibs"
    present = {source: target for source, target in parts.items() if source.is_dir()}
    if sum(map(_size_of, present)) > COPIED_BYTES_MAX:
        raise EmbeddedError(f"{installation} holds more than PostgreSQL, and the servers' account cannot reach it.")
    for source, target in present.items():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))


def _copy_program(program: Path, new: Path) -> None:
    shutil.copy2(program, new / program.name)


def _size_of(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*"))


def _make_anew(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new folder, let everybody read it, and put it in place in one step."""
    new = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        fill(new)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                # An installation made under a strict umask is closed to others; its copy must not be.
                path.chmod(stat.S_IMODE(mode) | (0o555 if mode & stat.S_IXUSR else 0o444))
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
