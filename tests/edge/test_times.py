"""Times at the edge: RFC 3339 as others write it, and no money of tomorrow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key
from tests.api.reading import check_problem, refused
from tests.domain.builders import NOON, clearing, wallet
from tests.domain.builders import payment as pay
from zerosum.adapters.clock import now
from zerosum.db.batch import Key, UsedKey
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import EFFECTIVE_AHEAD_MAX
from zerosum.domain.ledger.outcome import Posted, Replayed
from zerosum.domain.payments.payment import PaymentType
from zerosum.services.committing.idempotent_book import IdempotentBook
from zerosum.services.requests.times import FIRST, LAST, parse_time

LATER = EFFECTIVE_AHEAD_MAX + timedelta(minutes=1)
SOONER = EFFECTIVE_AHEAD_MAX - timedelta(minutes=1)

Order = Callable[[str], dict[str, Any]]


def payment(effective_at: str) -> dict[str, Any]:
    return {"type": "deposit", "amount": "1", "currency": "USD", "to": "a", "effective_at": effective_at}


def entry(effective_at: str) -> dict[str, Any]:
    postings = [
        {"account": code, "side": side, "amount": "1", "currency": "USD"}
        for code, side in (("a", "credit"), ("b", "debit"))
    ]
    return {"reason": "x", "postings": postings, "effective_at": effective_at}


ORDERS: list[tuple[str, Order]] = [("/v1/payments", payment), ("/v1/journal-entries", entry)]


@pytest.fixture
async def books(client: Client) -> Client:
    await client.open_account("a")
    await client.open_account("b", min_available=None)
    return client


# --- RFC 3339 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00.1234567Z",
        "2026-01-01T00:00:00.123456789Z",
        "2026-01-01t00:00:00.123456z",
        "2026-01-01T01:00:00.1234561+01:00",
    ],
)
@pytest.mark.parametrize(("path", "order"), ORDERS)
async def test_times_are_taken_as_other_clocks_write_them_and_cut_to_the_microsecond(
    books: Client, path: str, order: Order, text: str
) -> None:
    key = fresh_key()
    made = await books.post(path, order(text), key=key)
    assert made.status_code == 201, made.text
    assert made.json()["effective_at"] == "2026-01-01T00:00:00.123456Z"
    again = await books.post(path, order("2026-01-01T00:00:00.123456Z"), key=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.1234567Z", "2026-01-01t00:00:00.123456789z"])
@pytest.mark.parametrize(
    "where",
    [
        "/v1/accounts/a/balance?as_of=",
        "/v1/accounts/a/balance?recorded_as_of=",
        "/v1/accounts/a/statement?from=2025-12-01&to=",
        "/v1/payments?from=",
        "/v1/journal-entries?to=",
        "/v1/trial-balance?as_of=",
    ],
)
async def test_questions_take_the_same_times(books: Client, where: str, text: str) -> None:
    answer = await books.get(where + text)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T00:00:00+00:59", datetime(2025, 12, 31, 23, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", None),  # Books have no second for it, and would count it as another.
        ("2026-01-01T00:00:00+00:60", None),
        ("2026-01-01T00:00:00+24:00", None),
    ],
)
def test_a_minute_has_sixty_seconds_and_a_zones_hour_sixty_minutes(text: str, moment: datetime | None) -> None:
    assert parse_time(text) == moment


MOMENTS = st.datetimes(
    (FIRST + timedelta(days=2)).replace(tzinfo=None), (LAST - timedelta(days=2)).replace(tzinfo=None)
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(MOMENTS, st.integers(0, 999), st.integers(-23 * 60 - 59, 23 * 60 + 59), st.booleans())
def test_every_moment_is_read_back_without_what_is_finer_than_a_microsecond(
    moment: datetime, nanoseconds: int, zone_minutes: int, is_small: bool
) -> None:
    sign, (hours, minutes) = "-" if zone_minutes < 0 else "+", divmod(abs(zone_minutes), 60)
    zone = f"{sign}{hours:02}:{minutes:02}" if zone_minutes else "Z"
    text = f"{moment.isoformat(timespec='microseconds')}{nanoseconds:03}{zone}"
    expected = (moment - timedelta(minutes=zone_minutes)).replace(tzinfo=UTC)
    assert parse_time(text.lower() if is_small else text) == expected


# --- Money of tomorrow -----------------------------------------------------------------------------------------------


def ahead(by: timedelta) -> str:
    return (now() + by).isoformat()


@pytest.mark.parametrize("by", [LATER, timedelta(days=365 * 7000)], ids=["minutes", "millennia"])
@pytest.mark.parametrize(("path", "order"), ORDERS)
async def test_what_lies_further_ahead_is_refused_on_every_way_and_leaves_the_key_free(
    books: Client, path: str, order: Order, by: timedelta
) -> None:
    key = fresh_key()
    late = order(ahead(by))
    refused(await books.post(path, late, key=key), 422, "effective_in_future", "/effective_at")
    refused(await books.post(f"{path}?dry_run=true", late, key=key), 422, "effective_in_future", "/effective_at")
    items = {"items": [{**late, "idempotency_key": key}, {**order("2026-01-01T00:00:00Z"), "idempotency_key": "ok"}]}
    (first, second) = (await books.post(f"{path}/bulk", items)).json()["results"]
    check_problem(first["problem"], 422, "effective_in_future", ("/items/0/effective_at",))
    assert second["status"] == 201
    atomic = await books.post(f"{path}/bulk?mode=atomic", items)
    refused(atomic, 422, "effective_in_future", "/items/0/effective_at")
    refused(await books.get(f"/v1/idempotency-keys/{key}"), 404, "idempotency_key_not_found")
    assert (await books.post(path, order(ahead(SOONER)), key=key)).status_code == 201
    assert (await books.balance("a"))["posted"] == "2.00"


@pytest.mark.parametrize(("path", "order"), ORDERS)
async def test_what_lies_before_1970_is_refused(books: Client, path: str, order: Order) -> None:
    early = order("1969-12-31T23:59:59.999999999Z")
    refused(await books.post(path, early, key=fresh_key()), 422, "validation_error", "/effective_at")
    assert (await books.post(path, order("1970-01-01T00:00:00Z"), key=fresh_key())).status_code == 201


def test_what_was_posted_under_a_key_is_replayed_however_far_ahead_it_lies() -> None:
    """A ledger may hold such entries from the time before they were refused."""
    command = pay(PaymentType.TRANSFER, "1", "a", "b", key="old", effective_at=NOON + LATER)
    key = (command.ledger_id, "old")
    used: dict[Key, UsedKey] = {key: UsedKey(command.fingerprint, command.id, "payment", None, None, NOON)}
    judge = IdempotentBook(Book([wallet("a", "9"), clearing("b")]), used, NOON)
    assert isinstance(judge.answer(command), Replayed)
    assert isinstance(judge.answer_together([command]), list)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.timedeltas(-timedelta(days=30_000), timedelta(days=30_000)))
def test_the_books_take_what_has_happened_and_keep_no_refusal_of_what_has_not(distance: timedelta) -> None:
    effective_at = NOON + distance
    judge = IdempotentBook(Book([wallet("a", "9"), clearing("b")]), {}, NOON)
    answer = judge.answer(pay(PaymentType.TRANSFER, "1", "a", "b", effective_at=effective_at))
    is_possible = distance <= EFFECTIVE_AHEAD_MAX and effective_at >= datetime(1970, 1, 1, tzinfo=UTC)
    assert isinstance(answer, Posted) == is_possible
    assert judge.rows.refusals == []
    if not is_possible:
        assert isinstance(judge.answer(pay(PaymentType.TRANSFER, "1", "a", "b")), Posted)
