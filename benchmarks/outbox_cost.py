"""What the events cost a payment: the committer with them, and with a database that throws them away unwritten."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.committer_cases import CommitterCase
from benchmarks.databases import TEMPLATE
from benchmarks.ground import Ground
from benchmarks.http_cases import BULK_ITEMS
from benchmarks.service import Service

_THROWN_AWAY = (
    "create function thrown_away() returns trigger language plpgsql as 'begin return null; end'",
    "create trigger a_thrown_away before insert on events for each row execute function thrown_away()",
)


def bulk_case(service: Service, seconds: float) -> CommitterCase:
    return CommitterCase(
        name="commands of 1000",
        service=service,
        ground=Ground.of(service),
        callers=4,
        items=BULK_ITEMS,
        seconds=seconds,
    )


def single_case(service: Service, seconds: float) -> CommitterCase:
    return replace(bulk_case(service, seconds), name="256 callers", callers=256, items=1)


def throw_events_away(service: Service) -> None:
    """From now on, in every copy of the template."""
    for statement in _THROWN_AWAY:
        service.sql(statement, database=TEMPLATE)


def keep_events(service: Service) -> None:
    service.sql("drop function thrown_away cascade", database=TEMPLATE)
