"""The data folder: everything that one embedded installation owns.

    zerosum.lock      held while in use; says by whom
    data-dir.json     makes the folder ours; says where the server data is, should it not be in here
    secrets/          generated passwords, one file each, mode 0600
    ports/            the port each server had last
    logs/             one log per server
    servers/          postgres/, valkey/ and run/ (the socket)

It is ours alone: what another account has made in it, or could replace, is refused before anything is read or written
(see `ownership`). Only the servers' own folders in `servers/` belong to the account that the servers run as.

Where root's servers cannot get in here, `servers/` is missing and its content lies elsewhere (see `machine_state`):
that place then has to be backed up or deleted too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from zerosum.embedded.durable_files import make_folder, make_way, write_durably
from zerosum.embedded.errors import DataDirNotOurs, EmbeddedError, told_in_one_line
from zerosum.embedded.folder_lock import FolderLock, Holder, holder_of
from zerosum.embedded.machine_state import MachineState
from zerosum.embedded.ownership import (
    make_private,
    require_own_file,
    require_own_files_in,
    require_own_folder,
    require_own_way,
)
from zerosum.embedded.server_account import ServerAccount, account_for_servers, can_write, uids_for_servers

FORMAT = 1
ID_SIGNS = 16
"""Of a data folder's id, where two had the same path one after the other."""

LOCK_NAME = "zerosum.lock"
MARKER_NAME = "data-dir.json"
CREDENTIALS_NAME = "credentials.json"
"""Written by `zerosum up`, for clients."""

HARMLESS_NAMES = frozenset({LOCK_NAME, f"{MARKER_NAME}.new", "lost+found", ".DS_Store"})
"""What a folder may hold and still count as empty: a fresh mount point, or our own first steps, cut off."""

PRIVATE_FOLDERS = ("secrets", "ports", "tls")
"""Whose every file is read, and decides something."""

SERVER_FOLDERS = frozenset({"postgres", "postgres.new", "valkey", "run"})
"""What the servers' account owns."""

PASSWORD_BYTES = 32
SECRET_NAMES = ("postgres-superuser", "postgres-app", "redis")


