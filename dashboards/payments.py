"""Payments: whether money moves, what is paid, what is refused and why, and what waits for somebody."""

from __future__ import annotations

from dashboards.objectives import PAYING as _PAYING
from dashboards.objectives import SECONDS as _SECONDS
from dashboards.parts import Dashboard, Limits, Panel, Query, Story, Unit, Variable, stat
from dashboards.promql import largest, quantile, quantiles, rate, ratio, top

_PAYMENTS = "zerosum_payments_total"
_CHOSEN = 'processor=~"$processor"'
_REQUESTS = "zerosum_http_requests_total"

_MOVING = Story(
    "Is money moving?",
    (
        stat(
            "Payments posted",
            "Payments that are in the books, a second. A repeated key counts once.",
            rate(_PAYMENTS, 'outcome="posted"'),
            Unit.PER_SECOND,
        ),
        stat(
            "Refused by the books",
            "Share of payments that the books or a rule refused: no money, a limit, a frozen account. Callers cause "
            "it; a jump "
            "means that one of them, or a rule, has changed.",
            ratio(rate(_PAYMENTS, 'outcome="refused"'), rate(_PAYMENTS)),
            Unit.SHARE,
            limits=Limits(warn=0.5),
            runbook="ZerosumManyRefusals",
        ),
        stat(
            "Failing on our side",
            "Share of payments (POST /v1/payments) that were answered 500 or above. 503 has done nothing; "
            "after 504 the same key tells.",
            ratio(rate(_REQUESTS, f'{_PAYING}, status=~"5.."'), rate(_REQUESTS, _PAYING)),
            Unit.SHARE,
            limits=Limits(warn=0.001, alarm=0.01),
            runbook="ZerosumAvailabilityBurnsFast",
            leads_to="gateway",
        ),
        stat(
            "99 of 100 are answered within",
            "Of payments that are made (POST /v1/payments), from the head of the request to the end of the answer.",
            quantile(0.99, _SECONDS, _PAYING),
            Unit.SECONDS,
            limits=Limits(warn=0.25, alarm=1.0),
            runbook="ZerosumLatencyBurnsFast",
            leads_to="committer",
        ),
        stat(
            "Outcomes unknown, last hour",
            "Payments answered 504 because their commit was not confirmed. Each caller must ask again with the same "
            "key.",
            "sum(increase(zerosum_outcomes_unknown_total[1h]))",
            Unit.COUNT,
            limits=Limits(alarm=0.5),
            runbook="ZerosumOutcomesUnknown",
            leads_to="committer",
        ),
        stat(
            "Books out of balance",
            "Debits less credits over all accounts. Anything but 0 is an alarm.",
            "max(abs(zerosum_trial_balance_difference))",
            Unit.COUNT,
            limits=Limits(alarm=1e-9),
            runbook="ZerosumBooksOutOfBalance",
            leads_to="ledger",
        ),
    ),
)

