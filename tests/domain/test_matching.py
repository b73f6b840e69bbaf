"""Matching against a plain model that looks at everything, and the same answer however often it is interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.reconciliation.matching import Cursor, Match, Matching, MatchingRules, MatchRule
from zerosum.domain.reconciliation.open_items import ItemKind, OpenItem

DAY = date(2026, 11, 2)
FILE, ACCOUNT = UUID(int=1), UUID(int=2)


def line(number: int, units: int, *references: str, day: int = 0) -> OpenItem:
    return OpenItem(ItemKind.LINE, FILE, number, DAY + timedelta(day), units, frozenset(references))


def entry(number: int, units: int, *references: str, day: int = 0) -> OpenItem:
    return OpenItem(ItemKind.ENTRY, ACCOUNT, number, DAY + timedelta(day), units, frozenset(references))


Told = tuple[MatchRule, tuple[int, ...], tuple[int, ...]]


def told(matches: Sequence[Match]) -> list[Told]:
    return [
        (match.rule, tuple(one.number for one in match.lines), tuple(one.number for one in match.entries))
        for match in matches
    ]


def matched(lines: Sequence[OpenItem], entries: Sequence[OpenItem], rules: MatchingRules) -> list[Match]:
    return [step.match for step in Matching(lines, entries, rules).steps() if step.match is not None]


class PlainModel:
    """The rules as they read: every stage looks at everything that is open."""

    def __init__(self, lines: Sequence[OpenItem], entries: Sequence[OpenItem], rules: MatchingRules) -> None:
        self.lines = sorted(lines, key=lambda one: one.number)
        self.entries = sorted(entries, key=lambda one: one.number)
        self.rules = rules
        self.found: list[Match] = []

    def run(self) -> list[Match]:
        for item in list(self.lines):
            self._reference(item)
        for item in list(self.lines):
            self._sums_of_a_reference(item)
        if self.rules.by_amount:
            for item in list(self.lines):
                self._amount(item)
        if self.rules.by_sum:
            for item in list(self.lines):
                self._sum(item, self.lines, self.entries)
            for item in list(self.entries):
                self._sum(item, self.entries, self.lines)
        return self.found

    def _note(self, rule: MatchRule, lines: Sequence[OpenItem], entries: Sequence[OpenItem]) -> None:
        self.found.append(Match(rule, tuple(lines), tuple(entries)))
        self.lines = [one for one in self.lines if one not in lines]
        self.entries = [one for one in self.entries if one not in entries]

    def _known(self, item: OpenItem, others: Sequence[OpenItem]) -> bool:
        return any(item.references & other.references for other in others)

    def _reference(self, item: OpenItem) -> None:
        fitting = [one for one in self.entries if one.references & item.references and self._fits(item, one)]
        if fitting:
            nearest = min(fitting, key=lambda one: (abs(one.units - item.units), abs(one.day - item.day), one.number))
            self._note(MatchRule.REFERENCE, [item], [nearest])

    def _fits(self, one: OpenItem, other: OpenItem) -> bool:
        near = abs(one.units - other.units) <= self.rules.tolerance_units
        return near and abs(one.day - other.day) <= self.rules.window_days

    def _sums_of_a_reference(self, item: OpenItem) -> None:
        for reference in sorted(item.references) if item in self.lines else ():
            lines = [one for one in self.lines if reference in one.references]
            entries = [one for one in self.entries if reference in one.references]
            days = [one.day for one in lines + entries]
            difference = abs(sum(one.units for one in lines) - sum(one.units for one in entries))
            is_turn = entries and lines[0] == item and len(days) > 2
            if is_turn and max(days) - min(days) <= self.rules.window_days and difference <= self.rules.tolerance_units:
                self._note(MatchRule.REFERENCE_SUM, lines, entries)
                return

    def _amount(self, item: OpenItem) -> None:
        if item not in self.lines or self._known(item, self.entries):
            return
        fitting = [one for one in self.entries if self._fits(item, one) and not self._known(one, self.lines)]
        if fitting:

            def distance(one: OpenItem) -> tuple[int, int, int, int]:
                return abs(one.units - item.units), one.units, abs(one.day - item.day), one.number

            self._note(MatchRule.AMOUNT, [item], [min(fitting, key=distance)])

    def _sum(self, whole: OpenItem, own: Sequence[OpenItem], others: Sequence[OpenItem]) -> None:
        if whole not in own or self._known(whole, others):
            return
        parts = [
            one
            for one in others
            if abs(one.day - whole.day) <= self.rules.window_days
            and (one.units > 0) == (whole.units > 0)
            and abs(one.units) <= abs(whole.units) + self.rules.tolerance_units
            and not self._known(one, own)
        ]
        parts.sort(key=lambda one: (abs(one.day - whole.day), one.number))
        sums = [some for size in (2, 3, 4) for some in combinations(parts, size)]
        fitting = [(abs(whole.units - sum(one.units for one in some)), place) for place, some in enumerate(sums)]
        fitting = [pair for pair in fitting if pair[0] <= self.rules.tolerance_units]
        if fitting:
            best = sums[min(fitting)[1]]
            if whole.kind is ItemKind.LINE:
                self._note(MatchRule.ONE_TO_MANY, [whole], best)
            else:
                self._note(MatchRule.MANY_TO_ONE, best, [whole])


UNITS = st.integers(-6, 12).filter(bool)
ITEMS = st.lists(st.tuples(UNITS, st.frozensets(st.sampled_from("abc"), max_size=2), st.integers(0, 4)), max_size=7)
RULES = st.builds(
    MatchingRules,
    tolerance_units=st.integers(0, 2),
    window_days=st.integers(0, 3),
    by_amount=st.booleans(),
    by_sum=st.booleans(),
)


def _of(kind: ItemKind, drawn: Sequence[tuple[int, frozenset[str], int]]) -> list[OpenItem]:
    make = line if kind is ItemKind.LINE else entry
    return [make(number, units, *names, day=day) for number, (units, names, day) in enumerate(drawn, 1)]


@given(ITEMS, ITEMS, RULES, st.randoms(use_true_random=False))
def test_matches_are_those_of_the_plain_model_in_whatever_order_items_come(lines, entries, rules, shuffler) -> None:  # type: ignore[no-untyped-def]
    own, others = _of(ItemKind.LINE, lines), _of(ItemKind.ENTRY, entries)
    wanted = PlainModel(own, others, rules).run()
    shuffler.shuffle(own)
    shuffler.shuffle(others)
    found = matched(own, others, rules)
    assert told(found) == told(wanted)
    for match in found:
        difference = abs(sum(one.units for one in match.lines) - sum(one.units for one in match.entries))
        assert difference <= rules.tolerance_units
    taken = [one for match in found for one in (*match.lines, *match.entries)]
    assert len(taken) == len(set(taken)), "each is matched at most once"


@given(ITEMS, ITEMS, RULES, st.integers(0, 40))
def test_whoever_is_stopped_goes_on_as_if_he_had_not_been(lines, entries, rules, stop) -> None:  # type: ignore[no-untyped-def]
    own, others = _of(ItemKind.LINE, lines), _of(ItemKind.ENTRY, entries)
    done: list[Match] = []
    cursor: Cursor | None = None
    for number, step in enumerate(Matching(own, others, rules).steps()):
        if number == stop:
            break
        cursor = step.cursor
        done += [] if step.match is None else [step.match]
    taken = {one for match in done for one in (*match.lines, *match.entries)}
    rest = Matching([one for one in own if one not in taken], [one for one in others if one not in taken], rules)
    done += [step.match for step in rest.steps(cursor) if step.match is not None]
    assert told(done) == told(matched(own, others, rules))


@pytest.mark.parametrize(("units", "is_matched"), [(998, False), (999, True), (1001, True), (1002, False)])
def test_amounts_differ_by_the_tolerance_at_most(units: int, *, is_matched: bool) -> None:
    found = matched([line(1, 1000, "a")], [entry(1, units, "a")], MatchingRules(tolerance_units=1))
    assert bool(found) is is_matched


@pytest.mark.parametrize(("day", "is_matched"), [(-3, False), (-2, True), (2, True), (3, False)])
def test_days_differ_by_the_window_at_most(day: int, *, is_matched: bool) -> None:
    rules = MatchingRules(window_days=2, by_amount=True)
    assert bool(matched([line(1, 1000)], [entry(1, 1000, day=day)], rules)) is is_matched


def test_what_is_known_by_its_reference_is_different_and_taken_for_nothing_else() -> None:
    matching = Matching([line(1, 1000, "a")], [entry(1, 999, "a"), entry(2, 1000)], MatchingRules(by_amount=True))
    assert [step.match for step in matching.steps()] == [None, None, None]
    assert {(item.kind, item.number): different for item, different in matching.left()} == {
        (ItemKind.LINE, 1): True,
        (ItemKind.ENTRY, 1): True,
        (ItemKind.ENTRY, 2): False,
    }


def test_one_payout_of_many_payments_and_one_payment_in_many_lines() -> None:
    rules = MatchingRules(by_sum=True)
    assert told(matched([line(1, 60)], [entry(1, 10), entry(2, 20), entry(3, 30)], rules)) == [
        (MatchRule.ONE_TO_MANY, (1,), (1, 2, 3))
    ]
    assert told(matched([line(1, 10), line(2, 20)], [entry(1, 30)], rules)) == [(MatchRule.MANY_TO_ONE, (1, 2), (1,))]


def test_a_thousand_of_the_same_amount_are_matched_in_their_order() -> None:
    lines, entries = ([make(number, 500) for number in range(1, 1001)] for make in (line, entry))
    found = told(matched(lines, entries, MatchingRules(by_amount=True, by_sum=True)))
    assert found == [(MatchRule.AMOUNT, (number,), (number,)) for number in range(1, 1001)]
