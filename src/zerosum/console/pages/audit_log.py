"""The audit log: who has done or seen what, when, from where and why."""

from __future__ import annotations

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.audit import AuditType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

FILTERS = ("type", "effective_from", "effective_to")
WORDS = {"type": AuditType}


def audit_log_pages(console: Console) -> None:
    log = console.services.audit_log

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "audit log", FILTERS, words=WORDS)
        page = await log.list(view.ledger_id, request)
        return view.show(
            "audit_log.html",
            records=page.items,
            next=next_page(view, request, page, "audit-log"),
            given=request.filters,
            types=list(AuditType),
        )

    nav = Nav(group="Administration", title="Audit log", key="u")
    console.page("/{ledger}/audit-log", listed, needs=Scope.ADMIN, nav=nav)
