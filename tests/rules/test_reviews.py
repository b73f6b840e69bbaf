"""Payments that are refused by a rule, or held by one until people have decided."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from tests.api.conftest import Client, client_of, fresh_key, make_client
from tests.rules.judging import HELD, LIMIT, PLAIN, approve, held, must_be_right, read_at_once, refuse, write_rules
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.db.queries.audit_log import AuditFilter, list_audit_records
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.gateway.identity.principal import TENANT_SCOPES
from zerosum.main import Service
from zerosum.services import reviews
from zerosum.services.background.review_expiry import ReviewExpiry
from zerosum.services.judging import PaymentRules


async def test_a_refusal_names_its_rule_and_is_kept_under_its_key(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    write_rules(rules_file, LIMIT)
    version = await read_at_once(judging)
    key = fresh_key()
    answer = await alice.pay({**PLAIN, "amount": "100.01"}, key)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert {name: problem[name] for name in ("code", "rule", "rules_version", "amount_max")} == {
        "code": "rule_refused",
        "rule": "large transfers",
        "rules_version": version,
        "amount_max": "100",
    }
    assert [fault["pointer"] for fault in problem["errors"]] == ["/amount"]
    assert (await alice.pay({**PLAIN, "amount": "100"})).status_code == 201
    write_rules(rules_file)
    await read_at_once(judging)
    again = await alice.pay({**PLAIN, "amount": "100.01"}, key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (422, "true")
    assert (again.json()["rule"], again.json()["rules_version"]) == ("large transfers", version)
    assert (await alice.pay({**PLAIN, "amount": "100.01"})).status_code == 201
    await must_be_right(database, ledger_id)


async def test_another_file_of_rules_is_told_in_the_security_log(
    judging: Service, rules_file: Path, database: Database
) -> None:
    write_rules(rules_file, {**LIMIT, "name": fresh_key()})
    version = await read_at_once(judging)
    await judging.files.tell_changes()
    wanted = AuditFilter(ledger_id=SERVICE_LEDGER, type=AuditType.RULES_FILE_CHANGED.value)
    async with database.work(SERVICE_LEDGER) as connection:
        [newest] = await list_audit_records(connection, wanted, after=None, limit=1, is_ascending=False)
    assert (newest.facts["version"], newest.actor) == (version, "service")


async def test_one_that_nobody_decides_in_time_is_refused(
    judging: Service, rules_file: Path, people: list[Client], alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    rules_file.write_text(json.dumps({"reviews_last_days": 2, "rules": [HELD]}), encoding="utf-8")
    await read_at_once(judging)
    key = fresh_key()
    answer = await alice.pay({**PLAIN, "amount": "200"}, key)
    half, decided = await held(alice, "1000"), await held(alice, "300")
    assert (await approve(people[0], half)).status_code == 200
    assert (await refuse(people[0], decided)).status_code == 200
    assert judging.rule_book is not None
    rules = PaymentRules(judging.rule_book, database, judging.committer)

    def expiry(**later: float) -> ReviewExpiry:
        return ReviewExpiry(database, judging.committer, rules, lambda: now() + timedelta(**later))

    await expiry(days=2, minutes=-1).run_once()  # perhaps those of tests before
    for review in (answer.json(), half):
        assert (await alice.get(f"/v1/reviews/{review['id']}")).json()["status"] == "in_review"
    turns = [expiry(days=2, seconds=1).run_once() for _ in range(2)]
    assert sum(await asyncio.gather(*turns)) >= 2, "those of other tests as well"
    for review in (answer.json(), half):
        found = (await alice.get(f"/v1/reviews/{review['id']}")).json()
        assert (found["status"], found["decision"]["by"]) == ("refused", "zerosum worker")
        assert found["decision"]["reason"] == "Nobody has decided it within 2 days."
        assert (await approve(people[1], review)).status_code == 409
    again = await alice.pay({**PLAIN, "amount": "200"}, key)
    assert (again.status_code, again.json()["status"]) == (202, "in_review"), "as it was answered"
    await must_be_right(database, ledger_id)


async def test_one_is_held_and_paid_once_it_is_approved(
    judging: Service,
    rules_file: Path,
    holding: str,
    alice: Client,
    people: list[Client],
    database: Database,
    ledger_id: LedgerId,
) -> None:
    key = fresh_key()
    first = await alice.pay({**PLAIN, "amount": "100.01", "metadata": {"a": "b"}, "reference": "r"}, key)
    assert first.status_code == 202, first.text
    review = first.json()
    assert (review["status"], review["rule"], review["rules_version"]) == ("in_review", "large transfers", holding)
    assert (review["approvals_needed"], review["payment_id"], review["made_by"]) == (1, None, review["made_by"])
    assert (await alice.balance("bob"))["posted"] == "0.00"

    own = await approve(alice, review)
    assert (own.status_code, own.json()["code"]) == (409, "four_eyes_required")
    told = fresh_key()
    answer = await approve(people[0], review, told)
    assert answer.status_code == 200, answer.text
    approved = answer.json()
    assert (approved["status"], approved["approvals"]) == ("approved", 1)
    assert (await alice.balance("bob"))["posted"] == "100.01"
    payment = (await alice.get(f"/v1/payments/{approved['payment_id']}")).json()
    assert (payment["status"], payment["metadata"], payment["reference"]) == ("succeeded", {"a": "b"}, "r")

    again = await approve(people[0], review, told)
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (200, "true", approved)
    late = await approve(people[1], review)
    assert (late.status_code, late.json()["review_status"]) == (409, "approved")
    write_rules(rules_file)
    await read_at_once(judging)
    replayed = await alice.pay({**PLAIN, "amount": "100.01", "metadata": {"a": "b"}, "reference": "r"}, key)
    assert (replayed.status_code, replayed.json()) == (202, review)
    assert (await alice.get(f"/v1/reviews/{review['id']}")).json() == approved
    await must_be_right(database, ledger_id)


async def test_a_large_one_is_approved_by_two(
    alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    review = await held(alice, "1000")
    assert review["approvals_needed"] == 2
    first_key = fresh_key()
    first = (await approve(people[0], review, first_key)).json()
    assert (first["status"], first["approvals"], first["payment_id"]) == ("in_review", 1, None)
    same = await approve(people[0], review)
    assert (same.status_code, same.json()["code"]) == (409, "four_eyes_required")
    second = await approve(people[1], review)
    assert (second.status_code, second.json()["status"], second.json()["approvals"]) == (200, "approved", 2)
    again = await approve(people[0], review, first_key)
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", first)
    assert (await alice.balance("bob"))["posted"] == "1000.00"
    await must_be_right(database, ledger_id)


async def test_a_person_is_not_two_by_keys_of_his_own(
    people: list[Client], judging: Service, database: Database, ledger_id: LedgerId
) -> None:
    """Whoever makes a key stands behind it, and behind all that are made with it."""
    admin = await make_client(judging, ledger_id, TENANT_SCOPES)
    hand = await _another_key(admin, judging, "admin", "payments:write", "payments:read", "reviews:write")
    far_hand = await _another_key(hand, judging, "payments:write", "reviews:write")
    for payer in (admin, hand, far_hand):
        review = await held(payer, "150")
        for approver in (admin, hand, far_hand):
            answer = await approve(approver, review)
            assert (answer.status_code, answer.json().get("code")) == (409, "four_eyes_required")
        assert (await approve(people[0], review)).json()["status"] == "approved"
    review = await held(people[0], "1000")
    assert (await approve(far_hand, review)).json()["approvals"] == 1
    same = await approve(hand, review)
    assert (same.status_code, same.json().get("code")) == (409, "four_eyes_required")
    assert (await approve(people[1], review)).json()["status"] == "approved"
    await must_be_right(database, ledger_id)
    for client in (admin, hand, far_hand):
        await client.http.aclose()


async def test_who_is_remembered_longest_is_not_forgotten_while_he_approves(
    alice: Client, people: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be more people, and more that waits, than a process remembers."""
    monkeypatch.setattr(reviews, "REMEMBERED_MAX", 2)
    assert (await approve(people[0], await held(alice, "150"))).status_code == 200
    for maker in (people[1], alice, people[1]):
        answer = await approve(people[0], await held(maker, "150"))
        assert answer.status_code == 200, answer.text


