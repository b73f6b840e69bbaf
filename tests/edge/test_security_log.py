"""The security log: who did what, when, from where and why; and that nobody fills or changes it."""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, make_client
from tests.api.reading import all_pages, refused
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import Forbidden, Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service
from zerosum.services.audit import AuditRecord
from zerosum.services.background.security_log import (
    ROWS_A_MINUTE,
    ROWS_A_MINUTE_OF_ONE,
    ROWS_AN_HOUR,
    RefusedRequest,
    SecurityLog,
)
from zerosum.services.requests.caller import Caller


async def log_of(client: Client, **filters: Any) -> list[dict[str, Any]]:
    return await all_pages(client, "/v1/audit-log", **filters)


# --- What is told ----------------------------------------------------------------------------------------------------


async def test_what_is_done_to_an_account_is_told_with_who_from_where_and_why(admin: Client) -> None:
    account = await admin.open_account("customers:ann")
    path = f"/v1/accounts/{account['id']}"
    headers = {"X-Request-Id": "asked-by-ann"}
    for action, reason in (("freeze", "Asked for by compliance"), ("unfreeze", "Cleared"), ("unfreeze", "Twice")):
        answer = await admin.post(f"{path}/{action}", {"reason": reason}, headers=headers)
        assert answer.status_code == 200
    await admin.http.patch(path, json={"name": "Ann"})
    await admin.http.patch(path, json={"min_available": "-5", "max_available": None})
    assert (await admin.post(f"{path}/close")).status_code == 200
    rows = [row for row in await log_of(admin, order="asc") if row["resource"] == account["id"]]
    assert [(row["type"], row["reason"]) for row in rows] == [
        ("account.frozen", "Asked for by compliance"),
        ("account.unfrozen", "Cleared"),
        ("account.limits_changed", None),
        ("account.closed", None),
    ]
    assert rows[2]["facts"] == {
        "code": "customers:ann",
        "min_available": {"from": "0.00", "to": "-5.00"},
        "max_available": {"from": None, "to": None},
    }
    first = rows[0]
    assert (first["ledger"], first["request_id"], first["address"]) == (admin.ledger, "asked-by-ann", "127.0.0.1")
    assert first["actor"] == (await all_pages(admin, "/v1/api-keys"))[-1]["id"]
    assert first["occurrences"] == 1


async def test_what_is_done_to_keys_is_told_without_their_secrets(admin: Client) -> None:
    body = {"ledger": admin.ledger, "name": "till", "scopes": ["payments:read"], "networks": ["10.0.0.0/8"]}
    key = (await admin.post("/v1/api-keys", body)).json()
    await admin.http.delete(f"/v1/api-keys/{key['id']}")
    await admin.http.delete(f"/v1/api-keys/{key['id']}")
    rows = [row for row in await log_of(admin, order="asc") if row["resource"] == key["id"]]
    assert [row["type"] for row in rows] == ["api_key.created", "api_key.revoked"]
    assert rows[0]["facts"] == {
        "name": "till",
        "scopes": ["payments:read"],
        "networks": ["10.0.0.0/8"],
        "person": rows[0]["actor"],
    }
    assert key["key"] not in str(await log_of(admin))


async def test_what_concerns_the_service_is_read_by_operators_alone(
    service: Service, admin: Client, operator: Client
) -> None:
    await service.signing_keys.rotate(now())
    assert (await log_of(operator, type="signing_key.rotated"))[0]["ledger"] is None
    assert await log_of(admin, type="signing_key.rotated") == []
    created = await log_of(operator, ledger=admin.ledger, type="api_key.created")
    assert created == await log_of(admin, type="api_key.created")
    assert len(created) == 1


async def test_the_log_is_told_in_pages_newest_first_and_narrowed_by_time(admin: Client) -> None:
    account = await admin.open_account()
    for _ in range(3):
        for action in ("freeze", "unfreeze"):
            await admin.post(f"/v1/accounts/{account['id']}/{action}")
    rows = await log_of(admin, limit=2)
    assert len(rows) == 7
    assert rows == sorted(rows, key=lambda row: row["id"], reverse=True)
    assert rows[::-1] == await log_of(admin, limit=3, order="asc")
    middle = rows[3]["recorded_at"]
    assert await log_of(admin, **{"from": middle}) == rows[:4]
    assert await log_of(admin, to=middle) == rows[4:]
    for parameter, value in (("type", "nothing"), ("ledger", "led_x"), ("from", "yesterday")):
        answer = await admin.get("/v1/audit-log", params={parameter: value})
        refused(answer, 422, "invalid_parameter", parameter, facts={})


async def test_a_change_that_is_not_carried_out_is_not_told(admin: Client) -> None:
    account = await admin.open_account()
    await admin.deposit(account["id"], "1")
    refused(await admin.post(f"/v1/accounts/{account['id']}/close"), 409, "invalid_state")
    assert [row["type"] for row in await log_of(admin)] == ["api_key.created"]


