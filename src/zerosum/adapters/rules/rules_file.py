"""The rules' file, in TOML or JSON: read whole, checked whole, and told of in one line where something is wrong.

[[rules]]
name = "large deposits"
kind = "limit"
types = ["deposit"]
currencies = ["EUR"]
amount_max = "1000.00"
action = "review"
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zerosum.adapters.rules.described import KINDS, DescribedPlugIn
from zerosum.adapters.rules.outside import OutsideRule
from zerosum.adapters.rules.rule_set import REVIEWS_LAST, RuleSet
from zerosum.domain.payments.book_checks import Duplicate, Velocity
from zerosum.domain.payments.rules import RULES_MAX

ENTRY_POINTS = "zerosum.rules"
FILE_BYTES_MAX = 1024 * 1024
VERSION_DIGITS = 16
REVIEWS_LAST_DAYS_MAX = 3650


class RulesFileWrong(ValueError):
    """The message is one clear line."""


def read_rules(path: Path) -> RuleSet:
    """Its version is the SHA-256 of its bytes, in part: the same file is the same version everywhere.

    Raises RulesFileWrong.
    """
    content, version = _content(path)
    described = content.get("rules", [])
    if not isinstance(described, list) or len(described) > RULES_MAX:
        raise RulesFileWrong(f"{path}: rules are a list of at most {RULES_MAX}")
    made = [_made(f"{path}: rules.{place}", place, one) for place, one in enumerate(described)]
    names = [one.rule.name for one in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RulesFileWrong(f"{path}: two rules are called {twice[0]}")
    outside = tuple(one for one in made if isinstance(one, OutsideRule))
    checks = tuple(one for one in made if isinstance(one, Velocity | Duplicate))
    static = tuple(one for one in made if not isinstance(one, OutsideRule | Velocity | Duplicate))
    return RuleSet(
        version=version, static=static, checks=checks, outside=outside, reviews_last=_reviews_last(path, content)
    )


def _reviews_last(path: Path, content: Mapping[str, Any]) -> timedelta:
    days = content.get("reviews_last_days", REVIEWS_LAST.days)
    if type(days) is not int or not 1 <= days <= REVIEWS_LAST_DAYS_MAX:
        raise RulesFileWrong(f"{path}: reviews_last_days is a whole number from 1 to {REVIEWS_LAST_DAYS_MAX}")
    return timedelta(days=days)


def _content(path: Path) -> tuple[dict[str, Any], str]:
    try:
        with path.open("rb") as file:
            read = file.read(FILE_BYTES_MAX + 1)
        if len(read) > FILE_BYTES_MAX:
            raise RulesFileWrong(f"{path} is longer than {FILE_BYTES_MAX} bytes")
        text = read.decode("utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RulesFileWrong(f"{path} cannot be read: {error.strerror}") from None
    except RulesFileWrong:
        raise
    except (ValueError, RecursionError) as error:
        raise RulesFileWrong(f"{path}: {str(error) or type(error).__name__}".replace("\n", " ")) from None
    if not isinstance(content, dict) or (unknown := content.keys() - {"rules", "reviews_last_days"}):
        found = "" if not isinstance(content, dict) else f", and not {sorted(unknown)[0]}"
        raise RulesFileWrong(f"{path} has the list `rules`{found}")
    return content, hashlib.sha256(read).hexdigest()[:VERSION_DIGITS]


def _made(place: str, number: int, described: Any) -> Any:
    if not isinstance(described, dict):
        raise RulesFileWrong(f"{place}: a rule is a table")
    kind = described.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    try:
        if model is not None:
            return model.model_validate(described).made(number)
        plug_ins = _plug_ins()
        if not isinstance(kind, str) or kind not in plug_ins:
            raise RulesFileWrong(f"{place}.kind is one of {', '.join(sorted({*KINDS, *plug_ins}))}")
        return _plug_in(number, described, plug_ins[kind])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f".{part}" for part in first["loc"])
        raise RulesFileWrong(f"{place}{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except OSError as error:
        raise RulesFileWrong(f"{place}: {error.filename} cannot be read: {error.strerror}") from None
    except RulesFileWrong:
        raise
    except ValueError as error:
        raise RulesFileWrong(f"{place}: {error}") from None


def _plug_in(number: int, described: Mapping[str, Any], entry_point: str) -> OutsideRule:
    """Its own options are what rules of every kind do not know."""
    shared = {name: value for name, value in described.items() if name in DescribedPlugIn.model_fields}
    options = {name: value for name, value in described.items() if name not in shared}
    try:
        json.dumps(options)
    except (TypeError, ValueError):
        raise ValueError("a plug-in's own options are texts, numbers, lists and tables") from None
    return DescribedPlugIn.model_validate(shared).made_of(number, entry_point, options)


def _plug_ins() -> dict[str, str]:
    """Those of packages that are installed beside, by their names. None of them is imported here."""
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
