"""How far messages have come: those that come in by inputs, and events that are published to brokers."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer


def progress_pages(console: Console) -> None:
    progress = console.services.message_progress

    async def shown(view: View) -> HttpAnswer:
        view.query()
        return view.show(
            "progress.html",
            inputs=await progress.inputs(view.caller),
            publications=await progress.publications(view.caller),
        )

    nav = Nav(group="Messages", title="Inputs and publications", key="i")
    console.page("/{ledger}/messages", shown, needs=Scope.EVENTS_READ, nav=nav)
