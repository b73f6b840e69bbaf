"""Webhook endpoints as they are set up: making one, changing, switching it off and on, a test, and a new secret."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from zerosum.api.schemas.webhooks import WebhookEndpointChange, WebhookEndpointRequest, WebhookSecretRotation
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

HOURS = (0, 1, 24, 168)
"""So long the secret of before may sign beside the new one."""


def webhook_settings_pages(console: Console) -> None:
    endpoints = console.services.webhook_endpoints

    async def new(view: View) -> HttpAnswer:
        view.query()
        return view.show("webhook_new.html")

    async def make(view: View) -> HttpAnswer:
        """Its secret is in this answer alone."""
        record, secret = await endpoints.create(
            view.caller, validated(WebhookEndpointRequest, {"url": view.field("url"), **_said(view)}).order()
        )
        return _shown_once(view, record.url, render_id(Prefix.WEBHOOK_ENDPOINT, record.id), secret)

    async def settings(view: View) -> HttpAnswer:
        view.query()
        endpoint = await endpoints.get(view.caller, _id(view))
        return view.show("webhook_settings.html", endpoint=endpoint, wire_id=view.path["endpoint"], hours=HOURS)

    async def change(view: View) -> HttpAnswer:
        """Headers of before stay, for nobody can see them to write them again."""
        said = {"event_types": None, "description": None, **_said(view)}
        changes = validated(WebhookEndpointChange, {"url": view.field("url"), **said}).changes()
        await endpoints.change(view.caller, _id(view), changes)
        return _back(view)

    async def rotate(view: View) -> HttpAnswer:
        overlap = validated(WebhookSecretRotation, {"overlap_seconds": _seconds(view)}).overlap
        record, secret = await endpoints.rotate_secret(view.caller, _id(view), overlap)
        return _shown_once(view, record.url, view.path["endpoint"], secret)

    async def enable(view: View) -> HttpAnswer:
        await endpoints.enable(view.caller, _id(view))
        return _back(view)

    async def disable(view: View) -> HttpAnswer:
        await endpoints.disable(view.caller, _id(view))
        return _back(view)

    async def ping(view: View) -> HttpAnswer:
        await endpoints.ping(view.caller, _id(view))
        return view.go_to("webhooks", view.path["endpoint"])

    async def delete(view: View) -> HttpAnswer:
        await endpoints.delete(view.caller, _id(view))
        return view.go_to("webhooks")

    needs = Scope.WEBHOOKS_WRITE
    one = "/{ledger}/webhooks/{endpoint}"
    console.page("/{ledger}/new-webhook", new, needs=needs)
    console.act("/{ledger}/webhooks", make, needs=needs, name="make a webhook")
    console.page(f"{one}/settings", settings, needs=needs)
    for word, act, name in (
        ("settings", change, "change a webhook"),
        ("enable", enable, "enable a webhook"),
        ("disable", disable, "disable a webhook"),
        ("ping", ping, "test a webhook"),
        ("rotate-secret", rotate, "give a webhook a new secret"),
        ("delete", delete, "delete a webhook"),
    ):
        console.act(f"{one}/{word}", act, needs=needs, name=name)


def _said(view: View) -> dict[str, Any]:
    """What a form says besides the address: lists in one field, by commas or blanks, and headers line by line."""
    said: dict[str, Any] = {}
    if "description" in view.form:
        said["description"] = view.form["description"]
    if "event_types" in view.form:
        said["event_types"] = view.form["event_types"].replace(",", " ").split()
    if "headers" in view.form:
        lines = [line.partition(":") for line in view.form["headers"].split("\n") if line.strip()]
        said["headers"] = {name.strip(): value.strip() for name, _, value in lines}
    return said


def _seconds(view: View) -> int | str:
    """In hours as people choose them; what is no number is told of by the model."""
    hours = view.form.get("overlap_hours", "24")
    return int(hours) * 3600 if hours.isdecimal() and len(hours) < 5 else hours


def _shown_once(view: View, url: str, wire_id: str, secret: str) -> HttpAnswer:
    return view.show(
        "secret.html",
        title=f"The secret of {url}",
        place=("the webhook", view.href("webhooks", wire_id, "settings")),
        what="The receiver checks by it that deliveries are ours (Standard Webhooks).",
        secret=secret,
    )


def _id(view: View) -> UUID:
    """Raises InvalidId."""
    found: UUID = view.id(Prefix.WEBHOOK_ENDPOINT, "endpoint")
    return found


def _back(view: View) -> HttpAnswer:
    return view.go_to("webhooks", view.path["endpoint"], "settings")
