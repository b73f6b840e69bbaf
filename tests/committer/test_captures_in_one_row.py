"""Captures and refunds are one row each on the wire, and must become the same rows as in the general form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from tests.committer.ground import Ground, Superuser, connecting, running_committer
from tests.committer.test_flights_with_records import assert_all_is_proved, capture, holding, refund, void
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.outcome import PostedPair
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.services.committing.committer import Committer

TABLES = ("journal_entries", "postings", "events", "payments", "refunds", "holds", "hold_changes")
OWN = {"created_at", "posted_at", "effective_at", "changed_at", "hash", "xid", "idempotency_key", "fingerprint"}
"""What two commands of the same content have each for itself."""

EXPIRY = now().replace(microsecond=0) + timedelta(days=3)


async def rows_of(superuser: Superuser, ids: Mapping[UUID, str]) -> list[str]:
    """All that was written under these ids, each told by its name."""
    found = []
    for table in TABLES:
        column = "entry_id" if table == "postings" else "id"
        for row in await superuser.fetch(f"select * from {table} where {column} = any($1)", [*ids]):
            text = f"{table}: {[(name, value) for name, value in row.items() if name not in OWN]}"
            for id_, name in ids.items():
                text = text.replace(str(id_), name)
            found.append(re.sub('"created_at": "[^"]+"', '"created_at": "then"', text))  # of a hold, in its event
    return sorted(found)


async def made(committer: Committer, ground: Ground, beside: Sequence[str], *, is_straight: bool) -> dict[UUID, str]:
    """A batch of captures and refunds, and how what it is about is called."""
    payer, payee = await ground.open(2, floor=None)
    hold, other_hold = (
        replace(holding(ground, payer, payee, "12.34"), expires_at=EXPIRY, texts=PaymentTexts("r", "d"), metadata=each)
        for each in ({"a": "ü"}, {})
    )
    payment, other_payment = ground.transfer(payer, payee, "5.00"), ground.transfer(payer, payee, "6.00")
    await committer.carry_out_each([hold, other_hold, payment, other_payment])
    commands: dict[str, LedgerCommand] = {
        "a part": replace(capture(hold, "2.00"), metadata={"b": "1"}),
        "all that is left": capture(hold),
        "all of another": capture(other_hold, "12.34"),
        "voided": void(other_hold),
        "given back": replace(refund(payment, "1.00"), reason="ä", metadata={"c": "2"}),
        "given back later": refund(payment),
        "another given back": refund(other_payment, "3.00"),
        "paid": ground.transfer(payer, payee, "7.00"),
        "held": replace(holding(ground, payer, payee, "1.00"), expires_at=EXPIRY),
    }
    chosen = {name: commands[name] for name in beside}
    answers = await committer.carry_out_each([*chosen.values()])
    are_straight = {name: type(answer) is PostedPair for name, answer in zip(chosen, answers, strict=True)}
    assert are_straight == {name: is_straight and name != "voided" for name in chosen}
    ids = {command.id: name for name, command in chosen.items()}
    ids |= {command.further_id(1): f"{name}, told besides" for name, command in chosen.items()}
    ids |= {hold.id: "the hold", payment.id: "the payment", payer: "payer", payee: "payee"}
    return ids | {other_hold.id: "another hold", other_payment.id: "another payment"}


@pytest.mark.parametrize(
    "beside",
    [
        ("a part",),
        ("a part", "all that is left"),
        ("given back",),
        ("given back", "given back later"),
        ("a part", "all of another"),
        ("given back", "another given back"),
        ("a part", "voided", "given back"),
        ("a part", "paid"),
        ("given back", "paid"),
        ("a part", "all that is left", "given back", "paid", "held"),
    ],
    ids=" and ".join,
)
async def test_both_forms_write_the_same_rows(
    ground: Ground,
    test_database: TestDatabase,
    superuser: Superuser,
    monkeypatch: pytest.MonkeyPatch,
    beside: Sequence[str],
) -> None:
    async with running_committer(connecting(test_database.service_dsn)) as committer:
        straight = await rows_of(superuser, await made(committer, ground, beside, is_straight=True))
        monkeypatch.setattr(Book, "apply_straight", lambda *_: None)
        general = await rows_of(superuser, await made(committer, ground, beside, is_straight=False))
    assert straight == general
    assert len([row for row in straight if row.startswith("postings")]) >= 4
    await assert_all_is_proved(ground, superuser)
