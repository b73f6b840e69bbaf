"""Bugs by which one person alone moves what takes two, or two move it twice."""

from __future__ import annotations

from tests.planted.plant import plant

SECOND_PERSON = "four eyes in the console"
SERVICE = "src/zerosum/services/proposals.py"
CONSOLE = "src/zerosum/console/second_person.py"
PAYMENTS = "src/zerosum/console/pages/payments.py"
PROPOSED = "tests/console/test_second_person.py::"
ACTS = "tests/console/test_weighed_acts.py::"

SECOND_PERSON_PLANTS = (
    plant(
        "what is carried out has the key of the moment",
        SECOND_PERSON,
        CONSOLE,
        "own_key=proposal_key(proposal.id),",
        "own_key=view.call.request_id,",
        f"{PROPOSED}test_who_dies_behind_the_confirmation_does_it_once_when_it_goes_on",
    ),
    plant(
        "what has changed meanwhile is carried out as it is now",
        SECOND_PERSON,
        SERVICE,
        "if moves_told(moves) != moves_told(proposal.moves):",
        "if False:",
        f"{PROPOSED}test_what_would_move_another_amount_by_then_lapses",
        f"{ACTS}test_the_rest_of_a_hold_that_has_grown_is_not_paid_by_what_was_confirmed_before",
    ),
    plant(
        "the rest is what is left when it is carried out",
        SECOND_PERSON,
        CONSOLE,
        "**(proposal.fixed if is_fixed else {})",
        "**{}",
        f"{PROPOSED}test_of_the_rest_what_was_shown_is_paid_and_what_it_may_grow_to_counts",
    ),
    plant(
        "what the rest may grow to does not count",
        SECOND_PERSON,
        PAYMENTS,
        "moves={payment.currency: left}, at_most={payment.currency: at_most}",
        "moves={payment.currency: left}",
        f"{PROPOSED}test_of_the_rest_what_was_shown_is_paid_and_what_it_may_grow_to_counts",
    ),
    plant(
        "an act that was weighed is carried out all the same",
        SECOND_PERSON,
        "src/zerosum/console/console.py",
        "if waiting is None:\n                    return await carry_out(view)",
        "return await carry_out(view)",
        f"{PROPOSED}test_a_refund_above_the_threshold_waits_for_another_person",
        f"{ACTS}test_above_its_threshold_it_waits_and_is_done_once",
    ),
)
