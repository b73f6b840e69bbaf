"""What is said about people: sealed, shown to whoever may read it, gone with their keys, and the books as before."""

from __future__ import annotations

import asyncio
import random
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, fresh_key, make_client
from tests.api.reading import all_pages, refused
from tests.at_length import some
from tests.clear_text import places_of
from tests.conftest import Servers
from tests.logs.test_canaries import logged
from tests.services.proving_in_pieces import verified_in_pieces
from tests.webhooks.conftest import until
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.domain.ledger.subjects import COMMITMENT_MEMBER, SUBJECT_MEMBER
from zerosum.domain.payments.payment import PaymentType
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service
from zerosum.services.payments import PaymentOrder
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.personal import PersonalOrder

Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
MONEY = {"amount": "1.00", "currency": "USD"}


def deposit(subject: str, members: dict[str, str], **further: Any) -> dict[str, Any]:
    said = {"personal": {"subject": subject, "members": members}}
    return {"type": "deposit", **MONEY, "to": "alice", **said, **further}


def entry(subject: str, members: dict[str, str]) -> dict[str, Any]:
    lines = [{"account": code, "side": side, **MONEY} for code, side in (("bank", "debit"), ("alice", "credit"))]
    return {"reason": "x", "postings": lines, "personal": {"subject": subject, "members": members}}


async def erase(client: Client, subject: str, key: str | None = None, reason: str = "asked for") -> httpx.Response:
    return await client.post(f"/v1/subjects/{subject}/erase", {"reason": reason}, key=key or fresh_key())


async def said(client: Client, payment: str) -> Any:
    answer = await client.get(f"/v1/payments/{payment}/personal")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def right(database: Database, client: Client) -> tuple[int, int]:
    """That the books prove themselves; what is sealed about people, and what of that is erased."""
    ledger_id = parse_id(Prefix.LEDGER, client.ledger)
    report = await verify_ledger(database, ledger_id, lambda _done, _total: None)
    assert [one.what for one in report.breaks] == []
    return report.personal, report.erased


async def test_what_is_proved_in_pieces_counts_what_is_sealed(client: Client, database: Database) -> None:
    await client.open_account("alice")
    await client.pay(deposit("person-1", ADA))
    await client.pay(deposit("person-2", ADA))
    await erase(client, "person-1")
    report = await verified_in_pieces(database, parse_id(Prefix.LEDGER, client.ledger), 1000)
    assert (report.personal, report.erased) == (2, 1) == await right(database, client)


async def test_what_a_key_was_used_for_is_told_by_the_person(client: Client) -> None:
    await client.open_account("alice")
    await client.pay(deposit("person-1", ADA))
    key = fresh_key()
    assert (await erase(client, "person-1", key)).status_code == 200
    told = (await client.get(f"/v1/idempotency-keys/{key}")).json()
    assert told["resource"] == {"type": "subject", "id": "person-1"}


async def test_what_is_said_about_a_person_is_shown_until_he_is_erased(
    client: Client, database: Database, superuser: Superuser
) -> None:
    await client.open_account("alice")
    body, key = deposit("person-1", ADA, metadata={"order": "A-1"}), fresh_key()
    made = await client.pay(body, key)
    assert made.status_code == 201, made.text
    payment = made.json()
    metadata = payment["metadata"]
    assert metadata.pop(COMMITMENT_MEMBER).strip("0123456789abcdef") == ""
    assert metadata == {"order": "A-1", SUBJECT_MEMBER: "person-1"}
    assert "personal" not in payment
    assert await said(client, payment["id"]) == {"subject": "person-1", "members": ADA}
    listed = await client.get("/v1/payments", params={f"metadata[{SUBJECT_MEMBER}]": "person-1"})
    assert [one["id"] for one in listed.json()["data"]] == [payment["id"]]
    report = (await client.get("/v1/subjects/person-1")).json()
    assert (report["entries"], report["erased_at"]) == (1, None)
    assert await places_of(superuser, None, "Lovelace") == []
    assert await right(database, client) == (1, 0)

    erasure_key = fresh_key()
    gone = await erase(client, "person-1", erasure_key)
    assert gone.status_code == 200, gone.text
    erased_at = gone.json()["erased_at"]
    assert gone.json() == {"subject": "person-1", "created_at": report["created_at"], "erased_at": erased_at}
    assert await said(client, payment["id"]) == {"subject": "person-1", "erased_at": erased_at}
    assert (await client.get("/v1/subjects/person-1")).json() == {**report, "erased_at": erased_at}
    assert await right(database, client) == (1, 1)
    again = await erase(client, "person-1", erasure_key)
    assert (again.content, again.headers["idempotency-replayed"]) == (gone.content, "true")
    refused(await erase(client, "person-1", erasure_key, "another reason"), 422, "idempotency_key_reused")
    assert (await erase(client, "person-1")).json() == gone.json(), "it stays as it was erased first"

    replayed = await client.pay(body, key)
    assert (replayed.content, replayed.headers["idempotency-replayed"]) == (made.content, "true")
    other = {**body, "amount": "2.00"}
    refused(await client.pay(other, key), 422, "idempotency_key_reused")
    refused(await client.pay(body), 409, "subject_erased", "/personal/subject", facts={"subject": "person-1"})
    log = (await client.get("/v1/audit-log", params={"type": "subject.erased", "ledger": client.ledger})).json()["data"]
    assert [(one["resource"], one["reason"]) for one in log] == [("person-1", "asked for")]

    async def told() -> list[Any]:
        events = (await client.get("/v1/events", params={"type": "subject.erased"})).json()["data"]
        return [(one["resource"], one["data"]) for one in events]

    assert await until(told, bool) == [({"type": "subject", "id": "person-1"}, gone.json())]


