"""A part of a proof: what a key is answered again is what was recorded under it.

Answered so are the keys of commands that have posted nothing: those that have made a template, issued a statement, or
ordered or cancelled a scheduled payment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from zerosum.db.engine import Connection
from zerosum.db.queries.answer_proofs import answers_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.of_fingerprints import is_cancellation_of, is_statement_of, is_template_of
from zerosum.services.proofs.report import Report, part_of

ANSWERS_AT_ONCE = 1_000

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MICROSECOND = timedelta(microseconds=1)


class AnswersProof:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._after = ""

    def position(self) -> dict[str, Any]:
        return {"after": self._after}

    def go_on(self, position: Mapping[str, Any]) -> None:
        self._after = str(position["after"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        limit = part_of(ANSWERS_AT_ONCE, share)
        rows = await answers_after(connection, self._report.ledger_id, self._after, limit=limit)
        for row in rows:
            looks_right = _LOOKS_RIGHT.get(row.resource_type)
            # The key is what a caller wrote: what is told of it is what it stands for.
            what = f"what the key of {_named(row)} is answered is not what was recorded"
            with self._report.noting(what):
                if looks_right is not None and not looks_right(row, json.loads(row.content)):
                    self._report.note(what)
            self._after = row.idempotency_key
        return len(rows) < limit


def _named(row: Any) -> str:
    """A template has no id: which one is meant is what its answer says."""
    prefix = _PREFIXES.get(row.resource_type)
    noun = row.resource_type.replace("_", " ")
    return f"a {noun}" if prefix is None else f"the {noun} {render_id(prefix, row.resource_id)}"


def _is_statement(row: Any, content: Any) -> bool:
    is_told = content == {"recorded_id": str(row.resource_id)}
    return is_told and row.issued_at == row.created_at and is_statement_of(row)


def _is_template(row: Any, content: Any) -> bool:
    made_at = (datetime.fromisoformat(content["created_at"]) - _EPOCH) // _MICROSECOND
    recorded = {name: getattr(row, name) for name in ("name", "version", "actor", "hash")}
    is_told = content == {**recorded, "content": row.made, "created_at": content["created_at"]}
    return is_told and str(made_at) == row.made_at == row.created_at and is_template_of(row, json.loads(row.made))


def _is_scheduled_payment(row: Any, content: Any) -> bool:
    """The order for it (`of_schedules` looks at that), or its cancellation."""
    if content != {"recorded_id": str(row.scheduled_payment_id)}:
        return False
    if row.schedule_key == row.idempotency_key:
        return bool(row.scheduled_at == row.created_at)
    return bool(row.cancellation_id and row.ended_at == row.created_at) and is_cancellation_of(row)


def _is_review(row: Any, content: Any) -> bool:
    """The order for a payment that was held, or what somebody has said of it (`of_reviews` looks at what)."""
    moments = {str(row.review_id): row.held_at, str(row.first_id): row.first_at, str(row.last_id): row.last_at}
    recorded = content["recorded_id"]
    if row.review_id is None or content != {"recorded_id": recorded} or moments.get(recorded) != row.created_at:
        return False
    return bool((recorded == str(row.review_id)) == (row.idempotency_key == row.review_key))


_PREFIXES = {"statement": Prefix.STATEMENT, "scheduled_payment": Prefix.SCHEDULED_PAYMENT, "review": Prefix.REVIEW}

_LOOKS_RIGHT: Mapping[str, Callable[[Any, Any], bool]] = {
    "statement": _is_statement,
    "template": _is_template,
    "scheduled_payment": _is_scheduled_payment,
    "review": _is_review,
}
