"""Ledger health: whether the books prove themselves, what is promised in them, and what people have to decide."""

from __future__ import annotations

from dashboards.parts import Dashboard, Kind, Limits, Panel, Query, Story, Unit, stat
from dashboards.promql import age, largest, rate, top

_COMPLETED = "zerosum_self_audit_completed_timestamp_seconds"
_SLICE = "zerosum_self_audit_slice_timestamp_seconds"
_BEGUN = "zerosum_self_audit_begun_timestamp_seconds"

_PROOF = Story(
    "Do the books prove themselves?",
    (
        stat(
            "Debits less credits",
            "Over all accounts of all ledgers, by currency. Anything but 0 is an alarm.",
            "max by (currency) (abs(zerosum_trial_balance_difference))",
            Unit.COUNT,
            legend="{{currency}}",
            limits=Limits(alarm=1e-9),
            runbook="ZerosumBooksOutOfBalance",
        ),
        stat(
            "Differences found",
            "Of the last whole pass of the self-audit, or of this one where it has found more.",
            largest("zerosum_self_audit_differences"),
            Unit.COUNT,
            limits=Limits(alarm=0.5),
            runbook="ZerosumBooksDiffer",
        ),
        stat(
            "Age of the last whole proof",
            "Since all ledgers were last proved from their first to their last entry, over restarts.",
            age(_COMPLETED),
            Unit.SECONDS,
            limits=Limits(warn=86400, alarm=7 * 86400),
            runbook="ZerosumProofIsOld",
            rare="The first pass over all ledgers takes longer than the trial.",
        ),
        stat(
            "The proof last moved",
            "Since the last slice was proved. It stands still when no worker runs, or the self-audit is off.",
            age(_SLICE),
            Unit.SECONDS,
            limits=Limits(warn=60, alarm=600),
            runbook="ZerosumProofStandsStill",
        ),
        stat(
            "This pass began",
            "How long the pass that is under way has lasted.",
            age(_BEGUN),
            Unit.SECONDS,
        ),
        stat(
            "Ledgers proved in it",
            "Of the pass that is under way.",
            largest("zerosum_self_audit_ledgers_done"),
            Unit.COUNT,
        ),
    ),
)

_MOVING = Story(
    "How does the proof go on, and what is written meanwhile?",
    (
        Panel(
            title="Postings proved",
            says="A second. A slice is a few hundred postings; one is proved every few seconds.",
            queries=(Query(rate("zerosum_self_audit_postings_total"), "postings"),),
            unit=Unit.PER_SECOND,
            runbook="ZerosumProofStandsStill",
        ),
        Panel(
            title="Slices proved",
            says="A second. None for a minute: the self-audit stands still.",
            queries=(Query(rate("zerosum_self_audit_slices_total"), "slices"),),
            unit=Unit.PER_SECOND,
            runbook="ZerosumProofStandsStill",
        ),
        Panel(
            title="What is written",
            says="Commands that are in the books, by what they are.",
            queries=(
                Query(top(rate("zerosum_command_answers_total", 'outcome="posted"', by="command")), "{{command}}"),
            ),
            unit=Unit.PER_SECOND,
            stacked=True,
            leads_to="committer",
        ),
    ),
)

_PROMISED = Story(
    "What is promised, and not paid yet?",
    (
        Panel(
            title="Holds",
            says="Open holds, and those whose time is over within the next hour.",
            queries=(
                Query(largest("zerosum_holds_open"), "open"),
                Query(largest("zerosum_holds_expiring"), "expire within an hour"),
            ),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Holds whose time is over",
            says="By more than a minute: their money is held for nothing. The worker releases them.",
            queries=(Query(largest("zerosum_holds_overdue"), "overdue"),),
            unit=Unit.COUNT,
            limits=Limits(warn=1),
            runbook="ZerosumHoldsOverdue",
        ),
        Panel(
            title="Scheduled payments are late by",
            says="For how long the oldest that is due waits. The worker runs them.",
            queries=(Query(largest("zerosum_scheduled_payments_lag_seconds"), "oldest"),),
            unit=Unit.SECONDS,
            limits=Limits(warn=60, alarm=600),
            runbook="ZerosumScheduledPaymentsLate",
        ),
    ),
)

_DECIDE = Story(
    "What do people have to decide?",
    (
        Panel(
            title="Payments held for review",
            says="A rule has held them. Two people decide where the rule wants two.",
            queries=(Query(largest("zerosum_reviews_waiting"), "waiting"),),
            unit=Unit.COUNT,
            width=6,
        ),
        Panel(
            title="The oldest review waits",
            says="For how long.",
            queries=(Query(largest("zerosum_reviews_oldest_seconds"), "oldest"),),
            unit=Unit.SECONDS,
            width=6,
            limits=Limits(warn=4 * 3600, alarm=86400),
            runbook="ZerosumReviewsWait",
        ),
        Panel(
            title="Disputes, by when they must be answered",
            says="What is not answered in time is lost.",
            queries=(Query(largest("zerosum_disputes_undecided", by="due"), "{{due}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            runbook="ZerosumDisputesDue",
        ),
        Panel(
            title="Breaks of reconciliation, by age in days",
            says="Where the outside tells something else than our books.",
            queries=(Query(largest("zerosum_reconciliation_breaks", by="age"), "{{age}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
            width=6,
            runbook="ZerosumBreaksAreOld",
            leads_to="processors",
        ),
    ),
)

LEDGER = Dashboard(
    name="ledger",
    title="Ledger health",
    says="Whether the books prove themselves, what is promised in them, and what people have to decide.",
    stories=(_PROOF, _MOVING, _PROMISED, _DECIDE),
)
