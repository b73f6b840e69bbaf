"""Which ledger is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from uuid import UUID

from zerosum.console.console import Console
from zerosum.console.lists import PAGE_SIZE
from zerosum.console.openid import LEDGERS_MAX
from zerosum.console.view import View, see_other
from zerosum.domain.errors import LedgerNotFound
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.ledgers import LedgerRecord
from zerosum.services.requests.paging import PageRequest


def ledger_pages(console: Console) -> None:
    ledgers = console.services.ledgers

    async def seen_by(view: View) -> tuple[list[LedgerRecord], str | None]:
        """A page of the ledgers this session may look at, and the cursor of the next one."""
        if view.session.ledgers is not None:
            return [found async for found in those_here(view.session.ledgers[:LEDGERS_MAX])], None
        cursor = view.query(("cursor",)).get("cursor")
        page = await ledgers.list(PageRequest(list_name="ledgers", limit=PAGE_SIZE, cursor=cursor, filters={}))
        return list(page.items), page.next_cursor

    async def those_here(ids: Sequence[UUID]) -> AsyncIterator[LedgerRecord]:
        """An issuer may name ledgers of other installations, too."""
        for one in ids:
            with suppress(LedgerNotFound):
                yield await ledgers.get(LedgerId(one))

    async def home(view: View) -> HttpAnswer:
        """The only ledger's overview, or the choice."""
        found, cursor = await seen_by(view)
        if len(found) == 1 and cursor is None:
            return see_other(console.href(render_id(Prefix.LEDGER, found[0].id)))
        return see_other(console.href("ledgers"))

    async def choice(view: View) -> HttpAnswer:
        found, cursor = await seen_by(view)
        more = None if cursor is None else console.href("ledgers", cursor=cursor)
        return view.show("ledgers.html", ledgers=found, next=more)

    console.page("", home, needs=None)
    console.page("/ledgers", choice, needs=None)
