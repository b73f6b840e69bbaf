"""Requests, connections, limits and the cache; and the processes themselves."""

from __future__ import annotations

from zerosum.metrics.declaration import Summed, counter, histogram, level

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = counter(
    "zerosum_http_requests_total",
    "Answers by route, method and status; the route is its template, `none` where there is no such route.",
    "route",
    "method",
    "status",
)
REQUEST_SECONDS = histogram(
    "zerosum_http_request_seconds",
    "Time from a request's head to the end of its answer, by route and method (`other`: one that HTTP does not know).",
    SECONDS,
    "route",
    "method",
)
REFUSALS = counter(
    "zerosum_http_refusals_total",
    "Requests answered with a problem, by its stable code. Items of bulk calls are not among them.",
    "code",
)
REQUESTS_SHED = counter(
    "zerosum_requests_shed_total", "Requests answered 503 because too many were in flight, or waiting."
)
REQUESTS_WAITING = level(
    "zerosum_requests_waiting",
    "Requests that have come and were not begun, since too many came at once.",
    summed=Summed.LIVING,
)
IN_FLIGHT = level("zerosum_requests_in_flight", "Requests that are being answered now.", summed=Summed.LIVING)
RATE_LIMITS = counter(
    "zerosum_rate_limit_decisions_total",
    "Times a budget was asked, by budget (principal, ledger, address, costly, failures) and what it said"
    " (allowed, refused).",
    "limit",
    "decision",
)
CONNECTIONS = level("zerosum_connections", "Connections that are open now.", summed=Summed.LIVING)
CONNECTIONS_REFUSED = counter(
    "zerosum_connections_refused_total", "Connections answered 503 because all others were busy."
)
CONNECTIONS_ENDED = counter(
    "zerosum_connections_ended_total", "Connections ended for newcomers, or because nobody read their answers."
)
CACHE_HITS = counter("zerosum_cache_hits_total", "Balances that were read from Redis.")
CACHE_MISSES = counter("zerosum_cache_misses_total", "Balances that Redis was asked for and did not have.")
REDIS_AWAY = level(
    "zerosum_redis_away",
    "API processes that do without Redis: it is away for them, or none is set.",
    summed=Summed.LIVING,
)
PROCESSES = level(
    "zerosum_processes",
    "Processes that tell metrics, by what they are (api, worker, ingest, publish).",
    "process",
    summed=Summed.LIVING,
)
VERSION = level(
    "zerosum_build_info", "Always 1; the label names the version that runs.", "version", summed=Summed.LARGEST
)
LOOP_LAG = level(
    "zerosum_event_loop_lag_seconds",
    "How much later than asked a process came to its turn, at worst within the last second.",
    "process",
    summed=Summed.LARGEST,
)
POOL_IN_USE = level(
    "zerosum_pool_connections_in_use",
    "Connections of the pools to PostgreSQL that are in use now; the committer's own are not among them.",
    "process",
    summed=Summed.LIVING,
)
POOL_WAITING = level(
    "zerosum_pool_waiting", "Units of work that wait for a connection of a pool now.", "process", summed=Summed.LIVING
)
POOL_SIZE = level(
    "zerosum_pool_connections_max", "Connections that the pools may open.", "process", summed=Summed.LIVING
)
LOG_LINES_DROPPED = counter(
    "zerosum_log_lines_dropped_total", "Lines of the log that were dropped, for nobody read those before them in time."
)
_TRACED = "a collector of traces is set (`ZEROSUM_OTLP_ENDPOINT`)"
SPANS_EXPORTED = counter("zerosum_spans_exported_total", "Spans that the collector has taken.", where=_TRACED)
SPANS_LOST = counter("zerosum_spans_lost_total", "Spans that could not be delivered.", where=_TRACED)
