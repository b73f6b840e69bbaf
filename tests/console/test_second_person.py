"""Acts above a threshold: they wait, another person confirms them, and they are done once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, browser, shown, signed_in
from tests.console.test_pages import paid
from zerosum.adapters.clock import now
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import Unavailable, ValidationFailed
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.proposals import WAITS_FOR, ProposalStatus, Thresholds
from zerosum.main import Service
from zerosum.services.requests.caller import Caller

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def thresholds(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds.parse("USD 10, * 0"))


@pytest.fixture
async def approver(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id, Role.APPROVER)
    yield person
    await person.http.aclose()


@pytest.fixture
async def operator(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id, Role.OPERATOR)
    yield person
    await person.http.aclose()


async def named(service: Service, ledger: LedgerId, name: str, role: Role = Role.ADMIN) -> Person:
    person = await browser(service, ledger)
    link = await service.console.sessions.make_link(name, role, (ledger,))
    assert (await person.post("/console/sign-in/link", {"link": link})).status_code == 303
    return person


def proposal_at(answer: httpx.Response) -> str:
    """To which an act has led."""
    assert answer.status_code == 303, answer.text
    found = re.search(r"/proposals/(prp_[0-9a-f-]{36})$", answer.headers["location"])
    assert found is not None, answer.headers["location"]
    return found[1]


async def propose(person: Person, payment: str, **form: str) -> str:
    return proposal_at(await person.act(f"/payments/{payment}/refund", **{"key": fresh_key(), **form}))


async def refunds(client: Client, payment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"/v1/payments/{payment}/refunds")).json()["data"]
    return found


async def told(client: Client, proposal: str) -> list[tuple[str, str | None, str | None]]:
    """What the audit log has of it besides who has looked at it, the oldest first."""
    log = (await client.get("/v1/audit-log", params={"ledger": client.ledger, "limit": "200"})).json()["data"]
    of_it = [
        (one["type"], one["actor"], one["reason"])
        for one in log
        if one["resource"] == proposal and one["type"] != "console.viewed"
    ]
    return of_it[::-1]


def status_in(page: str) -> str:
    found = re.search(r'class="badge is-([a-z-]+)"', page)
    assert found is not None
    return found[1]


async def test_a_refund_above_the_threshold_waits_for_another_person(
    operator: Person, approver: Person, client: Client
) -> None:
    payment = await paid(client)
    assert "Above 10 USD or 0 of any other currency another person" in await operator.page(f"/payments/{payment}")
    proposal = await propose(operator, payment, amount="12.00", reason=MARKUP)
    assert "Done" not in await operator.page(f"/proposals/{proposal}")
    assert await refunds(client, payment) == []
    page = await approver.page(f"/proposals/{proposal}")
    for text in ("Refund a payment", "12.00", "console|operator", shown(MARKUP), payment, "waits for another person"):
        assert text in page
    assert MARKUP not in page
    listed = await approver.page("/proposals")
    assert proposal in listed
    assert "0 of any other currency" in listed
    assert f"/console/{approver.ledger}/proposals?status=waiting" in await approver.page("")
    done = await approver.act(f"/proposals/{proposal}/confirm", reason="Seen the parcel")
    page, _, mark = done.headers["location"].partition("?done=")
    assert (done.status_code, page) == (303, f"/console/{approver.ledger}/payments/{payment}")
    assert "It is written in the audit log" in await approver.page(f"/payments/{payment}?done={mark}")
    (refund,) = await refunds(client, payment)
    assert (refund["amount"], refund["reason"]) == ("12.00", MARKUP)
    entry = (await client.get(f"/v1/journal-entries/je_{refund['id'].removeprefix('ref_')}")).json()
    assert entry["actor"] == "console|operator"
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "carried-out"
    assert proposal not in await approver.page("/proposals")
    assert await told(client, proposal) == [
        ("console.proposed", "console|operator", MARKUP),
        ("console.confirmed", "console|approver", "Seen the parcel"),
        ("console.carried_out", "console|approver", "Carried out."),
    ]


async def test_at_the_threshold_and_without_one_nobody_waits(
    service: Service, operator: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await paid(client)
    done = await operator.act(f"/payments/{payment}/refund", key=fresh_key(), amount="10.00")
    assert f"/payments/{payment}?done=" in done.headers["location"]
    monkeypatch.setattr(service.console.proposals, "thresholds", Thresholds())
    other = await paid(client)
    await operator.act(f"/payments/{other}/refund", key=fresh_key())
    assert [len(await refunds(client, one)) for one in (payment, other)] == [1, 1]
    assert "No threshold is set here" in await operator.page("/proposals")


async def test_a_form_that_is_sent_twice_is_proposed_once_and_done_once(
    operator: Person, approver: Person, client: Client
) -> None:
    payment, key = await paid(client), fresh_key()
    found = {await propose(operator, payment, key=key) for _ in range(2)}
    (proposal,) = found
    assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 303
    assert await propose(operator, payment, key=key) == proposal
    assert [one["amount"] for one in await refunds(client, payment)] == ["12.34"]
    other = await operator.act(f"/payments/{payment}/refund", key=key, amount="11.00")
    assert (other.status_code, "invalid_state" in other.text) == (409, True)


async def test_one_of_an_address_waits_at_a_time(operator: Person, admin: Person, client: Client) -> None:
    payment = await paid(client)
    proposal = await propose(operator, payment)
    again = await admin.act(f"/payments/{payment}/refund", key=fresh_key())
    assert (again.status_code, proposal in again.text) == (409, True)


async def test_the_same_person_is_no_second_one_in_another_session_or_by_a_key(
    service: Service, ledger_id: LedgerId, admin: Person, client: Client
) -> None:
    payment = await paid(client)
    proposal = await propose(admin, payment)
    again = await signed_in(service, ledger_id)
    assert "another person has to confirm it" in await again.page(f"/proposals/{proposal}")
    for word in ("confirm", "decline"):
        refused = await again.act(f"/proposals/{proposal}/{word}")
        assert (refused.status_code, "four_eyes_required" in refused.text) == (409, True)
    made = await admin.act("/api-keys", name="till", **{"scope.payments:write": "true"})
    assert made.status_code == 200, made.text
    keys = await service.services.api_keys.list(ledger_id, after=None, limit=1)
    by_key = await named(service, ledger_id, f"key_{keys[0].id}")
    refused = await by_key.act(f"/proposals/{proposal}/confirm")
    assert (refused.status_code, "four_eyes_required" in refused.text) == (409, True)
    assert await refunds(client, payment) == []
    log = (await client.get("/v1/audit-log", params={"ledger": client.ledger, "type": "console.acted"})).json()["data"]
    tried = [one for one in log if one["facts"]["action"] == "confirm a proposal"]
    assert len(tried) == 2
    for person in (again, by_key):
        await person.http.aclose()


async def test_declining_and_withdrawing_end_it_and_nothing_is_done(
    operator: Person, approver: Person, admin: Person, client: Client
) -> None:
    payment = await paid(client)
    first = await propose(operator, payment)
    assert (await admin.act(f"/proposals/{first}/withdraw")).status_code == 403
    assert (await operator.act(f"/proposals/{first}/withdraw", reason="Wrong one")).status_code == 303
    second = await propose(operator, payment)
    assert (await approver.act(f"/proposals/{second}/decline", reason="No parcel")).status_code == 303
    for proposal in (first, second):
        late = await approver.act(f"/proposals/{proposal}/confirm")
        assert (late.status_code, "invalid_state" in late.text) == (409, True)
    assert await refunds(client, payment) == []
    assert (await told(client, first))[1:] == [("console.withdrawn", "console|operator", "Wrong one")]
    assert (await told(client, second))[1:] == [("console.declined", "console|approver", "No parcel")]
    page = await approver.page("/proposals?status=all")
    assert first in page
    assert second in page


async def test_what_would_move_another_amount_by_then_lapses(
    operator: Person, approver: Person, client: Client
) -> None:
    payment = await paid(client)
    proposal = await propose(operator, payment)
    answer = await client.post(f"/v1/payments/{payment}/refund", {"amount": "1.00"}, key=fresh_key())
    assert answer.status_code == 201
    late = await approver.act(f"/proposals/{proposal}/confirm")
    assert late.status_code == 409
    assert "12.34 USD" in late.text
    assert "11.34 USD" in late.text
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "lapsed"
    assert [one["amount"] for one in await refunds(client, payment)] == ["1.00"]
    assert [(type_, actor) for type_, actor, _ in await told(client, proposal)][1:] == [("console.lapsed", None)]
    await propose(operator, payment)


async def test_what_nobody_confirms_lapses(
    operator: Person, approver: Person, client: Client, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    payments = [await paid(client) for _ in range(3)]
    proposals = [await propose(operator, payment) for payment in payments]
    for proposal in proposals:
        await superuser.execute("alter table console_proposals disable trigger user")
        await superuser.execute(
            "update console_proposals set proposed_at = $2, expires_at = $3 where id = $1",
            proposal.removeprefix("prp_"),
            now() - WAITS_FOR * 2,
            now(),
        )
        await superuser.execute("alter table console_proposals enable trigger user")
    late = await approver.act(f"/proposals/{proposals[0]}/confirm")
    assert (late.status_code, "within 3 days" in late.text) == (409, True)
    again = await propose(operator, payments[1])
    listed = await approver.page("/proposals")
    assert again in listed
    assert proposals[2] not in listed
    for payment, proposal in zip(payments, proposals, strict=True):
        assert [type_ for type_, _, _ in await told(client, proposal)] == ["console.proposed", "console.lapsed"]
        assert await refunds(client, payment) == []


async def test_what_the_books_refuse_of_it_is_told_and_ends_it(
    operator: Person, approver: Person, client: Client
) -> None:
    payment = await paid(client)
    proposal = await propose(operator, payment, amount="12.00")
    assert (await client.post(f"/v1/payments/{payment}/refund", {"amount": "1.00"}, key=fresh_key())).is_success
    refused = await approver.act(f"/proposals/{proposal}/confirm")
    assert (refused.status_code, "amount_exceeds_payment" in refused.text) == (422, True)
    page = await approver.page(f"/proposals/{proposal}")
    assert (status_in(page), "amount_exceeds_payment" in page) == ("refused", True)
    assert [type_ for type_, _, _ in await told(client, proposal)][1:] == ["console.confirmed", "console.refused"]


async def test_two_who_confirm_at_once_do_it_once(
    service: Service, ledger_id: LedgerId, operator: Person, approver: Person, admin: Person, client: Client
) -> None:
    payment = await paid(client)
    proposal = await propose(operator, payment, amount="10.01")
    answers = await asyncio.gather(
        *(person.act(f"/proposals/{proposal}/confirm") for person in (approver, admin, approver, admin))
    )
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert 303 in {answer.status_code for answer in answers}
    assert [one["amount"] for one in await refunds(client, payment)] == ["10.01"]
    assert [type_ for type_, _, _ in await told(client, proposal)] == [
        "console.proposed",
        "console.confirmed",
        "console.carried_out",
    ]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("is_done", [False, True])
async def test_who_dies_behind_the_confirmation_does_it_once_when_it_goes_on(
    service: Service,
    operator: Person,
    approver: Person,
    admin: Person,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    is_done: bool,
) -> None:
    """Before the books are asked, and behind their answer before it is written down."""
    payment = await paid(client)
    proposal = await propose(operator, payment)

    async def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        if is_done:
            dying.setattr(service.console.proposals, "end", die)
        else:
            dying.setattr(service.services.refunds.desk, "one", die)
        with pytest.raises(Killed):
            await approver.act(f"/proposals/{proposal}/confirm")
    assert len(await refunds(client, payment)) == is_done
    assert status_in(await admin.page(f"/proposals/{proposal}")) == "confirmed"
    assert f"/console/{admin.ledger}/proposals?status=confirmed" in await admin.page("")
    # Neither taken back nor doubled meanwhile, nor gone on with by whoever has proposed it.
    for person, path in (
        (operator, f"/proposals/{proposal}/withdraw"),
        (admin, f"/proposals/{proposal}/decline"),
        (operator, f"/payments/{payment}/refund"),
    ):
        refused = await person.act(path, key=fresh_key(), amount="12.34")
        assert refused.status_code == 409, path
    assert (await operator.act(f"/proposals/{proposal}/confirm")).status_code == 403
    done = await admin.act(f"/proposals/{proposal}/confirm")
    assert done.status_code == 303, done.text
    assert [one["amount"] for one in await refunds(client, payment)] == ["12.34"]
    assert status_in(await admin.page(f"/proposals/{proposal}")) == "carried-out"


async def test_what_cannot_be_told_yet_stays_confirmed(
    service: Service, operator: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await paid(client)
    proposal = await propose(operator, payment)

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as broken:
        broken.setattr(service.services.refunds.desk, "one", away)
        assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 503
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "confirmed"
    assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 303
    assert len(await refunds(client, payment)) == 1


async def test_of_the_rest_what_was_shown_is_paid_and_what_it_may_grow_to_counts(
    service: Service, operator: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5.00 of 12.34 are disputed: 7.34 are left, below the threshold of 10. Once the dispute is won more would be."""
    payment = await paid(client)
    body = {"amount": "5.00", "reason": "Not received"}
    dispute = (await client.post(f"/v1/payments/{payment}/dispute", body, key=fresh_key())).json()["id"]
    proposal = await propose(operator, payment)
    assert "7.34 <" in await approver.page(f"/proposals/{proposal}")

    async def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(service.services.refunds.desk, "one", die)
        with pytest.raises(Killed):
            await approver.act(f"/proposals/{proposal}/confirm")
    assert (await client.post(f"/v1/disputes/{dispute}/resolve", {}, key=fresh_key())).is_success
    assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 303
    assert [one["amount"] for one in await refunds(client, payment)] == ["7.34"]


