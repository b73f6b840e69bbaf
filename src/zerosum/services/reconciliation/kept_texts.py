"""What is kept of a file besides days and amounts: texts, which may hold what an installation does not want to hold."""

from __future__ import annotations

from zerosum.domain.errors import PanNotAllowed
from zerosum.domain.reconciliation.outside import Faults, OutsideRecord
from zerosum.services.card_numbers import holds_card_number


def check_card_numbers(record: OutsideRecord) -> None:
    """Raises ReconciliationFileInvalid, which repeats none of them."""
    faults = Faults()
    for line in record.lines:
        if any(holds_card_number(text or "") for text in (line.outside_id, line.description, *line.references)):
            faults.note(line.place, "", PanNotAllowed.code, "The line holds what looks like a card number.")
        if faults.are_too_many:
            break
    faults.check()
