"""A private PostgreSQL and Redis for one machine, and the supervisor that keeps processes running."""

from zerosum.embedded.binaries import PostgresBinaries, ValkeyBinary, find_postgres, find_valkey
from zerosum.embedded.data_dir import CREDENTIALS_NAME, DataDir, data_dir_holder, own_folder, require_own_data_dir
from zerosum.embedded.errors import (
    DataDirInUse,
    DataDirNotOurs,
    EmbeddedError,
    GaveUp,
    PathNotOurs,
    PostgresNotFound,
    PostgresTooOld,
    ServerDidNotStart,
    ValkeyNotUsable,
)
from zerosum.embedded.folder_lock import Holder
from zerosum.embedded.postgres import EmbeddedPostgres
from zerosum.embedded.supervisor import Supervisor
from zerosum.embedded.valkey import EmbeddedValkey

__all__ = [
    "CREDENTIALS_NAME",
    "DataDir",
    "DataDirInUse",
    "DataDirNotOurs",
    "EmbeddedError",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "GaveUp",
    "Holder",
    "PathNotOurs",
    "PostgresBinaries",
    "PostgresNotFound",
    "PostgresTooOld",
    "ServerDidNotStart",
    "Supervisor",
    "ValkeyBinary",
    "ValkeyNotUsable",
    "data_dir_holder",
    "find_postgres",
    "find_valkey",
    "own_folder",
    "require_own_data_dir",
]
