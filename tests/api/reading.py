"""How the tests read answers: a refusal always in its whole shape, a list to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from zerosum.domain.errors import refusal_class

if TYPE_CHECKING:
    from tests.api.conftest import Client

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}
UNSET = object()


def refused(
    answer: httpx.Response, status: int, code: str, *pointers: str, facts: Any = UNSET, members: Any = ()
) -> dict[str, Any]:
    """The problem, after a look at its shape, status, code, pointers and, where given, exactly its facts."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    check_problem(problem, status, code, pointers)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == answer.request.url.path
    if facts is not UNSET:
        assert {name: value for name, value in problem.items() if name not in PROBLEM_MEMBERS | {"errors"}} == facts
    assert set(members) <= problem.keys()
    return problem


def check_problem(problem: dict[str, Any], status: int, code: str, pointers: tuple[str, ...] = ()) -> None:
    assert problem.keys() >= PROBLEM_MEMBERS
    cls = refusal_class(code)
    assert (problem["status"], problem["code"]) == (status, code)
    assert (problem["type"], problem["title"]) == (f"urn:zerosum:problem:{code}", cls.title)
    assert problem["retryable"] is cls.retryable
    assert problem["detail"]
    faults = problem.get("errors", [])
    for fault in faults:
        assert fault.keys() == {"pointer", "code", "detail"}
    if pointers:
        assert [fault["pointer"] for fault in faults] == list(pointers)


def without_ids(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    """What two refusals of the same thing have in common."""
    problem = dict(answer.json())
    del problem["request_id"], problem["instance"]
    return answer.status_code, problem


async def all_pages(client: Client, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page.keys() >= {"data", "has_more", "next_cursor"}
        found += page["data"]
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        parameters["cursor"] = page["next_cursor"]
