"""Limits of account groups against a plain model, and the patterns by which accounts are in them."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.builders import LEDGER, NOON, account, post_entry, refused
from zerosum.domain.errors import ValidationFailed
from zerosum.domain.ledger.account import AccountState, AccountType
from zerosum.domain.ledger.account_groups import GroupLimit, Members, group_limit
from zerosum.domain.ledger.book import Book
from zerosum.domain.ledger.group_rules import GroupWindow, LimitedGroup
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.ledger.velocity import Direction, Used, VelocityLimit, Window, WindowKind

DAY = {direction: Window(direction, WindowKind.DAY) for direction in Direction}
RISES_BY = {"alice": "credit", "till": "debit", "bob": "credit", "euros": "credit"}
"""The side on which each account of the group has more; carol is in none."""
NAMES = (*RISES_BY, "carol")


class Case(NamedTuple):
    out: Decimal | None
    into: Decimal | None
    number: int | None
    entries: list[tuple[str, str, str, bool]]
    """Debited, credited, how much, and whether it is pending."""


def cases() -> st.SearchStrategy[Case]:
    money = st.integers(1, 12).map(lambda whole: Decimal(whole).quantize(Decimal("0.01")))
    names = st.sampled_from([name for name in NAMES if name != "euros"])
    entry = st.tuples(names, names, st.sampled_from(["1", "2.50", "4"]), st.booleans())
    return st.builds(
        Case,
        st.none() | money,
        st.none() | money,
        st.none() | st.integers(1, 4),
        st.lists(entry.filter(lambda one: one[0] != one[1]), max_size=12),
    )


def member(name: str) -> AccountState:
    made = account(name, type_=AccountType.ASSET if name == "till" else AccountType.LIABILITY, floor=None)
    if name in RISES_BY:
        made.groups = ("family",)
    return made


def family(case: Case) -> LimitedGroup:
    limits = [
        VelocityLimit(DAY[Direction.OUT], case.out, case.number),
        VelocityLimit(DAY[Direction.IN], case.into, case.number),
    ]
    used = {GroupWindow("USD", window): Used(NOON, NOON, NOON, Decimal("0.00"), 0) for window in DAY.values()}
    own = [GroupLimit("USD", one) for one in limits if one.amount is not None or one.number is not None]
    return LimitedGroup(ledger_id=LEDGER, name="family", limits=own, used=used)


def lines_of(debited: str, credited: str, amount: str, is_pending: bool) -> str:
    mark = " pending" if is_pending else ""
    return f"debit {debited} {amount} USD{mark}\ncredit {credited} {amount} USD{mark}"


class Model:
    """Said plainly: what has gone out of the group and come into it, entry by entry."""

    def __init__(self, case: Case) -> None:
        self.limits = {Direction.OUT: case.out, Direction.IN: case.into}
        self.number = case.number
        self.moved: dict[Direction, list[Decimal]] = {Direction.OUT: [], Direction.IN: []}

    def take(self, debited: str, credited: str, amount: str, is_pending: bool) -> bool:
        """Whether it fits."""
        posted = held = Decimal(0)
        for name, side in ((debited, "debit"), (credited, "credit")):
            if name in RISES_BY:
                rises = RISES_BY[name] == side
                if is_pending:
                    held += Decimal(0) if rises else Decimal(amount)
                else:
                    posted += Decimal(amount) if rises else -Decimal(amount)
        asked = {Direction.OUT: held - posted, Direction.IN: posted - held if held > 0 else posted}
        for direction, own in asked.items():
            so_far, limit = self.moved[direction], self.limits[direction]
            if own > 0 and limit is not None and sum(so_far) + own > limit:
                return False
            if own > 0 and self.number is not None and len(so_far) + 1 > self.number:
                return False
        for direction, own in asked.items():
            if own > 0:
                self.moved[direction].append(own)
        return True


@given(cases())
def test_what_accounts_move_together_is_what_the_plain_model_says(case: Case) -> None:
    group = family(case)
    book, model = Book([member(name) for name in NAMES], groups=[group]), Model(case)
    for number, entry in enumerate(case.entries):
        outcome = book.apply(post_entry(lines_of(*entry), key=f"key-{number}"), NOON)
        if model.take(*entry):
            assert isinstance(outcome, Posted)
        else:
            assert refused(outcome).code == "velocity_limit_exceeded"
            assert refused(outcome).facts["group"] == "family"
    for direction, window in DAY.items():
        used = group.used[GroupWindow("USD", window)]
        assert (used.amount, used.number) == (sum(model.moved[direction]), len(model.moved[direction]))


@given(cases())
def test_what_is_undone_counts_nothing(case: Case) -> None:
    group = family(case._replace(out=None, into=None, number=None))
    book = Book([member(name) for name in NAMES], groups=[group])
    before = dict(group.used)
    commands = [post_entry(lines_of(*entry), key=f"key-{number}") for number, entry in enumerate(case.entries)]
    impossible = post_entry("debit alice 1 USD\ncredit euro 1 USD", key="nobody has opened it")
    outcome = book.apply_together([*commands, impossible], NOON)
    assert isinstance(outcome, tuple)
    assert outcome[0] == len(commands)
    assert group.used == before


def test_what_is_kept_of_a_limit_is_the_limit() -> None:
    for limit in (VelocityLimit(DAY[Direction.OUT], Decimal("2.00"), 1), VelocityLimit(DAY[Direction.IN], None, 3)):
        assert group_limit(GroupLimit("USD", limit).content) == GroupLimit("USD", limit)


@pytest.mark.parametrize(
    ("pattern", "matched", "others"),
    [
        ("a.b", ["a.b"], ["axb", "a.bc"]),
        ("w:*", ["w:1", "w:a.b"], ["w:", "w:1:2", "xw:1"]),
        ("w:**", ["w:1", "w:1:2"], ["w:", "w"]),
        ("*:cash", ["a:cash"], ["a:b:cash", ":cash"]),
        ("**", ["a", "a:b"], []),
    ],
)
def test_members_are_codes_and_patterns(pattern: str, matched: list[str], others: list[str]) -> None:
    members = Members([pattern])
    assert [code for code in (*matched, *others) if members.have(code)] == matched


@pytest.mark.parametrize("members", [["a", "a"], ["***"], ["a b"], ["**:**"], ["a*b*"]])
def test_members_that_are_none_are_refused(members: list[str]) -> None:
    with pytest.raises(ValidationFailed):
        Members(members)
