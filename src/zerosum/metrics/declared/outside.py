"""Events, webhooks, mails, brokers and processors: what goes out, and what comes in."""

from __future__ import annotations

from zerosum.metrics.declaration import Summed, counter, histogram, level, reading
from zerosum.services.background.completer import CALL_SECONDS

_NEWEST = Summed.NEWEST
_PUBLISHED = "a process publishes events (`ZEROSUM_PUBLISH_TO`, `zerosum publish`)"
_INGESTED = "`zerosum ingest` runs"
_MAILED = "a mail server is set (`ZEROSUM_SMTP_URL`)"
_ASKED = "outside processors are set (`ZEROSUM_PROCESSORS_FILE`) and were asked"

EVENTS_LAG = reading(
    "zerosum_events_lag_seconds",
    "For how long at least the feed of events has not moved on because a transaction is open.",
)
WEBHOOK_LAG = level(
    "zerosum_webhook_lag_seconds",
    "For how long the oldest delivery is due, or an event was not looked at; endpoints that are left alone for their"
    " failures do not count.",
    summed=_NEWEST,
)
WEBHOOK_DELIVERIES = counter("zerosum_webhook_deliveries_total", "Webhook attempts that the receiver took.")
WEBHOOK_FAILURES = counter("zerosum_webhook_failures_total", "Webhook attempts that the receiver did not take.")
WEBHOOKS = reading(
    "zerosum_webhook_undelivered",
    "Webhook deliveries that are pending (some are tried again), failed for good, or parked with their endpoint.",
    "status",
)
ENDPOINTS = reading(
    "zerosum_webhook_endpoints",
    "Webhook endpoints by status: enabled, failing (for ten minutes or more), given_up (disabled for its failures),"
    " disabled (by a person).",
    "status",
)
MAILS_SENT = counter("zerosum_mails_sent_total", "Mails that the mail server took.", where=_MAILED)
MAILS_FAILED = counter(
    "zerosum_mails_failed_total", "Mails that the mail server refused, or put off for a day.", where=_MAILED
)
PUBLISH_LAG = level(
    "zerosum_publish_lag_seconds",
    "The longest that an event waits to be published, over all publications.",
    summed=_NEWEST,
    where=_PUBLISHED,
)
PUBLISHED = counter("zerosum_published_events_total", "Events that brokers have confirmed.", where=_PUBLISHED)
PUBLISH_FAILURES = counter(
    "zerosum_publish_failures_total", "Attempts to publish that failed and are made again.", where=_PUBLISHED
)
PUBLISH_FENCED = counter(
    "zerosum_publish_fenced_total", "Times another process had taken over a publication.", where=_PUBLISHED
)
PUBLICATIONS = reading("zerosum_publications", "Publications by state: moving, or obstructed by something.", "state")
INGEST_MESSAGES = counter("zerosum_ingest_messages_total", "Messages that were settled.", where=_INGESTED)
INGEST_DONE = counter("zerosum_ingest_done_total", "Messages that had their effect, now or before.", where=_INGESTED)
INGEST_REFUSED = counter("zerosum_ingest_refused_total", "Messages whose command was refused.", where=_INGESTED)
INGEST_DEAD = counter("zerosum_ingest_dead_total", "Messages that became dead letters.", where=_INGESTED)
INGEST_REPLAYED = counter("zerosum_ingest_replayed_total", "Messages that were there before.", where=_INGESTED)
INGEST_RETRIED = counter(
    "zerosum_ingest_retried_total", "Times that a message was put aside to be tried again.", where=_INGESTED
)
INGEST_SKIPPED = counter(
    "zerosum_ingest_skipped_total", "Messages that came again though they were settled before.", where=_INGESTED
)
INGEST_PAUSES = counter(
    "zerosum_ingest_pauses_total",
    "Times that an input was not read on because of what stood in the way.",
    where=_INGESTED,
)
INGEST_FENCED = counter(
    "zerosum_ingest_fenced_total", "Times that another consumer had taken over a partition.", where=_INGESTED
)
INGEST_LOST = counter(
    "zerosum_ingest_lost_total", "Messages that their broker had deleted before they were read.", where=_INGESTED
)
INGEST_LATE = counter(
    "zerosum_ingest_late_total",
    "Messages that came after their turn in the order of time (`--order-window`), and were taken as they came.",
    where=_INGESTED,
)
INGEST_GAPS = counter(
    "zerosum_ingest_gaps_total",
    "Times that an input has ended because messages were missing where it was to go on: a person must say that it may.",
    where=_INGESTED,
)
INGEST_LAG = level(
    "zerosum_ingest_lag_messages",
    "Messages in the broker that are not settled, where it tells how many there are.",
    summed=Summed.LIVING,
    where=_INGESTED,
)
INGEST_PAUSED = level(
    "zerosum_ingest_paused_inputs", "Inputs that are not read on now.", summed=Summed.LIVING, where=_INGESTED
)
INGEST_DEAD_LETTERS = level(
    "zerosum_ingest_dead_letters",
    "Dead letters that wait for a person, of the ledger that messages are taken into.",
    summed=_NEWEST,
    where=_INGESTED,
)
INGEST_SET_ASIDE = level(
    "zerosum_ingest_set_aside_messages",
    "Messages that are tried again, or stand behind one that is, of the ledger that messages are taken into.",
    summed=_NEWEST,
    where=_INGESTED,
)
DEAD_LETTERS = reading(
    "zerosum_dead_letters",
    "Messages of all ledgers that were put aside: dead (a person must look), retrying, waiting behind one.",
    "status",
)
PROCESSOR_CALLS = counter(
    "zerosum_processor_calls_total",
    "Times that a processor was asked, by what came of it: approved, declined, undecided, missing (no usable reply).",
    "processor",
    "outcome",
    where=_ASKED,
)
PROCESSOR_SECONDS = histogram(
    "zerosum_processor_call_seconds",
    "Time that a processor took to reply, or not to.",
    CALL_SECONDS,
    "processor",
    where=_ASKED,
)
PROCESSOR_OPEN = reading(
    "zerosum_processor_open_calls",
    "Calls without an outcome, by state: proposed, sent, unknown (looked up again), parked (waits for a person).",
    "processor",
    "state",
    where="a payment has named an outside processor",
)
PROCESSOR_OLDEST = reading(
    "zerosum_processor_oldest_call_seconds",
    "Age of the oldest call without an outcome.",
    "processor",
    where="a payment has named an outside processor",
)
PROCESSOR_BREAKER = reading(
    "zerosum_processor_breaker_open",
    "1 while a processor is left alone for its failures, else 0.",
    "processor",
    where=_ASKED,
)
PROCESSOR_SUCCESS = reading(
    "zerosum_processor_success_ratio",
    "Share of the attempts of the last five to ten minutes that a processor has approved, from 0 to 1; from 20"
    " attempts on. Declines that are not technical count for nothing.",
    "processor",
    where=_ASKED,
)
