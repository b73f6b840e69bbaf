"""What calls that write have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypedDict, Unpack

from zerosum.client.calls import Asked
from zerosum.client.keys import chosen_key

Rounding = Literal["half_even", "half_up", "half_down", "down", "up"]


class Once(TypedDict, total=False):
    """`idempotency_key` is the key itself; `once` is your name for what is to be done once, which makes the key.

    Without either the key is made anew for this one call, and lives as long as its retries.
    """

    idempotency_key: str | None
    once: str | None


class MoneyOptions(Once, total=False):
    """`dry_run` rehearses; `with_balances` tells what the accounts have right after it."""

    dry_run: bool
    with_balances: bool


class Unset(Enum):
    """Of what a change leaves alone. None takes it away."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


def written(
    operation: str,
    body: Mapping[str, Any] | None = None,
    path: Mapping[str, str] | None = None,
    **options: Unpack[MoneyOptions],
) -> Asked:
    """Members of the body that are None are not there."""
    return Asked(
        path=path or {},
        query=options_of(options.get("dry_run", False), options.get("with_balances", False)),
        body=None if body is None else given(body),
        key=chosen_key(operation, options.get("idempotency_key"), options.get("once")),
    )


def bulk(items: Sequence[dict[str, Any]], mode: str, dry_run: bool, with_balances: bool) -> Asked:
    """Many at once, each under its own key."""
    return Asked(query={"mode": mode, **options_of(dry_run, with_balances)}, body={"items": [*items]})


def options_of(dry_run: bool, with_balances: bool) -> dict[str, str | int | bool | None]:
    return {"dry_run": True if dry_run else None, "include": "balances" if with_balances else None}


def given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def set_members(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not UNSET}
