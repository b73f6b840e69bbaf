"""Refusals: each says in a stable code what is wrong, and can be found again by it."""

from __future__ import annotations

import copy
import re

import pytest

from zerosum.domain.errors import DomainError, InsufficientFunds, ValidationFailed, refusal_class, refusals


def test_every_code_is_unique_and_leads_back_to_its_class() -> None:
    codes = [cls.code for cls in refusals()]
    assert sorted(codes) == sorted(set(codes))
    for cls in refusals():
        assert refusal_class(cls.code) is cls


def test_an_unknown_code_leads_nowhere() -> None:
    with pytest.raises(LookupError):
        refusal_class("no_such_code")


@pytest.mark.parametrize("cls", refusals())
def test_every_refusal_has_a_title_and_a_code_in_snake_case(cls: type[DomainError]) -> None:
    assert re.fullmatch("[a-z]+(_[a-z]+)*", cls.code)
    assert re.fullmatch(r"[A-Z].*[^.]", cls.title)


def test_a_refusal_carries_its_facts_and_where_it_points() -> None:
    refusal = InsufficientFunds("Too little.", pointer="/from", available="1.00")
    assert (refusal.detail, refusal.pointer, refusal.facts) == ("Too little.", "/from", {"available": "1.00"})
    assert (str(refusal), refusal.is_replay, refusal.retryable) == ("Too little.", False, False)
    assert refusal.at("/to") is refusal
    assert refusal.pointer == "/to"


def test_refusals_do_not_share_what_else_stands_in_the_way() -> None:
    one, other = InsufficientFunds("a"), InsufficientFunds("b")
    one.others.append(other)
    assert other.others == []


def test_a_copy_of_a_refusal_can_be_marked_as_a_replay_without_marking_the_first() -> None:
    first = InsufficientFunds("Too little.", pointer="/from", available="1.00")
    replay = copy.copy(first)
    replay.is_replay = True
    assert not first.is_replay
    assert (replay.code, replay.detail, replay.pointer, replay.facts) == (
        first.code, first.detail, first.pointer, first.facts,
    )  # fmt: skip


def test_a_failed_validation_lists_each_fault() -> None:
    faults = [{"pointer": "/amount", "code": "invalid_amount", "detail": "No."}]
    assert ValidationFailed("Unfit.", errors=faults).errors == faults
    assert ValidationFailed("Unfit.").errors == []
