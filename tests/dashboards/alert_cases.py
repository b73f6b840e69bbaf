"""For each alert: series with which it fires, and series with which it does not, as promtool writes them."""

from __future__ import annotations

from collections.abc import Mapping

Series = Mapping[str, str]

_PAYMENTS = 'zerosum_payments_total{type="transfer", processor="internal", outcome="%s"}'
_SECONDS = 'zerosum_http_request_seconds_%s{route="/v1/payments", method="%s"%s}'
_ANSWERS = 'zerosum_http_requests_total{route="/v1/payments", method="POST", status="%s"}'
_CALLS = 'zerosum_processor_calls_total{processor="acme", outcome="%s"}'


def _level(series: str, fires: float, quiet: float) -> tuple[Series, Series]:
    return {series: f"{fires}x180"}, {series: f"{quiet}x180"}


def _counted(series: str) -> tuple[Series, Series]:
    """It rises at last, or has risen long ago."""
    return {series: "0x70 1+1x70"}, {series: "0+1x20 20x160"}


def _slow(all_: str, quick: str) -> Series:
    """Many more lists of payments are read meanwhile, all of them quickly: they make no payment quicker."""
    reads = {_SECONDS % ("count", "GET", ""): "0+9000x500", _SECONDS % ("bucket", "GET", ', le="0.25"'): "0+9000x500"}
    return {_SECONDS % ("count", "POST", ""): all_, _SECONDS % ("bucket", "POST", ', le="0.25"'): quick, **reads}


SHORT: dict[str, tuple[Series, Series]] = {
    "ZerosumAway": _level('up{job="zerosum", instance="api:8080"}', 0, 1),
    "ZerosumWorkerAway": _level('zerosum_processes{process="worker"}', 0, 2),
    "ZerosumProcessesAreSlow": _level('zerosum_event_loop_lag_seconds{process="api"}', 0.3, 0.02),
    "ZerosumRequestsShed": (
        {"zerosum_requests_shed_total": "0+20x180", "zerosum_connections_refused_total": "0x180"},
        {"zerosum_requests_shed_total": "0+1x180", "zerosum_connections_refused_total": "0x180"},
    ),
    "ZerosumRedisAway": _level("zerosum_redis_away", 2, 0),
    "ZerosumManyRefusals": (
        {_PAYMENTS % "refused": "0+60x180", _PAYMENTS % "posted": "0+40x180"},
        {_PAYMENTS % "refused": "0+40x180", _PAYMENTS % "posted": "0+60x180"},
    ),
    "ZerosumSpansLost": ({"zerosum_spans_lost_total": "0+1x180"}, {"zerosum_spans_lost_total": "50x180"}),
    "ZerosumBooksOutOfBalance": _level('zerosum_trial_balance_difference{currency="USD"}', -0.01, 0),
    "ZerosumBooksDiffer": _level("zerosum_self_audit_differences", 1, 0),
    "ZerosumProofStandsStill": (
        {"zerosum_self_audit_slice_timestamp_seconds": "60x180"},
        {"zerosum_self_audit_slice_timestamp_seconds": "0+60x180"},
    ),
    "ZerosumHoldsOverdue": _level("zerosum_holds_overdue", 1, 0),
    "ZerosumScheduledPaymentsLate": _level("zerosum_scheduled_payments_lag_seconds", 301, 299),
    "ZerosumReviewsWait": _level("zerosum_reviews_oldest_seconds", 86401, 86399),
    "ZerosumDisputesDue": _level('zerosum_disputes_undecided{due="overdue"}', 1, 0),
    "ZerosumBreaksAreOld": _level('zerosum_reconciliation_breaks{age="30d"}', 1, 0),
    "ZerosumOutcomesUnknown": _counted("zerosum_outcomes_unknown_total"),
    "ZerosumCommandsShed": (
        {"zerosum_commands_shed_total": "0+1x180", "zerosum_commands_expired_total": "0x180"},
        {"zerosum_commands_shed_total": "7x180", "zerosum_commands_expired_total": "3x180"},
    ),
    "ZerosumLanesLost": _counted("zerosum_lanes_lost_total"),
    "ZerosumAccountIsHot": _level('zerosum_hot_account_lock_wait_seconds{account="acc_1"}', 12, 9),
    "ZerosumTransactionIsOld": _level("zerosum_postgres_oldest_transaction_seconds", 301, 299),
    "ZerosumConnectionsRunShort": (
        {'zerosum_postgres_connections{state="idle"}': "91x180", "zerosum_postgres_connections_max": "100x180"},
        {'zerosum_postgres_connections{state="idle"}': "90x180", "zerosum_postgres_connections_max": "100x180"},
    ),
    "ZerosumStandbyIsBehind": _level('zerosum_postgres_replication_lag_seconds{standby="b"}', 301, 299),
    "ZerosumTablesAreBloated": (
        {
            'zerosum_postgres_dead_tuples{table="accounts"}': "200000x180",
            'zerosum_postgres_live_tuples{table="accounts"}': "300000x180",
        },
        {
            'zerosum_postgres_dead_tuples{table="accounts"}': "200000x180",
            'zerosum_postgres_live_tuples{table="accounts"}': "500000x180",
        },
    ),
    "ZerosumPoolIsShort": (
        {'zerosum_pool_waiting{process="api"}': "3x180"},
        {'zerosum_pool_waiting{process="api"}': "3 0 3 0 " * 45},
    ),
    "ZerosumReadingsAreOld": (
        {'zerosum_reading_timestamp_seconds{reading="sizes"}': "60x180"},
        {'zerosum_reading_timestamp_seconds{reading="sizes"}': "0+60x180"},
    ),
    "ZerosumFeedStandsStill": ({"zerosum_events_lag_seconds": "61x180"}, {"zerosum_events_lag_seconds": "1x73 70x100"}),
    "ZerosumWebhooksAreNotTaken": (
        {"zerosum_webhook_failures_total": "0+6x180", "zerosum_webhook_deliveries_total": "0+4x180"},
        {"zerosum_webhook_failures_total": "0+4x180", "zerosum_webhook_deliveries_total": "0+6x180"},
    ),
    "ZerosumWebhookEndpointFails": (
        {'zerosum_webhook_endpoints{status="failing"}': "1x180"},
        {
            'zerosum_webhook_endpoints{status="failing"}': "0x180",
            'zerosum_webhook_endpoints{status="disabled"}': "1x180",
        },
    ),
    "ZerosumPublishingLags": _level('zerosum_publications{state="obstructed"}', 1, 0),
    "ZerosumIngestLags": _level("zerosum_ingest_lag_messages", 10001, 9999),
    "ZerosumIngestStandsStill": _level("zerosum_ingest_paused_inputs", 1, 0),
    "ZerosumDeadLetters": _level('zerosum_dead_letters{status="dead"}', 1, 0),
    "ZerosumMessagesLost": _counted("zerosum_ingest_lost_total"),
    "ZerosumIngestEndedOnAGap": _counted("zerosum_ingest_gaps_total"),
    "ZerosumProcessorDoesNotAnswer": (
        {'zerosum_processor_breaker_open{processor="acme"}': "1 1 0 " * 60},
        {'zerosum_processor_breaker_open{processor="acme"}': "1 0 0 " * 60},
    ),
    "ZerosumProcessorDeclinesMuch": (
        {_CALLS % "declined": "0+6x180", _CALLS % "approved": "0+4x180"},
        {_CALLS % "declined": "0+4x180", _CALLS % "approved": "0+6x180"},
    ),
    "ZerosumProcessorCallsParked": _level('zerosum_processor_open_calls{processor="acme", state="parked"}', 1, 0),
    "ZerosumProcessorCallsAreOld": _level('zerosum_processor_oldest_call_seconds{processor="acme"}', 86401, 86399),
    # What has ended wakes nobody, however bad it was.
    "ZerosumAvailabilityBurnsFast": (
        {_ANSWERS % "500": "0+5x180", _ANSWERS % "201": "0+95x180"},
        {_ANSWERS % "500": "0+5x20 100x120", _ANSWERS % "201": "0+95x180"},
    ),
    "ZerosumLatencyBurnsFast": (_slow("0+100x180", "0+70x180"), _slow("0+100x180", "0+95x180")),
    # A worker that is dead tells nothing of how late it is.
    "ZerosumFreshnessBurnsFast": (
        {"zerosum_webhook_lag_seconds": "1x20 _x160"},
        {"zerosum_webhook_lag_seconds": "29x180"},
    ),
}
"""Looked at after 75 minutes."""