async def test_nobody_changes_the_log(superuser: Any, admin: Client) -> None:
    """What the role of the service is refused besides: tests/db, for every table of the journal."""
    assert await log_of(admin)
    for statement in ("update audit_log set reason = 'x'", "delete from audit_log", "truncate audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
            await superuser.execute(statement)


# --- Refusals --------------------------------------------------------------------------------------------------------


async def test_a_refused_credential_and_a_denied_scope_are_told(
    service: Service, ledger_id: LedgerId, operator: Client, caplog: pytest.LogCaptureFixture
) -> None:
    poor = await make_client(service, ledger_id, [Scope.PAYMENTS_READ])
    with caplog.at_level(logging.WARNING, "zerosum.security"):
        refused(await poor.get("/v1/accounts"), 403, "forbidden")
        wrong = f"{poor.api_key[:-6]}AAAAAA"
        transport = httpx.ASGITransport(app=service.app, client=("203.0.113.9", 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as http:
            answer = await http.get("/v1/payments", headers={"Authorization": f"Bearer {wrong}"})
            refused(answer, 401, "unauthenticated", facts={})
            form = {"grant_type": "client_credentials", "client_id": "key_x", "client_secret": "zsk_x"}
            assert (await http.post("/v1/oauth/token", data=form)).status_code == 401
    await service.security_log.write()
    (denied,) = await log_of(operator, ledger=poor.ledger, type="scope.denied")
    assert (denied["facts"], denied["address"]) == (
        {"code": "forbidden", "target": "GET /v1/accounts", "scope": "accounts:read"},
        "127.0.0.1",
    )
    refusals = await log_of(operator, type="credential.refused")
    theirs = [row for row in refusals if row["address"] == "203.0.113.9"]
    assert [row["facts"]["target"] for row in theirs] == ["POST /v1/oauth/token", "GET /v1/payments"]
    assert {(row["ledger"], row["actor"]) for row in theirs} == {(None, None)}
    assert {record.getMessage() for record in caplog.records} == {"scope.denied", "credential.refused"}
    assert poor.api_key not in str(refusals)
    assert wrong not in str(refusals) + caplog.text
    await poor.http.aclose()


async def test_a_denied_grant_is_told_too(service: Service, admin: Client) -> None:
    body = {"ledger": admin.ledger, "name": "x", "scopes": ["operator"]}
    refused(await admin.post("/v1/api-keys", body), 403, "forbidden")
    await service.security_log.write()
    (denied,) = await log_of(admin, type="scope.denied")
    assert denied["facts"]["target"] == "POST /v1/api-keys"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def stranger(address: str, target: str = "GET /v1/payments") -> RefusedRequest:
    refusal = Unauthenticated("No.")
    return RefusedRequest(status=401, refusal=refusal, caller=None, address=address, request_id="r", target=target)


def waiting(log: SecurityLog) -> list[AuditRecord]:
    return list(log._waiting)


async def test_guessing_does_not_fill_the_log(database: Database) -> None:
    before = await _count(database, AuditType.CREDENTIAL_REFUSED)
    clock = Clock()
    log = SecurityLog(database, now, clock)
    for number in range(10_000):
        log.refused(stranger("192.0.2.1", f"GET /{number}"))
    assert len(waiting(log)) == ROWS_A_MINUTE_OF_ONE
    for number in range(10_000):
        log.refused(stranger(f"2001:db8::{number:x}"))
    assert len(waiting(log)) == ROWS_A_MINUTE
    clock.seconds += 60
    await log.write()
    assert waiting(log) == []
    for minute in range(2, 60):
        clock.seconds = 60.0 * minute
        for number in range(100):
            log.refused(stranger(f"2001:db8::{number:x}"))
        await log.write()
    written = await _count(database, AuditType.CREDENTIAL_REFUSED) - before
    assert ROWS_AN_HOUR / 2 < written < ROWS_AN_HOUR
    assert await _suppressed(database) > 19_000


async def _count(database: Database, type_: AuditType) -> int:
    return len(await _rows(database, type_))


async def _suppressed(database: Database) -> int:
    return sum(row.occurrences for row in await _rows(database, AuditType.REFUSALS_SUPPRESSED))


async def _rows(database: Database, type_: AuditType) -> list[AuditRecord]:
    wanted = AuditFilter(ledger_id=SERVICE_LEDGER, type=type_.value)
    async with database.operator_work() as connection:
        return await list_audit_records(connection, wanted, after=None, limit=1_000, is_ascending=False)


async def test_strangers_do_not_crowd_out_what_is_told_of_a_ledger(database: Database, ledger_id: LedgerId) -> None:
    log = SecurityLog(database, now, Clock())
    for number in range(1000):
        log.refused(stranger(f"2001:db8::{number:x}"))
    denied = RefusedRequest(
        status=403,
        refusal=Forbidden("No.", scope="admin"),
        caller=Caller(ledger_id, "key_1"),
        address="192.0.2.1",
        request_id="r",
        target="GET /v1/ledgers",
    )
    for _ in range(1000):
        log.refused(denied)
    told = [record for record in waiting(log) if record.ledger_id == ledger_id]
    assert [(record.type, record.facts["scope"]) for record in told] == [(AuditType.SCOPE_DENIED, "admin")]


async def test_while_the_database_is_away_what_waits_is_bounded(database: Database) -> None:
    clock = Clock()
    log = SecurityLog(database, now, clock)
    for minute in range(1000):
        clock.seconds = 60.0 * minute
        for number in range(50):
            log.refused(stranger(f"2001:db8::{number:x}"))
    assert len(waiting(log)) == 80