@dataclass(frozen=True, slots=True)
class _Marker:
    """Makes a folder ours. The server data carries the same id, so that copied or moved folders are noticed."""

    format: int
    id: str
    data_dir: str
    server_data: str | None

    @classmethod
    def read(cls, folder: Path) -> _Marker | None:
        path = folder / MARKER_NAME
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            marker = cls(facts["format"], facts["id"], facts["data_dir"], facts["server_data"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise DataDirNotOurs(f"{path} is not a file Zerosum has written.") from None
        if marker.format != FORMAT:
            raise DataDirNotOurs(f"{folder} was made by another version of Zerosum (format {marker.format}).")
        return marker

    def write(self, folder: Path) -> None:
        write_durably(folder / MARKER_NAME, json.dumps(asdict(self), indent=2) + "\n")


class DataDir:
    """Made if need be, and locked, from construction until `close`.

    Raises DataDirInUse, DataDirNotOurs, or EmbeddedError for a folder that cannot be written. `state_root` replaces
    the machine's folder for what the servers' account cannot reach elsewhere.
    """

    path: Path
    servers_path: Path
    account: ServerAccount | None
    machine_state: MachineState

    def __init__(self, path: Path | str, *, state_root: Path | None = None) -> None:
        self.path = Path(path).absolute()
        self.machine_state = MachineState([state_root] if state_root else None)
        with told_in_one_line(f"use {self.path} as data folder"):
            self._make_ours()
            if not (self.path / LOCK_NAME).exists():
                self._refuse_foreign_things()
            self._lock = FolderLock(self.path / LOCK_NAME)
            try:
                # Once more: only the holder of the lock sees a folder that nobody else is just making.
                self._refuse_foreign_things()
                self._settle()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> DataDir:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the next one in. The servers must have stopped."""
        self._lock.release()

    def delete(self) -> None:
        """Remove everything, also what lies elsewhere. The servers must have stopped."""
        with told_in_one_line(f"delete {self.path}"):
            shutil.rmtree(self.servers_path)
            shutil.rmtree(self.path)
        self.close()

    def announce(self, base_url: str) -> None:
        """Write down where we serve, for whoever finds the folder in use."""
        self._lock.write_holder(base_url=base_url)

    @property
    def superuser_password(self) -> str:
        return self._secret("postgres-superuser")

    @property
    def app_password(self) -> str:
        """For the role the service works as; whoever migrates the database sets it there."""
        return self._secret("postgres-app")

    @property
    def redis_password(self) -> str:
        return self._secret("redis")

    @property
    def logs_path(self) -> Path:
        return self.path / "logs"

    @property
    def is_elsewhere(self) -> bool:
        """Whether the server data had to be put into the machine's state folder."""
        return self.servers_path.parent != self.path

    def port_of(self, name: str) -> int | None:
        """The port the server had last, if it ever had one."""
        try:
            return int((self.path / "ports" / name).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def keep_port(self, name: str, port: int) -> None:
        if self.port_of(name) != port:
            write_durably(self.path / "ports" / name, f"{port}\n")

    def _secret(self, name: str) -> str:
        return (self.path / "secrets" / name).read_text(encoding="ascii").strip()

    def _make_ours(self) -> None:
        """Make the folder, or see to it that an existing one was made by nobody else."""
        make_way(self.path)
        require_own_way(self.path)
        # Root's servers run as another account, which must pass through to `servers/`, but need not look around.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        make_folder(self.path, mode=mode)
        real = self.path.resolve()
        if real.stat().st_uid == os.geteuid() and not _names_in(real) - HARMLESS_NAMES:
            make_private(real, mode)  # A fresh mount point, say. Whatever has been put in meanwhile is looked at next.
        require_own_data_dir(self.path)

    def _refuse_foreign_things(self) -> None:
        if not self.path.exists() or _Marker.read(self.path) is not None:
            return
        foreign = sorted(entry.name for entry in self.path.iterdir() if entry.name not in HARMLESS_NAMES)
        if foreign:
            raise DataDirNotOurs(f"{self.path} is no data folder of Zerosum, and not empty: it holds {foreign[0]!r}.")

    def _settle(self) -> None:
        """Decide once where the server data lives; ever after look there."""
        marker = _Marker.read(self.path)
        if marker is None:
            marker = _Marker(FORMAT, secrets.token_hex(16), str(self.path), server_data=None)
            marker.write(self.path)
        for name in ("secrets", "ports", "logs"):
            make_folder(self.path / name, mode=0o700)
        inside = self.path / "servers"
        if marker.server_data is not None:
            self.servers_path = Path(marker.server_data)
            _require_own_servers(self.servers_path)
            _require_counterpart(self.servers_path, marker, self.path)
        elif inside.exists() or self._opens_to_servers(inside):
            self.servers_path = inside
        else:
            self.servers_path = self._settle_elsewhere(marker)
        self._require_reach()
        self._make_secrets()

    def _opens_to_servers(self, inside: Path) -> bool:
        account = account_for_servers(inside)
        make_folder(inside, mode=0o711)
        if account is None:
            return True
        trial = inside / "trial"
        try:
            make_folder(trial, mode=0o700, account=account)
            is_open = can_write(trial, account)
        except PermissionError:
            is_open = False  # Some file systems know no owners.
        if trial.exists():
            trial.rmdir()
        if not is_open:
            inside.rmdir()
        return is_open

    def _settle_elsewhere(self, marker: _Marker) -> Path:
        elsewhere = self.machine_state.data_path(self.path)
        there = _Marker.read(elsewhere)
        if there is not None and there.id != marker.id:
            # A data folder that lay here before was deleted, or lies somewhere else now. Its books stay where they are.
            elsewhere = elsewhere.with_name(f"{elsewhere.name}-{marker.id[:ID_SIGNS]}")
        make_folder(elsewhere, mode=0o711)
        marker = replace(marker, server_data=str(elsewhere))
        marker.write(elsewhere)
        marker.write(self.path)
        return elsewhere

    def _require_reach(self) -> None:
        database = self.servers_path / "postgres"
        self.account = account_for_servers(database)
        if self.account is not None and database.exists() and not can_write(database, self.account):
            raise EmbeddedError(f"The account `{self.account.name}`, whose database it is, cannot reach {database}.")

    def _make_secrets(self) -> None:
        folder = self.path / "secrets"
        for name in SECRET_NAMES:
            if (folder / name).exists():
                continue
            if (self.servers_path / "postgres").exists() and name.startswith("postgres"):
                raise EmbeddedError(f"The database's password is missing: {folder / name}.")
            write_durably(folder / name, secrets.token_urlsafe(PASSWORD_BYTES) + "\n")


def require_own_data_dir(path: Path) -> None:
    """What is in the folder is ours, link by link and file by file. Raises PathNotOurs.

    Before anything in it is used, by `up` and by the commands beside it. A folder that does not exist is nobody's.
    """
    require_own_way(path)
    real = path.resolve()
    if not real.exists():
        return
    require_own_folder(real)
    present = _names_in(real)
    for name in present & {LOCK_NAME, MARKER_NAME, CREDENTIALS_NAME}:
        require_own_file(real / name)
    for name in present & set(PRIVATE_FOLDERS):
        require_own_files_in(real / name)
    for name in present & {"logs", "metrics"}:
        make_private(real / name, 0o700)
    if "servers" in present:
        _require_own_servers(real / "servers")


def own_folder(path: Path, *, is_expected: Callable[[str], bool]) -> None:
    """Make the folder, or see to it that an existing one is ours alone and holds nothing but what is expected there.

    Raises EmbeddedError. Afterwards nobody else can look into it.
    """
    with told_in_one_line(f"use {path}"):
        make_way(path)
        require_own_way(path)
        make_folder(path, mode=0o700)
        require_own_folder(path)
        others = sorted(name for name in _names_in(path) if not is_expected(name))
        if others:
            raise DataDirNotOurs(f"{path} holds other things ({others[0]!r}): name a folder of its own.")
        make_private(path, 0o700)


def _names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def _require_own_servers(servers_path: Path) -> None:
    require_own_way(servers_path)
    if not servers_path.exists():
        return
    require_own_folder(servers_path)
    for entry in servers_path.iterdir():
        if entry.name in SERVER_FOLDERS:
            require_own_folder(entry, also=uids_for_servers())


def data_dir_holder(path: Path | str) -> Holder | None:
    """Who uses the data folder now, or None. Does not touch the folder."""
    with told_in_one_line(f"look into {path}"):
        return holder_of(Path(path) / LOCK_NAME)


def _require_counterpart(servers_path: Path, marker: _Marker, path: Path) -> None:
    """The server data elsewhere must be there and be this folder's. A folder that was moved is followed."""
    there = _Marker.read(servers_path) if servers_path.exists() else None
    if there is None:
        raise EmbeddedError(f"The database of {path} is missing: it should be in {servers_path}.")
    if there.id != marker.id:
        raise DataDirNotOurs(f"{servers_path} holds the database of {there.data_dir}, not of {path}.")
    if Path(there.data_dir) == path:
        return
    other = Path(there.data_dir)
    if other.exists() and not other.samefile(path):
        twin = _Marker.read(other)
        if twin is not None and twin.id == marker.id:
            raise DataDirNotOurs(f"{path} is a copy of {other}, and both have one database in {servers_path}.")
    moved = replace(marker, data_dir=str(path))
    moved.write(servers_path)
    moved.write(path)
