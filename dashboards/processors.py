"""Processors and reconciliation: whether those who move the money answer, and whether they tell what our books tell."""

from __future__ import annotations

from dashboards.parts import Dashboard, Kind, Limits, Panel, Query, Story, Unit, Variable, stat
from dashboards.promql import largest, or_zero, quantile, quantiles, rate, ratio

_CALLS = "zerosum_processor_calls_total"
_OPEN = "zerosum_processor_open_calls"
_CHOSEN = 'processor=~"$processor"'
_PARKED = f'{_CHOSEN}, state="parked"'
_OLD = 'age=~"30d|older"'

_ANSWER = Story(
    "Do processors answer?",
    (
        stat("Calls", "Times that a processor was asked, a second.", rate(_CALLS, _CHOSEN), Unit.PER_SECOND),
        stat(
            "Without a reply",
            "Share of calls that had no usable reply. What became of them is looked up, under the same key.",
            ratio(rate(_CALLS, f'{_CHOSEN}, outcome="missing"'), rate(_CALLS, _CHOSEN)),
            Unit.SHARE,
            limits=Limits(warn=0.05, alarm=0.5),
            runbook="ZerosumProcessorDoesNotAnswer",
        ),
        stat(
            "Declined",
            "Share of calls that the processor has declined. A jump: its rules have changed, or our requests.",
            ratio(rate(_CALLS, f'{_CHOSEN}, outcome="declined"'), rate(_CALLS, _CHOSEN)),
            Unit.SHARE,
            limits=Limits(warn=0.3),
            runbook="ZerosumProcessorDeclinesMuch",
        ),
        stat(
            "Parked",
            "Calls that wait for a person: nobody knows what became of the money.",
            or_zero(f"sum({largest(_OPEN, _PARKED, by='processor')})"),
            Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumProcessorCallsParked",
        ),
        stat(
            "The oldest without an outcome",
            "Its age.",
            largest("zerosum_processor_oldest_call_seconds", _CHOSEN),
            Unit.SECONDS,
            limits=Limits(warn=3600, alarm=86400),
            runbook="ZerosumProcessorCallsAreOld",
        ),
        stat(
            "Left alone",
            "Processors that are not asked for a while because they did not answer.",
            or_zero(f"sum({largest('zerosum_processor_breaker_open', _CHOSEN, by='processor')})"),
            Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumProcessorDoesNotAnswer",
        ),
    ),
)

_SAY = Story(
    "What do they say, and how fast?",
    (
        Panel(
            title="What came of calls",
            says="Approved, declined, undecided (they tell later), missing (no usable reply).",
            queries=(Query(rate(_CALLS, _CHOSEN, by="outcome"), "{{outcome}}"),),
            unit=Unit.PER_SECOND,
            stacked=True,
        ),
        Panel(
            title="Time to reply, by processor",
            says="95 of a hundred took no longer.",
            queries=(
                Query(quantile(0.95, "zerosum_processor_call_seconds", _CHOSEN, by="processor"), "{{processor}}"),
            ),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Time to reply, all together",
            says="Half of the calls, 95 and 99 of a hundred took no longer.",
            queries=quantiles("zerosum_processor_call_seconds", _CHOSEN),
            unit=Unit.SECONDS,
        ),
    ),
)

_EACH = Story(
    "Which one is in trouble?",
    (
        Panel(
            title="Approved lately",
            says="Share of the attempts of the last five to ten minutes, from 20 on. Routes pass over one that falls "
            "below its "
            "`success_percent_min`.",
            queries=(Query(largest("zerosum_processor_success_ratio", _CHOSEN, by="processor"), "{{processor}}"),),
            unit=Unit.SHARE,
            most=1.0,
            runbook="ZerosumProcessorDeclinesMuch",
            rare="It takes 20 attempts, which a short trial may not come to.",
        ),
        Panel(
            title="Left alone, each",
            says="1 while a processor is not asked because it did not answer.",
            queries=(Query(largest("zerosum_processor_breaker_open", _CHOSEN, by="processor"), "{{processor}}"),),
            unit=Unit.COUNT,
            most=1.0,
            runbook="ZerosumProcessorDoesNotAnswer",
        ),
        Panel(
            title="No usable reply, by processor",
            says="Calls a second.",
            queries=(Query(rate(_CALLS, f'{_CHOSEN}, outcome="missing"', by="processor"), "{{processor}}"),),
            unit=Unit.PER_SECOND,
            runbook="ZerosumProcessorDoesNotAnswer",
        ),
    ),
)

_UNDECIDED = Story(
    "Whose money is not decided?",
    (
        Panel(
            title="Calls without an outcome",
            says="Proposed: not sent yet. Sent. Unknown: looked up again. Parked: waits for a person.",
            queries=(Query(largest(_OPEN, _CHOSEN, by="processor, state"), "{{processor}}: {{state}}"),),
            unit=Unit.COUNT,
            width=12,
            stacked=True,
            runbook="ZerosumProcessorCallsParked",
        ),
        Panel(
            title="Age of the oldest",
            says="Its amount is pending all the time.",
            queries=(
                Query(largest("zerosum_processor_oldest_call_seconds", _CHOSEN, by="processor"), "{{processor}}"),
            ),
            unit=Unit.SECONDS,
            width=12,
            runbook="ZerosumProcessorCallsAreOld",
        ),
    ),
)

_AGREE = Story(
    "Does the outside tell what our books tell?",
    (
        Panel(
            title="Breaks, by age in days",
            says="Lines that we do not know, entries that they do not know, and what does not fit, since the day of "
            "the item.",
            queries=(Query(largest("zerosum_reconciliation_breaks", by="age"), "{{age}}"),),
            unit=Unit.COUNT,
            stacked=True,
            runbook="ZerosumBreaksAreOld",
        ),
        Panel(
            title="Breaks of more than a week",
            says="To be brought to zero: explained, adjusted or resolved.",
            queries=(Query(f"sum({largest('zerosum_reconciliation_breaks', _OLD, by='age')})", "breaks"),),
            unit=Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumBreaksAreOld",
        ),
        Panel(
            title="Disputes, by when they must be answered",
            says="What is not answered in time is lost.",
            queries=(Query(largest("zerosum_disputes_undecided", by="due"), "{{due}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            runbook="ZerosumDisputesDue",
            leads_to="ledger",
        ),
    ),
)

PROCESSORS = Dashboard(
    name="processors",
    title="Processors and reconciliation",
    says="Whether those who move the money answer, and whether they tell what our books tell.",
    stories=(_ANSWER, _SAY, _EACH, _UNDECIDED, _AGREE),
    variables=(Variable(name="processor", label="processor", metric=_CALLS),),
)
