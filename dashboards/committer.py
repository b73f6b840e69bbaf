"""Committer and PostgreSQL: where the time of a payment goes, who stands in the way, and how the database is."""

from __future__ import annotations

from dashboards.parts import Dashboard, Kind, Limits, Panel, Query, Story, Unit, stat
from dashboards.promql import age, largest, mean, quantile, quantiles, rate, ratio, together, top, within

_GOING = Story(
    "Does everything get through?",
    (
        stat(
            "Commands",
            "What the committer has taken on, a second: payments, holds, refunds and the rest.",
            rate("zerosum_commands_total"),
            Unit.PER_SECOND,
            leads_to="payments",
        ),
        stat(
            "99 of 100 batches take",
            "From being taken on to the commit, with all attempts.",
            quantile(0.99, "zerosum_batch_seconds"),
            Unit.SECONDS,
            limits=Limits(warn=0.25, alarm=1),
            runbook="ZerosumLatencyBurnsFast",
        ),
        stat(
            "Waiting for a batch",
            "Commands in the queue now. It empties within milliseconds, unless PostgreSQL is slow or away.",
            together("zerosum_queued_commands"),
            Unit.COUNT,
            limits=Limits(warn=1000, alarm=5000),
            runbook="ZerosumCommandsShed",
        ),
        stat(
            "Outcomes unknown, last hour",
            "Works answered 504: the connection was lost within the COMMIT.",
            within("zerosum_outcomes_unknown_total", "1h"),
            Unit.COUNT,
            limits=Limits(alarm=0.5),
            runbook="ZerosumOutcomesUnknown",
        ),
        stat(
            "Shed or expired, last hour",
            "Commands answered 503: the queue was full, or their time ended in it. Nothing was done.",
            f"{within('zerosum_commands_shed_total', '1h')} + {within('zerosum_commands_expired_total', '1h')}",
            Unit.COUNT,
            limits=Limits(warn=0.5),
            runbook="ZerosumCommandsShed",
        ),
        stat(
            "Lanes lost, last day",
            "Lanes that died and were replaced: a fault of the service.",
            within("zerosum_lanes_lost_total", "1d"),
            Unit.COUNT,
            limits=Limits(alarm=0.5),
            runbook="ZerosumLanesLost",
        ),
    ),
)

_TIME = Story(
    "Where does the time of a batch go?",
    (
        Panel(
            title="Waiting for a batch, at worst",
            says="How long the one who waited longest of a batch had waited for it.",
            queries=quantiles("zerosum_batch_queue_wait_seconds"),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="Waiting for rows",
            says="How long a batch waited for the rows of its accounts, with the round trip. Batches in one trip are "
            "not in it.",
            queries=quantiles("zerosum_batch_lock_wait_seconds"),
            unit=Unit.SECONDS,
            width=6,
            runbook="ZerosumAccountIsHot",
        ),
        Panel(
            title="Committing",
            says="The COMMIT, 95 of a hundred; `one_trip` is the statement that does everything at once. It is the "
            "disk, or a "
            "synchronous standby.",
            queries=(Query(quantile(0.95, "zerosum_batch_commit_seconds", by="way"), "{{way}}"),),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            title="All of it",
            says="From being taken on to the commit, with all attempts.",
            queries=quantiles("zerosum_batch_seconds"),
            unit=Unit.SECONDS,
            width=6,
            runbook="ZerosumLatencyBurnsFast",
        ),
    ),
)

_FULL = Story(
    "How full are batches, and what is tried again?",
    (
        Panel(
            title="Commands in a batch",
            says="The more there is to do, the fuller they are: that is how it keeps up.",
            queries=(
                Query(mean("zerosum_batch_commands"), "mean"),
                Query(quantile(0.95, "zerosum_batch_commands"), "p95"),
            ),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Left waiting when a batch was full",
            says="Commands that still waited then.",
            queries=(
                Query(mean("zerosum_batch_queue_depth_commands"), "mean"),
                Query(quantile(0.95, "zerosum_batch_queue_depth_commands"), "p95"),
            ),
            unit=Unit.COUNT,
            runbook="ZerosumCommandsShed",
        ),
        Panel(
            title="Tried again, held up",
            says="Attempts that failed (a second), and works that wait for rows or keys which somebody else holds "
            "(now).",
            queries=(
                Query(rate("zerosum_batch_retries_total"), "attempts that failed"),
                Query(together("zerosum_held_up_works"), "works held up"),
            ),
            unit=Unit.COUNT,
            runbook="ZerosumAccountIsHot",
        ),
    ),
)

