"""The figures of the first page: bounded, and read once for everybody who looks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.console.conftest import Person
from zerosum.console.door import Door
from zerosum.db.queries.console_overview import NewPayment
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.gateway.limits.admission import PATIENT_SHARE
from zerosum.main import Service
from zerosum.services.background.audit_positions import AUDIT_AGE_SECONDS_MAX
from zerosum.services.console_overview import LOOKED_AT_MAX, NOT_MOVED, POINTS, ConsoleOverview, live_figures
from zerosum.services.requests.caller import Caller

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def payments(number: int, apart: timedelta, currency: str = "USD") -> list[NewPayment]:
    """The newest first."""
    return [NewPayment(NOON - apart * place, currency, Decimal("1.10"), "succeeded") for place in range(number)]


def test_nothing_has_happened() -> None:
    live = live_figures([], NOON)
    assert (live.number, live.per_second, sum(live.counts), live.is_whole) == (0, 0.0, 0, True)
    assert live.span_seconds == pytest.approx(3600)


def test_an_hour_of_payments_is_counted_to_the_last_one() -> None:
    live = live_figures([*payments(60, timedelta(minutes=1)), *payments(3, timedelta(minutes=5), "EUR")], NOON)
    assert sum(live.counts) == live.number == 63
    assert live.by_currency == [("USD", 60, Decimal("66.00")), ("EUR", 3, Decimal("3.30"))]
    assert live.by_status == [("succeeded", 63)]


def test_what_was_declined_or_is_not_answered_yet_has_moved_nothing() -> None:
    made = payments(4, timedelta(minutes=1))
    found = [
        one._replace(status=status) for one, status in zip(made, (*NOT_MOVED, "refunded", "succeeded"), strict=True)
    ]
    live = live_figures(found, NOON)
    assert (live.number, live.by_currency) == (4, [("USD", 2, Decimal("2.20"))])


@pytest.mark.parametrize(("seconds", "is_old"), [(60, False), (AUDIT_AGE_SECONDS_MAX + 60, True)])
async def test_a_proof_of_long_ago_is_told_as_old(seconds: float, is_old: bool) -> None:
    class Audit:
        async def find_pass(self) -> Any:
            return SimpleNamespace(completed_at=NOON, begun_at=NOON, differences=0, left_out=0)

    nothing: Any = None
    overview = ConsoleOverview(nothing, nothing, lambda: NOON + timedelta(seconds=seconds), lambda: 0.0)
    overview._audit = Audit()  # type: ignore[assignment]
    assert (await overview.proof()).is_old is is_old


def test_a_busy_ledger_is_looked_at_over_the_time_of_its_newest_payments() -> None:
    live = live_figures(payments(LOOKED_AT_MAX, timedelta(milliseconds=100)), NOON)
    assert not live.is_whole
    assert live.span_seconds == pytest.approx(LOOKED_AT_MAX / 10, rel=0.01)
    assert live.per_second == pytest.approx(10, rel=0.01)
    assert min(live.counts) > 0
    assert len(live.counts) == POINTS


async def test_what_many_look_at_is_read_once(service: Service, admin: Person) -> None:
    caller = Caller(LedgerId(parse_id(Prefix.LEDGER, admin.ledger)), "console|ann")
    overview = service.console.overview
    seen = await asyncio.gather(*(overview.live(caller) for _ in range(20)))
    assert all(one is seen[0] for one in seen)
    totals = await asyncio.gather(*(overview.totals(caller) for _ in range(20)))
    assert all(one is totals[0] for one in totals)
    assert totals[0] is not None
    assert totals[0].is_zero


async def test_totals_need_nothing_to_settle_and_are_missed_by_nobody(
    service: Service, admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million accounts one page of a trial balance was looked at twice, the second time beyond all patience."""
    for code in ("alice", "bob"):
        await client.open_account(code)

    async def too_slow(*_: object) -> None:
        raise Unavailable("The database is not there in time.")

    balances = service.services.balances
    monkeypatch.setattr(balances._settled, "reach", too_slow)
    assert "The trial balance is zero" in await admin.page("")
    monkeypatch.setattr(balances, "_look", too_slow)
    service.console.overview._looks._kept.clear()
    page = await admin.page("")
    assert "could not be added up in time" in page
    assert "What needs a hand" in page


def test_over_https_the_cookie_is_this_host_s_alone() -> None:
    door = Door("https://pay.example.com")
    assert door.set_cookie("t") == "__Host-zerosum_console=t; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert door.set_cookie("") == "__Host-zerosum_console=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"


async def test_pages_are_refused_before_payments_are(service: Service, admin: Person, client: Client) -> None:
    """However many look: what they look at can be asked for again."""
    admission = service.admission
    places = range(int(service.settings.in_flight_max * PATIENT_SHARE))
    for _ in places:
        admission.enter(may_wait=False)
    try:
        page = await admin.get("")
        assert (page.status_code, "overloaded" in page.text) == (503, True)
        assert (await client.post("/v1/payments", {})).status_code == 400
    finally:
        for _ in places:
            admission.leave()
    assert (await admin.get("")).status_code == 200