async def test_one_order_is_one_fingerprint_and_no_two_payments_tell_that_they_say_the_same(client: Client) -> None:
    await client.open_account("alice")
    body, key = deposit("person-2", ADA), fresh_key()
    made, second = await client.pay(body, key), await client.pay(body)
    assert made.json()["metadata"][COMMITMENT_MEMBER] != second.json()["metadata"][COMMITMENT_MEMBER]
    turned = deposit("person-2", dict(reversed(ADA.items())))
    again = await client.pay(turned, key)
    assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
    refused(await client.pay(deposit("person-2", {**ADA, "name": "Ida"}), key), 422, "idempotency_key_reused")
    refused(await client.pay(deposit("person-3", ADA), key), 422, "idempotency_key_reused")
    plain = {name: value for name, value in body.items() if name != "personal"}
    refused(await client.pay(plain, key), 422, "idempotency_key_reused")


async def test_entries_bulk_calls_and_rehearsals_say_it_too(client: Client, database: Database) -> None:
    await client.open_account("alice")
    await client.open_account("bank", type="asset")
    posted = await client.post("/v1/journal-entries", entry("person-4", ADA), key=fresh_key())
    assert posted.status_code == 201, posted.text
    shown = await client.get(f"/v1/journal-entries/{posted.json()['id']}/personal")
    assert shown.json() == {"subject": "person-4", "members": ADA}
    items = [{**deposit(f"person-{number}", ADA), "idempotency_key": fresh_key()} for number in (4, 5, 5)]
    for mode in ("atomic", "independent"):
        answer = await client.post("/v1/payments/bulk", {"items": items}, params={"mode": mode})
        assert [one["status"] for one in answer.json()["results"]] == [201] * 3, answer.text
    assert [one.get("replayed") for one in answer.json()["results"]] == [True] * 3
    rehearsed = await client.post("/v1/payments", deposit("person-6", ADA), key=fresh_key(), params={"dry_run": "true"})
    assert rehearsed.status_code == 200, rehearsed.text
    refused(await client.get("/v1/subjects/person-6"), 404, "subject_not_found")
    await erase(client, "person-5")
    mixed = [{**deposit(f"person-{number}", ADA), "idempotency_key": fresh_key()} for number in (5, 4)]
    results = (await client.post("/v1/payments/bulk", {"items": mixed})).json()["results"]
    assert [one["status"] for one in results] == [409, 201]
    assert await right(database, client) == (5, 2)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (deposit("ada@example.com", ADA), "/personal/subject", "validation_error"),
        (deposit("", ADA), "/personal/subject", "validation_error"),
        (deposit("x", {}), "/personal/members", "validation_error"),
        ({**deposit("x", ADA), "personal": {"subject": "x"}}, "/personal/members", "validation_error"),
        (
            {**deposit("x", ADA), "personal": {"subject": "x", "members": ADA, "more": 1}},
            "/personal/more",
            "unknown_field",
        ),
        (deposit("x", ADA, metadata={SUBJECT_MEMBER: "x"}), "/metadata", "validation_error"),
        (deposit("x", ADA, metadata={COMMITMENT_MEMBER: "0" * 64}), "/metadata", "validation_error"),
    ],
)
async def test_what_is_not_said_rightly_is_refused(
    client: Client, body: dict[str, Any], pointer: str, code: str
) -> None:
    refused(await client.pay(body), 422, code, pointer)


