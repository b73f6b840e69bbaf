"""Notifications on the wire: what is mailed to whom, and what became of the mails."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import AccountReference, OneOf, Request, Response, Time, id_field
from zerosum.api.schemas.webhooks import EVENT_TYPES_MAX, EventTypeName
from zerosum.domain.events import EventType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.mail_addresses import ADDRESS_CHARACTERS_MAX, is_address
from zerosum.domain.mail_templates import MailTemplate, TemplateWrong
from zerosum.domain.notifications import MailKind, MailStatus, NotificationStatus
from zerosum.services.notifications.notifications import MailRecord, NotificationOrder, NotificationRecord

RECIPIENTS_MAX = 10
SUBJECT_MAX = 200
TEXT_MAX = 10_000
MAILS_PER_HOUR_MAX = 1_000
MAILS_PER_HOUR_DEFAULT = 30

_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_LINES = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]*")


def _address(text: str) -> str:
    if not is_address(text):
        raise PydanticCustomError("address", "This is no plain address like ann@example.com.")
    return text


def _different(addresses: list[str]) -> list[str]:
    if len({one.lower() for one in addresses}) != len(addresses):
        raise PydanticCustomError("address", "An address is given twice.")
    return addresses


def _one_line(text: str) -> str:
    if not _ONE_LINE.fullmatch(text) or not text.strip():
        raise PydanticCustomError("one_line", "This is one line that says something, without control characters.")
    return text


def _lines(text: str) -> str:
    if not _LINES.fullmatch(text) or not text.strip():
        raise PydanticCustomError("lines", "These are lines that say something, without other control characters.")
    return text


def _template(text: str) -> str:
    try:
        MailTemplate.parse(text)
    except TemplateWrong as wrong:
        raise PydanticCustomError("template", "{reason}", {"reason": str(wrong)}) from None
    return text


Title = Annotated[
    str,
    Field(
        description="For people; it stands at the end of each mail.", min_length=1, max_length=100, examples=["Debts"]
    ),
    AfterValidator(_one_line),
]
Types = Annotated[
    list[EventTypeName],
    Field(
        description="Which events: types, or all of a kind as `hold.*`.",
        min_length=1,
        max_length=EVENT_TYPES_MAX,
        examples=[["account.fell_into_debt", "payment.failed"]],
    ),
]
Recipients = Annotated[
    list[Annotated[str, Field(min_length=3, max_length=ADDRESS_CHARACTERS_MAX), AfterValidator(_address)]],
    Field(
        description="To whom. Each gets mails of their own, and sees no other.",
        min_length=1,
        max_length=RECIPIENTS_MAX,
        examples=[["ann@example.com"]],
    ),
    AfterValidator(_different),
]
Subject = Annotated[
    str,
    Field(
        description="One line, with places for members of the event: `{data.amount}`. `{{` and `}}` are braces.",
        min_length=1,
        max_length=SUBJECT_MAX,
        examples=["{type}: {resource.id}"],
    ),
    AfterValidator(_one_line),
    AfterValidator(_template),
]
Body = Annotated[
    str,
    Field(
        description="Plain text with such places. What is filled in is always one line; `-` stands for what an event "
        "does not have.",
        min_length=1,
        max_length=TEXT_MAX,
        examples=["At {created_at} it fell {data.debt} {data.currency} below zero."],
    ),
    AfterValidator(_lines),
    AfterValidator(_template),
]
PerHour = Annotated[
    int,
    Field(
        description="Events that are mailed within an hour at most. The others are counted, and told in one digest.",
        ge=1,
        le=MAILS_PER_HOUR_MAX,
        examples=[30],
    ),
]
Enabled = Annotated[bool, Field(description="Whether it mails anything.", examples=[True])]


class NotificationRequest(Request):
    """Which events are mailed to whom, and how."""

    name: Title
    event_types: Types
    account: Annotated[
        AccountReference | None, Field(description="Only events that move this account or speak of it.")
    ] = None
    recipients: Recipients
    subject: Subject
    text: Body
    mails_per_hour: PerHour = MAILS_PER_HOUR_DEFAULT
    enabled: Enabled = True

    def order(self) -> NotificationOrder:
        return NotificationOrder(
            name=self.name,
            event_types=tuple(self.event_types),
            account=self.account,
            recipients=tuple(self.recipients),
            subject=self.subject,
            body=self.text,
            mails_per_hour=self.mails_per_hour,
            is_enabled=self.enabled,
        )


class NotificationChange(Request):
    """What is given is changed. Null takes the account away, and says nothing elsewhere."""

    name: Title | None = None
    event_types: Types | None = None
    account: Annotated[AccountReference | None, Field(description="Only events of this account; null: of all.")] = None
    recipients: Recipients | None = None
    subject: Subject | None = None
    text: Body | None = None
    mails_per_hour: PerHour | None = None
    enabled: Enabled | None = None

    def changes(self) -> dict[str, Any]:
        names = {"text": "body", "enabled": "is_enabled"}
        given = {
            names.get(name, name): getattr(self, name)
            for name in self.model_fields_set
            if name == "account" or getattr(self, name) is not None
        }
        return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


class NotificationResponse(Response):
    """What is mailed to whom."""

    id: Annotated[str, id_field(Prefix.NOTIFICATION, "The notification.")]
    name: Annotated[str, Field(description="For people.", examples=["Debts"])]
    event_types: Annotated[list[str], Field(description="Which events.", examples=[["account.fell_into_debt"]])]
    account_id: Annotated[
        str | None, Field(description="Only events that move this account or speak of it; null: all.", examples=[None])
    ]
    recipients: Annotated[list[str], Field(description="To whom.", examples=[["ann@example.com"]])]
    subject: Annotated[str, Field(description="As it was given.", examples=["{type}: {resource.id}"])]
    text: Annotated[str, Field(description="As it was given.", examples=["At {created_at}: {data.debt}"])]
    mails_per_hour: Annotated[int, Field(description="Events that are mailed within an hour at most.", examples=[30])]
    status: Annotated[
        str, OneOf(NotificationStatus), Field(description="Whether it mails anything.", examples=["enabled"])
    ]
    held_back: Annotated[
        int, Field(description="Events beyond the limit that the next digest will count.", examples=[0])
    ]
    created_at: Annotated[Time, Field(description="When it was made.")]
    created_by: Annotated[str, Field(description="Who made it.", examples=["key_01994f3e"])]


class DeletedNotificationResponse(Response):
    """Nothing more is mailed."""

    id: Annotated[str, id_field(Prefix.NOTIFICATION, "Which one it was.")]
    deleted: Annotated[bool, Field(description="Always true.", examples=[True])]


class NotificationTestResponse(Response):
    """A test is on its way."""

    recipients: Annotated[int, Field(description="To how many.", examples=[1])]


class NotificationMailResponse(Response):
    """A mail to one recipient."""

    id: Annotated[str, id_field(Prefix.MAIL, "The mail.")]
    kind: Annotated[str, OneOf(MailKind), Field(description="What it is about.", examples=["event"])]
    event_id: Annotated[
        str | None,
        Field(description="The event, where it is about one.", examples=["evt_01994f3e-7b7c-7c3e-8f21-3a52b8d0c9e1"]),
    ]
    event_type: Annotated[
        Annotated[str, OneOf(EventType)] | None, Field(description="Its type.", examples=["payment.failed"])
    ]
    recipient: Annotated[str, Field(description="To whom.", examples=["ann@example.com"])]
    created_at: Annotated[Time, Field(description="When it was made.")]
    status: Annotated[str, OneOf(MailStatus), Field(description="How far it has come.", examples=["sent"])]
    attempts: Annotated[int, Field(description="How often it was handed to the mail server.", examples=[1])]
    next_attempt_at: Annotated[Time | None, Field(description="When it is tried again, or null.", examples=[None])]
    last_attempt_at: Annotated[Time | None, Field(description="When it was last tried, or null.")]
    answer_code: Annotated[
        int | None, Field(description="What the mail server said, as a number; null where nothing.", examples=[250])
    ]
    answer: Annotated[str | None, Field(description="And in words.", examples=["OK"])]


def notification_body(record: NotificationRecord) -> dict[str, Any]:
    return {
        "id": render_id(Prefix.NOTIFICATION, record.id),
        "name": record.name,
        "event_types": list(record.event_types),
        "account_id": None if record.account_id is None else render_id(Prefix.ACCOUNT, record.account_id),
        "recipients": list(record.recipients),
        "subject": record.subject,
        "text": record.body,
        "mails_per_hour": record.mails_per_hour,
        "status": record.status.value,
        "held_back": 0 if record.held is None else record.held.events,
        "created_at": render_time(record.created_at),
        "created_by": record.created_by,
    }


def mail_body(record: MailRecord) -> dict[str, Any]:
    is_event = record.kind is MailKind.EVENT
    return {
        "id": render_id(Prefix.MAIL, record.id),
        "kind": record.kind.value,
        "event_id": render_id(Prefix.EVENT, record.event.id) if is_event else None,
        "event_type": None if record.type is None else record.type.value,
        "recipient": record.recipient,
        "created_at": render_time(record.created_at),
        "status": record.status.value,
        "attempts": record.attempts,
        "next_attempt_at": None if record.next_at is None else render_time(record.next_at),
        "last_attempt_at": None if record.attempted_at is None else render_time(record.attempted_at),
        "answer_code": record.answer_code,
        "answer": record.answer,
    }
