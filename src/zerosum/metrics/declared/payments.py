"""What was paid and what was refused."""

from __future__ import annotations

from zerosum.metrics.declaration import counter

PAYMENTS = counter(
    "zerosum_payments_total",
    "Payments by type, processor and outcome: posted, proposed (its processor is asked), held (for people to decide),"
    " replayed (the same key again), refused.",
    "type",
    "processor",
    "outcome",
)
PAYMENT_REFUSALS = counter(
    "zerosum_payment_refusals_total",
    "Payments that the committer refused, by type and by the stable code of the refusal.",
    "type",
    "code",
)
PAYMENT_AMOUNT = counter(
    "zerosum_payment_amount_total",
    "Sum of the payments that were posted or proposed, in whole units of the currency (12.34 for 12.34 USD), as a"
    " float: for rates, not for books.",
    "currency",
)
ANSWERS = counter(
    "zerosum_command_answers_total",
    "Commands by what they are (pay, place_hold, refund_payment, open_account, ...) and outcome: posted, replayed,"
    " refused.",
    "command",
    "outcome",
)
COMMAND_REFUSALS = counter(
    "zerosum_command_refusals_total",
    "Commands that the committer refused, by what they are and by the stable code of the refusal.",
    "command",
    "code",
)
