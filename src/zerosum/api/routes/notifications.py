"""Notifications: make, read, change, delete and test them, and read what was mailed."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from zerosum.api.endpoints import Routes, TheCall
from zerosum.api.lists import DEFAULT_LIMIT, PAGE_PARAMETERS, Cursor, Limit, SortOrder, page_request
from zerosum.api.schemas.fields import OneOf, id_path
from zerosum.api.schemas.lists import ListOf, list_body
from zerosum.api.schemas.notifications import (
    DeletedNotificationResponse,
    NotificationChange,
    NotificationMailResponse,
    NotificationRequest,
    NotificationResponse,
    NotificationTestResponse,
    mail_body,
    notification_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id, render_id
from zerosum.domain.notifications import MailStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

NotificationReference = Annotated[str, id_path(Prefix.NOTIFICATION, "The notification's id.")]

PATH = "/v1/notifications"
ONE = f"{PATH}/{{notification}}"
OF_ONE = (errors.InvalidId, errors.NotificationNotFound)
OF_RECIPIENTS = (errors.MailsNotSent, errors.RecipientNotAllowed)
OF_CONTENT = (*OF_RECIPIENTS, errors.UnknownPlace, errors.AccountNotFound)

EXAMPLES = {
    "debts": {
        "summary": "Accounts that fell into debt",
        "value": {
            "name": "Debts",
            "event_types": ["account.fell_into_debt"],
            "recipients": ["ann@example.com"],
            "subject": "{resource.id} is in debt",
            "text": "At {created_at} it fell {data.debt} {data.currency} below zero.",
        },
    }
}
CHANGES = {"off": {"summary": "Switched off", "value": {"enabled": False}}}


def notification_routes(services: Services) -> Routes:
    routes = Routes("Notifications")
    _add_notifications(routes, services)
    _add_one(routes, services)
    _add_mails(routes, services)
    return routes


def _id(text: str) -> UUID:
    """Raises InvalidId."""
    return parse_id(Prefix.NOTIFICATION, text)


def _add_notifications(routes: Routes, services: Services) -> None:
    notifications = services.notifications

    async def create_notification(call: TheCall) -> dict[str, Any]:
        order = validated(NotificationRequest, call.content).order()
        return notification_body(await notifications.create(call.caller, order))

    async def list_notifications(
        call: TheCall, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, order: SortOrder = None
    ) -> dict[str, Any]:
        request = page_request(call, "notifications", limit, cursor, order)
        return await list_body(await notifications.list(call.caller, request), notification_body)

    routes.add(
        "POST",
        PATH,
        create_notification,
        operation_id="createNotification",
        scope=Scope.NOTIFICATIONS_WRITE,
        status=201,
        body=BodyKind.JSON,
        reads=NotificationRequest,
        examples=EXAMPLES,
        refusals=(*OF_CONTENT, errors.QuotaExceeded),
        named_in_body=(errors.AccountNotFound,),
        summary="Create a notification",
        answer=NotificationResponse,
        description="It mails what is committed from now on: an event, a mail to each recipient.",
    )
    routes.add(
        "GET",
        PATH,
        list_notifications,
        operation_id="listNotifications",
        scope=Scope.NOTIFICATIONS_WRITE,
        refusals=(errors.InvalidCursor,),
        query=PAGE_PARAMETERS,
        summary="List notifications",
        answer=ListOf[NotificationResponse],
    )


def _add_one(routes: Routes, services: Services) -> None:
    notifications = services.notifications

    async def get_notification(call: TheCall, notification: NotificationReference) -> dict[str, Any]:
        return notification_body(await notifications.get(call.caller, _id(notification)))

    async def change_notification(call: TheCall, notification: NotificationReference) -> dict[str, Any]:
        changes = validated(NotificationChange, call.content).changes()
        return notification_body(await notifications.change(call.caller, _id(notification), changes))

    async def delete_notification(call: TheCall, notification: NotificationReference) -> dict[str, Any]:
        id_ = _id(notification)
        await notifications.delete(call.caller, id_)
        return {"id": render_id(Prefix.NOTIFICATION, id_), "deleted": True}

    routes.add(
        "GET",
        ONE,
        get_notification,
        operation_id="getNotification",
        scope=Scope.NOTIFICATIONS_WRITE,
        refusals=OF_ONE,
        summary="Read a notification",
        answer=NotificationResponse,
    )
    routes.add(
        "PATCH",
        ONE,
        change_notification,
        operation_id="changeNotification",
        scope=Scope.NOTIFICATIONS_WRITE,
        body=BodyKind.JSON,
        reads=NotificationChange,
        examples=CHANGES,
        refusals=(*OF_ONE, *OF_CONTENT),
        named_in_body=(errors.AccountNotFound,),
        summary="Change a notification",
        answer=NotificationResponse,
        description="One that is enabled again goes on with what is committed from then on.",
    )
    routes.add(
        "DELETE",
        ONE,
        delete_notification,
        operation_id="deleteNotification",
        scope=Scope.NOTIFICATIONS_WRITE,
        refusals=OF_ONE,
        summary="Delete a notification",
        answer=DeletedNotificationResponse,
    )


def _add_mails(routes: Routes, services: Services) -> None:
    notifications = services.notifications

    async def test_notification(call: TheCall, notification: NotificationReference) -> dict[str, Any]:
        return {"recipients": await notifications.test(call.caller, _id(notification))}

    async def list_mails(
        call: TheCall,
        notification: NotificationReference,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        order: SortOrder = None,
        status: Annotated[  # noqa: ARG001 - read with the other filters
            Annotated[str, OneOf(MailStatus)] | None, Query(description="Only what stands so now.")
        ] = None,
    ) -> dict[str, Any]:
        id_ = _id(notification)
        request = page_request(call, f"mails {id_}", limit, cursor, order, ("status",))
        return await list_body(await notifications.mails(call.caller, id_, request), mail_body)

    routes.add(
        "POST",
        f"{ONE}/test",
        test_notification,
        operation_id="testNotification",
        scope=Scope.NOTIFICATIONS_WRITE,
        status=202,
        refusals=(*OF_ONE, *OF_RECIPIENTS, errors.InvalidState, errors.RateLimited),
        summary="Send a test mail",
        answer=NotificationTestResponse,
        description="To each recipient, with subject and text as they were given. It counts as an event's mail.",
    )
    routes.add(
        "GET",
        f"{ONE}/mails",
        list_mails,
        operation_id="listNotificationMails",
        scope=Scope.NOTIFICATIONS_WRITE,
        refusals=(*OF_ONE, errors.InvalidCursor),
        query=(*PAGE_PARAMETERS, "status"),
        summary="List the mails of a notification",
        answer=ListOf[NotificationMailResponse],
        description="Newest first: how far each has come, and what the mail server said.",
    )
