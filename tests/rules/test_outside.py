"""Rules that ask outside: what is answered decides, and where nothing is answered the default does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Client, fresh_key, over_socket
from tests.api.serving import served
from tests.conftest import Servers, TestDatabase
from tests.rules.judging import PLAIN, judging_service, must_be_right, read_at_once, with_money, write_rules
from tests.rules.scores import Scores, scored, scoring
from zerosum.adapters.clock import now
from zerosum.adapters.processors.signing import SIGNATURE_HEADER, check_signature
from zerosum.adapters.rules import outside
from zerosum.adapters.rules.rules_file import read_rules
from zerosum.cli.rules import failures_to_begin
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.app import REQUEST_SECONDS_MAX
from zerosum.main import Service
from zerosum.services.committing.committer import CommitterOptions

TOP = Path(__file__).parents[2]
SECRET = "a secret of the scores"


@pytest.fixture
def scores() -> Iterator[Scores]:
    with scoring() as made:
        yield made


async def test_a_score_decides(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, database: Database, ledger_id: LedgerId
) -> None:
    write_rules(rules_file, scored(scores.url, secret=SECRET, types=["transfer"]))
    version = await read_at_once(judging)
    scores.answer = lambda asked: (200, json.dumps({"score": float(asked["amount"]), "reason": "Odd."}).encode())
    found = []
    for amount in ("50.49", "50.50", "79.99", "80.00"):
        answer = await alice.transfer("alice", "bob", amount)
        found.append(answer.status_code)
    assert found == [201, 202, 202, 422]
    problem = answer.json()
    assert (problem["rule"], problem["detail"], problem["rules_version"]) == ("risk", "Odd.", version)
    told = scores.asked[-1]
    assert (told["type"], told["payer"], told["payee"], told["currency"]) == ("transfer", "alice", "bob", "USD")
    check_signature([SECRET.encode()], scores.headers[-1], scores.bodies[-1], now())
    assert SIGNATURE_HEADER in scores.headers[-1]
    await alice.deposit("bob", "1.00")
    assert len(scores.asked) == 4
    await must_be_right(database, ledger_id)


async def test_a_repeated_key_is_asked_about_once(
    judging: Service, rules_file: Path, alice: Client, scores: Scores
) -> None:
    write_rules(rules_file, scored(scores.url))
    await read_at_once(judging)
    keys = [fresh_key() for _ in range(3)]
    firsts = []
    for key, score in zip(keys, (0, 60, 90), strict=True):
        scores.answer = lambda _, score=score: (200, b'{"score": %d}' % score)  # type: ignore[misc]
        firsts.append(await alice.transfer("alice", "bob", "1.00", key))
    assert [answer.status_code for answer in firsts] == [201, 202, 422]
    scores.answer = lambda _: (200, b'{"score": 0}')
    for key, first in zip(keys, firsts, strict=True):
        again = await alice.transfer("alice", "bob", "1.00", key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (first.status_code, "true")
        assert again.json() | {"request_id": ""} == first.json() | {"request_id": ""}
        other = await alice.transfer("alice", "bob", "2.00", key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(scores.asked) == 3


UNCLEAR: dict[str, tuple[int, bytes]] = {
    "no such page": (404, b"{}"),
    "a server error": (500, b'{"score": 0}'),
    "a redirect": (302, b'{"score": 0}'),
    "no JSON": (200, b"score"),
    "no score": (200, b'{"points": 1}'),
    "a text": (200, b'{"score": "1"}'),
    "a truth": (200, b'{"score": true}'),
    "too low": (200, b'{"score": -1}'),
    "too high": (200, b'{"score": 1000.5}'),
    "no number": (200, b'{"score": NaN}'),
    "nesting": (200, b"[" * 60_000),
    "too long": (200, b'{"score": 0, "x": "' + b"x" * 70_000 + b'"}'),
}


@pytest.mark.parametrize("what", UNCLEAR)
async def test_what_is_unclear_is_decided_by_the_default(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_rules(rules_file, scored(scores.url))
    await read_at_once(judging)
    scores.answer = lambda _: UNCLEAR[what]
    answer = await alice.transfer("alice", "bob", "1.00")
    assert (answer.status_code, answer.json()["detail"]) == (202, "The rule `risk` could not be asked.")
    assert "the rule risk could not be asked" in caplog.text


@pytest.mark.parametrize(("default", "status"), [("allow", 201), ("review", 202), ("refuse", 422)])
async def test_who_hangs_or_is_away_costs_no_more_than_its_time(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, default: str, status: int
) -> None:
    """Ten at once, two of them asked at once: the others wait for them, and everybody is answered."""
    write_rules(
        rules_file,
        scored(scores.url, default=default, timeout_seconds=0.05, at_once=2),
        scored("http://127.0.0.1:9/", name="away", default="allow", at_once=200),
    )
    await read_at_once(judging)
    released = threading.Event()

    def hang(_: dict[str, Any]) -> tuple[int, bytes]:
        released.wait(5)
        return 200, b'{"score": 0}'

    scores.answer = hang
    before = time.monotonic()
    answers = await asyncio.gather(*[alice.transfer("alice", "bob", "1.00") for _ in range(10)])
    released.set()
    assert [answer.status_code for answer in answers] == [status] * 10
    assert time.monotonic() - before < 5


async def test_a_reason_that_no_database_keeps_fails_no_payment(
    judging: Service, rules_file: Path, alice: Client, scores: Scores
) -> None:
    write_rules(rules_file, scored(scores.url))
    await read_at_once(judging)
    for score, status in ((60, 202), (90, 422)):
        reason = json.dumps({"score": score, "reason": "Odd\0\ud800\n payer."}).encode()
        scores.answer = lambda _, reason=reason: (200, reason)  # type: ignore[misc]
        answer = await alice.transfer("alice", "bob", "1.00")
        assert (answer.status_code, answer.json()["detail"]) == (status, "Odd  payer.")
    scores.answer = lambda _: (200, b'{"score": 90, "reason": "\\u0000"}')
    assert (await alice.transfer("alice", "bob", "1.00")).json()["detail"] == "The rule `risk` has objected."


async def test_no_more_than_so_many_wait_for_one_that_hangs(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "WAITING_MAX", 1)
    write_rules(rules_file, scored(scores.url, at_once=1))
    await read_at_once(judging)
    asked, released = threading.Event(), threading.Event()

    def hang(_: dict[str, Any]) -> tuple[int, bytes]:
        asked.set()
        released.wait(4)
        return 200, b'{"score": 0}'

    scores.answer = hang
    first = asyncio.create_task(alice.transfer("alice", "bob", "1.00"))
    await asyncio.to_thread(asked.wait, 4)
    second = await alice.transfer("alice", "bob", "2.00")
    assert (second.status_code, first.done()) == (202, False)
    released.set()
    assert (await first).status_code == 201
    assert len(scores.asked) == 1


async def test_who_leaves_while_it_is_judged_has_paid_once(
    judging: Service, rules_file: Path, alice: Client, scores: Scores, database: Database, ledger_id: LedgerId
) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang(_: dict[str, Any]) -> tuple[int, bytes]:
        asked.set()
        released.wait(4)
        return 200, b'{"score": 0}'

    scores.answer = hang
    body, key = {**PLAIN, "amount": "7.00"}, fresh_key()
    async with served(judging) as port, AsyncExitStack() as stack:
        caller = await over_socket(stack, judging, ledger_id, port)
        assert (await caller.pay({**PLAIN, "amount": "1.00"})).status_code == 201
        write_rules(rules_file, scored(scores.url, default="refuse"))
        await read_at_once(judging)
        leaving = asyncio.create_task(caller.pay(body, key))
        await asyncio.to_thread(asked.wait, 4)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        released.set()
        assert (await alice.pay(body, key)).status_code == 201
        await eventually(lambda: judging.admission.in_flight == 0)
    again = await alice.pay(body, key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert (await alice.balance("bob"))["posted"] == "8.00"
    await must_be_right(database, ledger_id)


async def test_a_service_that_ends_answers_what_is_judged_just_now(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId, scores: Scores
) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang(_: dict[str, Any]) -> tuple[int, bytes]:
        asked.set()
        released.wait(4)
        return 200, b'{"score": 0}'

    file = write_rules(tmp_path / "rules.json")
    async with judging_service(test_database, servers, file) as running:
        client = await with_money(running, ledger_id)
        write_rules(file, scored(scores.url))
        await read_at_once(running)
        scores.answer = hang
        paying = asyncio.create_task(client.pay({**PLAIN, "amount": "1.00"}))
        await asyncio.to_thread(asked.wait, 4)
        stopping = asyncio.create_task(running.stop())
        await asyncio.sleep(0.1)
        released.set()
        answer = await paying
        await stopping
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        await client.http.aclose()


async def eventually(is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was")


def test_a_call_that_is_judged_as_long_as_may_be_is_still_carried_out() -> None:
    assert outside.JUDGING_SECONDS_MAX + CommitterOptions().deadline_seconds < REQUEST_SECONDS_MAX


def sample_plug_in(folder: Path) -> None:
    """The one of the page, as a package that is installed, and others that a bad day brings."""
    page = (TOP / "docs" / "changing" / "rule.md").read_text(encoding="utf-8")
    [code] = re.findall(r"   ```python\n(.*?)   ```\n", page, re.DOTALL)
    (folder / "acme_rule.py").write_text(re.sub(r"(?m)^   ", "", code), encoding="utf-8")
    entry = re.search(r'(?m)^   night_watch = "(.*)"$', page)
    assert entry is not None
    (folder / "bad_rules.py").write_text(BAD, encoding="utf-8")
    info = folder / "acme_rule-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rule\nVersion: 1.0\n", encoding="utf-8")
    bad = "\n".join(f"{name} = bad_rules:{name}" for name in BAD_ONES)
    text = f"[zerosum.rules]\nnight_watch = {entry[1]}\n{bad}\nabsent = nothing_there:make\n"
    (info / "entry_points.txt").write_text(text, encoding="utf-8")


BAD = """
import os, sys, time
from zerosum.adapters.rules import allow, review

