"""`GET /v1/status`: one answer that says whether somebody has to look."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from tests.api.conftest import Client, make_client
from tests.conftest import TestDatabase
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.status import WAITING, Server, Totals, Waiting, count_waiting, look_at_server, total_accounts
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service
from zerosum.services.status.board import LEDGERS_MAX
from zerosum.services.status.checks import State, checks_of, worst
from zerosum.services.status.found import AuditState, Found, Load, TrialBalance


async def test_it_tells_of_the_own_ledger_that_debits_equal_credits(service: Service, client: Client) -> None:
    account = await client.open_account()
    await client.deposit(account["id"], "12.34")
    reader = await make_client(service, LedgerId(parse_id(Prefix.LEDGER, client.ledger)), [Scope.REPORTS_READ])
    body = (await reader.get("/v1/status")).json()
    assert body["ready"] is True
    assert body["ledgers"] == 1
    assert (body["proof"]["differences"], body["proof"]["accounts"]) == ({}, 2)
    assert body["queued_commands"] is None or body["queued_commands"] >= 0
    assert set(body["waiting"]) == set(WAITING)
    assert not any(body["waiting"].values())
    assert body["postgresql"]["connections"] >= 1
    states = {check["name"]: check["state"] for check in body["checks"]}
    assert states["trial_balance"] == states["ready"] == states["postgresql"] == "good"
    assert (await reader.get("/v1/status")).json()["as_of"] == body["as_of"], "one answer holds for a second"
    await reader.http.aclose()


async def test_an_operator_is_told_of_all_ledgers(service: Service, client: Client, superuser: Any) -> None:
    """Ledgers that other tests have falsified are in the same database, so the truth is asked for."""
    operator = await make_client(service, SERVICE_LEDGER, [Scope.OPERATOR])
    body = (await operator.get("/v1/status")).json()
    await operator.http.aclose()
    differences = await superuser.fetch(
        "select currency, sum(posted_debits) - sum(posted_credits) as amount from accounts where ledger_id in "
        "(select ledger_id from ledgers where ledger_id <> $1 order by ledger_id desc limit $2) group by currency "
        "having sum(posted_debits) <> sum(posted_credits)",
        SERVICE_LEDGER,
        LEDGERS_MAX,
    )
    assert 1 <= body["ledgers"] <= LEDGERS_MAX
    told = {currency: Decimal(amount) for currency, amount in body["proof"]["differences"].items()}
    assert told == {row["currency"]: row["amount"] for row in differences}


async def test_what_waits_is_counted_by_index_and_up_to_a_bound(
    database: Database, superuser: Any, client: Client
) -> None:
    """Whatever statistics say: a ledger's past is never read through."""
    ledger_id = LedgerId(parse_id(Prefix.LEDGER, client.ledger))
    await superuser.execute(
        "insert into dead_letters (ledger_id, id, input, topic, partition, place, body, body_bytes, headers, status, "
        "reason, problem, attempts, first_at, last_at) select $1, gen_random_uuid(), 'i', 't', 'p', n::text, '', 0, "
        "'{}', 'dead', 'r', '{}', 1, now(), now() from generate_series(1, 1005) n",
        ledger_id,
    )
    async with database.work(ledger_id) as connection:
        waiting = await count_waiting(connection, [ledger_id], now())
        assert waiting.counts["dead_letters"] == 1000
        totals = await total_accounts(connection, [ledger_id])
    assert totals == Totals({}, 0)


@pytest.mark.parametrize(
    ("minutes", "status", "reason", "failing"),
    [
        (9, "enabled", None, 0),
        (11, "enabled", None, 1),
        (11, "disabled", "only_failures", 1),
        (None, "disabled", "gone", 1),
        (11, "disabled", "by_request", 0),
        (11, "deleted", None, 0),
        (None, "enabled", None, 0),
    ],
)
async def test_a_webhook_endpoint_that_fails_for_long_or_was_disabled_for_it_is_told(
    service: Service,
    client: Client,
    superuser: Any,
    minutes: int | None,
    status: str,
    reason: str | None,
    failing: int,
) -> None:
    """Its deliveries are tried again for three days: until then none of them has failed, and none is due."""
    ledger_id = LedgerId(parse_id(Prefix.LEDGER, client.ledger))
    await superuser.execute(
        "insert into webhook_endpoints (ledger_id, id, url, header_names, status, disabled_reason, created_at, "
        "created_by, feed_xid, feed_id, failing_since) select $1, gen_random_uuid(), 'https://hooks.example.com', "
        "'{}', $2, $3, now(), 'key_1', '0', gen_random_uuid(), now() - make_interval(mins => $4)",
        ledger_id,
        status,
        reason,
        minutes,
    )
    reader = await make_client(service, ledger_id, [Scope.REPORTS_READ])
    body = (await reader.get("/v1/status")).json()
    await reader.http.aclose()
    assert body["waiting"]["endpoints_failing"] == failing
    [check] = [one for one in body["checks"] if one["name"] == "webhook_endpoints"]
    assert check["state"] == ("degraded" if failing else "good")
    assert ("replay" in check["detail"]) is bool(failing), "it says what to do"
    assert ("11 min" in check["detail"]) is bool(failing and minutes)


