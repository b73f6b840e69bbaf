"""Payments in review: held as they were ordered, approved by others than who has made them, and paid only then."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.review_proofs import reviews_after
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.proofs.behind_ids import BehindIds
from zerosum.services.proofs.of_fingerprints import is_held_order, is_said_of_review, names_of
from zerosum.services.proofs.report import Report, part_of

REVIEWS_AT_ONCE = 500


class ReviewsProof(BehindIds):
    """`on_step` is told of each step: the proof of events counts them."""

    def __init__(self, report: Report, on_step: Callable[[Any], None]) -> None:
        self._report = report
        self._on_step = on_step

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(REVIEWS_AT_ONCE, share)
        rows = await reviews_after(connection, report.ledger_id, after=self._after, limit=limit)
        for row in rows:
            what, concerned = f"the review {render_id(Prefix.REVIEW, row.id)}", (row.payer_id, row.payee_id)
            with report.noting(f"{what} or what stands on it cannot be read", concerned=concerned):
                self._announce(row)
                fault = _fault_of(row)
                if fault is not None:
                    report.note(f"{what} {fault}", concerned=concerned)
        if rows:
            self._after = rows[-1].id
        return len(rows) < limit

    def _announce(self, row: Any) -> None:
        self._on_step(_Announced(row.id, row.created_at, "in_review", "None", row.told_open))
        if row.first_id is not None:
            id_ = UUID(int=row.first_id.int + 1)
            self._on_step(_Announced(id_, row.first_at, "review_approved", str(row.id), row.told_open))
        if row.last_id is not None:
            verb = "review_approved" if row.status == "approved" else "refused"
            self._on_step(_Announced(UUID(int=row.last_id.int + 1), row.last_at, verb, str(row.id), row.told_last))


@dataclass(frozen=True, slots=True)
class _Announced:
    """What happened to a review, as the proof of events knows entries."""

    id: UUID
    posted_at: str
    reason: str
    resource_id: str
    told: str
    resource_type: str = "review"


def _fault_of(row: Any) -> str | None:
    ordered = json.loads(row.ordered)
    said = (ordered["type"], ordered["amount"], ordered["currency"])
    if not is_held_order(ordered, row.fingerprint) or said != (row.type, row.amount, row.currency):
        return "is not what was ordered"
    if row.type != "deposit" and ordered.get("from") not in names_of(row.payer_code, row.payer_id):
        return "takes from another account than was ordered"
    if (
        row.type != "withdrawal"
        and "splits" not in ordered
        and ordered["to"] not in names_of(row.payee_code, row.payee_id)
    ):
        return "pays another account than was ordered"
    if row.answered_id != row.id or row.answer_fingerprint != row.fingerprint:
        return "was ordered under another key"
    return _fault_of_decisions(row)


def _fault_of_decisions(row: Any) -> str | None:
    people = [one for one in (row.first_by, row.last_by if row.status == "approved" else None) if one is not None]
    if row.actor in people or len(set(people)) < len(people):
        return "was approved by the wrong people"
    decisions = (
        ("approved", row.first_id, row.first_by, row.first_reason, row.first_said),
        (row.status, row.last_id, row.last_by, row.last_reason, row.last_said),
    )
    audited = []
    for verb, id_, actor, reason, said in decisions:
        if id_ is None:
            continue
        operation = "review approval" if verb == "approved" else "review refusal"
        if len(said or ()) != 1 or not is_said_of_review(operation, row.id, reason, said[0]):
            return f"is {verb}, and nobody has said so"
        audited.append(f"review.{verb} {actor} {reason}")
    if audited != row.audited:
        return "was decided otherwise than the security log tells"
    if row.maker_person is not None and not _are_different_people(row):
        return "was approved by somebody who stands behind another of its credentials"
    return _fault_of_payment(row)


def _are_different_people(row: Any) -> bool:
    """Whether those who stand behind its credentials are two or three, and those whom it names."""
    named = [(row.maker_person, row.maker_is)]
    # What was approved before people were written down names nobody.
    if row.first_id is not None and row.first_person is not None:
        named.append((row.first_person, row.first_is))
    if row.status == "approved":
        named.append((row.last_person, row.last_is))
    return all(said == is_ for said, is_ in named) and len({said for said, _ in named}) == len(named)


def _fault_of_payment(row: Any) -> str | None:
    if row.status != "approved":
        return "is paid, and was not approved" if row.is_paid else None
    paid = (row.entry_key, row.entry_fingerprint, row.entry_actor, row.posted_at)
    if paid != (f"review {row.id}", row.fingerprint, row.actor, row.last_at):
        return "was approved, and its payment is another one"
    return None
