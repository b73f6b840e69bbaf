"""Which policy a request falls under."""

from __future__ import annotations

import pytest

from zerosum.domain.errors import MethodNotAllowed, NotFound
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import Call, HttpAnswer, Policy, RouteTable


async def lean(_: Call) -> HttpAnswer:
    return HttpAnswer(200, b"")


def policy(method: str, template: str, *, is_lean: bool = False) -> Policy:
    return Policy(method=method, template=template, scope=Scope.ADMIN, lean=lean if is_lean else None)


POLICIES = [
    policy("POST", "/v1/payments", is_lean=True),
    policy("GET", "/v1/payments"),
    policy("POST", "/v1/payments/bulk"),
    policy("GET", "/v1/payments/{payment}"),
    policy("GET", "/v1/accounts/{account:path}/balance"),
    policy("POST", "/v1/accounts/{account:path}/freeze"),
    policy("GET", "/v1/accounts/{account:path}"),
    policy("PATCH", "/v1/accounts/{account:path}"),
]
TABLE = RouteTable.of(POLICIES)


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("POST", "/v1/payments", "/v1/payments"),
        ("GET", "/v1/payments", "/v1/payments"),
        ("GET", "/v1/payments/pay_1", "/v1/payments/{payment}"),
        ("GET", "/v1/accounts/a", "/v1/accounts/{account:path}"),
        ("GET", "/v1/accounts/a/b/c", "/v1/accounts/{account:path}"),
        ("GET", "/v1/accounts/a/b/balance", "/v1/accounts/{account:path}/balance"),
        ("POST", "/v1/accounts/a/freeze", "/v1/accounts/{account:path}/freeze"),
    ],
)
def test_a_request_finds_its_route(method: str, path: str, template: str) -> None:
    assert TABLE.find(method, path).template == template


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1",
        "/v1/payments/",
        "/v1//payments",
        "/v1/payments/a/b",
        "/V1/payments",
        "/v1/payments;x",
        "/v1/../x",
    ],
)
def test_what_is_not_there_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        TABLE.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/payments", ["GET", "HEAD", "POST"]),
        ("get", "/v1/payments", ["GET", "HEAD", "POST"]),
        ("TRACE", "/v1/payments/bulk", ["POST"]),
        ("PROPFIND", "/v1/payments/pay_1", ["GET", "HEAD"]),
        ("PUT", "/v1/accounts/a", ["GET", "HEAD", "PATCH"]),
        ("GET", "/v1/accounts/a/freeze", ["POST"]),
    ],
)
def test_another_method_is_not_allowed_and_is_told_which_are(method: str, path: str, allow: list[str]) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        TABLE.find(method, path)
    assert caught.value.facts["allow"] == allow


def test_the_table_holds_every_policy_once() -> None:
    assert sorted((one.method, one.template) for one in TABLE.policies()) == sorted(
        (one.method, one.template) for one in POLICIES
    )


def test_without_lean_every_call_goes_through_the_framework() -> None:
    assert TABLE.find("POST", "/v1/payments").lean is lean
    assert RouteTable.of(POLICIES, is_lean=False).find("POST", "/v1/payments").lean is None
