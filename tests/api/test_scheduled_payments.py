"""Scheduled payments over HTTP: made once when they are due, again and again by a rule, cancelled, refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.reading import all_pages, refused
from tests.api.scheduling import RENT, SOON, read, run_at, scheduled
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.background import scheduled_runs
from zerosum.services.proofs.whole_ledger import verify_ledger

DAILY = {"rule": "FREQ=DAILY;COUNT=3", "time_zone": "Europe/Berlin"}
RETRY = {"on_refusal": "retry", "retry": {"attempts": 2, "interval_seconds": 600}}


@pytest.fixture
async def tenant(client: Client) -> Client:
    """Has 25.00."""
    await client.open_account("tenant")
    await client.open_account("landlord")
    await client.deposit("tenant", "25")
    return client


async def must_be_right(database: Database, ledger_id: LedgerId) -> None:
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []


async def test_it_is_paid_once_when_it_is_due_and_not_before(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    made = await scheduled(tenant, reference="rent", metadata={"flat": "7"})
    assert (made["status"], made["from_code"], made["amount"]) == ("scheduled", "tenant", "10.00")
    await run_at(service, now() + SOON / 2)
    assert (await read(tenant, made))["runs"] == []
    await run_at(service, now() + SOON, turns=2)
    after = await read(tenant, made)
    assert (after["status"], after["next_at"], after["payments_made"]) == ("completed", None, 1)
    [run] = after["runs"]
    payment = (await tenant.get(f"/v1/payments/{run['payment_id']}")).json()
    assert (payment["amount"], payment["reference"], payment["metadata"]) == ("10.00", "rent", {"flat": "7"})
    entry = (await tenant.get(f"/v1/journal-entries/{payment['journal_entry_ids'][0]}")).json()
    assert entry["actor"] == made["scheduled_by"], "it is paid in the name of who has ordered it"
    assert (await tenant.balance("landlord"))["posted"] == "10.00"
    await must_be_right(database, ledger_id)


async def test_what_recurs_is_paid_each_time_late_and_in_order_after_the_worker_was_away(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    made = await scheduled(tenant, amount="5", recurrence=DAILY)
    assert made["occurrences"] == 3
    back = now() + timedelta(days=30)
    await run_at(service, back, turns=4)
    after = await read(tenant, made)
    assert (after["status"], after["payments_made"]) == ("completed", 3)
    assert [run["occurrence"] for run in after["runs"]] == [3, 2, 1]
    dues = [run["due_at"] for run in reversed(after["runs"])]
    assert dues == sorted(set(dues))
    assert dues[0] == made["execute_at"]
    assert len({run["payment_id"] for run in after["runs"]}) == 3
    pages = await all_pages(tenant, f"/v1/scheduled-payments/{made['id']}/runs", limit=2)
    assert pages == after["runs"]
    assert (await tenant.balance("landlord"))["posted"] == "15.00"
    await must_be_right(database, ledger_id)


async def test_what_is_refused_is_left_out_and_the_next_time_is_paid(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    made = await scheduled(tenant, amount="20", recurrence=DAILY)
    for day in range(3):
        await run_at(service, now() + SOON + timedelta(days=day))
        if day == 1:
            await tenant.deposit("tenant", "20")
    after = await read(tenant, made)
    assert (after["status"], after["payments_made"], after["runs_made"]) == ("completed", 2, 3)
    third, second, first = after["runs"]
    assert [run["outcome"] for run in (first, second, third)] == ["executed", "skipped", "executed"]
    assert second["payment_id"] is None
    assert second["refusal"]["code"] == "insufficient_funds"
    assert second["refusal"]["facts"]["required"] == "20.00"
    await must_be_right(database, ledger_id)


async def test_what_is_refused_is_tried_again_so_often_and_no_more(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    await tenant.post("/v1/accounts/tenant/freeze", key=fresh_key())
    made = await scheduled(tenant, **RETRY)
    due = now() + SOON
    await run_at(service, due, turns=2)
    waiting = await read(tenant, made)
    assert (waiting["status"], waiting["runs"][0]["outcome"]) == ("scheduled", "failed")
    assert waiting["runs"][0]["refusal"]["code"] == "account_frozen"
    assert waiting["next_at"] == waiting["runs"][0]["retry_at"]
    await run_at(service, due + timedelta(seconds=590))
    assert (await read(tenant, made))["runs_made"] == 1
    await run_at(service, due + timedelta(seconds=601), turns=2)
    after = await read(tenant, made)
    assert (after["status"], after["runs_made"], after["payments_made"]) == ("failed", 2, 0)
    assert after["runs"][0]["retry_at"] is None
    await must_be_right(database, ledger_id)


async def test_a_cancelled_one_is_never_paid(
    tenant: Client, service: Service, database: Database, ledger_id: LedgerId
) -> None:
    made, key = await scheduled(tenant), fresh_key()
    path = f"/v1/scheduled-payments/{made['id']}/cancel"
    answer = await tenant.post(path, key=key)
    assert (answer.status_code, answer.json()["status"], answer.json()["next_at"]) == (200, "cancelled", None)
    await run_at(service, now() + SOON)
    refused(await tenant.post(path, key=fresh_key()), 409, "invalid_state")
    assert (await tenant.post(path, key=key)).headers["idempotency-replayed"] == "true"
    assert (await read(tenant, made))["runs"] == []
    await must_be_right(database, ledger_id)


async def test_they_are_found_by_account_and_status(tenant: Client) -> None:
    await tenant.open_account("other")
    mine, theirs = await scheduled(tenant), await scheduled(tenant, **{"from": "other"})
    await tenant.post(f"/v1/scheduled-payments/{theirs['id']}/cancel", key=fresh_key())

    async def found(**filters: str) -> list[str]:
        return [one["id"] for one in await all_pages(tenant, "/v1/scheduled-payments", limit=1, **filters)]

    assert await found() == [theirs["id"], mine["id"]]
    assert await found(account="landlord") == [theirs["id"], mine["id"]]
    assert await found(account="tenant") == [mine["id"]]
    assert await found(status="cancelled") == [theirs["id"]]


async def test_a_rehearsal_leaves_nothing(tenant: Client) -> None:
    body = {**RENT, "execute_at": (now() + SOON).isoformat()}
    answer = await tenant.post("/v1/scheduled-payments", body, key=fresh_key(), params={"dry_run": "true"})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True)
    assert (await tenant.get("/v1/scheduled-payments")).json()["data"] == []


EVERY_DAY = "FREQ=DAILY;COUNT=2"
IN_BERLIN = {"time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ({"execute_at": "2020-01-01T00:00:00Z"}, "validation_error", "/execute_at"),
        ({"execute_at": "2099-01-01T00:00:00Z"}, "validation_error", "/execute_at"),
        ({"retry": {"attempts": 2}}, "validation_error", "/retry"),
        ({"amount": "0"}, "invalid_amount", "/amount"),
        ({"to": "tenant"}, "same_account", "/to"),
        ({"to": "nobody"}, "account_not_found", "/to"),
        ({"to": "euros"}, "currency_mismatch", "/to"),
        ({"recurrence": {"rule": "FREQ=SECONDLY;COUNT=2", **IN_BERLIN}}, "invalid_recurrence", "/recurrence/rule"),
        ({"recurrence": {"rule": "FREQ=DAILY", **IN_BERLIN}}, "invalid_recurrence", "/recurrence/rule"),
        (
            {"recurrence": {"rule": EVERY_DAY, "time_zone": "Mars/Olympus"}},
            "invalid_recurrence",
            "/recurrence/time_zone",
        ),
    ],
)
async def test_what_can_never_be_paid_is_not_scheduled(
    tenant: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    await tenant.open_account("euros", currency="EUR")
    body = {**RENT, "execute_at": (now() + SOON).isoformat(), **members}
    refused(await tenant.post("/v1/scheduled-payments", body, key=fresh_key()), 422, code, pointer)
    assert (await tenant.get("/v1/scheduled-payments")).json()["data"] == []


async def test_one_whose_next_date_cannot_be_told_holds_up_no_other(
    service: Service, tenant: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a time zone is gone from the machine's own."""
    bad, good = [await scheduled(tenant, amount="5", recurrence=DAILY) for _ in range(2)]
    sound = scheduled_runs._command

    def command(due: Any) -> Any:
        if f"sch_{due.id}" == bad["id"]:
            raise LookupError("there is no such time zone")
        return sound(due)

    monkeypatch.setattr(scheduled_runs, "_command", command)
    await run_at(service, now() + 2 * SOON)
    assert [len((await read(tenant, one))["runs"]) for one in (bad, good)] == [0, 1]