_HOT = Story(
    "Who stands in the way?",
    (
        Panel(
            title="Hot accounts: time that batches waited",
            says="For rows while this account was among them, in the last minute or so.",
            queries=(Query(top(together("zerosum_hot_account_lock_wait_seconds", by="account")), "{{account}}"),),
            unit=Unit.SECONDS,
            kind=Kind.BARS,
            width=12,
            runbook="ZerosumAccountIsHot",
            rare="Only accounts that many pay at once are hot.",
        ),
        Panel(
            title="Accounts that somebody holds and does nothing with",
            says="Found locked by another session, in the last minute or so: a migration, a report, a person with "
            "psql.",
            queries=(Query(top(together("zerosum_hot_account_held_up_works", by="account")), "{{account}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=12,
            runbook="ZerosumTransactionIsOld",
            rare="Somebody must hold an account's row for long.",
        ),
    ),
)

_SERVER = Story(
    "How is PostgreSQL?",
    (
        Panel(
            title="Connections",
            says="To this database, by what they do. Those idle in a transaction hold what others wait for.",
            queries=(Query(largest("zerosum_postgres_connections", by="state"), "{{state}}"),),
            unit=Unit.COUNT,
            width=6,
            stacked=True,
            runbook="ZerosumConnectionsRunShort",
        ),
        Panel(
            title="Of all connections, in use",
            says="What the server accepts is shared by everybody; beyond it nobody gets in.",
            queries=(
                Query(
                    ratio("sum(zerosum_postgres_connections)", largest("zerosum_postgres_connections_max")),
                    "in use",
                ),
            ),
            unit=Unit.SHARE,
            width=6,
            most=1.0,
            limits=Limits(warn=0.7, alarm=0.9),
            runbook="ZerosumConnectionsRunShort",
        ),
        Panel(
            title="The oldest transaction",
            says="Nothing it can see is cleared away, and the feed of events waits for it.",
            queries=(Query(largest("zerosum_postgres_oldest_transaction_seconds"), "age"),),
            unit=Unit.SECONDS,
            width=6,
            limits=Limits(warn=60, alarm=300),
            runbook="ZerosumTransactionIsOld",
        ),
        Panel(
            title="Standbys are behind by",
            says="In replaying. A synchronous one that is away makes every commit wait.",
            queries=(Query(largest("zerosum_postgres_replication_lag_seconds", by="standby"), "{{standby}}"),),
            unit=Unit.SECONDS,
            width=6,
            limits=Limits(warn=30, alarm=300),
            runbook="ZerosumStandbyIsBehind",
            rare="A standby must be connected.",
        ),
    ),
)

_DISK = Story(
    "What does it keep?",
    (
        Panel(
            title="Largest tables",
            says="On disk, without their indexes.",
            queries=(Query(top(largest("zerosum_postgres_table_size_bytes", by="table")), "{{table}}"),),
            unit=Unit.BYTES,
            kind=Kind.BARS,
            width=6,
        ),
        Panel(
            title="Largest indexes, by table",
            says="All indexes of a table.",
            queries=(Query(top(largest("zerosum_postgres_index_size_bytes", by="table")), "{{table}}"),),
            unit=Unit.BYTES,
            kind=Kind.BARS,
            width=6,
        ),
        Panel(
            title="Dead rows",
            says="Versions that nobody needs and vacuum has not cleared away. Few tables change rows: the journal "
            "never does.",
            queries=(Query(top(largest("zerosum_postgres_dead_tuples", by="table")), "{{table}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            runbook="ZerosumTablesAreBloated",
        ),
        Panel(
            title="The database",
            says="On disk. It grows with every payment, for ever: docs/PERFORMANCE.md says by how much.",
            queries=(Query(largest("zerosum_postgres_database_size_bytes"), "size"),),
            unit=Unit.BYTES,
            width=6,
        ),
    ),
)

_OURS = Story(
    "Do we have connections enough, and are these figures fresh?",
    (
        Panel(
            title="Pools: connections in use",
            says="Of the pools of all processes of a kind. The committer's own are not among them.",
            queries=(
                Query(
                    f"{together('zerosum_pool_connections_in_use', by='process')}"
                    f" / {together('zerosum_pool_connections_max', by='process')}",
                    "{{process}}",
                ),
            ),
            unit=Unit.SHARE,
            most=1.0,
            limits=Limits(warn=0.9),
            runbook="ZerosumPoolIsShort",
        ),
        Panel(
            title="Waiting for a connection of a pool",
            says="Units of work that wait now.",
            queries=(Query(together("zerosum_pool_waiting", by="process"), "{{process}}"),),
            unit=Unit.COUNT,
            runbook="ZerosumPoolIsShort",
        ),
        Panel(
            title="Age of the readings",
            says="Figures about the database are read by one worker, now and then. While a reading fails they are "
            "gone.",
            queries=(Query(age("zerosum_reading_timestamp_seconds", by="reading"), "{{reading}}"),),
            unit=Unit.SECONDS,
            runbook="ZerosumReadingsAreOld",
        ),
    ),
)

COMMITTER = Dashboard(
    name="committer",
    title="Committer and PostgreSQL",
    says="Where the time of a payment goes, who stands in the way, and how the database is.",
    stories=(_GOING, _TIME, _FULL, _HOT, _SERVER, _DISK, _OURS),
)