async def _another_key(client: Client, service: Service, *scopes: str) -> Client:
    made = await client.post("/v1/api-keys", {"ledger": client.ledger, "name": "x", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return client_of(service, client.ledger, made.json()["key"])


async def test_what_was_refused_stays_so(
    alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    review = await held(alice, "2000")
    assert (await approve(people[0], review)).status_code == 200
    answer = await refuse(people[1], review)
    assert (answer.status_code, answer.json()["status"], answer.json()["payment_id"]) == (200, "refused", None)
    told = [row["type"] for row in (await alice.get("/v1/audit-log")).json()["data"] if row["resource"] == review["id"]]
    assert told == ["review.refused", "review.approved"]
    late = await approve(people[0], review)
    assert (late.status_code, late.json()["review_status"]) == (409, "refused")
    taken_back = await held(alice, "500")
    assert (await refuse(alice, taken_back)).json()["status"] == "refused"
    assert (await alice.balance("bob"))["posted"] == "0.00"
    await must_be_right(database, ledger_id)


async def test_the_database_itself_keeps_four_eyes_and_what_was_decided(
    alice: Client, people: list[Client], database: Database, ledger_id: LedgerId
) -> None:
    said = "last_id = gen_random_uuid(), last_reason = 'x', last_at = now()"
    forbidden = {
        f"status = 'approved', last_by = actor, {said}": "reviews_four_eyes",
        f"status = 'approved', last_by = 'key_other', {said}, approvals_needed = 2": "never changed|permission denied",
        "status = 'approved'": "reviews_said_whole",
        f"status = 'approved', last_by = 'key_other', maker_person = 'x', last_person = 'x', {said}": (
            "reviews_different_people"
        ),
        "amount = amount + 1": "permission denied",
    }
    await held(alice, "150")
    for change, complaint in forbidden.items():
        with pytest.raises(DBAPIError, match=complaint):
            async with database.work(ledger_id) as connection:
                await connection.exec_driver_sql(f"update reviews set {change}")
    decided = await held(alice, "160")
    assert (await approve(people[0], decided)).status_code == 200
    with pytest.raises(DBAPIError, match="is refused"):
        async with database.work(ledger_id) as connection:
            await connection.exec_driver_sql("update reviews set last_reason = 'x' where status = 'approved'")