BORN: dict[str, tuple[Series, Series]] = {
    # A process that finds it when it starts has told nothing before.
    "ZerosumMessagesLost": (
        {"zerosum_ingest_lost_total": "_x65 3x60"},
        {"zerosum_ingest_lost_total": "_x65 0x60"},
    ),
    "ZerosumIngestEndedOnAGap": (
        {"zerosum_ingest_gaps_total": "_x65 1x60"},
        {"zerosum_ingest_gaps_total": "_x65 0x60"},
    ),
}

LONG: dict[str, tuple[Series, Series]] = {
    "ZerosumProofIsOld": (
        {
            "zerosum_self_audit_completed_timestamp_seconds": "1x500",
            "zerosum_self_audit_begun_timestamp_seconds": "0+3600x500",
        },
        {
            "zerosum_self_audit_completed_timestamp_seconds": "0x500",
            "zerosum_self_audit_begun_timestamp_seconds": "0+3600x500",
        },
    ),
    "ZerosumAvailabilityBurnsSlowly": (
        {_ANSWERS % "503": "0+2x500", _ANSWERS % "201": "0+998x500"},
        {_ANSWERS % "503": "0+5x500", _ANSWERS % "201": "0+9995x500"},
    ),
    "ZerosumLatencyBurnsSlowly": (_slow("0+1000x500", "0+980x500"), _slow("0+1000x500", "0+995x500")),
    "ZerosumFreshnessBurnsSlowly": (
        {"zerosum_webhook_lag_seconds": "40 1 1 1 1 1 1 1 1 1 " * 50},
        {"zerosum_webhook_lag_seconds": "1x500"},
    ),
}
"""The same with one value an hour, looked at after eight days."""
