"""The file of rules: what is wrong is told in one line, and another file is noticed without a restart."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client
from tests.cli.command import zerosum
from tests.rules.judging import LIMIT, PLAIN, hanging, read_at_once, write_rules
from tests.rules.test_outside import plug_ins as plug_ins
from zerosum.adapters import watched_file
from zerosum.adapters.rules import rule_set
from zerosum.adapters.rules.rules_file import FILE_BYTES_MAX, RulesFileWrong, read_rules
from zerosum.main import Service

TOP = Path(__file__).parents[2]

RULE = {"name": "it", "kind": "limit", "amount_max": "1"}
VELOCITY = {"name": "it", "kind": "velocity", "party": "from", "window_seconds": 60, "count_max": 1}
SCORE = {"name": "it", "kind": "score", "url": "https://a.example/s", "refuse_from": 80, "default": "allow"}
BAD: dict[str, tuple[Any, str]] = {
    "no rule": ([1], "rules.0: a rule is a table"),
    "no kind": ([{"name": "it"}], "rules.0.kind is one of blocked, currencies, duplicate, limit, score, velocity"),
    "an unknown kind": ([RULE, {**RULE, "name": "b", "kind": "limits"}], "rules.1.kind is one of"),
    "no name": ([{"kind": "limit", "amount_max": "1"}], "rules.0.name: Field required"),
    "two of one name": ([RULE, RULE], "two rules are called it"),
    "a member that is not known": ([{**RULE, "amount": "1"}], "rules.0.amount: Extra inputs are not permitted"),
    "a number for an amount": ([{**RULE, "amount_max": 1.5}], "rules.0.amount_max: an amount is a text"),
    "a word for an amount": ([{**RULE, "amount_max": "much"}], "rules.0.amount_max: "),
    "an endless amount": ([{**RULE, "amount_max": "Infinity"}], "rules.0.amount_max: "),
    "a limit of nothing": ([{"name": "it", "kind": "limit"}], "rules.0: it has amount_max, or amount_min, or both"),
    "limits crosswise": ([{**RULE, "amount_min": "2"}], "rules.0: amount_min is above amount_max"),
    "an unknown action": ([{**RULE, "action": "think"}], "rules.0.action: "),
    "an unknown type": ([{**RULE, "types": ["gift"]}], "rules.0.types"),
    "a currency in small letters": ([{**RULE, "currencies": ["usd"]}], "rules.0.currencies"),
    "an account that is none": ([{**RULE, "accounts": ["a b"]}], "rules.0.accounts.0: "),
    "a star within": ([{**RULE, "accounts": ["a*b"]}], "rules.0.accounts.0: "),
    "two for a refusal": ([{**RULE, "two_approvals_from": "1"}], "two_approvals_from is for rules whose"),
    "velocity of nothing": ([{**VELOCITY, "count_max": None}], "rules.0: it has count_max, or sum_max, or both"),
    "velocity of nobody": ([{**VELOCITY, "party": "both"}], "rules.0.party: "),
    "a sum in no currency": ([{**VELOCITY, "sum_max": "1"}], "rules.0: sum_max is in one currency"),
    "who has no payer": ([{**VELOCITY, "types": ["deposit"]}], "rules.0: a deposit has no `from`"),
    "who has no payee": ([{**VELOCITY, "party": "to", "types": ["withdrawal"]}], "a withdrawal has no `to`"),
    "a window of nothing": ([{**VELOCITY, "window_seconds": 0}], "rules.0.window_seconds: "),
    "a window of a year": ([{**VELOCITY, "window_seconds": 31_536_000}], "rules.0.window_seconds: "),
    "half a second": ([{"name": "it", "kind": "duplicate", "window_seconds": 0.5}], "rules.0.window_seconds: "),
    "nobody blocked": ([{"name": "it", "kind": "blocked"}], "it has blocked_accounts, or blocked_metadata, or both"),
    "no value blocked": ([{"name": "it", "kind": "blocked", "blocked_metadata": {"a": []}}], "blocked_metadata.a: "),
    "allowed and denied": (
        [{"name": "it", "kind": "currencies", "allowed": ["EUR"], "denied": ["USD"]}],
        "rules.0: it has either allowed or denied",
    ),
    "a score without a default": ([{**SCORE, "default": None}], "rules.0.default: "),
    "a score that decides nothing": ([{**SCORE, "refuse_from": None}], "it has refuse_from, or review_from, or both"),
    "scores crosswise": ([{**SCORE, "review_from": 80}], "review_from is below refuse_from"),
    "plain HTTP": ([{**SCORE, "url": "http://a.example/s"}], "rules.0.url: must be https, but for this machine itself"),
    "no URL": ([{**SCORE, "url": "a.example"}], "rules.0.url: must be written like https://"),
    "a short secret": ([{**SCORE, "secret": "short"}], "rules.0: a secret has at least 16 bytes"),
    "no file of a secret": ([{**SCORE, "secret_file": "/nowhere"}], "rules.0: /nowhere cannot be read"),
    "too long a time": ([{**SCORE, "timeout_seconds": 60}], "rules.0.timeout_seconds: "),
    "too many at once": ([{**SCORE, "at_once": 10_000}], "rules.0.at_once: "),
    "a header of two lines": ([{**SCORE, "headers": {"a": "b\r\nc: d"}}], "rules.0.headers.a: "),
    "too many rules": ([{**RULE, "name": str(number)} for number in range(201)], "rules are a list of at most 200"),
    "no list": ({"a": 1}, "rules are a list of at most 200"),
}  # fmt: skip
TEXTS = {
    "no TOML": ("rules.toml", "not toml", "rules.toml: "),
    "no JSON": ("rules.json", "{", "rules.json: "),
    "JSON of another kind": ("rules.json", "[]", "has the list `rules`"),
    "another list": ("rules.toml", "routes = []", "has the list `rules`, and not routes"),
    "no days": ("rules.toml", "reviews_last_days = 0", "reviews_last_days is a whole number from 1 to 3650"),
    "half a day": ("rules.toml", "reviews_last_days = 0.5", "reviews_last_days is a whole number from 1 to 3650"),
    "no text": ("rules.toml", "\udcff", "rules.toml: "),
    "nesting": ("rules.json", "[" * 100_000, "rules.json: "),
    "too long": ("rules.toml", "#" * (FILE_BYTES_MAX + 1), "is longer than"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_rule_that_is_wrong_is_told_of_in_one_line(what: str, tmp_path: Path) -> None:
    rules, complaint = BAD[what]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"rules": rules}), encoding="utf-8")
    with pytest.raises(RulesFileWrong) as raised:
        read_rules(file)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("what", TEXTS)
def test_a_file_that_is_none_is_told_of_in_one_line(what: str, tmp_path: Path) -> None:
    name, text, complaint = TEXTS[what]
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RulesFileWrong) as raised:
        read_rules(tmp_path / name)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RulesFileWrong, match="cannot be read: No such file"):
        read_rules(tmp_path / "rules.toml")


def test_the_examples_of_the_page_are_read(tmp_path: Path) -> None:
    page = (TOP / "docs" / "RULES.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```toml\n(.*?)```\n", page, re.DOTALL)
    secret = tmp_path / "secret"
    secret.write_text("a secret of the risk", encoding="utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(shown.replace("/run/secrets/risk", str(secret)), encoding="utf-8")
    rules = read_rules(file)
    found = (*rules.static, *rules.checks, *rules.outside)
    assert len(found) == shown.count("[[rules]]")
    assert re.fullmatch("[0-9a-f]{16}", rules.version)
    assert read_rules(file).version == rules.version


async def test_another_file_is_noticed_and_a_faulty_one_changes_nothing(
    judging: Service,
    rules_file: Path,
    alice: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody is told of it: the next payment is judged by it."""
    monkeypatch.setattr(rule_set, "LOOK_SECONDS", 0.0)

    async def status() -> int:
        return (await alice.pay({**PLAIN, "amount": "200"})).status_code

    assert await status() == 201
    write_rules(rules_file, LIMIT)
    assert await status() == 422
    version = await read_at_once(judging)
    rules_file.write_text("nothing of the kind", encoding="utf-8")
    assert [await status(), await status()] == [422, 422]
    assert caplog.text.count(f"the rules of version {version} stay: ") == 1
    rules_file.unlink()
    assert await status() == 422
    assert f"{rules_file} cannot be read" in caplog.text
    beside = rules_file.with_name("new")
    write_rules(beside, {**LIMIT, "action": "review"})
    beside.rename(rules_file)
    assert await status() == 202
    write_rules(rules_file)
    assert await status() == 201


