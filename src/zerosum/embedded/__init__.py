"""A private PostgreSQL and Redis for one machine, and the supervisor that keeps processes running."""

from zerosum.embedded.binaries import PostgresBinaries, ValkeyBinary, find_postgres, find_valkey
from zerosum.embedded.data_dir import DataDir, data_dir_holder
from zerosum.embedded.errors import (
    DataDirInUse,
    DataDirNotOurs,
    EmbeddedError,
    GaveUp,
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
    "DataDir",
    "DataDirInUse",
    "DataDirNotOurs",
    "EmbeddedError",
    "EmbeddedPostgres",
    "EmbeddedValkey",
    "GaveUp",
    "Holder",
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
]
