"""The security log: who did what, when, from where and why. `audited` writes a row with the change it tells of.

Refusals, which change nothing, are written in the background (`security_log.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.audit_log import AuditFilter, insert_audit_records, list_audit_records
from zerosum.db.queries.audit_log import AuditRecord as AuditRecord  # shown by the routes
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id, render_id
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import OLD_NAMES, Cursors, Page, PageRequest
from zerosum.services.requests.times import parse_filter_time

_log = logging.getLogger("zerosum.security")


def audit_record(
    type_: AuditType,
    caller: Caller,
    now: datetime,
    *,
    resource: str | None,
    ledger_id: LedgerId | None = None,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> AuditRecord:
    """What `caller` has done, in the log of `ledger_id`, or else of its own ledger."""
    return AuditRecord(
        ledger_id=ledger_id or caller.ledger_id,
        id=new_uuid(),
        recorded_at=now,
        type=type_,
        actor=caller.actor,
        address=caller.address,
        request_id=caller.request_id,
        resource=resource,
        reason=reason,
        facts=facts or {},
    )


async def audited(connection: Connection, *records: AuditRecord) -> None:
    """Write them in this unit of work, which changes what they tell of: either both are there or neither."""
    await insert_audit_records(connection, records)
    for record in records:
        log_record(record)


async def write_audit(database: Database, record: AuditRecord) -> None:
    """Of what was done in more than one unit of work."""
    async with database.work(record.ledger_id) as connection:
        await audited(connection, record)


def log_record(record: AuditRecord, level: int = logging.INFO) -> None:
    """The same as a line of the log, for those who watch that."""
    ledger = None if record.ledger_id == SERVICE_LEDGER else render_id(Prefix.LEDGER, record.ledger_id)
    told: dict[str, Any] = {
        "audit_id": render_id(Prefix.AUDIT_RECORD, record.id),
        "ledger": ledger,
        "actor": record.actor,
        "address": record.address,
        "request_id": record.request_id,
        "resource": record.resource,
    }
    if record.occurrences > 1:
        told["occurrences"] = record.occurrences
    _log.log(level, "%s", record.type.value, extra={name: value for name, value in told.items() if value is not None})


class AuditLog:
    """Reads the security log."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def list(self, ledger_id: LedgerId | None, request: PageRequest) -> Page[AuditRecord]:
        """Of one ledger; or of all and the service itself, for an operator, who may narrow it to one (`ledger`).

        Raises InvalidParameter.
        """
        place = SERVICE_LEDGER if ledger_id is None else ledger_id
        position = self._cursors.position(place, request)
        filters = position.filters
        named = filters.get("ledger")
        one = ledger_id if named is None else LedgerId(parse_id(Prefix.LEDGER, named))
        if ledger_id is not None and one != ledger_id:
            return Page([], None)
        wanted = AuditFilter(
            ledger_id=one,
            type=filters.get("type"),
            start=parse_filter_time(filters, OLD_NAMES["from"]),
            end=parse_filter_time(filters, OLD_NAMES["to"]),
        )
        work = self._database.operator_work() if ledger_id is None else self._database.work(ledger_id)
        async with work as connection:
            found = await list_audit_records(
                connection,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(place, request, position, found, lambda record: record.id)
