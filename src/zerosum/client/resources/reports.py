"""What is told of all the books, and of one key."""

from __future__ import annotations

from datetime import datetime

from zerosum.client.amounts import time_text
from zerosum.client.calls import Asked, Calls, Way, call, listing
from zerosum.client.models.events import KeyOutcome
from zerosum.client.models.journal import AccountTotal, TrialBalance


class Reports(Calls[Way]):
    @call("getTrialBalance", "GET", "/v1/trial-balance", TrialBalance)
    def trial_balance(self, *, as_of: datetime | None = None, recorded_as_of: datetime | None = None) -> Asked:
        """The totals of each currency, whose difference is zero."""
        return Asked(query={"as_of": time_text(as_of), "recorded_as_of": time_text(recorded_as_of)})

    @listing("getTrialBalance", "/v1/trial-balance", AccountTotal, member="accounts")
    def trial_balance_accounts(
        self, *, as_of: datetime | None = None, recorded_as_of: datetime | None = None, page_size: int | None = None
    ) -> Asked:
        """All accounts of it, by code, as of the instant of the first page."""
        times = {"as_of": time_text(as_of), "recorded_as_of": time_text(recorded_as_of)}
        return Asked(query={**times, "limit": page_size})

    @call("getIdempotencyKey", "GET", "/v1/idempotency-keys/{key}", KeyOutcome)
    def outcome_of(self, key: str) -> Asked:
        """What became of a key. Raises KeyNotFound: nothing was done under it, or not yet."""
        return Asked(path={"key": key})
