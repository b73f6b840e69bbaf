"""Journal entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Unpack

from zerosum.client.amounts import time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing, metadata_filters
from zerosum.client.models.journal import JournalEntry
from zerosum.client.orders import Condition, NewEntry, NewPosting
from zerosum.client.results import EntryResults
from zerosum.client.writing import MoneyOptions, bulk, written


class Entries(Calls[Way]):
    @call("postJournalEntry", "POST", "/v1/journal-entries", JournalEntry, is_keyed=True)
    def post(
        self,
        *,
        reason: str,
        postings: Sequence[NewPosting],
        effective_at: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        conditions: Sequence[Condition] | None = None,
        late_because: str | None = None,
        **options: Unpack[MoneyOptions],
    ) -> Asked:
        """Its debits equal its credits, or it is Unbalanced. `late_because` is why a closed period is overridden."""
        order = NewEntry(
            reason=reason,
            postings=postings,
            effective_at=effective_at,
            metadata=metadata,
            conditions=conditions,
            late_because=late_because,
        )
        return written("postJournalEntry", order.wire(), **options)

    @call("postJournalEntries", "POST", "/v1/journal-entries/bulk", EntryResults, is_keyed=True)
    def post_many(
        self,
        entries: Sequence[NewEntry],
        *,
        mode: Literal["independent", "atomic"] = "independent",
        dry_run: bool = False,
        with_balances: bool = False,
    ) -> Asked:
        """Up to 1,000 at once, each under its own key. `independent` ones may be refused: look at each result."""
        return bulk([one.item() for one in entries], mode, dry_run, with_balances)

    @call("getJournalEntry", "GET", "/v1/journal-entries/{entry}", JournalEntry)
    def get(self, entry: str, *, with_balances: bool = False) -> Asked:
        """As it is now."""
        return Asked(path={"entry": entry}, query={"include": "balances" if with_balances else None})

    @listing("listJournalEntries", "/v1/journal-entries", JournalEntry)
    def list(
        self,
        *,
        account: str | None = None,
        effective_from: datetime | None = None,
        effective_to: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
        order: Literal["asc", "desc"] | None = None,
        page_size: int | None = None,
    ) -> Asked:
        """All that fit."""
        query = {
            "account": account,
            "effective_from": time_text(effective_from),
            "effective_to": time_text(effective_to),
            "order": order,
            "limit": page_size,
        }
        return Asked(query=query | metadata_filters(metadata))

    @call("reverseJournalEntry", "POST", "/v1/journal-entries/{entry}/reverse", JournalEntry, is_keyed=True)
    def reverse(self, entry: str, *, reason: str, force: bool | None = None, **options: Unpack[MoneyOptions]) -> Asked:
        """Posts its opposite; `force` also where accounts have not enough."""
        return written("reverseJournalEntry", {"reason": reason, "force": force}, {"entry": entry}, **options)
