"""What a mail looks like: plain text, the same whenever it is composed, with an id by which a repeated one is known."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from zerosum.db.queries.notification_mails import MailRecord
from zerosum.db.queries.notifications import NotificationRecord
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.mail_addresses import domain_of
from zerosum.domain.mail_templates import MailTemplate, one_line
from zerosum.domain.notifications import MailKind

SUBJECT_CHARACTERS_MAX = 200
BODY_CHARACTERS_MAX = 50_000

SENDER_NAME = "Zerosum"


def message_id(mail: MailRecord, sender: str) -> str:
    """The same for each attempt, and for each recipient."""
    event, notification = render_id(Prefix.EVENT, mail.event.id), render_id(Prefix.NOTIFICATION, mail.notification_id)
    return f"<{event}.{notification}@{domain_of(sender)}>"


def composed(mail: MailRecord, notification: NotificationRecord, event: Mapping[str, Any] | None, sender: str) -> bytes:
    """`event` is as the feed shows it; of a digest and a test there is none."""
    subject, body = _texts(mail, notification, event)
    message = EmailMessage(policy=SMTP)
    message["From"] = f"{SENDER_NAME} <{sender}>"
    message["To"] = mail.recipient
    message["Subject"] = _unencoded(one_line(subject))[:SUBJECT_CHARACTERS_MAX]
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = message_id(mail, sender)
    # No machine answers it, and no list takes it for a letter.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(f"{body[:BODY_CHARACTERS_MAX]}\n\n{_footer(mail, notification)}")
    return message.as_bytes()


def _unencoded(subject: str) -> str:
    """Without the beginning of an encoded word, which the library would decode and write with its line breaks."""
    return subject.replace("=?", "= ?")


def _texts(mail: MailRecord, notification: NotificationRecord, event: Mapping[str, Any] | None) -> tuple[str, str]:
    if mail.kind is MailKind.DIGEST:
        return _digest(mail.digest or {}, notification)
    if mail.kind is MailKind.TEST:
        return (
            f"Test: {notification.name}",
            "This is a test that was asked for. Mails of this notification arrive here.\n\n"
            f"Its subject: {notification.subject}\nIts text:\n\n{notification.body}",
        )
    told = {**(event or {}), "notification": notification.name}
    return MailTemplate.parse(notification.subject).filled(told), MailTemplate.parse(notification.body).filled(told)


def _digest(digest: Mapping[str, Any], notification: NotificationRecord) -> tuple[str, str]:
    types: Mapping[str, int] = digest.get("types", {})
    lines = [f"{number:>8}  {name}" for name, number in sorted(types.items())]
    number = sum(types.values())
    return (
        f"{notification.name}: {number} more",
        f"From {digest.get('since')} to {digest.get('until')} there were {number} more events than may be mailed one "
        f"by one:\n\n" + "\n".join(lines) + "\n\nThe feed (GET /v1/events) has them all.",
    )


def _footer(mail: MailRecord, notification: NotificationRecord) -> str:
    about = f"\nEvent {render_id(Prefix.EVENT, mail.event.id)}" if mail.kind is MailKind.EVENT else ""
    return (
        f"-- \nNotification {one_line(notification.name)} ({render_id(Prefix.NOTIFICATION, notification.id)})\n"
        f"Ledger {render_id(Prefix.LEDGER, notification.ledger_id)}{about}\n"
    )
