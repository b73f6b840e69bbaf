"""Copies of the private database and its write-ahead log in a folder elsewhere, and data folders made of them.

    zerosum-backups.json    makes the folder a backup folder, of one history of one database
    backups/<time>/         a copy: `database/`, checked, and `backup.json`, without which it is none
    wal/                    everything that was written since, segment by segment, as it is written

Secrets are not in it: who has the folder has the books, and cannot sign or unseal anything.
"""

from zerosum.embedded.backups.clients import Connection
from zerosum.embedded.backups.folder import Backup, BackupFolder, BackupUnusable, History
from zerosum.embedded.backups.restoring import (
    SECRET_NAMES,
    Restored,
    choose_backup,
    require_secrets,
    restore,
)
from zerosum.embedded.backups.taking import check_copy, take_backup
from zerosum.embedded.backups.wal_archive import WalArchive

__all__ = [
    "SECRET_NAMES",
    "Backup",
    "BackupFolder",
    "BackupUnusable",
    "Connection",
    "History",
    "Restored",
    "WalArchive",
    "check_copy",
    "choose_backup",
    "require_secrets",
    "restore",
    "take_backup",
]
