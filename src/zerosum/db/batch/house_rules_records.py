"""The record sets of house rules: their versions, and the newest of a ledger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from zerosum.db.batch.record_sets import Column, Newest, RecordSet
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.payments.house_rules import HOUSE_RULES, NEWEST_HOUSE_RULES, HouseRules, house_rules_of


def _rules(row: Sequence[Any]) -> HouseRules:
    members = {"version": int(row[1]), "id": row[2], "actor": row[4], "created_at": row[5]}
    return house_rules_of(LedgerId(row[0]), json.loads(row[3]), **members)


_COLUMNS = (
    Column("id", "uuid", lambda rules: rules.id),
    Column("content", "text", lambda rules: json.dumps(rules.content), "jsonb"),
    Column("actor", "text", lambda rules: rules.actor),
    Column("created_at", "timestamptz", lambda rules: rules.created_at),
)

ALL_HOUSE_RULES = RecordSet(
    kind=HOUSE_RULES,
    table="house_rules",
    columns=(Column("version", "text", lambda rules: str(rules.version), "int"), *_COLUMNS),
    changing=(),
    read=_rules,
)
"""Written and never changed. Two that make one version at once meet in its primary key, and one tries again."""

NEWEST = RecordSet(
    kind=NEWEST_HOUSE_RULES,
    # Versions have no gap, so the newest is the one that no other follows.
    table="(select *, ledger_id as of_ledger from house_rules one where not exists (select from house_rules next "
    "where next.ledger_id = one.ledger_id and next.version = one.version + 1))",
    columns=(Column("of_ledger", "uuid"), Column("version", "int"), *_COLUMNS),
    changing=(),
    read=lambda row: _rules((row[0], *row[2:])),
    is_stored=False,
    is_looked_at=True,
    newest=Newest(
        lambda rules: 0 if rules is None else rules.version,
        "not exists (select from house_rules next where next.ledger_id = known.ledger_id "
        "and next.version = known.number + 1)",
    ),
)