def raises(name, options):
    def check(payment):
        raise RuntimeError("a bad day")
    return check

def raises_at_times(name, options):
    def check(payment):
        if payment.reference == "odd":
            raise RuntimeError("it cannot judge that")
        return review(str(os.getpid()))
    return check

def hangs(name, options):
    def check(payment):
        time.sleep(3600)
    return check

def computes(name, options):
    def check(payment):
        while True:
            pass
    return check

def exits(name, options):
    def check(payment):
        os._exit(3)
    return check

def answers_nothing(name, options):
    return lambda payment: None

def prints(name, options):
    def check(payment):
        print('{"verdict": "refuse"}', flush=True)
        os.write(1, b'{"verdict": "refuse"}\\n')
        return allow()
    return check

def fails_to_begin(name, options):
    raise ValueError("limit is missing")

def is_curious(name, options):
    def check(payment):
        assert not [name for name in os.environ if name.startswith("ZEROSUM")], os.environ
        return allow()
    return check
"""
BAD_ONES = (
    "raises", "raises_at_times", "hangs", "computes", "exits", "answers_nothing", "prints", "fails_to_begin",
    "is_curious",
)  # fmt: skip


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_plug_in(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ZEROSUM_MASTER_KEYS", "a secret")


@pytest.mark.usefixtures("plug_ins")
async def test_the_sample_of_the_page_is_a_rule(
    judging: Service, rules_file: Path, alice: Client, database: Database, ledger_id: LedgerId
) -> None:
    page = (TOP / "docs" / "changing" / "rule.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"   ```toml\n   (\[\[rules\]\].*?)   ```\n", page, re.DOTALL)
    toml = rules_file.with_suffix(".toml")
    toml.write_text(re.sub(r"(?m)^   ", "", shown), encoding="utf-8")
    [rule] = read_rules(toml).outside
    assert rule.rule.name == "night watch"
    write_rules(rules_file, {"name": "night watch", "kind": "night_watch", "default": "refuse", "limit": "50"})
    await read_at_once(judging)
    found = [(await alice.pay({**PLAIN, "amount": amount})).status_code for amount in ("50.00", "50.01", "1.00")]
    assert found == [201, 202, 201]
    await must_be_right(database, ledger_id)


@pytest.mark.usefixtures("plug_ins")
@pytest.mark.parametrize(
    "kind", ["raises", "hangs", "computes", "exits", "answers_nothing", "fails_to_begin", "absent"]
)
async def test_a_plug_in_on_a_bad_day_stops_nobody(
    judging: Service, rules_file: Path, alice: Client, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_rules(rules_file, {"name": "bad", "kind": kind, "default": "review", "timeout_seconds": 0.3})
    await read_at_once(judging)
    answers = await asyncio.gather(*[alice.transfer("alice", "bob", "1.00") for _ in range(4)])
    assert [answer.status_code for answer in answers] == [202] * 4
    assert "the rule bad could not be asked" in caplog.text
    assert (await alice.get("/readyz")).status_code == 200


@pytest.mark.usefixtures("plug_ins")
async def test_whoever_sends_what_a_plug_in_cannot_judge_takes_it_from_nobody(
    judging: Service, rules_file: Path, alice: Client
) -> None:
    rule = {"name": "odd", "kind": "raises_at_times", "default": "refuse", "timeout_seconds": 4, "at_once": 1}
    write_rules(rules_file, rule)
    await read_at_once(judging)
    bodies: list[dict[str, Any]] = [{}, {"reference": "odd"}, {}]
    before, between, after = [await alice.pay({**PLAIN, "amount": "1.00", **body}) for body in bodies]
    assert (between.status_code, before.status_code) == (422, 202)
    assert after.json()["detail"] == before.json()["detail"]
    os.kill(int(before.json()["detail"]), signal.SIGKILL)
    await until_dead(int(before.json()["detail"]))
    assert (await alice.pay({**PLAIN, "amount": "1.00"})).status_code == 202


async def until_dead(process: int) -> None:
    """Its service has seen that it is."""
    await eventually(lambda: not Path(f"/proc/{process}").exists())
    await asyncio.sleep(0.05)


@pytest.mark.usefixtures("plug_ins")
@pytest.mark.parametrize("kind", ["prints", "is_curious"])
async def test_a_plug_in_knows_no_secret_and_what_it_prints_is_no_answer(
    judging: Service, rules_file: Path, alice: Client, kind: str
) -> None:
    write_rules(rules_file, {"name": kind, "kind": kind, "default": "refuse", "timeout_seconds": 4})
    await read_at_once(judging)
    answers = [await alice.transfer("alice", "bob", "1.00") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text


@pytest.mark.usefixtures("plug_ins")
async def test_the_command_begins_each_plug_in(rules_file: Path) -> None:
    named = [{"name": kind, "kind": kind, "default": "allow"} for kind in ("prints", "fails_to_begin", "absent")]
    write_rules(rules_file, *named)
    assert await failures_to_begin(read_rules(rules_file)) == [
        "the rule fails_to_begin does not begin: ValueError: limit is missing",
        "the rule absent does not begin: ModuleNotFoundError: No module named 'nothing_there'",
    ]


@pytest.mark.usefixtures("plug_ins")
def test_a_plug_in_that_computes_ends_with_the_service_that_was_killed(tmp_path: Path) -> None:
    """Its parent is another process here, which begins it, asks it, and is killed."""
    script = (
        "import json, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'zerosum.adapters.rules.child'], stdin=-1, stdout=-1)\n"
        "begin = {'entry_point': 'bad_rules:computes', 'name': 'x', 'options': {}}\n"
        "child.stdin.write(json.dumps(begin).encode() + b'\\n'); child.stdin.flush(); child.stdout.readline()\n"
        'child.stdin.write(b\'{"receivers": [], "ledger": "l", "type": "t", "amount": "1", '
        '"currency": "USD"}\\n\'); child.stdin.flush()\n'
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": paths}
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    deadline = time.monotonic() + 30
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    """Whoever nobody waits for is a zombie where nobody reaps orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False
