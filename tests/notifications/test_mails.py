"""Mails arrive at a real server: with what the event says, once to each recipient, again where they were put off."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.api.conftest import Client
from tests.conftest import TestDatabase
from tests.notifications.conftest import SENDER, MakeMailer, mails_of, notification_of, turns
from tests.notifications.mail_server import OK, MailServer, Taken
from tests.webhooks.conftest import Clock, until
from zerosum.db.queries.notifications import notifications_behind
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.domain.notifications import RETRIES
from zerosum.main import Service
from zerosum.services.background.mail_purge import MailPurge
from zerosum.services.notifications.mailer import CLAIM_TIME


async def events_of(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/v1/events", params={"type": "payment.*"})).json()["data"]
    return found


async def test_a_payment_is_told_to_each_recipient(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "1.00")
    await until(lambda: events_of(client), bool)
    made = await notification_of(client, recipients=["ann@example.com", "bob@example.com"])
    payment = await client.deposit("alice", "12.34")
    await turns(mailer_of(server), server, 2)
    told = (await events_of(client))[-1]
    assert told["resource"]["id"] == payment["id"]
    assert sorted(one.recipient for one in server.taken) == ["ann@example.com", "bob@example.com"]
    assert server.connections == 1
    for one in server.taken:
        assert one.sender == SENDER
        message = one.message
        assert message["To"] == one.recipient
        assert message["Subject"] == "12.34 USD"
        assert message["From"] == f"Zerosum <{SENDER}>"
        assert message["Message-ID"] == f"<{told['id']}.{made['id']}@example.com>"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.get_content_type() == "text/plain"
        assert one.text.startswith(f"At {told['created_at']} {payment['id']} paid 12.34 USD.\r\n")
        assert f"Money came ({made['id']})" in one.text
    mails = await mails_of(client, made, status="sent")
    assert {mail["recipient"] for mail in mails} == {"ann@example.com", "bob@example.com"}
    for mail in mails:
        assert (mail["kind"], mail["event_id"], mail["event_type"]) == ("event", told["id"], "payment.succeeded")
        assert (mail["attempts"], mail["answer_code"], mail["next_attempt_at"]) == (1, 250, None)


async def test_what_others_write_makes_no_header_line_or_recipient(
    client: Client, server: MailServer, mailer_of: MakeMailer
) -> None:
    await client.open_account("alice")
    await notification_of(
        client, subject="{data.metadata.order}", text="{data.metadata.order}\n{data.metadata.nothing}"
    )
    order = "A-1\r\nBcc: eve@example.com\r\n\r\nPay here\u202e\u2028now <b>ä</b>"
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "alice", "metadata": {"order": order}}
    assert (await client.pay(body)).status_code == 201
    await turns(mailer_of(server), server, 1)
    (taken,) = server.taken
    one_line = "A-1  Bcc: eve@example.com    Pay here  now <b>ä</b>"
    assert taken.message["Subject"] == one_line
    assert taken.message["Bcc"] is None
    assert taken.text.splitlines()[:2] == [one_line, "-"]
    assert [one.recipient for one in server.taken] == ["ann@example.com"]


@pytest.mark.parametrize("word", ["=?utf-8?q?A=0D=0ABcc:_eve@example.com?=", "=?utf-8?b?QQpCY2M6IGVAeC5jb20=?="])
async def test_an_encoded_word_that_others_write_is_text(
    client: Client, server: MailServer, mailer_of: MakeMailer, word: str
) -> None:
    """The library would decode it, line breaks and all, and write them as they are."""
    await client.open_account("alice")
    await notification_of(client, subject="{data.metadata.order}")
    body = {"type": "deposit", "amount": "1", "currency": "USD", "to": "alice", "metadata": {"order": word}}
    assert (await client.pay(body)).status_code == 201
    await turns(mailer_of(server), server, 1)
    (taken,) = server.taken
    assert b"\nBcc" not in taken.content
    assert taken.message["Subject"] == word.replace("=?", "= ?")
    assert taken.text.startswith("At ")


async def test_only_what_moves_its_account_is_told(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    for code in ("alice", "bob"):
        await client.open_account(code)
    made = await notification_of(client, account="alice")
    assert made["account_id"].startswith("acc_")
    await client.deposit("bob", "1.00")
    await client.deposit("alice", "2.00")
    await turns(mailer_of(server), server, 1)
    assert [one.message["Subject"] for one in server.taken] == ["2.00 USD"]


@pytest.mark.parametrize("at_the_end", [True, False])
async def test_what_is_put_off_is_tried_again_and_then_given_up(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock, at_the_end: bool
) -> None:
    async def busy(_: Taken) -> str:
        return "451 Greylisted"

    await client.open_account("alice")
    made = await notification_of(client)
    await client.deposit("alice", "1.00")
    if at_the_end:
        server.answers = busy
    else:
        server.to_recipient = "451 Greylisted"
    mailer = mailer_of(server, clock)

    async def tried() -> int:
        await mailer.run_once()
        return sum(mail["attempts"] for mail in await mails_of(client, made))

    assert await until(tried, bool) == 1
    (mail,) = await mails_of(client, made)
    assert (mail["status"], mail["answer_code"], mail["answer"]) == ("pending", 451, "Greylisted")
    assert await tried() == 1
    for number, delay in enumerate(RETRIES, 2):
        clock.forward(delay * 1.3)
        assert await tried() == number
    (mail,) = await mails_of(client, made, status="failed")
    assert mail["next_attempt_at"] is None
    clock.forward(timedelta(days=2))
    assert await tried() == 1 + len(RETRIES)
    assert len(set(server.ids)) == at_the_end


async def test_what_is_refused_is_not_tried_again(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    await client.open_account("alice")
    made = await notification_of(client)
    await client.deposit("alice", "1.00")
    server.to_recipient = "550 No such person here"
    mailer = mailer_of(server)

    async def failed() -> int:
        await mailer.run_once()
        return len(await mails_of(client, made, status="failed"))

    assert await until(failed, bool) == 1
    (mail,) = await mails_of(client, made)
    assert (mail["attempts"], mail["answer_code"], mail["answer"]) == (1, 550, "No such person here")
    assert mailer.stats.failed == 1


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_server_that_is_away_or_refuses_us_costs_no_attempt(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock, is_there: bool
) -> None:
    """By what it says to our sender, or since there is none."""
    await client.open_account("alice")
    made = await notification_of(client)
    await client.deposit("alice", "1.00")
    port, server.to_sender = server.port, "451 Too many mails"
    if not is_there:
        server.port = 1
    mailer = mailer_of(server, clock)
    server.port = port

    async def waiting() -> int:
        await mailer.run_once()
        return len([mail for mail in await mails_of(client, made) if mail["next_attempt_at"] > mail["created_at"]])

    assert await until(waiting, bool) == 1
    (mail,) = await mails_of(client, made)
    assert (mail["status"], mail["attempts"], mail["answer_code"]) == ("pending", 0, None)
    connections = server.connections
    await mailer.run_once()
    assert server.connections == connections, "It is left alone for a while."
    server.to_sender = OK
    clock.forward(timedelta(minutes=6))
    await turns(mailer if is_there else mailer_of(server, clock), server, 1)
    (mail,) = await mails_of(client, made)
    assert (mail["status"], mail["attempts"]) == ("sent", 1)


async def test_who_dies_between_sending_and_writing_sends_twice_under_one_id(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock
) -> None:
    """The server has the mail and does not answer; whoever sent it is gone. Others go on once the claim has lapsed."""
    has_come = asyncio.Event()

    async def silent(_: Taken) -> str:
        has_come.set()
        await asyncio.sleep(60)
        return OK

    await client.open_account("alice")
    made = await notification_of(client)
    await client.deposit("alice", "1.00")
    server.answers = silent
    first = mailer_of(server)

    async def again_and_again() -> None:
        while True:
            await first.run_once()

    task = asyncio.create_task(again_and_again())
    await asyncio.wait_for(has_come.wait(), 20)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    server.answers = MailServer().answers
    second = mailer_of(server, clock)
    await second.run_once()
    assert len(server.taken) == 1, "It is claimed still."
    clock.forward(CLAIM_TIME)
    await second.run_once()
    await second.run_once()
    assert len(server.taken) == 2
    assert server.taken[0].content == server.taken[1].content
    (mail,) = await mails_of(client, made)
    assert (mail["status"], mail["attempts"]) == ("sent", 2)


async def test_two_mailers_send_each_mail_once(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    await client.open_account("alice")
    await notification_of(client)
    for _ in range(25):
        await client.deposit("alice", "1.00")
    mailers = [mailer_of(server), mailer_of(server)]

    async def turn() -> int:
        await asyncio.gather(*(mailer.run_once() for mailer in mailers))
        return len(server.taken)

    await until(turn, lambda number: number >= 25)
    assert await turn() == 25
    assert len(set(server.ids)) == 25


async def test_what_is_beyond_the_limit_is_told_in_one_digest(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock
) -> None:
    await client.open_account("alice")
    made = await notification_of(client, mails_per_hour=2)
    for _ in range(5):
        await client.deposit("alice", "1.00")
    mailer = mailer_of(server, clock)

    async def held() -> int:
        await mailer.run_once()
        number: int = (await client.get(f"/v1/notifications/{made['id']}")).json()["held_back"]
        return number

    assert await until(held, lambda number: number == 3) == 3
    assert len(server.taken) == 2
    clock.forward(timedelta(hours=1, minutes=1))
    assert await held() == 0
    digest = server.taken[2]
    assert digest.message["Subject"] == "Money came: 3 more"
    assert "3  payment.succeeded" in digest.text
    (mail, *_) = await mails_of(client, made)
    assert (mail["kind"], mail["event_id"], mail["status"]) == ("digest", None, "sent")
    await client.deposit("alice", "7.00")
    await turns(mailer, server, 4)
    assert server.taken[3].message["Subject"] == "7.00 USD"


async def test_a_ledger_has_a_limit_of_its_own(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    await client.open_account("alice")
    two = ["ann@example.com", "bob@example.com"]
    made = [await notification_of(client, name=name, recipients=two) for name in ("One", "Two")]
    for _ in range(3):
        await client.deposit("alice", "1.00")
    mailer = mailer_of(server, per_ledger_and_hour=7)

    async def held() -> int:
        await mailer.run_once()
        answers = [(await client.get(f"/v1/notifications/{one['id']}")).json() for one in made]
        return sum(answer["held_back"] for answer in answers)

    assert await until(held, lambda number: number == 3) == 3
    assert len(server.taken) == 6


async def test_a_digest_counts_against_the_limit_and_goes_before_other_mails(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock
) -> None:
    await client.open_account("alice")
    held = await notification_of(client, name="Held", mails_per_hour=1)
    mailer = mailer_of(server, clock, per_ledger_and_hour=2)
    for _ in range(3):
        await client.deposit("alice", "1.00")

    async def held_back() -> int:
        await mailer.run_once()
        number: int = (await client.get(f"/v1/notifications/{held['id']}")).json()["held_back"]
        return number

    assert await until(held_back, lambda number: number == 2) == 2
    other = await notification_of(client, name="Other")
    clock.forward(timedelta(minutes=50))
    for _ in range(4):
        await client.deposit("alice", "1.00")
    await turns(mailer, server, 2)
    clock.forward(timedelta(minutes=9))
    await held_back()
    assert len(server.taken) == 2, "the limit is used up"
    clock.forward(timedelta(minutes=2))
    assert await until(held_back, lambda number: number == 0) == 0
    assert len(server.taken) == 3
    assert (await client.get(f"/v1/notifications/{other['id']}")).json()["held_back"] == 3


async def test_those_that_hold_back_without_room_keep_no_other_from_its_mails(
    client: Client, server: MailServer, mailer_of: MakeMailer, clock: Clock, mailing_service: Service
) -> None:
    """Where there are more of them than are looked at in one turn."""
    await client.open_account("alice")
    held = await notification_of(client, name="Held", mails_per_hour=1)
    mailer = mailer_of(server, clock)
    for _ in range(2):
        await client.deposit("alice", "1.00")

    async def held_back() -> int:
        await mailer.run_once()
        number: int = (await client.get(f"/v1/notifications/{held['id']}")).json()["held_back"]
        return number

    assert await until(held_back, lambda number: number == 1) == 1
    other = await notification_of(client, name="Other")
    await client.deposit("alice", "1.00")
    ledger_id = parse_id(Prefix.LEDGER, client.ledger)

    async def behind() -> list[str]:
        async with mailing_service.database.work(ledger_id) as connection:
            found = await notifications_behind(connection, [ledger_id], clock() + timedelta(hours=2), 1)
        return [render_id(Prefix.NOTIFICATION, id_) for _, id_ in found]

    expected = [held["id"], other["id"]]
    assert await until(behind, lambda found: found == expected) == expected


async def test_a_domain_that_is_closed_later_gets_no_more(
    client: Client, server: MailServer, mailer_of: MakeMailer
) -> None:
    await client.open_account("alice")
    made = await notification_of(client)
    await client.deposit("alice", "1.00")
    mailer = mailer_of(server, recipient_domains=frozenset({"example.org"}))

    async def failed() -> int:
        await mailer.run_once()
        return len(await mails_of(client, made, status="failed"))

    assert await until(failed, bool) == 1
    assert server.taken == []


async def test_old_mails_go_and_all_of_what_is_deleted(
    client: Client, server: MailServer, mailer_of: MakeMailer, test_database: TestDatabase, clock: Clock
) -> None:
    await client.open_account("alice")
    kept, deleted = await notification_of(client), await notification_of(client)
    await client.deposit("alice", "1.00")
    await turns(mailer_of(server), server, 2)
    await client.http.delete(f"/v1/notifications/{deleted['id']}")
    purge = MailPurge(mailer_of(server)._database, clock, kept_days=30)
    await purge.run_once()
    assert len(await mails_of(client, kept)) == 1
    connection = await asyncpg.connect(test_database.superuser_dsn)
    names = "select (select count(*) from notifications where id = $1), "
    names += "(select count(*) from notification_mails where notification_id = $1)"
    (row,) = await connection.fetch(names, deleted["id"].removeprefix("ntf_"))
    assert tuple(row) == (1, 1), "who deletes it has mailed it all the same, within the hour"
    clock.forward(timedelta(hours=1, minutes=1))
    await purge.run_once()
    (row,) = await connection.fetch(names, deleted["id"].removeprefix("ntf_"))
    assert tuple(row) == (0, 0)
    await connection.close()
    assert len(await mails_of(client, kept)) == 1
    clock.forward(timedelta(days=31))
    await purge.run_once()
    assert await mails_of(client, kept) == []


async def test_one_whose_mails_cannot_be_taken_away_keeps_no_others(
    client: Client, server: MailServer, mailer_of: MakeMailer, test_database: TestDatabase, clock: Clock
) -> None:
    await client.open_account("alice")
    made = sorted([await notification_of(client) for _ in range(2)], key=lambda one: str(one["id"]))
    await client.deposit("alice", "1.00")
    await turns(mailer_of(server), server, 2)
    clock.forward(timedelta(days=31))
    connection = await asyncpg.connect(test_database.superuser_dsn)
    await connection.execute(
        "create function refuses() returns trigger language plpgsql as $$ begin raise 'a fault'; end $$;"
        "create trigger refuses before delete on notification_mails for each row "
        f"when (old.notification_id = '{str(made[0]['id']).removeprefix('ntf_')}') execute function refuses()"
    )
    try:
        assert await MailPurge(mailer_of(server)._database, clock, kept_days=30).run_once() >= 1
    finally:
        await connection.execute("drop function refuses cascade")
        await connection.close()
    assert [len(await mails_of(client, one)) for one in made] == [1, 0]


async def test_one_that_cannot_be_read_keeps_no_other_from_being_mailed(
    client: Client, server: MailServer, mailer_of: MakeMailer, test_database: TestDatabase
) -> None:
    await client.open_account("alice")
    broken = await notification_of(client)
    await notification_of(client, recipients=["bob@example.com"])
    connection = await asyncpg.connect(test_database.superuser_dsn)
    unknown = "update notifications set event_types = '{of.nobody}' where id = $1"
    await connection.execute(unknown, broken["id"].removeprefix("ntf_"))
    await connection.close()
    await client.deposit("alice", "1.00")
    await turns(mailer_of(server), server, 1)
    assert [one.recipient for one in server.taken] == ["bob@example.com"]
