"""Events, webhooks, ingest: whether everybody hears of what has happened, and what is sent to us is carried out."""

from __future__ import annotations

from dashboards.parts import Dashboard, Kind, Limits, Panel, Query, Story, Unit, stat
from dashboards.promql import largest, or_zero, rate, ratio, together

_TAKEN, _NOT_TAKEN = "zerosum_webhook_deliveries_total", "zerosum_webhook_failures_total"
_LAG = Limits(warn=30, alarm=300)
_OUTCOMES = (("done", "done"), ("refused", "refused"), ("dead", "dead letters"))

_LATE = Story(
    "Does anybody wait for what has happened?",
    (
        stat(
            "The feed waits",
            "For how long at least events have not moved on because a transaction is open. All that follows stands "
            "behind it.",
            largest("zerosum_events_lag_seconds"),
            Unit.SECONDS,
            limits=_LAG,
            runbook="ZerosumFeedStandsStill",
            leads_to="committer",
        ),
        stat(
            "Webhooks wait",
            "For how long the oldest delivery is due. Endpoints that are left alone for their failures do not count.",
            largest("zerosum_webhook_lag_seconds"),
            Unit.SECONDS,
            limits=_LAG,
            runbook="ZerosumFreshnessBurnsFast",
        ),
        stat(
            "Brokers wait",
            "The longest that an event waits to be published, over all publications.",
            largest("zerosum_publish_lag_seconds"),
            Unit.SECONDS,
            limits=_LAG,
            runbook="ZerosumPublishingLags",
        ),
        stat(
            "Messages wait",
            "In the brokers that we read from, where they tell how many there are.",
            together("zerosum_ingest_lag_messages"),
            Unit.COUNT,
            limits=Limits(warn=1000, alarm=100000),
            runbook="ZerosumIngestLags",
        ),
        stat(
            "Dead letters",
            "Messages that could not be carried out and wait for a person.",
            largest("zerosum_dead_letters", 'status="dead"'),
            Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumDeadLetters",
        ),
        stat(
            "Messages lost, last day",
            "Messages that their broker had deleted before they were read.",
            or_zero("sum(increase(zerosum_ingest_lost_total[1d]))"),
            Unit.COUNT,
            limits=Limits(alarm=0.5),
            runbook="ZerosumMessagesLost",
        ),
    ),
)

_WEBHOOKS = Story(
    "Do receivers take their webhooks?",
    (
        Panel(
            title="Attempts",
            says="Those that the receiver took, and those that it did not.",
            queries=(Query(rate(_TAKEN), "taken"), Query(rate(_NOT_TAKEN), "not taken")),
            unit=Unit.PER_SECOND,
            width=6,
            stacked=True,
        ),
        Panel(
            title="Share that is not taken",
            says="One receiver that is away does this, too: its endpoint is then left alone, and the others are not.",
            queries=(Query(ratio(rate(_NOT_TAKEN), f"({rate(_TAKEN)} + {rate(_NOT_TAKEN)})"), "not taken"),),
            unit=Unit.SHARE,
            width=6,
            most=1.0,
            limits=Limits(warn=0.2),
            runbook="ZerosumWebhooksAreNotTaken",
        ),
        Panel(
            title="Not delivered",
            says="Pending (some are tried again), failed for good, or parked with their endpoint. All can be replayed.",
            queries=(Query(largest("zerosum_webhook_undelivered", by="status"), "{{status}}"),),
            unit=Unit.COUNT,
            width=6,
            runbook="ZerosumWebhooksAreNotTaken",
        ),
        Panel(
            title="Endpoints",
            says="Failing: for ten minutes or more. Given up: disabled after five days of that, or for a 410.",
            queries=(Query(largest("zerosum_webhook_endpoints", by="status"), "{{status}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            runbook="ZerosumWebhookEndpointFails",
        ),
    ),
)

_BROKERS = Story(
    "Do brokers get the events?",
    (
        Panel(
            title="Published",
            says="Events that brokers have confirmed, and attempts that failed and are made again.",
            queries=(
                Query(rate("zerosum_published_events_total"), "confirmed"),
                Query(rate("zerosum_publish_failures_total"), "failed"),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Publications",
            says="Those that move, and those that something stands in the way of (`zerosum publications list` says "
            "what).",
            queries=(Query(largest("zerosum_publications", by="state"), "{{state}}"),),
            unit=Unit.COUNT,
            runbook="ZerosumPublishingLags",
        ),
        Panel(
            title="How late",
            says="The feed, the oldest webhook, and the oldest event that a broker has not confirmed.",
            queries=(
                Query(largest("zerosum_events_lag_seconds"), "the feed"),
                Query(largest("zerosum_webhook_lag_seconds"), "webhooks"),
                Query(largest("zerosum_publish_lag_seconds"), "brokers"),
            ),
            unit=Unit.SECONDS,
            limits=Limits(warn=30),
            runbook="ZerosumFreshnessBurnsFast",
        ),
    ),
)

_INGEST = Story(
    "Are messages carried out?",
    (
        Panel(
            title="Messages settled",
            says="Done; refused by the books, which is an outcome like any other; or put aside as a dead letter.",
            queries=tuple(Query(rate(f"zerosum_ingest_{name}_total"), legend) for name, legend in _OUTCOMES),
            unit=Unit.PER_SECOND,
            width=6,
            stacked=True,
        ),
        Panel(
            title="Behind by",
            says="Messages in the broker that are not settled.",
            queries=(Query(together("zerosum_ingest_lag_messages"), "messages"),),
            unit=Unit.COUNT,
            width=6,
            runbook="ZerosumIngestLags",
        ),
        Panel(
            title="Put aside",
            says="Dead (a person must look), tried again, and those that stand behind one that is.",
            queries=(Query(largest("zerosum_dead_letters", by="status"), "{{status}}"),),
            unit=Unit.COUNT,
            width=6,
            runbook="ZerosumDeadLetters",
        ),
        Panel(
            title="What stood in the way",
            says="Inputs that are not read on now; a second: retries, pauses, partitions that another consumer took "
            "over, and messages that came after their turn where inputs are read in the order of time.",
            queries=(
                Query(together("zerosum_ingest_paused_inputs"), "inputs paused"),
                Query(rate("zerosum_ingest_retried_total"), "put aside to be tried again"),
                Query(rate("zerosum_ingest_pauses_total"), "pauses"),
                Query(rate("zerosum_ingest_fenced_total"), "taken over"),
                Query(rate("zerosum_ingest_late_total"), "after their turn in the order of time"),
                Query("sum(increase(zerosum_ingest_gaps_total[1h]))", "ended on a gap, last hour"),
            ),
            unit=Unit.COUNT,
            width=6,
            runbook="ZerosumIngestStandsStill",
        ),
    ),
)

EVENTS = Dashboard(
    name="events",
    title="Events, webhooks, ingest",
    says="Whether everybody hears of what has happened, and whether what is sent to us is carried out.",
    stories=(_LATE, _WEBHOOKS, _BROKERS, _INGEST),
)
