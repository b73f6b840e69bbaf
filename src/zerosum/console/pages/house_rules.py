"""House rules: what holds and disputes are made under where their requests say nothing."""

from __future__ import annotations

from typing import Any

from zerosum.api.schemas.house_rules import HouseRulesRequest
from zerosum.api.validation import validated
from zerosum.console.console import Console
from zerosum.console.view import View
from zerosum.domain.errors import ValidationFailed
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer


def house_rules_pages(console: Console) -> None:
    house_rules = console.services.house_rules

    async def shown(view: View) -> HttpAnswer:
        view.query()
        rules = await house_rules.get(view.caller)
        return view.show("house_rules.html", rules=rules, content=rules.content)

    async def put(view: View) -> HttpAnswer:
        """All of them: what a form leaves out is no rule any more."""
        fees = [_fee(line) for line in _lines(view, "fees")]
        amounts = [_words(line, ("amount", "currency"), "amounts") for line in _lines(view, "amounts")]
        body = {
            "over_capture": {"percent": view.form.get("percent"), "amounts": amounts},
            "dispute_fees": fees,
        }
        await house_rules.put(view.caller, validated(HouseRulesRequest, body).order(view.key))
        return view.go_to("house-rules")

    console.page("/{ledger}/house-rules", shown, needs=Scope.ADMIN)
    console.act("/{ledger}/house-rules", put, needs=Scope.ADMIN, name="change the house rules")


def _lines(view: View, name: str) -> list[str]:
    return [line.strip() for line in view.form.get(name, "").split("\n") if line.strip()]


def _fee(line: str) -> dict[str, Any]:
    """`15.00 USD platform:dispute-fees`, and `force` behind it."""
    is_forced = line.endswith(" force")
    told = _words(line.removesuffix(" force"), ("amount", "currency", "to"), "fees")
    return {**told, "force": True} if is_forced else told


def _words(line: str, names: tuple[str, ...], pointer: str) -> dict[str, Any]:
    """Raises ValidationFailed."""
    words = line.split()
    if len(words) != len(names):
        raise ValidationFailed(f"A line is {', '.join(names)}, with blanks between.", pointer=f"/{pointer}")
    return dict(zip(names, words, strict=True))
