"""Gateway: what callers ask for, how they are answered, and what is turned away before it costs anything."""

from __future__ import annotations

from dashboards.parts import Dashboard, Kind, Limits, Panel, Query, Story, Unit, stat
from dashboards.promql import largest, quantile, quantiles, rate, ratio, together, top, within

_REQUESTS = "zerosum_http_requests_total"
_SECONDS = "zerosum_http_request_seconds"
_HITS, _MISSES = "zerosum_cache_hits_total", "zerosum_cache_misses_total"
_LIMITS = "zerosum_rate_limit_decisions_total"

_ANSWERED = Story(
    "Are callers answered?",
    (
        stat("Requests", "Answers of any kind, a second.", rate(_REQUESTS), Unit.REQUESTS_PER_SECOND),
        stat(
            "Failing on our side",
            "Share of answers from 500 on. What is refused (4xx) is no failure of ours.",
            ratio(rate(_REQUESTS, 'status=~"5.."'), rate(_REQUESTS)),
            Unit.SHARE,
            limits=Limits(warn=0.001, alarm=0.01),
            runbook="ZerosumAvailabilityBurnsFast",
        ),
        stat(
            "Refused",
            "Share of 4xx: wrong requests, no credentials, too many, or what the books do not allow.",
            ratio(rate(_REQUESTS, 'status=~"4.."'), rate(_REQUESTS)),
            Unit.SHARE,
            limits=Limits(warn=0.5),
            leads_to="payments",
        ),
        stat(
            "99 of 100 are answered within",
            "All routes together.",
            quantile(0.99, _SECONDS),
            Unit.SECONDS,
            limits=Limits(warn=0.5, alarm=2),
        ),
        stat(
            "Being answered now",
            "In all API processes, those who wait for their turn too. From ZEROSUM_IN_FLIGHT_MAX on there are 503s.",
            f"{together('zerosum_requests_in_flight')} + {together('zerosum_requests_waiting')}",
            Unit.COUNT,
            runbook="ZerosumRequestsShed",
        ),
        stat(
            "Processes without Redis",
            "API processes that read balances from PostgreSQL and count limits for themselves.",
            together("zerosum_redis_away"),
            Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumRedisAway",
        ),
    ),
)

_ASKED = Story(
    "What is asked for, and how long does it take?",
    (
        Panel(
            title="By route",
            says="Answers a second, by the template of the address; `none` is no route of ours.",
            queries=(Query(top(rate(_REQUESTS, by="route")), "{{route}}"),),
            unit=Unit.REQUESTS_PER_SECOND,
            width=12,
            stacked=True,
        ),
        Panel(
            title="By status",
            says="Answers a second.",
            queries=(Query(rate(_REQUESTS, by="status"), "{{status}}"),),
            unit=Unit.REQUESTS_PER_SECOND,
            width=12,
            stacked=True,
        ),
        Panel(
            title="Time to answer",
            says="Half of all answers, 95 and 99 of a hundred took no longer.",
            queries=quantiles(_SECONDS),
            unit=Unit.SECONDS,
            width=12,
        ),
        Panel(
            title="The slowest routes",
            says="95 of a hundred answers took no longer, in the last five minutes.",
            queries=(
                Query(
                    top(
                        f"histogram_quantile(0.95, sum by (le, method, route) (rate({_SECONDS}_bucket[5m])))"
                        f" and sum by (method, route) (rate({_SECONDS}_count[5m])) > 0"
                    ),
                    "{{method}} {{route}}",
                ),
            ),
            unit=Unit.SECONDS,
            kind=Kind.BARS,
            width=12,
        ),
    ),
)

_AWAY = Story(
    "Who is turned away?",
    (
        Panel(
            title="Refused, by reason",
            says="By the stable code that the caller was told.",
            queries=(Query(top(rate("zerosum_http_refusals_total", by="code")), "{{code}}"),),
            unit=Unit.PER_SECOND,
            runbook="ZerosumManyRefusals",
        ),
        Panel(
            title="Limits: asked and refused",
            says="Budgets of a principal, a ledger, an address, of costly reads and of failed log-ins, and what they "
            "said.",
            queries=(Query(rate(_LIMITS, by="limit, decision"), "{{limit}}: {{decision}}"),),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Shed",
            says="Answered 503 without being looked at: too much in flight, too many connections; ended for newcomers.",
            queries=(
                Query(rate("zerosum_requests_shed_total"), "requests"),
                Query(rate("zerosum_connections_refused_total"), "connections refused"),
                Query(rate("zerosum_connections_ended_total"), "connections ended"),
            ),
            unit=Unit.PER_SECOND,
            runbook="ZerosumRequestsShed",
        ),
    ),
)

_PROCESSES = Story(
    "How are the processes?",
    (
        Panel(
            title="Processes",
            says="That tell metrics, by what they are.",
            queries=(Query(together("zerosum_processes", by="process"), "{{process}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            runbook="ZerosumWorkerAway",
        ),
        Panel(
            title="Late to their turn",
            says="How much later than asked a process came to its turn, at worst. It is what one slow step costs all "
            "others.",
            queries=(Query(largest("zerosum_event_loop_lag_seconds", by="process"), "{{process}}"),),
            unit=Unit.SECONDS,
            width=6,
            limits=Limits(warn=0.1, alarm=1),
            runbook="ZerosumProcessesAreSlow",
        ),
        Panel(
            title="Open connections",
            says="Of callers, to all API processes.",
            queries=(Query(together("zerosum_connections"), "connections"),),
            unit=Unit.COUNT,
            width=6,
        ),
        Panel(
            title="Balances from the cache",
            says="Share of the balances that were asked for and found in Redis.",
            queries=(Query(ratio(rate(_HITS), f"({rate(_HITS)} + {rate(_MISSES)})"), "found"),),
            unit=Unit.SHARE,
            width=6,
            most=1.0,
            runbook="ZerosumRedisAway",
        ),
    ),
)

_RUNS = Story(
    "What runs, and what was lost?",
    (
        Panel(
            title="Spans",
            says="Taken by the collector, and lost because it was away; lines of the log that nobody read in time. "
            "Neither ever costs a request.",
            queries=(
                Query(rate("zerosum_spans_exported_total"), "taken"),
                Query(rate("zerosum_spans_lost_total"), "lost"),
                Query(rate("zerosum_log_lines_dropped_total"), "lines of the log, dropped"),
            ),
            unit=Unit.PER_SECOND,
            width=12,
            runbook="ZerosumSpansLost",
        ),
        Panel(
            title="Versions that run",
            says="More than one while an update is under way.",
            queries=(Query("max by (version) (zerosum_build_info)", "{{version}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
        ),
        Panel(
            title="Lost within the last hour",
            says="Requests shed, connections refused and commands shed, all together.",
            queries=(
                Query(within("zerosum_requests_shed_total", "1h"), "requests"),
                Query(within("zerosum_connections_refused_total", "1h"), "connections"),
                Query(within("zerosum_commands_shed_total", "1h"), "commands"),
            ),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            limits=Limits(warn=1),
            runbook="ZerosumRequestsShed",
            leads_to="committer",
        ),
    ),
)

GATEWAY = Dashboard(
    name="gateway",
    title="Gateway",
    says="What callers ask for, how they are answered, and what is turned away before it costs anything.",
    stories=(_ANSWERED, _ASKED, _AWAY, _PROCESSES, _RUNS),
)