async def test_only_who_may_reads_and_erases_and_only_his_own(
    service: Service, client: Client, stranger: Client, ledger_id: LedgerId
) -> None:
    await client.open_account("alice")
    payment = (await client.pay(deposit("person-7", ADA))).json()["id"]
    reading = await make_client(service, ledger_id, [Scope.PAYMENTS_READ, Scope.JOURNAL_READ, Scope.ADMIN])
    refused(await reading.get(f"/v1/payments/{payment}/personal"), 403, "forbidden", facts={"scope": "personal:read"})
    refused(await erase(reading, "person-7"), 403, "forbidden", facts={"scope": "personal:erase"})
    refused(await stranger.get(f"/v1/payments/{payment}/personal"), 404, "personal_members_not_found")
    refused(await erase(stranger, "person-7"), 404, "subject_not_found")
    plain = await client.deposit("alice", "1.00")
    refused(await client.get(f"/v1/payments/{plain['id']}/personal"), 404, "personal_members_not_found")
    refused(await erase(client, "ada@example.com"), 422, "invalid_parameter", "subject")
    await reading.http.aclose()


async def test_a_repetition_tells_whoever_may_write_whether_it_is_the_same_until_the_erasure(
    service: Service, client: Client, ledger_id: LedgerId
) -> None:
    """docs/ERASURE.md says so: without `personal:read` all members can be guessed at once by who knows the key."""
    await client.open_account("alice")
    key, other = fresh_key(), {**ADA, "name": "Ida"}
    assert (await client.pay(deposit("person-40", ADA), key)).status_code == 201
    writing = await make_client(service, ledger_id, [Scope.PAYMENTS_WRITE])

    async def told(members: dict[str, str]) -> list[int]:
        tries = [{}, {"dry_run": "true"}]
        body = deposit("person-40", members)
        return [(await writing.post("/v1/payments", body, key=key, params=one)).status_code for one in tries]

    assert (await told(ADA), await told(other)) == ([201, 200], [422, 422])
    await erase(client, "person-40")
    assert await told(ADA) == await told(other) == [201, 200]
    await writing.http.aclose()


async def test_who_was_sealed_before_an_erasure_and_comes_behind_it_is_refused(
    service: Service, client: Client, ledger_id: LedgerId, database: Database
) -> None:
    await client.open_account("alice")
    await client.pay(deposit("person-8", ADA))
    order = PaymentOrder(
        idempotency_key=fresh_key(),
        type=PaymentType.DEPOSIT,
        amount="1.00",
        currency="USD",
        payee="alice",
        personal=PersonalOrder(subject="person-8", members=ADA),
    )
    await service.services.subjects.seal(ledger_id, [order], may_write=True)
    await erase(client, "person-8")
    with pytest.raises(Exception, match="was erased"):
        await service.services.payments.desk.one(Caller(ledger_id, "test"), order)
    assert await right(database, client) == (1, 1)


async def test_payments_and_erasures_of_one_person_at_once(client: Client, database: Database) -> None:
    await client.open_account("alice")
    await client.pay(deposit("person-9", ADA))
    calls = [client.pay(deposit("person-9", ADA)) for _ in range(20)]
    *paid, first, second = await asyncio.gather(*calls, erase(client, "person-9"), erase(client, "person-9"))
    assert first.json() == second.json()
    assert {answer.status_code for answer in paid} <= {201, 409}
    for answer in paid:
        if answer.status_code == 409:
            refused(answer, 409, "subject_erased", "/personal/subject", facts={"subject": "person-9"})
        else:
            assert await said(client, answer.json()["id"]) == {
                "subject": "person-9",
                "erased_at": first.json()["erased_at"],
            }
    number = sum(answer.status_code == 201 for answer in paid) + 1
    assert await right(database, client) == (number, number)
    events = await until(lambda: all_events(client), lambda found: len(found) == 1)
    assert len(events) == 1, "two erasures at once are one"


async def all_events(client: Client) -> list[Any]:
    found: list[Any] = (await client.get("/v1/events", params={"type": "subject.erased"})).json()["data"]
    return found


