"""The client against what the service says of itself: every member, code and route, or a list of what is left out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from tests.architecture.manual import document
from tests.edge.openapi_rules import operations
from tests.python_client.coverage import BY_OTHER_MEANS, NOT_COVERED, routes
from zerosum.client.calls import Listing, Method, Route
from zerosum.client.decoding import wire_name
from zerosum.client.models.model import Model, Written
from zerosum.client.refusals import Refused
from zerosum.domain.errors import DomainError

ROUTES = dict(routes())


@cache
def documented() -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {operation["operationId"]: (method, path, operation) for method, path, operation in operations(document())}


def schema_of(reference: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document()["components"]["schemas"][reference["$ref"].rsplit("/", 1)[1]]
    return found


def answer_schemas(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    answers = [answer for status, answer in operation["responses"].items() if status in ("200", "201")]
    return [schema_of(one["content"]["application/json"]["schema"]) for one in answers]


# --- Routes ----------------------------------------------------------------------------------------------------------


def test_every_route_is_covered_or_listed() -> None:
    listed = {operation: tag for tag, operations_of_it in NOT_COVERED.items() for operation in operations_of_it.split()}
    covered = {route.operation for route in ROUTES.values()} | set(BY_OTHER_MEANS)
    assert not covered & set(listed), "The client has it now: take it off the list."
    missing = {name: found[2]["tags"][0] for name, found in documented().items() if name not in covered}
    assert listed == missing, "Add the call to zerosum.client.resources, or list it in tests/python_client/coverage.py."


@pytest.mark.parametrize("name", ROUTES)
def test_a_call_goes_where_the_manual_says_under_a_key_where_it_takes_one(name: str) -> None:
    route = ROUTES[name]
    method, path, operation = documented()[route.operation]
    takes_key = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    has_keys_within = "idempotency_key" in str(_members(operation).get("items", ""))
    assert (route.method, route.path, route.is_keyed) == (method, path, takes_key or has_keys_within)


def _members(operation: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return {}
    members: dict[str, Any] = dict(schema_of(content["application/json"]["schema"])["properties"])
    if "items" in members:
        members["items"] = schema_of(members["items"]["items"])["properties"]
    return members


# --- Members of answers ----------------------------------------------------------------------------------------------


def models() -> dict[str, tuple[type[Model], list[dict[str, Any]]]]:
    """Every dataclass that a call answers with or that stands in one, and the schemas it is told by."""
    found: dict[str, tuple[type[Model], list[dict[str, Any]]]] = {}
    for route in ROUTES.values():
        for schema in answer_schemas(documented()[route.operation][2]):
            _add(found, route.answer, _item_of(schema, route))
    return found


def _item_of(schema: dict[str, Any], route: Route[Any]) -> dict[str, Any]:
    """Of a list that is given out item by item: the item."""
    is_list = "has_more" in schema["properties"] and "has_more" not in get_type_hints(route.answer)
    return schema_of(schema["properties"][route.member]["items"]) if is_list else schema


def _add(found: dict[str, Any], model: type[Model], schema: dict[str, Any]) -> None:
    _, schemas = found.setdefault(model.__name__, (model, []))
    if schema in schemas:
        return
    schemas.append(schema)
    hints = get_type_hints(model)
    for name, member in schema["properties"].items():
        inner = _model_within(hints.get(_field_name(model, name)))
        if inner is not None:
            _add(found, inner, _schema_within(member))


def _field_name(model: type[Model], name: str) -> str:
    return next((one.name for one in fields(model) if wire_name(one.name) == name), "")


def _model_within(hint: Any) -> type[Model] | None:
    if isinstance(hint, type) and issubclass(hint, Model):
        return hint
    return next((one for part in get_args(hint) if (one := _model_within(part)) is not None), None)


def _schema_within(member: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in member:
        return schema_of(member)
    for inner in ("items", "additionalProperties"):
        if isinstance(member.get(inner), dict):
            return _schema_within(member[inner])
    return _schema_within(next(one for one in member["anyOf"] if "$ref" in one))


NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
"""Answers have no patterns: amounts are told by their examples."""

AS_AN_EXAMPLE_SAYS_NOT = {"network_reason_code": "text", "fixed": "amount", "gain": "amount"}
"""A code of a card network looks like a number, and an example of null like nothing."""

OURS = {"raw", *(one.name for one in fields(Written))}


@pytest.mark.parametrize("name", sorted(models()))
def test_a_dataclass_has_every_member_that_is_told_and_in_its_kind(name: str) -> None:
    model, schemas = models()[name]
    hints = get_type_hints(model)
    ours = {wire_name(one.name): hints[one.name] for one in fields(model)}
    told = {member: schema for one in schemas for member, schema in one["properties"].items()}
    assert set(ours) - OURS == set(told) - OURS, "Add what is new to zerosum.client.models."
    for member, schema in told.items():
        if member not in OURS:
            told_as = {AS_AN_EXAMPLE_SAYS_NOT[member]} if member in AS_AN_EXAMPLE_SAYS_NOT else _kinds(schema)
            assert _kind(ours[member]) in told_as, member
            is_always_there = all(member in one.get("required", ()) for one in schemas)
            may_be_null = "null" in str(schema.get("type")) or {"type": "null"} in schema.get("anyOf", ())
            assert _may_be_none(ours[member]) or not may_be_null, member
            default = inspect.signature(model).parameters[_field_name(model, member)].default
            assert is_always_there or default is not inspect.Parameter.empty, f"{member} is not always told"


def _may_be_none(hint: Any) -> bool:
    return hint is Any or type(None) in get_args(hint)


def _kind(hint: Any) -> str:
    if get_origin(hint) is UnionType or type(None) in get_args(hint):
        [hint] = [one for one in get_args(hint) if one is not type(None)]
    if get_origin(hint) is not None:
        return "array" if get_origin(hint) is tuple else "object"
    if isinstance(hint, type) and issubclass(hint, Model):
        return "object"
    return {str: "text", Decimal: "amount", datetime: "time", int: "integer", bool: "boolean"}[hint]


def _kinds(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema or "anyOf" in schema:
        return {"object"}
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kinds = set(types) - {"null"}
    if "string" not in kinds:
        return kinds
    if schema.get("format") == "date-time":
        return {"time"}
    examples = schema.get("examples", [])
    return {"amount"} if examples and all(NUMBER.fullmatch(str(one)) for one in examples) else {"text"}


# --- Codes -----------------------------------------------------------------------------------------------------------


def _codes() -> set[str]:
    waiting, found = [DomainError], set()
    while waiting:
        for below in waiting.pop().__subclasses__():
            waiting.append(below)
            found.add(getattr(below, "code", None))
    return {code for code in found if code is not None}


def test_a_class_stands_for_a_code_that_there_is_and_has_its_name() -> None:
    codes = _codes() | {"unauthenticated", "rate_limited", "overloaded", "forbidden"}
    assert set(Refused.of_code) <= codes
    assert len(Refused.of_code) > 35


def test_what_both_clients_can_do_is_the_same() -> None:
    from tests.python_client.coverage import resources  # noqa: PLC0415 - beside its only use
    from zerosum.client import AsyncClient, Client  # noqa: PLC0415

    with Client("http://localhost", "zsk_x") as blocking:
        assert resources(blocking) == resources(AsyncClient("http://localhost", "zsk_x"))
        assert all(isinstance(one, Method | Listing) or name.startswith("_") for name, one in _of_payments(blocking))


def _of_payments(client: Any) -> list[tuple[str, Any]]:
    return [(name, one) for name, one in vars(type(client.payments)).items() if callable(getattr(one, "__get__", None))]
