"""`.env.example` and the settings say the same."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

import pytest
from pydantic import SecretStr

from tests.architecture.sources import TOP, modules
from zerosum.config import Settings, load_settings

EXAMPLE = (TOP / ".env.example").read_text(encoding="utf-8").splitlines()
FIELDS = {f"ZEROSUM_{name.upper()}": field for name, field in Settings.model_fields.items()}
_ASSIGNMENT = re.compile(r"# (ZEROSUM_[A-Z_0-9]+)=(.*)")


def _shown() -> dict[str, str]:
    return {match[1]: match[2] for line in EXAMPLE if (match := _ASSIGNMENT.fullmatch(line))}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)


def test_every_setting_is_shown_and_nothing_else() -> None:
    missing = set(FIELDS) - set(_shown())
    assert not missing, f"{missing}: add a line and a comment to .env.example."
    gone = set(_shown()) - set(FIELDS)
    assert not gone, f"{gone}: no such setting any more, take it out of .env.example."


def test_every_setting_is_shown_once_and_switched_off() -> None:
    """Copied as it is, the file must change nothing."""
    lines = [line for line in EXAMPLE if line.strip() and not line.startswith("#")]
    assert not lines, f"{lines}: put a `# ` before it."
    names = [match[1] for line in EXAMPLE if (match := _ASSIGNMENT.fullmatch(line))]
    assert sorted(names) == sorted(set(names))


def test_every_setting_is_explained() -> None:
    """The line before it is a comment, or a setting that is explained together with it."""
    bare = [
        line for before, line in pairwise(["", *EXAMPLE]) if _ASSIGNMENT.fullmatch(line) and not before.startswith("# ")
    ]
    assert not bare, f"{bare}: say in a comment above it what it does, and when to change it."


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_shown_is_the_default_where_there_is_one(name: str) -> None:
    default = FIELDS[name].default
    if default is None or FIELDS[name].default_factory is not None:  # the machine decides
        return
    shown = _shown()[name]
    field = name.removeprefix("ZEROSUM_").lower()
    assert getattr(load_settings(**{field: shown}), field) == default, f"{name}: .env.example shows another default."


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.annotation == SecretStr | None])
def test_no_secret_is_shown(name: str) -> None:
    assert _shown()[name] == "", f"{name}: an example of a secret ends up in production. Leave it empty."


def test_every_setting_is_read_by_somebody() -> None:
    read = {
        node.attr
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    assert not Settings.model_fields.keys() - read, "pass their values in, or take the settings out."


def test_the_examples_can_be_used_together() -> None:
    """With every `#` removed but those of the secrets, the settings are valid."""
    shown = {name.removeprefix("ZEROSUM_").lower(): value for name, value in _shown().items() if value}
    assert load_settings(**shown).base_url == "https://pay.example.com"
