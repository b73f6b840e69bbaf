"""Templates are as they were made, and each entry that names one is what it gives for its parameters."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.template_proofs import template_uses_after, templates_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.templates.template import event_id_of
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.of_events import Recorded
from zerosum.services.proofs.of_fingerprints import is_template_post
from zerosum.services.proofs.report import Report, part_of
from zerosum.services.proofs.template_amounts import postings_given

TEMPLATES_AT_ONCE = 500
USES_AT_ONCE = 500

_PLACE = re.compile(r"\{([a-z0-9_]+)\}")
_SIDES = {"d": "debit", "c": "credit"}


class TemplatesProof:
    """Each version against the one before it. `on_record` is told of each: the proof of events counts them."""

    def __init__(self, report: Report, on_record: Callable[[Any], None]) -> None:
        self._report = report
        self._on_record = on_record
        self._after = ("", 0)

    def position(self) -> dict[str, Any]:
        return {"after": [*self._after]}

    def go_on(self, position: Mapping[str, Any]) -> None:
        name, version = position["after"]
        self._after = (str(name), int(version))

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(TEMPLATES_AT_ONCE, share)
        rows = await templates_after(connection, self._report.ledger_id, self._after, limit=limit)
        for row in rows:
            id_ = event_id_of(int(row.created_at) if row.created_at.isdigit() else 0, row.hash)
            self._on_record(Recorded(id_, row.created_at, "template", row.hash.hex()))
            if row.hash != self._expected(row):
                self._report.note(f"the template {row.name}@{row.version} is not the one that was made")
            self._after = (row.name, row.version)
        return len(rows) < limit

    def _expected(self, row: Any) -> bytes | None:
        """None where a version before it is missing."""
        if row.version == 1:
            previous = _digest(b"zerosum.template-genesis.v1" + self._report.ledger_id.bytes, row.name)
        elif row.previous_hash is None:
            return None
        else:
            previous = row.previous_hash
        return _digest(b"zerosum.template.v1" + previous, str(row.version), row.created_at, row.actor, row.content)


class TemplateUsesProof(BehindIds):
    """Each entry by a template, against the template and its parameters. `places` are those of the currencies."""

    def __init__(self, report: Report, places: Mapping[str, int]) -> None:
        self._report = report
        self._places = places

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(USES_AT_ONCE, share)
        rows = await template_uses_after(connection, self._report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            fault = self._fault_of(row)
            if fault is not None:
                accounts = [UUID(line["account_id"]) for line in row.lines or ()]
                what = f"the journal entry {render_id(Prefix.JOURNAL_ENTRY, row.id)} by a template {fault}"
                self._report.note(what, concerned=accounts)
            self._after = row.id
        return len(rows) < limit

    def _fault_of(self, row: Any) -> str | None:
        if row.fingerprint is None:
            return "is missing"
        if row.resource_id != f"{row.name}@{row.version}" or row.resource_type != "journal_entry":
            return "was posted by another"
        if row.content is None:
            return "has none that is there"
        try:
            content, parameters = json.loads(row.content), json.loads(row.parameters)
            given = postings_given(content, parameters, self._places)
            is_ordered = is_template_post(row, parameters, _reason_given(content, parameters, row.name))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return "cannot be worked out"
        if len(given) != len(row.lines or ()) or not all(_fits(given, row.lines)):
            return "is not what the template gives"
        return None if is_ordered else "is not what was ordered: it has another fingerprint"


def _fits(given: list[tuple[str, str, Decimal, str]], lines: list[dict[str, Any]]) -> Iterator[bool]:
    for (side, account, amount, currency), line in zip(given, lines, strict=True):
        yield (side, currency) == (_SIDES.get(line["side"]), line["currency"])
        yield account == line["code"] or account.lower() == f"acc_{line['account_id']}"
        yield amount == Decimal(line["amount"])


def _reason_given(content: Mapping[str, Any], parameters: Mapping[str, str], name: str) -> str:
    """Where the order gave none."""
    pieces = _PLACE.split(content["reason"] or name)  # every other one is a parameter
    return "".join(parameters[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _digest(begin: bytes, *texts: str) -> bytes:
    whole = hashlib.sha256(begin)
    for text in texts:
        raw = text.encode()
        whole.update(f"{len(raw)}:".encode() + raw + b",")
    return whole.digest()