async def test_of_two_who_carry_it_out_at_once_done_is_done(
    service: Service, operator: Person, approver: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was refused by what changes with time, and has said so before the other had his answer."""
    payment = await paid(client)
    proposal = await propose(operator, payment)
    at_work, may_go_on, ended = asyncio.Event(), asyncio.Event(), service.console.proposals.end

    async def late(caller: Caller, id_: UUID, status: ProposalStatus, outcome: str) -> None:
        at_work.set()
        await may_go_on.wait()
        await ended(caller, id_, status, outcome)

    async def refuse(*_: object, **__: object) -> None:
        raise ValidationFailed("Not now.")

    with monkeypatch.context() as first:
        first.setattr(service.console.proposals, "end", late)
        done = asyncio.create_task(approver.act(f"/proposals/{proposal}/confirm"))
        await at_work.wait()
    with monkeypatch.context() as second:
        second.setattr(service.services.refunds.desk, "one", refuse)
        assert (await approver.act(f"/proposals/{proposal}/confirm")).status_code == 422
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "refused"
    may_go_on.set()
    assert (await done).status_code == 303
    assert status_in(await approver.page(f"/proposals/{proposal}")) == "carried-out"
    assert len(await refunds(client, payment)) == 1


async def test_what_is_too_long_or_names_nothing_is_refused_as_ever(
    service: Service, operator: Person, approver: Person, client: Client
) -> None:
    payment = await paid(client)
    long = await operator.act(f"/payments/{payment}/refund", key=fresh_key(), amount="12.00", more="x" * 5_000)
    assert (long.status_code, "validation_error" in long.text) == (422, True)
    other = LedgerId((await service.services.ledgers.create("another")).id)
    proposal = await propose(operator, payment)
    for path, status in (
        (f"/proposals/{proposal.replace('prp_', 'rev_')}", (400, 422)),
        ("/proposals/prp_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90", (404,)),
        ("/proposals?status=lost", (400, 422)),
        ("/proposals?cursor=x", (400, 422)),
    ):
        assert (await approver.get(path)).status_code in status, path
    stranger = await signed_in(service, other)
    assert (await stranger.get(f"/proposals/{proposal}")).status_code == 404
    assert (await stranger.act(f"/proposals/{proposal}/confirm")).status_code == 404
    await stranger.http.aclose()


async def test_the_database_refuses_one_person_alone_and_another_proposal_in_its_place(
    service: Service, ledger_id: LedgerId, operator: Person, approver: Person, client: Client
) -> None:
    payment = await paid(client)
    proposal = (await propose(operator, payment)).removeprefix("prp_")
    set_ = "update console_proposals set "
    decided = f"decided_by = 'console|operator', decided_at = now(), decision_reason = 'x' where id = '{proposal}'"
    for statement in (
        f"{set_} status = 'confirmed', {decided}",
        f"{set_} form = '{{}}' where id = '{proposal}'",
        f"{set_} moves = null where id = '{proposal}'",
        f"delete from console_proposals where id = '{proposal}'",
    ):
        with pytest.raises(Exception, match=r"four_eyes|permission denied|insufficient"):
            async with service.database.work(ledger_id) as connection:
                await connection.exec_driver_sql(statement)
    assert (await approver.act(f"/proposals/prp_{proposal}/confirm")).status_code == 303
    with pytest.raises(Exception, match="only ever added to"):
        async with service.database.work(ledger_id) as connection:
            await connection.exec_driver_sql(f"{set_} outcome = 'Other' where id = '{proposal}'")
