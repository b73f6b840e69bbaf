"""How the tests read answers: a refusal always in its whole shape, a list to its end."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from tests.architecture.manual import document
from zerosum.domain.errors import refusal_class

if TYPE_CHECKING:
    from tests.api.conftest import Client

EVERYWHERE = {
    "not_found": "an address that is no route",
    "method_not_allowed": "a method the address does not know",
    "uri_too_long": "of HTTP itself",
    "headers_too_large": "of HTTP itself",
    "request_timeout": "of HTTP itself",
    "internal_error": "a fault of ours",
}
"""Codes the manual does not repeat at every route."""

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}
UNSET = object()

Fault = str | tuple[str, str]
"""Where it lies, and its code where that is not the one of the problem. All are told, in their order."""


def refused(
    answer: httpx.Response, status: int, code: str, *faults: Fault, facts: Any = UNSET, members: Any = ()
) -> dict[str, Any]:
    """The problem, after a look at its shape, status, code, and, where given, exactly its faults and its facts."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    check_problem(problem, status, code, faults)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["instance"] == answer.request.url.path
    if facts is not UNSET:
        assert {name: value for name, value in problem.items() if name not in PROBLEM_MEMBERS | {"errors"}} == facts
    assert set(members) <= problem.keys()
    _must_be_in_the_manual(answer, status, code)
    return problem


def _must_be_in_the_manual(answer: httpx.Response, status: int, code: str) -> None:
    if code in EVERYWHERE:
        return
    method, path = answer.request.method.lower(), answer.request.url.path
    for pattern, operations in _manual():
        if pattern.fullmatch(path) and method in operations:
            told = operations[method]["responses"].get(str(status), {}).get("description", "")
            assert f"`{code}`" in told, (
                f"{method.upper()} {path} answers {status} `{code}` and the manual does not say so: "
                "add the refusal to `refusals` or `named_in_body` of the route in api/routes."
            )
            return


@cache
def _manual() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """The operations by the pattern of their paths; of two that match the first decides, as in the service."""
    paths = document()["paths"]
    in_order = sorted(paths, key=lambda path: ("{" in path, -len(path)))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(path))), paths[path]) for path in in_order]


def check_problem(problem: dict[str, Any], status: int, code: str, expected: tuple[Fault, ...] = ()) -> None:
    assert problem.keys() >= PROBLEM_MEMBERS
    cls = refusal_class(code)
    assert (problem["status"], problem["code"]) == (status, code)
    assert (problem["type"], problem["title"]) == (f"urn:zerosum:problem:{code}", cls.title)
    assert problem["retryable"] is cls.retryable
    assert problem["detail"]
    faults = problem.get("errors", [])
    for fault in faults:
        assert fault.keys() >= {"pointer", "code", "detail"}
        assert len(faults) > 1 or fault["code"] != code or len(fault) == 3, (
            "a single fault has its facts in the problem itself"
        )
    if expected:
        told = [(fault["pointer"], fault["code"]) for fault in faults]
        assert told == [(fault, code) if isinstance(fault, str) else fault for fault in expected], told


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
