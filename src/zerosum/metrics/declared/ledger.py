"""The books, and what waits in them. Read by one worker, slowly (`readings.py`)."""

from __future__ import annotations

from zerosum.metrics.declaration import Summed, counter, level, reading

_NEWEST = Summed.NEWEST
_AUDITED = "the self-audit is on (`ZEROSUM_SELF_AUDIT_SECONDS`)"

TRIAL_BALANCE = reading(
    "zerosum_trial_balance_difference",
    "Debits less credits of all accounts, by currency: the differences of all ledgers, without their signs, added up."
    " Anything but 0: alarm.",
    "currency",
)
AUDIT_DIFFERENCES = level(
    "zerosum_self_audit_differences",
    "Differences that the last whole pass has found, or this one where it has found more. Above 0: alarm.",
    summed=_NEWEST,
    where=_AUDITED,
)
AUDIT_COMPLETED = level(
    "zerosum_self_audit_completed_timestamp_seconds",
    "When the last whole pass over all ledgers ended, over restarts; 0 before the first.",
    summed=_NEWEST,
    where=_AUDITED,
)
AUDIT_BEGUN = level(
    "zerosum_self_audit_begun_timestamp_seconds",
    "When this pass began, over restarts.",
    summed=_NEWEST,
    where=_AUDITED,
)
AUDIT_SLICE = level(
    "zerosum_self_audit_slice_timestamp_seconds",
    "When the last slice of it was proved.",
    summed=_NEWEST,
    where=_AUDITED,
)
AUDIT_LEDGERS = level(
    "zerosum_self_audit_ledgers_done", "Ledgers that this pass has proved.", summed=_NEWEST, where=_AUDITED
)
AUDIT_SLICES = counter("zerosum_self_audit_slices_total", "Slices that were proved.", where=_AUDITED)
AUDIT_POSTINGS = counter("zerosum_self_audit_postings_total", "Postings in these slices.", where=_AUDITED)
PROOF_LOG_LAG = reading(
    "zerosum_proof_log_lag_seconds",
    "For how long the oldest entry or revision waits that no signed checkpoint has; 0 where none does.",
)
HOLDS_OPEN = reading("zerosum_holds_open", "Holds that are open.")
HOLDS_EXPIRING = reading("zerosum_holds_expiring", "Open holds that expire within the next hour.")
HOLDS_OVERDUE = reading(
    "zerosum_holds_overdue", "Open holds whose time is over by more than a minute: their money is held for nothing."
)
SCHEDULED_WAITING = reading("zerosum_scheduled_payments", "Scheduled payments that are still to run.")
SCHEDULED_OVERDUE = reading("zerosum_scheduled_payments_overdue", "Those of them that are due by more than a minute.")
SCHEDULED_LAG = reading(
    "zerosum_scheduled_payments_lag_seconds", "For how long the oldest of them is due; 0 where none is."
)
REVIEWS = reading("zerosum_reviews_waiting", "Payments that a rule has held for people to decide.")
REVIEWS_OLDEST = reading("zerosum_reviews_oldest_seconds", "For how long the oldest of them waits; 0 where none does.")
DISPUTES = reading(
    "zerosum_disputes_undecided",
    "Disputes without a decision, by when they must be answered: overdue, day (within 24 hours), week, later, none"
    " (no date was given).",
    "due",
)
BREAKS = reading(
    "zerosum_reconciliation_breaks",
    "Breaks that are open, by age since the day of their item: 1d (at most), 7d, 30d, older.",
    "age",
)
