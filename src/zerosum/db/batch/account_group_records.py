"""The record sets of account groups: their versions, and the newest of each name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.errors import RecordUnreadable
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account_group_commands import ACCOUNT_GROUP, NEWEST_ACCOUNT_GROUP
from zerosum.domain.ledger.account_groups import AccountGroup, read_group


def stored_group(row: Sequence[Any]) -> AccountGroup:
    """Raises RecordUnreadable: the database can hold what is no group."""
    ledger_id, name, version, id_, content, created_at, actor = row
    said = None if content is None else json.loads(content)
    try:
        return read_group(LedgerId(ledger_id), id_, name, version, said, created_at, actor)
    except (LookupError, TypeError, ValueError) as error:
        raise RecordUnreadable("An account group cannot be read.") from error


_COLUMNS = (
    Column("name", "text", lambda group: group.name),
    Column("version", "int", lambda group: group.version),
    Column("id", "uuid", lambda group: group.id),
    Column("content", "text", lambda group: None if group.is_gone else json.dumps(group.content), "jsonb"),
    Column("created_at", "timestamptz", lambda group: group.created_at),
    Column("actor", "text", lambda group: group.actor),
)

ACCOUNT_GROUPS = RecordSet(kind=ACCOUNT_GROUP, table="account_groups", columns=_COLUMNS, changing=(), read=stored_group)
"""Written and never changed. Two that make one version at once meet in its primary key, and one tries again."""

NEWEST_ACCOUNT_GROUPS = RecordSet(
    kind=NEWEST_ACCOUNT_GROUP,
    # Versions have no gap, so the newest is the one that no other follows.
    table="(select * from account_groups one where not exists (select from account_groups next where next.ledger_id = "
    "one.ledger_id and next.name = one.name and next.version = one.version + 1))",
    columns=_COLUMNS,
    changing=(),
    read=stored_group,
    is_stored=False,
)