def test_rules_are_shown_as_the_service_reads_them(tmp_path: Path) -> None:
    file = write_rules(tmp_path / "rules.json", VELOCITY, {**SCORE, "name": "risk"})
    said = zerosum("rules", environment={"ZEROSUM_RULES_FILE": str(file)})
    assert said.code == 0, said
    assert said.out.splitlines()[1:] == ["it: velocity, refuse", "risk: score, default allow"]
    told = json.loads(zerosum("rules", "--json", environment={"ZEROSUM_RULES_FILE": str(file)}).out)
    assert told["version"] == read_rules(file).version
    file.write_text("{}x", encoding="utf-8")
    said = zerosum("rules", environment={"ZEROSUM_RULES_FILE": str(file)})
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "ZEROSUM_RULES_FILE" in said.err


async def test_a_file_system_that_hangs_keeps_nobody_from_paying(
    judging: Service,
    rules_file: Path,
    alice: Client,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_set, "LOOK_SECONDS", 0.0)
    write_rules(rules_file, LIMIT)
    version = await read_at_once(judging)
    monkeypatch.setattr(watched_file, "LOOK_SECONDS_MAX", 0.2)
    with hanging(rules_file, tmp_path / "pipe") as go_on:
        async with asyncio.timeout(20):
            for _ in range(20):
                assert (await alice.pay({**PLAIN, "amount": "200"})).status_code == 422
        assert caplog.text.count("cannot be looked at, its file system hangs") == 1
        rules_file.unlink()
        write_rules(rules_file)
        async with asyncio.timeout(20):
            while await read_at_once(judging) == version:
                go_on()
                await asyncio.sleep(0.01)
    assert (await alice.pay({**PLAIN, "amount": "200"})).status_code == 201
    assert caplog.text.count("can be looked at again") == 1