_PAID = Story(
    "What is paid?",
    (
        Panel(
            title="Posted, by type",
            says="Transfers, deposits and withdrawals a second.",
            queries=(Query(rate(_PAYMENTS, f'outcome="posted", {_CHOSEN}', by="type"), "{{type}}"),),
            unit=Unit.PER_SECOND,
            stacked=True,
        ),
        Panel(
            title="Amounts, by currency",
            says="Whole units of the currency a second. For rates, not for books: it is counted as a float.",
            queries=(
                Query(rate("zerosum_payment_amount_total", 'currency=~"$currency"', by="currency"), "{{currency}}"),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Posted or asked for, by processor",
            says="Which way the money comes or goes. `internal` is what only the books know; others are asked first.",
            queries=(
                Query(rate(_PAYMENTS, f'outcome=~"posted|proposed", {_CHOSEN}', by="processor"), "{{processor}}"),
            ),
            unit=Unit.PER_SECOND,
            stacked=True,
            leads_to="processors",
        ),
    ),
)

_REFUSED = Story(
    "What is refused, and why?",
    (
        Panel(
            title="What became of payments",
            says="Posted; proposed: asked of a processor; held for review; replayed: the same key again; refused.",
            queries=(Query(rate(_PAYMENTS, _CHOSEN, by="outcome"), "{{outcome}}"),),
            unit=Unit.PER_SECOND,
            stacked=True,
        ),
        Panel(
            title="Refused by the books, by reason",
            says="The stable code that the caller was told. docs/API.md says what each means.",
            queries=(Query(top(rate("zerosum_payment_refusals_total", by="code")), "{{code}}"),),
            unit=Unit.PER_SECOND,
            runbook="ZerosumManyRefusals",
        ),
        Panel(
            title="Other commands that were refused",
            says="Holds, refunds, disputes and the rest, by what they are and why.",
            queries=(
                Query(
                    top(rate("zerosum_command_refusals_total", 'command!~"pay|judged_payment"', by="command, code")),
                    "{{command}}: {{code}}",
                ),
            ),
            unit=Unit.PER_SECOND,
        ),
    ),
)

_TIME = Story(
    "Is what was promised kept?",
    (
        Panel(
            title="Time to answer a payment",
            says="Half of the calls, 95 and 99 of a hundred took no longer. The line is what is promised for 99.",
            queries=quantiles(_SECONDS, _PAYING),
            unit=Unit.SECONDS,
            limits=Limits(warn=0.25),
            runbook="ZerosumLatencyBurnsFast",
        ),
        Panel(
            title="Budget used up: failures",
            says="How many times as fast as 30 days allow failures come: 1 uses up the budget exactly, 14.4 in two "
            "days.",
            queries=(
                Query("zerosum:availability_failing:share5m / 0.001", "5 minutes"),
                Query("zerosum:availability_failing:share1h / 0.001", "an hour"),
            ),
            unit=Unit.COUNT,
            limits=Limits(warn=1, alarm=14.4),
            runbook="ZerosumAvailabilityBurnsFast",
        ),
        Panel(
            title="Budget used up: slow payments, late events",
            says="The same of payments above 250 ms, and of the time in which an event waited for more than 30 "
            "seconds.",
            queries=(
                Query("zerosum:latency_failing:share1h / 0.01", "slow payments"),
                Query("zerosum:freshness_failing:share1h / 0.01", "late events"),
            ),
            unit=Unit.COUNT,
            limits=Limits(warn=1, alarm=14.4),
            runbook="ZerosumFreshnessBurnsFast",
        ),
    ),
)

_WAITING = Story(
    "What waits for somebody?",
    (
        Panel(
            title="Held for review",
            says="Payments that a rule has held until people decide, and for how long the oldest of them waits.",
            queries=(Query(largest("zerosum_reviews_waiting"), "payments"),),
            unit=Unit.COUNT,
            runbook="ZerosumReviewsWait",
        ),
        Panel(
            title="Scheduled payments",
            says="Still to run, and those whose time has come more than a minute ago.",
            queries=(
                Query(largest("zerosum_scheduled_payments"), "to run"),
                Query(largest("zerosum_scheduled_payments_overdue"), "overdue"),
            ),
            unit=Unit.COUNT,
            runbook="ZerosumScheduledPaymentsLate",
        ),
        Panel(
            title="Asked of a processor, not decided",
            says="Payments and refunds whose money is pending until a processor has said what became of them.",
            queries=(
                Query(
                    largest("zerosum_processor_open_calls", _CHOSEN, by="processor, state"), "{{processor}}: {{state}}"
                ),
            ),
            unit=Unit.COUNT,
            stacked=True,
            leads_to="processors",
        ),
    ),
)

PAYMENTS = Dashboard(
    name="payments",
    title="Payments",
    says="Whether money moves, what is paid, what is refused and why, and what waits for somebody.",
    stories=(_MOVING, _PAID, _REFUSED, _TIME, _WAITING),
    variables=(
        Variable(name="currency", label="currency", metric="zerosum_payment_amount_total"),
        Variable(name="processor", label="processor", metric=_PAYMENTS),
    ),
)
