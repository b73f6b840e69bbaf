"""The security log for who carries it elsewhere: page by page, each record once, none missed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.audit_feed import AUDIT_BEGINNING, AuditPlace, records_behind
from zerosum.db.queries.audit_feed import PlacedRecord as PlacedRecord  # shown by the routes
from zerosum.db.queries.audit_log import AuditFilter
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.identifiers import ID_PATTERN_TEXT, SERVICE_LEDGER, LedgerId, Prefix, parse_id
from zerosum.services.requests.times import parse_filter_time

PLACE_PATTERN_TEXT = f"^[0-9]{{1,18}}-{ID_PATTERN_TEXT}$"
_PLACE = re.compile(PLACE_PATTERN_TEXT, re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFeedPage:
    """`behind` is where the next page begins; `has_more` says whether there may be one now."""

    records: Sequence[PlacedRecord]
    behind: AuditPlace
    has_more: bool


class AuditFeed:
    """A place is all that a reader keeps: nothing below one that was passed can appear later."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, ledger_id: LedgerId | None, filters: Mapping[str, str], *, after: str | None, limit: int
    ) -> AuditFeedPage:
        """Of one ledger; or of all and the service itself, for an operator, who may narrow it to one (`ledger`).

        Raises InvalidParameter.
        """
        named = filters.get("ledger")
        one = ledger_id if named is None else LedgerId(parse_id(Prefix.LEDGER, named))
        place = AUDIT_BEGINNING if after is None else read_place(after)
        if ledger_id is not None and one != ledger_id:
            return AuditFeedPage(records=[], behind=place, has_more=False)
        wanted = AuditFilter(
            ledger_id=one, start=parse_filter_time(filters, "from"), end=parse_filter_time(filters, "to")
        )
        work = self._database.operator_work() if ledger_id is None else self._database.work(ledger_id)
        async with work as connection:
            found, behind, has_more = await records_behind(connection, wanted, place, limit, service=SERVICE_LEDGER)
        return AuditFeedPage(records=found, behind=behind, has_more=has_more)


def read_place(text: str) -> AuditPlace:
    """Raises InvalidParameter."""
    if not _PLACE.fullmatch(text):
        raise InvalidParameter("This is the `place` of a record, or `next_after` of a page.", pointer="after")
    xid, _, id_ = text.partition("-")
    return AuditPlace(int(xid), UUID(id_))


def render_place(place: AuditPlace) -> str:
    return f"{place.xid}-{place.id}"
