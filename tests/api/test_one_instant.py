"""A report is of one instant, also while somebody pays between any two of its looks at the database."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import Client
from zerosum.db.engine import Database
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.main import Service
from zerosum.services.proofs.whole_ledger import verify_ledger

Meanwhile = Callable[[], Awaitable[None]]

REPORTS = {
    "a statement": "/v1/accounts/a/statement?from=2026-02-01T00:00:00Z&to=2026-11-01T00:00:00Z",
    "a trial balance": "/v1/trial-balance",
    "a trial balance of then": "/v1/trial-balance?as_of=2026-10-01T00:00:00Z",
}


class Watched:
    """A connection that lets something happen after each of its statements."""

    def __init__(self, connection: Any, meanwhile: Meanwhile) -> None:
        self._connection = connection
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        result = await self._connection.execute(*args, **kwargs)
        await self._meanwhile()
        return result


@contextlib.contextmanager
def interrupted(monkeypatch: pytest.MonkeyPatch, meanwhile: Meanwhile) -> Any:
    """Every unit of work of every service here."""
    is_under_way = False

    async def once_at_a_time() -> None:
        nonlocal is_under_way
        if not is_under_way:
            is_under_way = True
            await meanwhile()
            is_under_way = False

    def watching(sound: Any) -> Any:
        @contextlib.asynccontextmanager
        async def unit(self: Database, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with sound(self, *args, **kwargs) as connection:
                yield Watched(connection, once_at_a_time)

        return unit

    with monkeypatch.context() as patched:
        for name in ("work", "snapshot"):
            patched.setattr(Database, name, watching(getattr(Database, name)))
        yield


@pytest.fixture
async def paying(client: Client) -> Meanwhile:
    """Two accounts with a history, and somebody who pays between them at each of three times."""
    for code in ("a", "b"):
        await client.open_account(code, min_available=None)

    async def pay() -> None:
        for effective_at in ("2026-01-15T00:00:00Z", "2026-05-15T00:00:00Z"):
            body = {"type": "transfer", "amount": "1.00", "currency": "USD", "from": "b", "to": "a"}
            answer = await client.pay({**body, "effective_at": effective_at})
            assert answer.status_code == 201, answer.text

    for _ in range(3):
        await pay()
    return pay


@pytest.mark.parametrize("report", REPORTS)
async def test_a_report_holds_nothing_that_came_while_it_was_made(
    client: Client, paying: Meanwhile, monkeypatch: pytest.MonkeyPatch, report: str
) -> None:
    paid = 0

    async def pay() -> None:
        nonlocal paid
        paid += 1
        await paying()

    with interrupted(monkeypatch, pay):
        meanwhile = (await client.get(REPORTS[report])).json()
    assert paid > 0
    after = (await client.get(REPORTS[report])).json()
    for content in (meanwhile, after):
        content.pop("as_of", None)
    assert meanwhile != after
    assert _is_of_one_instant(meanwhile), meanwhile


def _is_of_one_instant(report: dict[str, Any]) -> bool:
    """What its parts say of the same money agrees."""
    if "lines" in report:
        # Each round pays one unit before the span and one in it.
        return float(report["opening"]) == len(report["lines"])
    sums: dict[str, float] = {}
    for account in report["accounts"]:
        sums[account["currency"]] = sums.get(account["currency"], 0.0) + float(account["debits"])
    return all(float(total["debits"]) == sums[total["currency"]] for total in report["currencies"])


async def test_books_that_are_written_meanwhile_are_found_right(
    service: Service, client: Client, paying: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger_id = parse_id(Prefix.LEDGER, client.ledger)
    with interrupted(monkeypatch, paying):
        report = await verify_ledger(service.database, ledger_id, lambda done, total: None)
    assert report.is_right, report.breaks
