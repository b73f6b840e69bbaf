"""A service whose rules a test writes, and callers of one ledger: who makes payments, and who approves them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.api.conftest import Client, fresh_key, make_client, service_settings
from tests.conftest import Servers, TestDatabase
from zerosum.adapters.clock import now
from zerosum.adapters.rules.rule_set import RuleBook
from zerosum.adapters.rules.rules_file import read_rules
from zerosum.api.schemas.payments import PaymentRequest
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.committing.submission import Submission
from zerosum.services.judging import PaymentJudge, PaymentRules
from zerosum.services.payments import RecordedReview
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller

LIMIT = {"name": "large transfers", "kind": "limit", "types": ["transfer"], "amount_max": "100"}
HELD = {**LIMIT, "action": "review", "two_approvals_from": "1000"}
ALL_HELD = {"name": "all", "kind": "limit", "amount_max": "0", "action": "review"}
SOMEBODY_ELSE = "key_of_somebody_else"
PLAIN = {"type": "transfer", "currency": "USD", "from": "alice", "to": "bob"}


def write_rules(file: Path, *rules: Any) -> Path:
    file.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    return file


@contextmanager
def hanging(file: Path, pipe: Path) -> Iterator[Callable[[], None]]:
    """Whoever opens the file waits until somebody writes to it: until what this gives is called."""
    os.mkfifo(pipe)
    file.unlink()
    os.link(pipe, file)

    def go_on() -> None:
        with suppress(OSError):  # Nobody reads.
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    yield go_on
    go_on()


@asynccontextmanager
async def judging_service(
    database: TestDatabase, servers: Servers, file: Path, **members: Any
) -> AsyncIterator[Service]:
    running = Service(service_settings(database, servers, rules_file=file, **members))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


async def read_at_once(service: Service) -> str:
    """What the file says now, without waiting for somebody to look. Its version."""
    book = service.rule_book
    assert book is not None
    book._looked_at = float("-inf")
    return (await book.current()).version


async def with_money(service: Service, ledger_id: LedgerId, amount: str = "100000.00") -> Client:
    client = await make_client(service, ledger_id)
    for code in ("alice", "bob"):
        await client.open_account(code)
    if amount:
        await client.deposit("alice", amount)
    return client


async def held(client: Client, amount: str, **members: Any) -> dict[str, Any]:
    answer = await client.pay({**PLAIN, "amount": amount, **members})
    assert answer.status_code == 202, answer.text
    review: dict[str, Any] = answer.json()
    return review


async def approve(client: Client, review: dict[str, Any], key: str | None = None) -> Any:
    return await client.post(f"/v1/reviews/{review['id']}/approve", {"reason": "Known."}, key=key or fresh_key())


async def refuse(client: Client, review: dict[str, Any], key: str | None = None) -> Any:
    return await client.post(f"/v1/reviews/{review['id']}/refuse", {"reason": "Odd."}, key=key or fresh_key())


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def hold_for_review(
    service: Service,
    ledger_id: LedgerId,
    folder: Path,
    body: dict[str, Any],
    *rules: Any,
    key: str | None = None,
    actor: str = SOMEBODY_ELSE,
) -> str:
    """A payment of somebody else that is held in a service without rules: as by one beside it that has some. Its id."""
    book = RuleBook(write_rules(folder / "rules.json", *(rules or (ALL_HELD,))), read_rules)
    judge = PaymentJudge(PaymentRules(book, service.database, service.committer))
    desk = Submission(service.services.payments.kind, service.committer, service.database, now, judge)
    order = PaymentRequest.model_validate(body).order(key or fresh_key())
    done = await desk.one(Caller(ledger_id, actor), order)
    assert isinstance(done.view, RecordedReview), done.view
    return f"rev_{done.view.id}"
