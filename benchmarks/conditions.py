"""On what a run was measured: without this a figure means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("asyncpg", "fastapi", "orjson", "pydantic", "redis", "sqlalchemy", "uvicorn", "uvloop", "zerosum")
FSYNC_WRITES = 200
BLOCK = bytes(8192)
LOOP_STEPS = 5_000_000


def conditions(data_folder: Path, postgres_version: str) -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "processor": _processor(),
        "memory_gigabytes": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgres": postgres_version,
        "file_system": _file_system(data_folder),
        "fsync_microseconds": round(fsync_microseconds(data_folder), 1),
        "python_loop_seconds": round(python_loop_seconds(), 3),
        "load_average_before": [round(number, 2) for number in os.getloadavg()],
        "revision": _revision(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def fsync_microseconds(folder: Path) -> float:
    """The median time of one 8 kB write made durable: what a commit waits for."""
    path = folder / "fsync-test"
    times = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(FSYNC_WRITES):
            began = time.perf_counter()
            os.pwrite(descriptor, BLOCK, 0)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(times)[len(times) // 2] * 1e6


def python_loop_seconds() -> float:
    """One fixed loop: how fast the processor is at this moment, which on shared machines drifts within the hour."""
    began = time.perf_counter()
    total = 0
    for number in range(LOOP_STEPS):
        total += number
    return time.perf_counter() - began


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Of the longest mount point that holds the folder. On a tmpfs durability costs nothing and proves nothing."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        point, type_ = line.split()[1:3]
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
