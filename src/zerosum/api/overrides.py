"""The scope that dating an entry into a closed period asks for, beside that of its route."""

from __future__ import annotations

from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import Call

OVERRIDE = "override_closed_period"


def asks_to_override(call: Call) -> bool:
    return call.content.get(OVERRIDE) is not None


def check_override(call: Call) -> None:
    """Of one order. Raises Forbidden."""
    if asks_to_override(call):
        call.must_have(Scope.ADMIN, f"/{OVERRIDE}")


def check_overrides(call: Call) -> None:
    """Of a bulk call, as a whole. Raises Forbidden."""
    items = call.content.get("items")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item.get(OVERRIDE) is not None:
            call.must_have(Scope.ADMIN, f"/items/{index}/{OVERRIDE}")
