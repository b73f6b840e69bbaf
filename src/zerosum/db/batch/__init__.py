"""The write path in PostgreSQL: what a batch of commands locks, looks up and writes.

A fixed number of statements, however large the batch is.
"""

from zerosum.db.batch.connection import LANE_SETTINGS, BatchConnection
from zerosum.db.batch.loading import AccountKey, Key, Loader, UsedKey, unlocked_loader

__all__ = ["LANE_SETTINGS", "AccountKey", "BatchConnection", "Key", "Loader", "UsedKey", "unlocked_loader"]
