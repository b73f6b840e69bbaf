"""What is written from the console: through the same services, once, with a reason, by who may."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import pytest

from tests.api.conftest import Client, fresh_key
from tests.console.conftest import Person, signed_in
from tests.console.test_pages import paid
from zerosum.adapters.clock import now
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.credentials.console_sessions import DONE_SHOWN_FOR, STEPPED_UP_FOR


async def test_a_refund_is_made_once_in_the_name_of_who_has_sent_the_form(admin: Person, client: Client) -> None:
    payment, key = await paid(client), fresh_key()
    for _ in range(2):
        done = await admin.act(f"/payments/{payment}/refund", amount="2.34", reason="Cold coffee", key=key)
        assert done.status_code == 303, done.text
        assert done.headers["location"].startswith(f"/console/{admin.ledger}/payments/{payment}?done=")
    refunds = (await client.get(f"/v1/payments/{payment}/refunds")).json()["data"]
    assert [(one["amount"], one["reason"]) for one in refunds] == [("2.34", "Cold coffee")]
    entry = (await client.get(f"/v1/journal-entries/je_{refunds[0]['id'].removeprefix('ref_')}")).json()
    assert entry["actor"] == "console|admin"
    log = (await client.get("/v1/audit-log", params={"type": "console.acted", "ledger": client.ledger})).json()["data"]
    assert {(one["actor"], one["reason"], one["resource"]) for one in log} == {
        ("console|admin", "Cold coffee", f"/console/{admin.ledger}/payments/{payment}/refund")
    }
    assert "Done" in (await admin.get(done.headers["location"])).text


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"reason": ""}, "validation_error"),
        ({"reason": "x" * 501}, "validation_error"),
        ({"key": ""}, "validation_error"),
        ({"key": "with blanks"}, "idempotency_key_invalid"),
        ({"amount": "1.234"}, "amount_too_precise"),
        ({"amount": "much"}, "invalid_amount"),
        ({"amount": "1000.00"}, "amount_exceeds_payment"),
    ],
)
async def test_what_the_api_refuses_is_refused_here(
    admin: Person, client: Client, form: dict[str, str], code: str
) -> None:
    payment = await paid(client)
    refused = await admin.act(f"/payments/{payment}/refund", **{"key": fresh_key(), **form})
    assert 400 <= refused.status_code < 500
    assert code in refused.text


async def test_who_has_not_shown_lately_who_he_is_is_led_there_and_back(
    service: Service, ledger_id: LedgerId, client: Client, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    payment = await paid(client)
    person = await signed_in(service, ledger_id, Role.OPERATOR)
    session = await service.console.sessions.find(person.http.cookies["zerosum_console"])
    assert session is not None
    await superuser.execute(
        "update console_sessions set stepped_up_at = $2 where id = $1", session.id, now() - STEPPED_UP_FOR
    )
    assert "show first who you are" in await person.page(f"/payments/{payment}")
    refused = await person.act(f"/payments/{payment}/refund", key=fresh_key())
    assert (refused.status_code, refused.headers["location"]) == (303, "/console/step-up")
    assert (await client.get(f"/v1/payments/{payment}/refunds")).json()["data"] == []
    link = await service.console.sessions.make_link(session.subject, Role.OPERATOR, (ledger_id,))
    place = f"/console/{person.ledger}/payments/{payment}"
    back = await person.act("/console/step-up", link=f"http://zerosum.test/console/sign-in?link={link}", to=place)
    assert back.headers["location"] == place
    assert (await person.act(f"/payments/{payment}/refund", key=fresh_key())).status_code == 303
    assert len((await client.get(f"/v1/payments/{payment}/refunds")).json()["data"]) == 1
    await person.http.aclose()


async def test_of_an_act_that_takes_too_long_nobody_says_that_nothing_was_done(
    admin: Person, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await paid(client)
    form = {"csrf": await admin.csrf(), "reason": "a test", "key": fresh_key()}
    monkeypatch.setattr("zerosum.console.console.REQUEST_SECONDS_MAX", 0.0)
    late = await admin.post(f"/payments/{payment}/refund", form)
    assert (late.status_code, "outcome_unknown" in late.text, "nothing was done" in late.text) == (504, True, False)
    assert (await admin.get(f"/payments/{payment}")).status_code == 503


async def test_only_an_act_says_that_it_was_done(
    service: Service, admin: Person, client: Client, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that somebody has made up, kept, or got from another page or person, says nothing."""
    payment, other = await paid(client), await paid(client)
    path, says = f"/payments/{payment}", "It is written in the audit log"
    location = (await admin.act(f"{path}/refund", amount="1.00", key=fresh_key())).headers["location"]
    mark = location.partition("done=")[2]
    assert says in await admin.page(location)
    colleague = await signed_in(service, ledger_id, Role.OPERATOR)
    assert says not in await colleague.page(location)
    await colleague.http.aclose()
    assert says not in await admin.page(f"/payments/{other}?done={mark}")
    seconds, _, mac = mark.partition(".")
    made_up = (
        "1",
        "",
        ".",
        f"{int(seconds) + 1}.{mac}",
        f"{seconds}.{'0' * len(mac)}",
        f"{'9' * 400}.{mac}",
        "\u0663.x",
    )
    for text in made_up:
        answer = await admin.get(f"{path}?done={text}")
        assert (answer.status_code in (200, 400, 422), says in answer.text) == (True, False), text
    monkeypatch.setattr(service.console, "now", lambda: now() + DONE_SHOWN_FOR + timedelta(seconds=1))
    assert says not in await admin.page(location)


async def test_also_a_page_whose_address_is_encoded_says_it(admin: Person, client: Client) -> None:
    await client.open_account("till:x@y")
    done = await admin.act("/accounts/till:x@y/freeze")
    assert done.status_code == 303, done.text
    assert "It is written in the audit log" in await admin.page(done.headers["location"])
