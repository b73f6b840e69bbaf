"""The journal: entries by their filters, one as T-accounts with its links in the chain, and taking one back."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.personal import personal_of
from zerosum.console.saved_views import shown_views
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.money import add
from zerosum.domain.traces import trace_id_in
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.event_feed import PREFIXES
from zerosum.services.journal import RecordedEntry, RecordedPosting, ReversalOrder

FILTERS = ("account", "effective_from", "effective_to")


def journal_pages(console: Console) -> None:
    journal, history = console.services.journal, console.services.account_history

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "journal entries", FILTERS)
        page = await journal.list(view.caller, request)
        await view.seen_account(request.filters.get("account"))
        return view.show(
            "journal.html",
            entries=[
                (entry, moved(entry.postings), unposted(entry.postings), codes_of(entry.postings))
                for entry in page.items
            ],
            next=next_page(view, request, page, "journal"),
            given=request.filters,
            kept=await shown_views(view, "journal", request.filters),
        )

    async def shown(view: View) -> HttpAnswer:
        entry = await journal.get(view.caller, view.id(Prefix.JOURNAL_ENTRY, "entry"))
        wire_id = render_id(Prefix.JOURNAL_ENTRY, entry.id)
        return view.show(
            "entry.html",
            entry=entry,
            wire_id=wire_id,
            personal=await personal_of(view, console.services.subjects, entry.id, entry.metadata, wire_id),
            layers=[(layer, t_accounts(lines), moved(lines)) for layer, lines in by_layer(entry)],
            links=await history.links_before(view.caller, entry.postings),
            about=belongs_to(entry),
            is_own=entry.resource_type is ResourceType.JOURNAL_ENTRY,
            trace_id=trace_id_in(entry.traceparent),
        )

    async def weighed(view: View) -> Weight:
        entry = await journal.get(view.caller, view.id(Prefix.JOURNAL_ENTRY, "entry"))
        return Weight(moves=dict(moved(entry.postings)))

    async def reverse(view: View) -> HttpAnswer:
        original = await journal.find(view.caller, view.id(Prefix.JOURNAL_ENTRY, "entry"))
        order = ReversalOrder(idempotency_key=view.key, original=original, reason=view.reason)
        done = await journal.reversals.one(view.caller, order)
        return view.go_to("journal", render_id(Prefix.JOURNAL_ENTRY, done.view.id))

    console.page(
        "/{ledger}/journal",
        listed,
        needs=Scope.JOURNAL_READ,
        nav=Nav(group="Books", title="Journal", key="j"),
    )
    console.page("/{ledger}/journal/{entry}", shown, needs=Scope.JOURNAL_READ, is_personal=True)
    console.act(
        "/{ledger}/journal/{entry}/reverse",
        reverse,
        needs=Scope.JOURNAL_WRITE,
        name="reverse a journal entry",
        weigh=weighed,
    )


def by_layer(entry: RecordedEntry) -> list[tuple[Layer, list[RecordedPosting]]]:
    layers = [(layer, [line for line in entry.postings if line.layer is layer]) for layer in Layer]
    return [(layer, lines) for layer, lines in layers if lines]


def moved(postings: Sequence[RecordedPosting]) -> list[tuple[str, Decimal]]:
    """By currency, what stands on the left, which is what stands on the right. Of holds where nothing was posted."""
    posted = [line for line in postings if line.layer is Layer.POSTED] or postings
    sums: dict[str, Decimal] = {}
    for line in posted:
        if line.side is Side.DEBIT:
            sums[line.currency] = add(sums[line.currency], line.amount) if line.currency in sums else line.amount
    return sorted(sums.items())


def unposted(postings: Sequence[RecordedPosting]) -> str:
    """What an entry has done that has moved no money: a hold, a proposal to a processor, or the end of one."""
    if any(line.layer is Layer.POSTED for line in postings):
        return ""
    return "set free" if all(line.releases for line in postings) else "held"


def codes_of(postings: Sequence[RecordedPosting]) -> list[str]:
    return list(dict.fromkeys(line.account_code for line in postings))


def t_accounts(lines: Sequence[RecordedPosting]) -> list[dict[str, Any]]:
    """Its lines by account, in the order in which they were given."""
    found: dict[UUID, dict[str, Any]] = {}
    for line in lines:
        one = {"id": line.account_id, "name": line.account_code, "currency": line.currency, "lines": []}
        note = "set free" if line.releases else ""
        found.setdefault(line.account_id, one)["lines"].append((line.side, line.amount, note))
    return list(found.values())


def belongs_to(entry: RecordedEntry) -> tuple[str, UUID] | str | None:
    """What made the entry: the name of its prefix and its UUID, or its own name. None of one that stands by itself."""
    if entry.resource_type is ResourceType.JOURNAL_ENTRY:
        return None
    prefix = PREFIXES.get(entry.resource_type)
    own = entry.resource_id or str(entry.id)
    return own if prefix is None else (prefix.name, UUID(own))
