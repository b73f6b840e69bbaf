"""The record sets of templates: their versions, the newest of each name, and by which an entry was posted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from zerosum.db.batch.record_sets import Column, RecordSet
from zerosum.domain.ledger.templates.template import Template, TemplateUse
from zerosum.domain.ledger.templates.template_commands import NEWEST_TEMPLATE, TEMPLATE, TEMPLATE_USE


def _template(row: Sequence[Any]) -> Template:
    created_at: datetime = row[4]
    return Template(
        ledger_id=row[0],
        name=row[1],
        version=row[2],
        content=row[3],
        created_at=created_at,
        actor=row[5],
        hash=row[6],
    )


_COLUMNS = (
    Column("name", "text", lambda template: template.name),
    Column("version", "int", lambda template: template.version),
    Column("content", "text", lambda template: template.content),
    Column("created_at", "timestamptz", lambda template: template.created_at),
    Column("actor", "text", lambda template: template.actor),
    Column("hash", "bytea", lambda template: template.hash),
)

TEMPLATES = RecordSet(kind=TEMPLATE, table="templates", columns=_COLUMNS, changing=(), read=_template)
"""Written and never changed. Two that make one version at once meet in its primary key, and one tries again."""

NEWEST_TEMPLATES = RecordSet(
    kind=NEWEST_TEMPLATE,
    # Versions have no gap, so the newest is the one that no other follows.
    table="(select * from templates one where not exists (select from templates next where next.ledger_id = "
    "one.ledger_id and next.name = one.name and next.version = one.version + 1))",
    columns=_COLUMNS,
    changing=(),
    read=_template,
    is_stored=False,
)

TEMPLATE_USES = RecordSet(
    kind=TEMPLATE_USE,
    table="template_uses",
    columns=(
        Column("id", "uuid", lambda use: use.entry_id),
        Column("name", "text", lambda use: use.name),
        Column("version", "int", lambda use: use.version),
        Column("parameters", "text", lambda use: json.dumps(dict(use.parameters)), "jsonb"),
    ),
    changing=(),
    read=lambda row: TemplateUse(row[1], row[2], row[3], json.loads(row[4])),
)
"""Written and never changed."""
