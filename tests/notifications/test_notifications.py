"""Notifications over HTTP: made, read, changed, tested and deleted; and what is refused when it is saved."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Client, make_client, service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.notifications.conftest import MakeMailer, mails_of, notification_of, turns
from tests.notifications.mail_server import MailServer
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

PATH = "/v1/notifications"
GOOD: dict[str, Any] = {
    "name": "Debts",
    "event_types": ["account.fell_into_debt"],
    "recipients": ["ann@example.com"],
    "subject": "{data.debt}",
    "text": "{created_at}\nto {{all}}",
}


async def test_it_is_made_read_changed_and_deleted(client: Client) -> None:
    await client.open_account("alice")
    made = await notification_of(client, **GOOD)
    assert {name: made[name] for name in GOOD} == GOOD
    assert (made["status"], made["mails_per_hour"], made["held_back"], made["account_id"]) == ("enabled", 30, 0, None)
    path = f"{PATH}/{made['id']}"
    assert (await client.get(path)).json() == made
    assert (await client.get(PATH)).json()["data"] == [made]
    changes = {"enabled": False, "account": "alice", "recipients": ["bob@example.com"], "text": "{type}", "name": None}
    changed = (await client.http.patch(path, json=changes)).json()
    assert changed["account_id"].startswith("acc_")
    assert changed == made | {
        "status": "disabled",
        "account_id": changed["account_id"],
        "recipients": ["bob@example.com"],
        "text": "{type}",
    }
    refused(await client.post(f"{path}/test"), 409, "invalid_state")
    assert (await client.http.patch(path, json={"account": None})).json()["account_id"] is None
    assert (await client.http.delete(path)).json() == {"id": made["id"], "deleted": True}
    assert (await client.get(PATH)).json()["data"] == []
    for answer in (await client.get(path), await client.http.delete(path), await client.get(f"{path}/mails")):
        refused(answer, 404, "notification_not_found")
    log = (await client.get("/v1/audit-log")).json()["data"]
    told = [record["type"] for record in reversed(log) if record["resource"] == made["id"]]
    assert told == ["notification.created", "notification.changed", "notification.changed", "notification.deleted"]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"recipients": []}, "validation_error", "/recipients"),
    ({"recipients": ["ann@example.com\r\nBcc: eve@example.com"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["ann@example.com\n"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["Ann <ann@example.com>"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["ann@example.com,eve@example.com"]}, "validation_error", "/recipients/0"),
    ({"recipients": ['"a b"@example.com']}, "validation_error", "/recipients/0"),
    ({"recipients": ["ann@localhost"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["=?utf-8?q?ann?=@example.com"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["ann@[127.0.0.1]"]}, "validation_error", "/recipients/0"),
    ({"recipients": ["ann@example.com", "ANN@example.com"]}, "validation_error", "/recipients"),
    ({"recipients": [f"a{number}@example.com" for number in range(11)]}, "validation_error", "/recipients"),
    ({"recipients": ["ann@example.com", "eve@example.org"]}, "recipient_not_allowed", "/recipients/1"),
    ({"recipients": ["eve@sub.example.com"]}, "recipient_not_allowed", "/recipients/0"),
    ({"subject": "a\r\nBcc: eve@example.com"}, "validation_error", "/subject"),
    ({"subject": " "}, "validation_error", "/subject"),
    ({"subject": "a" * 201}, "validation_error", "/subject"),
    ({"subject": "{data.amount"}, "validation_error", "/subject"),
    ({"text": "{data.amount!r}"}, "validation_error", "/text"),
    ({"text": "{data.__class__()}"}, "validation_error", "/text"),
    ({"text": "{self.id}"}, "validation_error", "/text"),
    ({"text": "{}"}, "validation_error", "/text"),
    ({"text": "{{data.amount}"}, "validation_error", "/text"),
    ({"text": "{id.x}"}, "validation_error", "/text"),
    ({"text": "{resource}"}, "validation_error", "/text"),
    ({"text": "{data.amount}"}, "unknown_place", "/text"),
    ({"subject": "{data.name}"}, "unknown_place", "/subject"),
    ({"event_types": ["payment.*"]}, "unknown_place", "/subject"),
    ({"text": "a}"}, "validation_error", "/text"),
    ({"text": "{id}" * 51}, "validation_error", "/text"),
    ({"text": "a\x1b[31m"}, "invalid_string", "/text"),
    ({"event_types": []}, "validation_error", "/event_types"),
    ({"event_types": ["payments.*"]}, "validation_error", "/event_types/0"),
    ({"mails_per_hour": 0}, "validation_error", "/mails_per_hour"),
    ({"account": "nobody"}, "account_not_found", "/account"),
    ({"name": "a\nb"}, "validation_error", "/name"),
    ({"more": 1}, "unknown_field", "/more"),
]


@pytest.mark.parametrize(("members", "code", "pointer"), BAD)
async def test_what_is_wrong_is_refused_when_it_is_saved(
    client: Client, members: dict[str, Any], code: str, pointer: str
) -> None:
    problem = refused(await client.post(PATH, GOOD | members), 422, code)
    assert pointer in [fault["pointer"] for fault in problem["errors"]]


async def test_a_change_is_judged_as_a_new_one_is(client: Client) -> None:
    made = await notification_of(client)
    for members, code, pointer in BAD[3:20:4]:
        answer = await client.http.patch(f"{PATH}/{made['id']}", json=members)
        assert refused(answer, 422, code)["errors"][0]["pointer"] == pointer
    assert (await client.get(f"{PATH}/{made['id']}")).json() == made


async def test_a_ledger_has_so_many_and_no_more(client: Client) -> None:
    for _ in range(20):
        await notification_of(client)
    refused(await client.post(PATH, GOOD), 409, "quota_exceeded")


async def test_a_test_is_mailed_within_the_limit(client: Client, server: MailServer, mailer_of: MakeMailer) -> None:
    made = await notification_of(client, mails_per_hour=2)
    path = f"{PATH}/{made['id']}/test"
    for _ in range(2):
        answer = await client.post(path)
        assert (answer.status_code, answer.json()) == (202, {"recipients": 1})
    refused(await client.post(path), 429, "rate_limited")
    await turns(mailer_of(server), server, 2)
    taken = server.taken[0]
    assert taken.message["Subject"] == "Test: Money came"
    assert made["text"] in taken.text
    assert len(set(server.ids)) == 2
    assert [(mail["kind"], mail["event_id"]) for mail in await mails_of(client, made)] == [("test", None)] * 2


async def test_without_a_mail_server_there_are_none(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    service = Service(service_settings(test_database, servers, smtp_url=None, mail_sender=None))
    client = await make_client(service, ledger_id)
    refused(await client.post(PATH, GOOD), 409, "mails_not_sent")
    assert (await client.get(PATH)).json()["data"] == []
    await client.http.aclose()
    await service.database.close()
