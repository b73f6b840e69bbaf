"""PostgreSQL, and the readings themselves."""

from __future__ import annotations

from zerosum.metrics.declaration import counter, reading

_STANDBY = "a standby is connected and the role may see it (`pg_read_all_stats`)"

CONNECTIONS = reading(
    "zerosum_postgres_connections",
    "Connections to this database by state: active, idle, idle_in_transaction, other.",
    "state",
)
CONNECTIONS_MAX = reading("zerosum_postgres_connections_max", "Connections that the whole server accepts.")
OLDEST_TRANSACTION = reading(
    "zerosum_postgres_oldest_transaction_seconds",
    "Age of the oldest open transaction of this database that the role may see; 0 where there is none.",
)
REPLICATION_SECONDS = reading(
    "zerosum_postgres_replication_lag_seconds",
    "How far a standby is behind in replaying; 0 where nothing is to be replayed.",
    "standby",
    where=_STANDBY,
)
REPLICATION_BYTES = reading(
    "zerosum_postgres_replication_lag_bytes",
    "How much write-ahead log a standby has still to replay.",
    "standby",
    where=_STANDBY,
)
DATABASE_SIZE = reading("zerosum_postgres_database_size_bytes", "Size of this database on disk.")
TABLE_SIZE = reading("zerosum_postgres_table_size_bytes", "Size of a table on disk, without its indexes.", "table")
INDEX_SIZE = reading("zerosum_postgres_index_size_bytes", "Size of all indexes of a table on disk.", "table")
LIVE_TUPLES = reading(
    "zerosum_postgres_live_tuples", "Rows of a table, as PostgreSQL's statistics estimate them.", "table"
)
DEAD_TUPLES = reading(
    "zerosum_postgres_dead_tuples",
    "Versions of rows that are of no use any more and were not cleared away yet: what a table is bloated by.",
    "table",
)
READING_SECONDS = reading(
    "zerosum_reading_seconds", "How long a reading of the database for these metrics took the last time.", "reading"
)
READING_AT = reading(
    "zerosum_reading_timestamp_seconds",
    "When it last succeeded; 0: never since this worker reads. Its metrics are gone while it fails: watch this one.",
    "reading",
)
READINGS_FAILED = counter(
    "zerosum_readings_failed_total",
    "Readings that failed: the database was away, or it took longer than it may.",
    "reading",
    where="one has failed",
)
