"""The committer: batches and what they wait for. Observed once a batch, never for each payment."""

from __future__ import annotations

from zerosum.metrics.declaration import Summed, counter, histogram, level
from zerosum.services.committing.measured import COMMANDS as COMMAND_BUCKETS
from zerosum.services.committing.measured import DEPTHS, SECONDS

HOT_ACCOUNTS_MAX = 10

BATCHES = counter("zerosum_batches_total", "Batches that were taken on; each is one transaction if nothing goes wrong.")
COMMANDS = counter("zerosum_commands_total", "Commands in these batches.")
RETRIES = counter(
    "zerosum_batch_retries_total",
    "Attempts at a batch that failed: rows or keys that somebody holds for long, or lost connections.",
)
UNKNOWN = counter(
    "zerosum_outcomes_unknown_total", "Works answered 504: whether they are committed was not known. Alarm."
)
LANES_LOST = counter("zerosum_lanes_lost_total", "Lanes that died and were replaced, a fault of the service. Alarm.")
SHED = counter("zerosum_commands_shed_total", "Commands refused with 503 since they would have waited too long.")
EXPIRED = counter("zerosum_commands_expired_total", "Commands refused with 503 because their time ended in the queue.")
QUEUED = level("zerosum_queued_commands", "Commands that wait for a batch now.", summed=Summed.LIVING)
HELD_UP = level(
    "zerosum_held_up_works",
    "Works that wait for accounts or keys that somebody else holds, and are tried again apart.",
    summed=Summed.LIVING,
)
BATCH_COMMANDS = histogram("zerosum_batch_commands", "Commands in a batch.", COMMAND_BUCKETS)
QUEUE_DEPTH = histogram(
    "zerosum_batch_queue_depth_commands", "Commands that still waited when a batch had taken its own.", DEPTHS
)
QUEUE_WAIT = histogram(
    "zerosum_batch_queue_wait_seconds", "How long the one who waited longest of a batch had waited for it.", SECONDS
)
LOCK_WAIT = histogram(
    "zerosum_batch_lock_wait_seconds",
    "How long a batch waited for the rows of its accounts, with the round trip; batches in one trip are not among"
    " them.",
    SECONDS,
)
COMMIT = histogram(
    "zerosum_batch_commit_seconds",
    "Time of the COMMIT; in `one_trip`, of the statement that locks, compares, writes and commits at once.",
    SECONDS,
    "way",
)
BATCH_SECONDS = histogram(
    "zerosum_batch_seconds", "Time of a batch from being taken on to its commit, with all attempts.", SECONDS
)
HOT_LOCK_WAIT = level(
    "zerosum_hot_account_lock_wait_seconds",
    "Time that batches waited for rows while this account was among them, in the last minute or so: the"
    f" {HOT_ACCOUNTS_MAX} accounts with the most. A neighbour of a hot account in one batch has a part of it.",
    "account",
    summed=Summed.LIVING,
    where="a batch has waited for rows for more than 5 milliseconds lately",
)
HOT_HELD_UP = level(
    "zerosum_hot_account_held_up_works",
    "Times that this account was found held by somebody else who does nothing with it, in the last minute or so: the"
    f" {HOT_ACCOUNTS_MAX} accounts with the most.",
    "account",
    summed=Summed.LIVING,
    where="somebody has held an account's row for long",
)
