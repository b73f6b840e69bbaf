"""Mails arrive at a real server: with what the event says, once to each recipient, again where they were put off."""

from __future__ import annotations

from tests.api.conftest import Client
from tests.notifications.conftest import SENDER, MakeMailer, mails_of, notification_of, turns
from tests.notifications.mail_server import MailServer


async def test_a_payment_is_told_to_each_recipient(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    await client.open_account("alice")
    await client.deposit("alice", "1.00")
    made = await notification_of(client, recipients=["ann@example.com", "bob@example.com"])
    payment = await client.deposit("alice", "12.34")
    await turns(mailer_of(server), server, 2)
    (told,) = (await client.get("/v1/events", params={"resource": payment["id"]})).json()["data"]
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
