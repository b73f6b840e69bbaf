"""`zerosum import` as a whole command, into a running installation."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.campaigns.installation import Installation, installed
from tests.cli.command import assert_one_clear_line, zerosum
from tests.cli.warm_start import start_in_background

HEADER = "type,client,tx,amount\n"
LEDGER_SECONDS_MAX = 30.0
ROWS = 6_000
"""Some batches more than are in the ledger when the first money is seen there."""

pytestmark = pytest.mark.xdist_group("import")


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed(is_warm=True) as installation:
        yield installation


def deposits(path: Path, rows: int, *, first_tx: int, seed: int) -> Path:
    """Deposits and, now and then, a withdrawal that may be too much."""
    chance = random.Random(seed)
    lines = []
    for tx in range(first_tx, first_tx + rows):
        type_ = "withdrawal" if chance.random() < 0.2 else "deposit"
        lines.append(f"{type_},{chance.randrange(300)},{tx},{chance.randrange(1, 99)}.5")
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return path


def has_money(running: Installation) -> bool:
    """Accounts are there before the first of their rows is carried out."""
    url = f"{running.base_url}/v1/clients?limit=100"
    found = httpx.get(url, headers=running.headers, trust_env=False, verify=False).json()["data"]
    return any(Decimal(one["total"]) for one in found)


def accounts(running: Installation) -> dict[int, tuple[str, str, str]]:
    found = {}
    cursor = None
    with httpx.Client(base_url=running.base_url, headers=running.headers, trust_env=False, verify=False) as http:
        while True:
            page = http.get("/v1/clients", params={"limit": 200} | ({"cursor": cursor} if cursor else {})).json()
            for one in page["data"]:
                found[one["client"]] = (one["available"], one["held"], one["total"])
            cursor = page["next_cursor"]
            if cursor is None:
                return found


def processed(*paths: Path) -> dict[int, tuple[str, str, str]]:
    said = zerosum("process", *map(str, paths))
    assert said.code == 0
    rows = [line.split(",") for line in said.out.splitlines()[1:]]
    return {int(row[0]): (row[1], row[2], row[3]) for row in rows}


def test_killed_in_the_middle_and_run_again_it_is_as_if_it_had_not_been_killed(
    running: Installation, tmp_path: Path
) -> None:
    path = deposits(tmp_path / "first.csv", ROWS, first_tx=0, seed=1)
    words = ["import", str(path), "--data-dir", str(running.folder)]
    with Path(os.devnull).open("wb") as nobody:
        process = start_in_background(words, environment={}, output=nobody.fileno())
    deadline = time.monotonic() + LEDGER_SECONDS_MAX
    while not has_money(running):
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    said = zerosum(*words, "--json")
    assert said.code == 0, said.err
    assert 0 < json.loads(said.out)["replayed"] < ROWS, "it was killed before or after all"
    assert accounts(running) == processed(path)


def test_over_http_it_goes_on_with_what_the_database_was_given(running: Installation, tmp_path: Path) -> None:
    path = deposits(tmp_path / "second.csv", 1500, first_tx=1_000_000, seed=2)
    where = ["--url", running.base_url, "--token", running.credentials["api_key"]]
    straight = zerosum("import", str(path), "--data-dir", str(running.folder))
    before = accounts(running)
    said = zerosum("import", str(path), *where)
    assert (straight.code, said.code) == (0, 0), said.err
    assert "1,500 of them were there before" in said.err
    assert accounts(running) == before


def test_stdin_is_named_by_its_content_too(running: Installation, tmp_path: Path) -> None:
    path = deposits(tmp_path / "third.csv", 20, first_tx=2_000_000, seed=3)
    command = [sys.executable, "-m", "zerosum", "import", "-", "--data-dir", str(running.folder)]
    for there_before in (0, 20):
        with path.open("rb") as stream:
            done = subprocess.run(command, stdin=stream, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{there_before} of them were there before" in done.stderr


def test_pipes_are_files_like_others(running: Installation, tmp_path: Path) -> None:
    paths = [deposits(tmp_path / f"{seed}.csv", 20, first_tx=2_000_100 * seed, seed=seed) for seed in (8, 9)]
    options = ["--data-dir", str(running.folder)]
    for there_before in (0, 40):
        fed = [subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) for path in paths]
        ends = [feeder.stdout.fileno() for feeder in fed if feeder.stdout]
        names = [f"/dev/fd/{end}" for end in ends]
        command = [sys.executable, "-m", "zerosum", "import", *names, *options]
        done = subprocess.run(command, pass_fds=ends, capture_output=True, text=True, timeout=60, check=False)
        for feeder in fed:
            with feeder:
                pass
        assert done.returncode == 0, done.stderr
        assert f"{there_before} of them were there before" in done.stderr


def test_only_the_first_malformed_rows_of_all_files_are_told(running: Installation, tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for number, path in enumerate(paths):
        path.write_text(HEADER + f"nonsense{number}\n" * 15)
    said = zerosum("import", *map(str, paths), "--data-dir", str(running.folder))
    lines = said.err.splitlines()
    assert lines[19] == f"zerosum: {paths[1]} line 6: unknown_type"
    assert lines[20] == "zerosum: and 10 more malformed rows"
    assert lines[21] == "not carried out: 30 unknown_type"
    assert (said.code, len(lines)) == (1, 23)


def test_a_file_of_which_nothing_was_carried_out_ends_with_1_and_says_why(
    running: Installation, tmp_path: Path
) -> None:
    path, where = tmp_path / "refused.csv", ["--data-dir", str(running.folder)]
    path.write_text(HEADER + "dispute,1,4000000000\n" * 3 + "withdrawal,60000,4000000001,1\ndeposit,1,1,5,50\n")
    for _ in range(2):  # The second time it is all there before.
        said = zerosum("import", str(path), *where, "--json")
        assert said.code == 1
        assert "not carried out: 3 tx_not_found, 1 insufficient_funds, 1 surplus_value" in said.err
        summary = json.loads(said.out)
        assert summary["reasons"] == {"tx_not_found": 3, "insufficient_funds": 1, "surplus_value": 1}
        assert (summary["carried_out"], summary["refused"], summary["malformed"]) == (0, 4, 1)
    path.write_text(path.read_text() + "deposit,1,4000000002,1\n")
    assert zerosum("import", str(path), *where).code == 0
    path.write_text(HEADER)
    assert zerosum("import", str(path), *where).code == 0


def test_another_file_under_a_known_name_is_one_clear_line(running: Installation, tmp_path: Path) -> None:
    where = ["--name", "known", "--data-dir", str(running.folder)]
    assert zerosum("import", str(deposits(tmp_path / "a.csv", 2, first_tx=3_000_000, seed=4)), *where).code == 0
    other = zerosum("import", str(deposits(tmp_path / "b.csv", 2, first_tx=3_000_002, seed=5)), *where)
    assert (other.code, other.out) == (1, "")
    assert other.err == "zerosum: The name was used before, for other content.\n"


def test_a_ledger_that_does_not_exist_is_one_clear_line(running: Installation, tmp_path: Path) -> None:
    path = deposits(tmp_path / "a.csv", 2, first_tx=4_000_000, seed=6)
    nobodys = "led_01a1fca1-93d4-711a-a4b7-cb1d8ee7f0f4"
    said = zerosum("import", str(path), "--data-dir", str(running.folder), "--ledger", nobodys)
    assert_one_clear_line(said, f"there is no ledger {nobodys}")
    mine = zerosum("import", str(path), "--data-dir", str(running.folder), "--ledger", running.credentials["ledger"])
    assert mine.code == 0, mine.err


def test_a_database_that_is_named_wins_over_the_service_of_the_environment(
    running: Installation, tmp_path: Path
) -> None:
    path = deposits(tmp_path / "a.csv", 2, first_tx=4_000_010, seed=6)
    elsewhere = {"ZEROSUM_URL": "http://127.0.0.1:1", "ZEROSUM_TOKEN": "x"}
    said = zerosum("import", str(path), "--data-dir", str(running.folder), environment=elsewhere)
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch.csv"], "nosuch.csv"),
        (["/"], "directory"),
        (["a.csv", "--url", "http://127.0.0.1:1"], "--token"),
        (["a.csv", "--name", "a b"], "--name"),
        (["a.csv", "a.csv", "--name", "x"], "--name"),
        (["a.csv", "--data-dir", "/nosuch"], "nothing runs"),
        (["bad.csv"], "column"),
        (["european.csv"], "separated by semicolons"),
        (["a.csv", "--url", "http://127.0.0.1:1", "--token", "x", "--data-dir", "/nosuch"], "--data-dir"),
        (["a.csv", "--url", "http://127.0.0.1:1", "--token", "x", "--ledger", "led_x"], "--ledger"),
        (["a.csv", "--url", "http://[::1", "--token", "x"], "is not a URL"),
        (["a.csv", "--url", "http://a..ü", "--token", "x"], "is not a URL"),
        (["a.csv", "--url", "ftp://x", "--token", "x"], "is not an http or https URL"),
        (["a.csv", "--url", "http://127.0.0.1:1", "--token", "ü"], "the token"),
        (["a.csv", "--url", "http://127.0.0.1:1", "--token", "a\nb"], "the token"),
    ],
)
def test_what_cannot_begin_is_one_clear_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    (tmp_path / "bad.csv").write_text("type,client\n")
    (tmp_path / "european.csv").write_text("type;client;tx;amount\ndeposit;1;1;5,50\n")
    named = [str(tmp_path / each) if each.endswith(".csv") else each for each in arguments]
    assert_one_clear_line(zerosum("import", *named), words)


def test_a_service_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    said = zerosum("import", str(tmp_path / "a.csv"), "--url", "http://127.0.0.1:1", "--token", "x")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