async def test_statistics_of_the_database_keep_no_key(client: Client, superuser: Superuser) -> None:
    """They would keep it after the row is gone, until the next ANALYZE that finds other values."""
    await client.open_account("alice")
    items = [{**deposit(f"person-{number}", ADA), "idempotency_key": fresh_key()} for number in range(20, 24)]
    answer = await client.post("/v1/payments/bulk", {"items": items})
    assert [one["status"] for one in answer.json()["results"]] == [201] * 4
    await superuser.execute("analyze subjects")
    kept = await superuser.fetch("select attname from pg_stats where tablename = 'subjects'")
    names = {row["attname"] for row in kept}
    assert "reference" in names
    assert "sealed_key" not in names


async def test_a_key_that_does_not_open_holds_up_nobody_else(
    client: Client, superuser: Superuser, ledger_id: LedgerId
) -> None:
    await client.open_account("alice")
    body, key = deposit("person-30", ADA), fresh_key()
    made = await client.pay(body, key)
    assert made.status_code == 201, made.text
    await superuser.execute("update subjects set sealed_key = 'x' where ledger_id = $1", ledger_id)
    again = await client.pay(body, key)
    assert (again.content, again.headers["idempotency-replayed"]) == (made.content, "true")
    refused(await client.pay({**body, "amount": "2.00"}, key), 422, "idempotency_key_reused")
    refused(await client.pay(body), 409, "record_unreadable")
    plain = {"type": "deposit", **MONEY, "to": "alice"}
    items = [{**one, "idempotency_key": fresh_key()} for one in (body, plain, deposit("person-31", ADA))]
    results = (await client.post("/v1/payments/bulk", {"items": items}, params={"mode": "independent"})).json()
    assert [one["status"] for one in results["results"]] == [409, 201, 201], results


@pytest.mark.parametrize("seed", some(range(4), 2))
async def test_whatever_was_said_of_whom_is_nowhere_once_he_is_erased(
    client: Client, database: Database, superuser: Superuser, servers: Servers, seed: int
) -> None:
    """Payments, entries, repetitions and erasures in any order, and words that are looked for everywhere."""
    dice = random.Random(seed)
    await client.open_account("alice")
    await client.open_account("bank", type="asset")
    erased: set[str] = set()
    sent: list[tuple[str, dict[str, Any], str, httpx.Response]] = []
    words: dict[str, list[str]] = {}
    with logged() as log:
        for step in range(25):
            subject = f"s{seed}-{dice.randrange(4)}"
            verb = dice.choice(["pay", "pay", "post", "again", "erase", "refused"])
            if verb == "erase":
                answer = await erase(client, subject)
                assert answer.status_code == (200 if subject in words else 404), answer.text
                erased |= {subject} & words.keys()
            elif verb == "again" and sent:
                path, body, key, first = dice.choice(sent)
                again = await client.post(path, body, key=key)
                assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
            else:
                word = f"c4nary{seed}x{step}x"
                path, body = "/v1/payments", deposit(subject, {"name": word, word: "x"})
                if verb == "refused":
                    body |= {"type": "withdrawal", "from": "alice", "amount": "1000000.00"}
                    del body["to"]
                elif verb == "post":
                    path, body = "/v1/journal-entries", entry(subject, {"name": word})
                key = fresh_key()
                answer = await client.post(path, body, key=key)
                if subject in erased:
                    assert answer.json()["code"] == "subject_erased", answer.text
                elif verb == "refused":
                    assert answer.json()["code"] == "insufficient_funds", answer.text
                    words.setdefault(subject, []).append(word)
                else:
                    assert answer.status_code == 201, answer.text
                    words.setdefault(subject, []).append(word)
                    sent.append((path, body, key, answer))
    assert await right(database, client) == (
        len(sent),
        sum(body["personal"]["subject"] in erased for _, body, _, _ in sent),
    )
    assert await places_of(superuser, servers.redis_url, f"c4nary{seed}x") == []
    assert f"c4nary{seed}x" not in log.getvalue()
    for _, body, _, answer in sent:
        noun = "payments" if answer.json()["id"].startswith("pay_") else "journal-entries"
        shown = (await client.get(f"/v1/{noun}/{answer.json()['id']}/personal")).json()
        assert ("members" in shown) is (body["personal"]["subject"] not in erased)
        assert shown.get("members", body["personal"]["members"]) == body["personal"]["members"]
    assert len(await all_pages(client, "/v1/payments")) == sum(path == "/v1/payments" for path, *_ in sent)
