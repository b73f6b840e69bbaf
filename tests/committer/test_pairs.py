"""A plain pair goes to PostgreSQL in a form of its own, and must become the same rows as in the general one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from tests.committer.ground import Ground, assert_books_are_right, connecting, running_committer
from tests.committer.test_flights_with_records import assert_all_is_proved, holding
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.db.batch import wire
from zerosum.db.batch.pairs import are_pairs
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.outcome import Posted, PostedPair
from zerosum.domain.payments.payment import PaymentTexts

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

OWN = {
    "id",
    "entry_id",
    "idempotency_key",
    "posted_at",
    "created_at",
    "hash",
    "account_version",
    "balance_after",
    "xid",
}
"""What two payments of the same content have each for itself. That these fit is the guard's to say."""


async def rows_of(superuser: Superuser, entry_id: UUID) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for table in ("journal_entries", "postings", "events", "payments", "holds", "hold_changes"):
        column = "entry_id" if table == "postings" else "id"
        order = "place" if table == "postings" else "id"
        rows = await superuser.fetch(f"select * from {table} where {column} = $1 order by {order}", entry_id)
        found += [{name: value for name, value in row.items() if name not in OWN} for row in rows]
    return found


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"reference": ""},
        {"reference": "r", "metadata": {"b": "1", "a": "ü"}, "effective_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
    ids=["bare", "with an empty text", "with everything"],
)
async def test_both_forms_write_the_same_rows(
    ground: Ground,
    test_database: TestDatabase,
    superuser: Superuser,
    monkeypatch: pytest.MonkeyPatch,
    members: dict[str, Any],
) -> None:
    payer, payee = await ground.open(2, floor=None)
    found = []
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        for of_pairs in (True, False):
            if not of_pairs:
                monkeypatch.setattr(wire, "are_pairs", lambda _: False)
            answer = await committer.carry_out(ground.transfer(payer, payee, "12.34", **members))
            assert isinstance(answer, Posted)
            assert are_pairs([answer])
            found.append(await rows_of(superuser, answer.entry.id))
    assert len(found[0]) == 5
    if "effective_at" not in members:
        for rows in found:
            for row in rows:
                row.pop("effective_at", None)
    assert found[0] == found[1]
    await assert_books_are_right(superuser, ground.ledger_id)


EXPIRY = now().replace(microsecond=0) + timedelta(days=3)


@pytest.mark.parametrize(
    "members",
    [
        {"expires_at": EXPIRY},
        {
            "expires_at": EXPIRY,
            "capture_max": Decimal("20.00"),
            "metadata": {"b": "1", "a": "ü"},
            "texts": PaymentTexts("r", "d"),
        },
    ],
    ids=["bare", "with everything"],
)
@pytest.mark.parametrize("beside_a_payment", [False, True])
async def test_both_forms_write_the_same_rows_of_holds(
    ground: Ground,
    test_database: TestDatabase,
    superuser: Superuser,
    monkeypatch: pytest.MonkeyPatch,
    members: dict[str, Any],
    *,
    beside_a_payment: bool,
) -> None:
    payer, payee = await ground.open(2, floor=None)
    found = []
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        for is_straight in (True, False):
            if not is_straight:
                monkeypatch.setattr(Book, "apply_straight", lambda *_: None)
            hold = replace(holding(ground, payer, payee, "12.34"), **members)
            answers = await committer.carry_out_each(
                [hold, ground.transfer(payer, payee, "1.00")] if beside_a_payment else [hold]
            )
            assert all((type(answer) is PostedPair) is is_straight for answer in answers)
            found.append(await rows_of(superuser, hold.id))
    assert len(found[0]) == 6
    own = {"effective_at", "changed_at", "hold_id", "entry_ids", "held_after"}
    without = [[{name: value for name, value in row.items() if name not in own} for row in rows] for rows in found]
    for rows in without:
        told = json.loads(rows[3].pop("data"))
        assert len(told.pop("journal_entry_ids")) == 1
        assert told.pop("created_at").endswith("Z")
        rows.append(told)
    assert without[0] == without[1]
    assert [row.get("hold_id") is not None for row in found[0]] == [row.get("hold_id") is not None for row in found[1]]
    entry_ids = [[[len(row["entry_ids"])] for row in rows if "entry_ids" in row] for rows in found]
    assert entry_ids[0] == entry_ids[1] == [[1]]
    await assert_all_is_proved(ground, superuser)


async def test_what_only_some_of_a_batch_have_is_written_for_those(
    ground: Ground, test_database: TestDatabase, superuser: Superuser, monkeypatch: pytest.MonkeyPatch
) -> None:
    payer, payee = await ground.open(2, floor=None)
    members: list[dict[str, Any]] = [
        {},
        {"reference": "r"},
        {"metadata": {"a": "1"}},
        {"effective_at": datetime(2020, 1, 1, tzinfo=UTC)},
    ]
    found: list[list[Any]] = []
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        for of_pairs in (True, False):
            if not of_pairs:
                monkeypatch.setattr(wire, "are_pairs", lambda _: False)
            commands = [
                ground.transfer(payer, payee, f"{number}.00", **each) for number, each in enumerate(members, start=1)
            ]
            answers = await committer.carry_out_each(commands)
            found.append([])
            for answer, each in zip(answers, members, strict=True):
                assert isinstance(answer, Posted)
                rows = await rows_of(superuser, answer.entry.id)
                if "effective_at" not in each:
                    for row in rows:
                        row.pop("effective_at", None)
                found[-1].append(rows)
    assert found[0] == found[1]
    await assert_books_are_right(superuser, ground.ledger_id)
