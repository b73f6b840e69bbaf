"""The settings of the embedded PostgreSQL. They are written anew at each start; `ALTER SYSTEM` still overrides them."""

from __future__ import annotations

import os
from pathlib import Path

from zerosum.embedded.ports import LOOPBACK

SETTINGS_NAME = "zerosum.conf"

SHARED_BUFFERS_MB_MAX = 256
SHARED_BUFFERS_MB_MIN = 32
MEMORY_SHARE = 8
"""An eighth of the machine's memory: the private database has the machine together with everything else."""

SLOT_KEEPS_MB_MAX = 16_384

SOCKET_PATH_BYTES_MAX = 100
"""The kernel's limit is 103 to 107 bytes, by system; a longer path keeps PostgreSQL from starting."""


def postgres_settings(*, port: int, max_connections: int, socket_folder: Path | None) -> str:
    """The text of the settings file."""
    settings = {
        "listen_addresses": LOOPBACK,  # The wheels are built without TLS, so no other address will do.
        "port": port,
        "unix_socket_directories": _quoted_folder(socket_folder) if socket_folder else "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": max_connections,
        "shared_buffers": f"{shared_buffers_mb()}MB",
        # What an acknowledged payment rests on. Off, each of these loses or tears data in a crash.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # After a checkpoint each page is written whole once more, which doubles the WAL of a payment: seldom, then.
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
        # An archive that does not fetch its log may fill the disk with it, up to here: payments matter more.
        "max_slot_wal_keep_size": f"{SLOT_KEEPS_MB_MAX}MB",
        # Plans made for empty tables are bad ones once there is something in them: statistics come within seconds.
        "autovacuum_naptime": "10s",
        # Short statements only: compiling them costs more than it saves.
        "jit": "off",
        # Parallel workers want shared memory by the file; a container's 64 MB of it are soon used up.
        "max_parallel_workers_per_gather": 0,
        "max_parallel_maintenance_workers": 0,
        # Standard error is our log file, which is kept short from outside.
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "%m [%p] ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "lc_messages": "C",  # `server` reads the log.
    }
    return "".join(f"{name} = '{_escaped(str(value))}'\n" for name, value in settings.items())


def socket_folder_within_limit(folder: Path, port: int) -> Path | None:
    """The folder, unless the path of the socket in it would be too long."""
    is_short = len(os.fsencode(folder / f".s.PGSQL.{port}")) <= SOCKET_PATH_BYTES_MAX
    return folder if is_short else None


def shared_buffers_mb() -> int:
    try:
        memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)
    except (ValueError, OSError):
        return SHARED_BUFFERS_MB_MIN
    return max(SHARED_BUFFERS_MB_MIN, min(SHARED_BUFFERS_MB_MAX, memory_mb // MEMORY_SHARE))


def _quoted_folder(folder: Path) -> str:
    """The setting is a list: a folder whose name holds a comma, a blank or a quote must be marked as one item."""
    return '"' + str(folder).replace('"', '""') + '"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
