"""What is true of every book after any commands whatever."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.domain.builders import CURRENCIES, NOON, account_id, photograph
from tests.domain.chain_verifier import breaks
from tests.domain.model import Line, imbalances, written
from tests.domain.scenarios import NAMES, PROPERTY, Run, chart, command_of, posting_of, runs, steps
from zerosum.domain.errors import Unbalanced
from zerosum.domain.ledger.account import Layer, Side
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Posted, Refused
from zerosum.domain.money import Currency, Money, parse_amount, parse_signed_amount, render_amount

INTEGER_DIGITS = 20


# --- The Book and its model ------------------------------------------------------------------------------------------


@PROPERTY
@given(runs())
def test_the_book_does_what_its_plain_model_does(run: Run) -> None:
    for name, account in run.model.accounts.items():
        state = run.book.accounts[account_id(name)]
        assert f"{state.posted:f}" == written(account.posted, account.places)
        assert f"{state.held:f}" == written(account.held, account.places)
        assert f"{state.available:f}" == written(account.available, account.places)
        assert (state.version, state.overdrawn, state.status.value) == (
            account.version,
            account.overdrawn,
            account.status,
        )
    for judged in run.judged:
        event("posted" if isinstance(judged.outcome, Posted) else judged.outcome.refusal.code)


@PROPERTY
@given(runs())
def test_the_book_objects_to_what_its_plain_model_objects_to_in_the_same_order(run: Run) -> None:
    for judged in run.judged:
        assert judged.told == [(code, f"/postings/{place}/account") for code, place in judged.expected]


@PROPERTY
@given(runs())
def test_a_refusal_is_the_first_objection_and_changes_nothing(run: Run) -> None:
    for judged in run.judged:
        if isinstance(judged.outcome, Refused):
            assert (judged.outcome.refusal.code, judged.outcome.refusal.pointer) == judged.told[0]
            assert photograph(judged.before.values()) == photograph(judged.after.values())
        else:
            assert judged.told == []


# --- Debits and credits ----------------------------------------------------------------------------------------------


@PROPERTY
@given(runs())
def test_the_sum_of_all_postings_is_zero_in_each_currency_and_layer(run: Run) -> None:
    sums: defaultdict[tuple[str, Layer], Fraction] = defaultdict(Fraction)
    for entry in run.entries:
        for line in entry.postings:
            posting = line.posting
            sign = (1 if posting.side is Side.DEBIT else -1) * (-1 if posting.releases else 1)
            sums[posting.money.currency.code, posting.layer] += sign * Fraction(posting.money.amount)
    assert not any(sums.values())


@PROPERTY
@given(runs())
def test_the_totals_of_all_accounts_balance_in_each_currency(run: Run) -> None:
    totals: defaultdict[str, Fraction] = defaultdict(Fraction)
    for state in run.book.accounts.values():
        totals[state.currency] += Fraction(state.posted_debits) - Fraction(state.posted_credits)
    assert not any(totals.values())


@PROPERTY
@given(st.data())
def test_an_entry_can_exist_only_if_it_balances(data: st.DataObject) -> None:
    """One line of a balanced entry is made larger, or put on the other side, currency, or layer."""
    run = Run.of(data.draw(chart()))
    step = data.draw(steps(run.model.accounts).filter(lambda step: step[0] == "post"))
    lines: list[Line] = step[1]
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    spoilt: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"units": line.units + 1 if line.units < 10**17 else line.units - 1},
                {"side": "debit" if line.side == "credit" else "credit"},
                {"currency": "EUR", "units": line.units % 100 + 1},
                {"pending": not line.pending},
                {"releases": True},
            ]
        )
    )
    changed = [*lines[:place], replace(line, **spoilt), *lines[place + 1 :]]
    assert imbalances(changed)
    with pytest.raises(Unbalanced):
        JournalEntry("test", tuple(posting_of(one) for one in changed))


# --- Limits ----------------------------------------------------------------------------------------------------------


@PROPERTY
@given(runs())
def test_whoever_is_below_the_floor_was_overdrawn_or_never_reached_it(run: Run) -> None:
    for name in run.model.accounts:
        state = run.book.accounts[account_id(name)]
        is_below = state.min_available is not None and state.available < state.min_available
        assert state.overdrawn == is_below


@PROPERTY
@given(runs())
def test_nothing_but_a_posting_that_may_overdraw_lowers_what_is_available_to_below_the_floor(run: Run) -> None:
    for judged in run.judged:
        is_outside = any(line.outside for line in judged.lines)
        excused = {account_id(line.account) for line in judged.lines if is_outside}
        for id_, after in judged.after.items():
            if id_ not in excused and after.available < judged.before[id_].available:
                assert after.min_available is None or after.available >= after.min_available


@PROPERTY
@given(runs())
def test_only_what_lowers_available_is_refused_for_a_floor_and_only_income_for_a_ceiling(run: Run) -> None:
    for judged in run.judged:
        for code, pointer in judged.told:
            if code not in ("insufficient_funds", "limit_exceeded"):
                continue
            line = judged.lines[int((pointer or "").split("/")[2])]
            own = [one for one in judged.lines if one.account == line.account]
            change = replace(run.model.accounts[line.account], lines=own)
            growth, freed = change.available, max(0, -change.held)
            assert growth < 0 if code == "insufficient_funds" else growth - freed > 0


@PROPERTY
@given(runs())
def test_no_income_takes_available_above_the_ceiling(run: Run) -> None:
    for judged in run.judged:
        for id_, after in judged.after.items():
            before = judged.before[id_]
            income = after.available - before.available - max(Decimal(0), before.held - after.held)
            is_outside = any(line.outside for line in judged.lines)
            if after.max_available is not None and income > 0 and not is_outside:
                assert after.available <= after.max_available


@PROPERTY
@given(runs())
def test_every_balance_can_be_written_as_an_amount(run: Run) -> None:
    for state in run.book.accounts.values():
        for amount in (state.posted, state.held, state.available):
            assert parse_signed_amount(render_amount(amount), CURRENCIES[state.currency], pointer="/x") == amount


@PROPERTY
@given(runs())
def test_what_is_held_is_never_less_than_nothing_when_releases_match_placements(run: Run) -> None:
    assert all(state.held >= 0 for state in run.book.accounts.values())


@PROPERTY
@given(runs())
def test_nothing_is_held_once_every_placement_is_released(run: Run) -> None:
    for state in run.book.accounts.values():
        state.min_available = state.max_available = None
    for account in run.model.accounts.values():
        account.floor = account.ceiling = None
        account.overdrawn = False
        if account.status == "frozen":
            account.status = "open"
    for name, account in run.model.accounts.items():
        state = run.book.accounts[account_id(name)]
        state.status, state.overdrawn = type(state.status)(account.status), False
    if any(run.model.accounts[line.account].status == "closed" for lines in run.open_placements for line in lines):
        return
    while run.open_placements:
        run.release(0)
    assert all(state.held == 0 for state in run.book.accounts.values())


# --- Chains ----------------------------------------------------------------------------------------------------------


@PROPERTY
@given(runs())
def test_balances_are_what_a_replay_of_the_postings_gives(run: Run) -> None:
    posted: defaultdict[object, Fraction] = defaultdict(Fraction)
    held: defaultdict[object, Fraction] = defaultdict(Fraction)
    for entry in run.entries:
        for line in entry.postings:
            posting = line.posting
            state = run.book.accounts[posting.account_id]
            is_normal = posting.side is state.normal_side
            amount = Fraction(posting.money.amount)
            if posting.layer is Layer.POSTED:
                posted[state.id] += amount if is_normal else -amount
            elif not is_normal:
                held[state.id] += -amount if posting.releases else amount
            assert (Fraction(line.balance_after), Fraction(line.held_after)) == (posted[state.id], held[state.id])
    for state in run.book.accounts.values():
        assert (Fraction(state.posted), Fraction(state.held)) == (posted[state.id], held[state.id])


@PROPERTY
@given(runs())
def test_versions_count_an_accounts_postings_without_a_gap_in_the_order_of_application(run: Run) -> None:
    seen: defaultdict[object, list[int]] = defaultdict(list)
    for entry in run.entries:
        assert [line.place for line in entry.postings] == list(range(len(entry.postings)))
        for line in entry.postings:
            seen[line.posting.account_id].append(line.account_version)
    for state in run.book.accounts.values():
        assert seen[state.id] == list(range(1, state.version + 1))


@PROPERTY
@given(runs())
def test_every_chain_verifies_link_by_link(run: Run) -> None:
    assert breaks(run.entries, {state.id: state.head for state in run.book.accounts.values()}) == []


@PROPERTY
@given(st.data())
def test_altering_any_stored_posting_breaks_its_chain(data: st.DataObject) -> None:
    run = data.draw(runs().filter(lambda run: bool(run.entries)))
    line = data.draw(st.sampled_from([line for entry in run.entries for line in entry.postings]))
    posting, currency = line.posting, line.posting.money.currency
    alter = data.draw(st.sampled_from(["amount", "side", "layer", "balance", "held", "version", "place", "hash"]))
    if alter == "amount":
        other = "2" if posting.money.amount == 1 else "1"
        line.posting = posting._replace(money=Money.parse(other, currency))
    elif alter == "side":
        line.posting = posting._replace(side=posting.side.opposite)
    elif alter == "layer":
        line.posting = posting._replace(layer=Layer.PENDING if posting.layer is Layer.POSTED else Layer.POSTED)
    elif alter == "balance":
        line.balance_after += 1
    elif alter == "held":
        line.held_after += 1
    elif alter == "version":
        line.account_version += 1
    elif alter == "place":
        line.place += 1
    else:
        line.hash = bytes(reversed(line.hash))
    assert breaks(run.entries, {state.id: state.head for state in run.book.accounts.values()}) != []


@PROPERTY
@given(runs())
def test_the_same_commands_on_the_same_states_give_the_same_books(run: Run) -> None:
    one, other = run.begin_again().book, run.begin_again().book
    outcomes = [[repr(book.apply(command, NOON)) for command in run.commands] for book in (one, other)]
    assert photograph(one.accounts.values()) == photograph(other.accounts.values())
    assert [text for text in outcomes[0] if text.startswith("Posted")] == [
        text for text in outcomes[1] if text.startswith("Posted")
    ]


@PROPERTY
@given(st.data())
def test_commands_that_touch_no_account_in_common_may_change_places(data: st.DataObject) -> None:
    left = data.draw(chart(NAMES[:3]))
    right = data.draw(chart([f"other{number}" for number in range(3)]))
    sides = []
    for side, model in (("left", left), ("right", right)):
        entries = data.draw(st.lists(steps(model).filter(lambda step: step[0] == "post"), max_size=5))
        lines = [step[1] for step in entries]
        named = [[one for one in entry if one.account != "nobody"] for entry in lines]
        sides.append(
            [
                command_of(entry, key=f"{side} {number}")
                for number, (entry, known) in enumerate(zip(lines, named, strict=True))
                if len(known) == len(entry)
            ]
        )
    order = data.draw(st.permutations(["left"] * len(sides[0]) + ["right"] * len(sides[1])))

    def book() -> Book:
        return Run.of({**left, **right}).book

    one_after_the_other, mixed = book(), book()
    for command in [*sides[0], *sides[1]]:
        one_after_the_other.apply(command, NOON)
    waiting = {"left": iter(sides[0]), "right": iter(sides[1])}
    for side in order:
        mixed.apply(next(waiting[side]), NOON)
    assert photograph(mixed.accounts.values()) == photograph(one_after_the_other.accounts.values())


@PROPERTY
@given(st.data())
def test_together_is_all_or_nothing(data: st.DataObject) -> None:
    charted = data.draw(chart())
    entries = data.draw(st.lists(steps(charted).filter(lambda step: step[0] == "post"), min_size=1, max_size=4))
    commands = [command_of(step[1], key=str(number)) for number, step in enumerate(entries)]
    together, alone = Run.of(charted).book, Run.of(charted).book
    before = photograph(together.accounts.values())
    result = together.apply_together(commands, NOON)
    outcomes = [alone.apply(command, NOON) for command in commands]
    refused_at = next((index for index, outcome in enumerate(outcomes) if isinstance(outcome, Refused)), None)
    if refused_at is None:
        assert isinstance(result, list)
        assert [repr(outcome) for outcome in result] == [repr(outcome) for outcome in outcomes]
        assert photograph(together.accounts.values()) == photograph(alone.accounts.values())
    else:
        assert isinstance(result, tuple)
        assert result[0] == refused_at
        assert photograph(together.accounts.values()) == before


# --- Amounts ---------------------------------------------------------------------------------------------------------

CURRENCIES_OF_EVERY_EXPONENT = st.integers(0, 18).map(lambda exponent: Currency("ANY", exponent))


@st.composite
def amounts(draw: st.DrawFn) -> tuple[int, Currency]:
    currency = draw(CURRENCIES_OF_EVERY_EXPONENT)
    digits = draw(st.integers(1, INTEGER_DIGITS + currency.exponent))
    return draw(st.integers(1, 10**digits - 1)), currency


@PROPERTY
@given(amounts())
def test_an_amount_that_is_read_and_written_is_the_same(given_: tuple[int, Currency]) -> None:
    units, currency = given_
    text = written(units, currency.exponent)
    amount = parse_amount(text, currency)
    assert render_amount(amount) == text
    assert Fraction(amount) == Fraction(units, 10**currency.exponent)
    assert amount.same_quantum(currency.minor_unit)


@PROPERTY
@given(amounts(), st.integers(0, 18))
def test_an_amount_written_with_fewer_places_means_the_same(given_: tuple[int, Currency], dropped: int) -> None:
    units, currency = given_
    text = written(units, currency.exponent)
    shorter = text
    for _ in range(dropped):
        if "." in shorter and shorter[-1] in "0.":
            shorter = shorter[:-1].rstrip(".") if shorter[-1] == "0" else shorter[:-1]
    assert render_amount(parse_amount(shorter, currency)) == text


@PROPERTY
@given(amounts(), st.booleans())
def test_a_balance_that_is_read_and_written_is_the_same(given_: tuple[int, Currency], is_negative: bool) -> None:
    units, currency = given_
    text = written(-units if is_negative else units, currency.exponent)
    assert render_amount(parse_signed_amount(text, currency, pointer="/x")) == text
