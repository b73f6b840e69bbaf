"""`zerosum rules`: by which rules payments are judged, as the service will read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from zerosum.adapters.rules.outside import OutsideRule
from zerosum.adapters.rules.plug_in import PlugIn
from zerosum.adapters.rules.rule_set import RuleSet
from zerosum.cli.talk import FAILED, put, say, told_plainly
from zerosum.config import load_settings


@told_plainly
def show_rules(*, is_json: bool) -> int:
    """In their order. A plug-in that does not begin is told of, and the command fails."""
    rules = load_settings().read_rules()
    if rules is None:
        say("no rules: ZEROSUM_RULES_FILE names no file")
        return 0
    every: list[Any] = [*rules.static, *rules.checks, *rules.outside]
    made = sorted(every, key=lambda one: one.rule.place)
    rows = [{"name": one.rule.name, "kind": one.rule.kind, "action": _action(one)} for one in made]
    if is_json:
        put(f"{json.dumps({'version': rules.version, 'rules': rows})}\n")
    else:
        put(f"version {rules.version}\n" + "".join(f"{row['name']}: {row['kind']}, {row['action']}\n" for row in rows))
    failures = asyncio.run(failures_to_begin(rules))
    for failure in failures:
        say(failure)
    return FAILED if failures else 0


def _action(one: Any) -> str:
    return f"default {one.default.value}" if isinstance(one, OutsideRule) else str(one.rule.action.value)


async def failures_to_begin(rules: RuleSet) -> Sequence[str]:
    found = []
    for rule in rules.outside:
        if isinstance(rule.asked, PlugIn):
            try:
                await rule.asked.check()
            except Exception as error:
                found.append(f"the rule {rule.rule.name} does not begin: {error or type(error).__name__}")
    return found