AT = now()
ALL_WELL: dict[str, Any] = {
    "as_of": AT,
    "is_ready": True,
    "load": Load(queued_commands=0, requests_in_flight=1, redis="up"),
    "ledgers": 1,
    "server": Server("16.4", False, 9, 100, 0.0),
    "waiting": Waiting(dict.fromkeys(WAITING, 0), None, None),
    "trial_balance": TrialBalance(differences={}, accounts=2, as_of=AT),
    "audit": AuditState(differences=0, ledgers_done=1, begun_at=AT, completed_at=AT),
}


@pytest.mark.parametrize(
    ("what", "name", "state"),
    [
        ({}, None, State.GOOD),
        ({"is_ready": False}, "ready", State.BAD),
        ({"server": None}, "postgresql", State.BAD),
        ({"server": Server("16.4", True, 9, 100, 0.0)}, "postgresql", State.BAD),
        ({"server": Server("16.4", False, 99, 100, 0.0)}, "postgresql", State.DEGRADED),
        ({"server": Server("16.4", False, 9, 100, 0.0, log_archive="followed")}, None, State.GOOD),
        ({"server": Server("16.4", False, 9, 100, 0.0, log_archive="left")}, "log_archive", State.DEGRADED),
        ({"server": Server("16.4", False, 9, 100, 0.0, log_archive="lost")}, "log_archive", State.DEGRADED),
        ({"load": Load(queued_commands=0, requests_in_flight=0, redis="away")}, "redis", State.DEGRADED),
        ({"trial_balance": TrialBalance(differences={"EUR": Decimal("0.01")}, accounts=2, as_of=AT)},
         "trial_balance", State.BAD),
        ({"audit": AuditState(differences=1, ledgers_done=1, begun_at=AT, completed_at=AT)}, "self_audit", State.BAD),
        ({"audit": None}, "self_audit", State.DEGRADED),
        ({"waiting": Waiting(dict.fromkeys(WAITING, 0) | {"dead_letters": 1}, None, None)},
         "dead_letters", State.DEGRADED),
        ({"waiting": Waiting(dict.fromkeys(WAITING, 0) | {"reviews_waiting": 9}, None, None)}, None, State.GOOD),
        ({"waiting": Waiting(dict.fromkeys(WAITING, 0) | {"endpoints_failing": 2}, None, None, AT)},
         "webhook_endpoints", State.DEGRADED),
    ],
)  # fmt: skip
def test_the_state_is_that_of_the_worst_check(what: dict[str, Any], name: str | None, state: State) -> None:
    checks = checks_of(Found(**(ALL_WELL | what)))
    assert worst(checks) is state
    assert [check.name for check in checks if check.state is not State.GOOD] == ([] if name is None else [name])


async def test_transactions_of_other_roles_are_seen_and_it_is_said_where_they_are_not(
    database: Database, test_database: TestDatabase
) -> None:
    superuser = await asyncpg.connect(test_database.superuser_dsn)
    async with superuser.transaction():
        await superuser.execute("select pg_sleep(0.05)")
        async with database.work() as connection:
            server = await look_at_server(connection)
    await superuser.close()
    assert (server.sees_all, server.oldest_transaction_seconds >= 0.05) == (True, True)
    for sees_all in (True, False):
        found = Found(**(ALL_WELL | {"server": server._replace(sees_all=sees_all)}))
        [check] = [one for one in checks_of(found) if one.name == "postgresql"]
        assert ("grant pg_read_all_stats" in check.detail) is not sees_all
