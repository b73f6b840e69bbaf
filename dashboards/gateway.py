"""Gateway: what callers ask for, how they are answered, and what is turned away before it costs anything."""

from __future__ import annotations

from dashboards.parts import Dashboard, Limits, Panel, Query, Story, Unit, stat

_REQUESTS = "zerosum_http_requests_total"
_BUCKETS = "zerosum_http_request_seconds_bucket"

GATEWAY = Dashboard(
    name="gateway",
    title="Gateway",
    says="What callers ask for, how they are answered, and what is turned away before it costs anything.",
    stories=(
        Story(
            "Are callers answered?",
            (
                stat(
                    "Requests",
                    "Answers of any kind, a second.",
                    f"sum(rate({_REQUESTS}[$__rate_interval]))",
                    Unit.REQUESTS_PER_SECOND,
                ),
                stat(
                    "Failing on our side",
                    "Share of answers from 500 on. What is refused (4xx) is no failure of ours.",
                    f'(sum(rate({_REQUESTS}{{status=~"5.."}}[$__rate_interval])) or vector(0))'
                    f" / sum(rate({_REQUESTS}[$__rate_interval]))",
                    Unit.SHARE,
                    limits=Limits(warn=0.001, alarm=0.01),
                    runbook="ZerosumAway",
                ),
            ),
        ),
        Story(
            "What is asked for, and how long does it take?",
            (
                Panel(
                    title="By route",
                    says="Answers a second, by the template of the address.",
                    queries=(Query(f"topk(8, sum by (route) (rate({_REQUESTS}[$__rate_interval])))", "{{route}}"),),
                    unit=Unit.REQUESTS_PER_SECOND,
                    width=12,
                    stacked=True,
                ),
                Panel(
                    title="Time to answer",
                    says="Half of the answers, 95 and 99 of a hundred took no longer.",
                    queries=tuple(
                        Query(
                            f"histogram_quantile({share}, sum by (le) (rate({_BUCKETS}[$__rate_interval])))",
                            f"p{share * 100:.0f}",
                        )
                        for share in (0.5, 0.95, 0.99)
                    ),
                    unit=Unit.SECONDS,
                    width=12,
                ),
            ),
        ),
    ),
)
