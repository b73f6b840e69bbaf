"""Filters that a person has kept by name: their own, few, and nothing but filters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.console.conftest import Person, shown, signed_in
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service
from zerosum.services.console_views import NAME_MAX, VIEWS_MAX, KeptView
from zerosum.services.requests.caller import Caller

MARKUP = '<b>"Ann\'s"</b>'


@pytest.fixture
async def ann(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id, Role.VIEWER)
    yield person
    await person.http.aclose()


async def keep(person: Person, name: str, query: str = "type=deposit&currency=EUR", page: str = "payments") -> str:
    answer = await person.act(f"/views/{page}/keep", name=name, query=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def test_a_view_is_kept_renamed_and_deleted_by_a_viewer(ann: Person) -> None:
    assert "Keep this view" in await ann.page("/payments")
    place = await keep(ann, MARKUP)
    assert place.endswith("/payments?type=deposit&currency=EUR")
    page = await ann.page(place)
    assert shown(MARKUP) in page
    assert MARKUP not in page
    assert 'aria-current="true">' + shown(MARKUP) in page
    assert 'aria-current="true">' + shown(MARKUP) not in await ann.page("/payments")
    assert shown(MARKUP) not in await ann.page("/journal")
    assert (await ann.act("/views/payments/rename", name=MARKUP, new_name="euros")).status_code == 303
    page = await ann.page("/payments")
    assert shown(MARKUP) not in page
    assert ">euros</a>" in page
    for _ in range(2):
        assert (await ann.act("/views/payments/delete", name="euros")).status_code == 303
    assert "Keep this view" in await ann.page("/payments")


async def test_the_name_of_another_view_takes_its_place_or_is_refused(ann: Person) -> None:
    await keep(ann, "mine")
    await keep(ann, "mine", "account=alice", "journal")
    await keep(ann, "mine", "type=withdrawal")
    await keep(ann, "other", "")
    page = await ann.page("/payments")
    assert page.count(">mine</a>") == 1
    assert "type=withdrawal" in page
    assert "account=alice" in await ann.page("/journal")
    for name, new_name, status in (("mine", "other", 422), ("nobody", "new", 404), ("mine", "mine", 303)):
        answer = await ann.act("/views/payments/rename", name=name, new_name=new_name)
        assert answer.status_code == status, (name, new_name)


async def test_nobody_else_sees_it_and_no_other_ledger(ann: Person, service: Service, ledger_id: LedgerId) -> None:
    await keep(ann, "only mine")
    bob = await signed_in(service, ledger_id, Role.OPERATOR)
    other = LedgerId((await service.services.ledgers.create("another")).id)
    ann_there = await signed_in(service, other, Role.VIEWER)
    for person in (bob, ann_there):
        assert "only mine" not in await person.page("/payments")
        assert (await person.act("/views/payments/delete", name="only mine")).status_code == 303
        await person.http.aclose()
    assert "only mine" in await ann.page("/payments")


@pytest.mark.parametrize(
    ("page", "form", "status"),
    [
        ("payments", {"query": "type=deposit"}, 422),
        ("payments", {"name": "x" * (NAME_MAX + 1)}, 422),
        ("payments", {"name": "a\nb"}, 422),
        ("payments", {"name": "x", "query": "cursor=abc"}, 422),
        ("payments", {"name": "x", "query": "reference"}, 422),
        ("payments", {"name": "x", "query": "reference=%ff"}, 422),
        ("payments", {"name": "x", "query": "reference=" + "y" * 5_000}, 422),
        ("journal", {"name": "x", "query": "type=deposit"}, 422),
        ("accounts", {"name": "x", "query": ""}, 404),
    ],
)
async def test_what_is_no_view_is_refused(ann: Person, page: str, form: dict[str, str], status: int) -> None:
    answer = await ann.act(f"/views/{page}/keep", **form)
    assert answer.status_code == status, answer.text


async def test_a_person_keeps_few_of_a_list_even_at_once(ann: Person, service: Service, ledger_id: LedgerId) -> None:
    caller = Caller(ledger_id, "console|viewer")
    for number in range(VIEWS_MAX - 1):
        await service.console.views.keep(caller, "payments", KeptView(f"view {number}", "type=deposit"))
    csrf = await ann.csrf()
    forms = [{"csrf": csrf, "name": name, "query": "type=deposit"} for name in ("the last", "too many", "and more")]
    answers = await asyncio.gather(*(ann.post("/views/payments/keep", form) for form in forms))
    assert sorted(answer.status_code for answer in answers) == [303, 422, 422]
    await keep(ann, "view 7", "type=transfer")
    assert "type=transfer" in await ann.page("/payments")
