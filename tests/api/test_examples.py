"""The worked examples of `docs/EXAMPLES.md`, run as they stand: each section in a ledger of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from tests.api.conftest import Client, fresh_key
from tests.architecture.sources import TOP
from zerosum.adapters.clock import now
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.services.proofs.whole_ledger import verify_ledger

PAGE = (TOP / "docs" / "EXAMPLES.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## )[\s\S])*)", PAGE, re.MULTILINE))


class Step(NamedTuple):
    line: str
    method: str
    path: str
    body: Any
    status: int
    answer: Any


def steps_of(section: str) -> Iterator[Step]:
    blocks = re.findall(r"^```text\n([\s\S]*?)^```", section, re.MULTILINE)
    lines = re.sub(r"\n +", " ", "".join(blocks)).splitlines()
    for asked, told in zip(lines[::2], lines[1::2], strict=True):
        question = re.fullmatch(r"> (GET|POST|PUT|PATCH|DELETE) (\S+)(?: (\{.*\}))?", asked)
        answer = re.fullmatch(r"< (\d{3})(?: ([\[{].*[\]}]))?", told)
        assert question is not None, asked
        assert answer is not None, told
        body, expected = (None if text is None else json.loads(text) for text in (question[3], answer[2]))
        yield Step(asked, question[1], question[2], body, int(answer[1]), expected)


class Known(dict[str, str]):
    """What the names of the page stand for."""

    def put_in(self, said: Any) -> Any:
        if isinstance(said, str):
            return re.sub(r"\$([A-Z_]+)", lambda name: self[name[1]], said)
        if isinstance(said, dict):
            return {name: self.put_in(member) for name, member in said.items()}
        return [self.put_in(one) for one in said] if isinstance(said, list) else said

    def must_fit(self, expected: Any, found: Any, where: str) -> None:
        """Members that are not named may be anything; a name that is new is learnt."""
        if isinstance(expected, str) and expected.startswith("$"):
            assert isinstance(found, str), where
            assert self.setdefault(expected[1:], found) == found, where
        elif isinstance(expected, dict):
            assert isinstance(found, dict), where
            for name, member in expected.items():
                assert name in found, f"{where}: no {name} in {found}"
                self.must_fit(member, found[name], f"{where} {name}")
        elif isinstance(expected, list):
            assert isinstance(found, list), where
            assert len(found) == len(expected), (where, found)
            for member, one in zip(expected, found, strict=True):
                self.must_fit(member, one, where)
        else:
            assert found == expected, f"{where}: {found!r} instead of {expected!r}"


@pytest.mark.parametrize("name", SECTIONS)
async def test_the_example_comes_out_as_the_page_says(
    client: Client, database: Database, ledger_id: LedgerId, name: str
) -> None:
    moment = now()
    known = Known(
        NOW=moment.isoformat().replace("+00:00", "Z"),
        YESTERDAY=(moment - timedelta(days=1)).date().isoformat(),
        YESTERDAY_NOON=f"{(moment - timedelta(days=1)).date().isoformat()}T12:00:00Z",
        IN_A_MONTH=(moment + timedelta(days=30)).isoformat().replace("+00:00", "Z"),
    )
    steps = list(steps_of(SECTIONS[name]))
    assert len(steps) > 5, "an example of almost nothing"
    for step in steps:
        key = {} if step.method == "GET" else {"Idempotency-Key": fresh_key()}
        answer = await client.http.request(
            step.method, known.put_in(step.path), json=known.put_in(step.body), headers=key
        )
        assert answer.status_code == step.status, f"{step.line}: {answer.text}"
        if step.answer is not None:
            known.must_fit(step.answer, answer.json(), step.line)
    assert (await verify_ledger(database, ledger_id, lambda *_: None)).breaks == []
