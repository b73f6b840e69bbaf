"""`zerosum process` and `zerosum generate` as a user runs them: what goes where, and how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import assert_one_clear_line, zerosum
from tests.clients.naive_model import naive

HEADER = "type,client,tx,amount\n"
COMMAND = [sys.executable, "-m", "zerosum"]
SUMMARY = r"{rows} rows: {carried_out} carried out, {refused} refused, {malformed} malformed; [0-9.]+ s, [0-9,]+ rows/s"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + "deposit,2,1,5.0\nwithdrawal,2,2,9.0\nrefund,1,3,1.0\ndeposit,1,4,1.5\n")
    return path


ACCOUNTS = "client,available,held,total,locked\n1,1.5000,0.0000,1.5000,false\n2,5.0000,0.0000,5.0000,false\n"


def test_accounts_go_to_stdout_and_all_else_to_stderr(file: Path) -> None:
    said = zerosum("process", str(file))
    assert (said.code, said.out) == (0, ACCOUNTS)
    malformed, summary = said.err.splitlines()
    assert malformed == f"zerosum: {file} line 4: unknown_type"
    assert re.fullmatch(SUMMARY.format(rows=4, carried_out=2, refused=1, malformed=1), summary)


def test_stdin_is_an_input_among_others(file: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "process", str(file), "-"], input=HEADER + "dispute,1,4", capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1] == "1,0.0000,1.5000,1.5000,false"


def test_json_says_the_same(file: Path) -> None:
    said = zerosum("process", str(file), "--json")
    content = json.loads(said.out)
    assert content["accounts"][0] == {
        "client": 1, "available": "1.5000", "held": "0.0000", "total": "1.5000", "locked": False,
    }  # fmt: skip
    counts = {name: content["summary"][name] for name in ("rows", "carried_out", "refused", "malformed")}
    assert counts == {"rows": 4, "carried_out": 2, "refused": 1, "malformed": 1}


def test_only_the_first_malformed_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + "nonsense\n" * 1234)
    lines = zerosum("process", str(path)).err.splitlines()
    assert lines[19] == f"zerosum: {path} line 21: unknown_type"
    assert lines[20] == "zerosum: and 1,214 more malformed rows"
    assert len(lines) == 22


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, file: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "bad.csv").write_bytes(HEADER.encode() + b"deposit,1,1,1.0\n" * 300_000 + b"\xff")
    assert_one_clear_line(zerosum("process", str(tmp_path / "none.csv")), "none.csv", "No such file")
    assert_one_clear_line(zerosum("process", str(tmp_path)), "is a directory")
    assert_one_clear_line(zerosum("process", str(tmp_path / "empty.csv")), "empty.csv", "is empty")
    said = zerosum("process", str(file), str(tmp_path / "empty.csv"))
    assert (said.code, said.out) == (2, ""), "what came before is not printed either"
    assert_one_clear_line(zerosum("process", str(tmp_path / "bad.csv"), "--engine", "fast"), "not UTF-8 (byte 4800023)")
    assert_one_clear_line(zerosum("process", "-", "-"), "stdin")
    assert_one_clear_line(zerosum("process", str(file), "--window", "3"), "--order time")


def test_a_usage_error_is_exit_code_2(file: Path) -> None:
    assert zerosum("process").code == 2
    assert zerosum("process", str(file), "--order", "size").code == 2
    assert zerosum("process", str(file), "--window", "-1").code == 2


def test_rejects_never_overwrite_an_input(file: Path) -> None:
    before = file.read_text()
    assert_one_clear_line(zerosum("process", str(file), "--rejects", str(file)), "overwrite")
    assert file.read_text() == before
    assert_one_clear_line(zerosum("process", str(file), "--rejects", str(file.parent / "no" / "r.csv")), "written")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_results_that_cannot_be_written_are_exit_code_1(file: Path) -> None:
    said = zerosum("process", str(file), "--rejects", "/dev/full")
    assert (said.code, said.out) == (1, "")
    assert "No space left" in said.err
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "process", str(file)], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def closed(stream: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with stdin, stdout or stderr closed, as `>&-` does it."""
    command = ["sh", "-c", f'exec "$@" {stream}>&-', "sh", *COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [["process", "IN"], ["process", "IN", "--json"], ["generate", "--rows", "3"]])
def test_a_closed_stdout_is_one_clear_line(file: Path, arguments: list[str]) -> None:
    done = closed(1, *[str(file) if each == "IN" else each for each in arguments])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "zerosum: stdout cannot be written: it is closed"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["process", "import"])
def test_a_closed_stdin_is_one_clear_line(command: str) -> None:
    done = closed(0, command, "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "zerosum: stdin cannot be read: it is closed\n"


def test_with_stderr_closed_the_accounts_come_out(file: Path) -> None:
    done = closed(2, "process", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, ACCOUNTS, "")
    assert closed(2, "process", str(file.parent / "none.csv")).returncode == 2


@pytest.mark.parametrize("command", ["process -", "generate --rows 200000"])
def test_a_reader_that_has_enough_ends_it_quietly(command: str) -> None:
    """As `| head -n 1` does. 65,536 accounts and 200,000 rows are more than a pipe holds."""
    rows = "".join(f"deposit,{client},{client},1.0\n" for client in range(65_536))
    run = subprocess.Popen(
        [*COMMAND, *command.split()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stderr is not None
    if command.startswith("process"):
        run.stdin.write(HEADER + rows)
    run.stdin.close()
    assert run.stdout.readline() in (ACCOUNTS.splitlines(keepends=True)[0], HEADER)
    run.stdout.close()
    said = run.stderr.read()
    run.stderr.close()
    assert run.wait(timeout=60) == 0, said
    assert "Traceback" not in said
    assert "Broken" not in said


def test_what_is_made_up_is_the_same_for_the_same_seed_and_comes_to_what_the_model_says(tmp_path: Path) -> None:
    options = ("generate", "--rows", "20000", "--clients", "50", "--bad", "0.05", "--chargebacks", "0.001")
    made = zerosum(*options, "--seed", "7")
    assert made.out == zerosum(*options, "--seed", "7").out
    assert made.out != zerosum(*options, "--seed", "8").out
    assert made.out.count("\n") == 20_001
    path = tmp_path / "in.csv"
    path.write_text(made.out)
    model = naive([made.out.replace('"', "x")])  # to the model an open quote is more than its line
    for engine in ("book", "fast"):
        assert zerosum("process", str(path), "--engine", engine).out == model.accounts()


def test_shares_above_the_whole_are_refused() -> None:
    assert_one_clear_line(zerosum("generate", "--disputes", "0.6", "--bad", "0.6"), "shares")


def test_without_the_extra_the_plain_engine_does_the_work(file: Path, tmp_path: Path) -> None:
    """numba hidden by a package of that name that cannot be found: `find_spec` sees a module without a spec."""
    hidden = "import sys; sys.modules['numba'] = None; from zerosum.cli import main; sys.argv[0] = 'zerosum'; main()"
    command = [sys.executable, "-c", hidden, "process", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ACCOUNTS)
    done = subprocess.run([*command, "--engine", "fast"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "zerosum[fast]" in done.stderr


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_a_gigabyte_from_a_pipe_comes_out_in_bounded_memory() -> None:
    """35 million rows that are never on disk. The peak is the table of transactions, and half of it while it grows."""
    made = subprocess.Popen([*COMMAND, "generate", "--rows", "35000000"], stdout=subprocess.PIPE)
    done = subprocess.Popen([*COMMAND, "process", "-"], stdin=made.stdout, stdout=subprocess.PIPE)
    with made, done:
        assert done.stdout is not None
        accounts = done.stdout.read()
        _, status, usage = os.wait4(done.pid, 0)
        done.returncode = os.waitstatus_to_exitcode(status)  # it is told here how it ended, for its memory is told too
    assert (made.returncode, done.returncode) == (0, 0)
    assert accounts.count(b"\n") == 65_537
    assert usage.ru_maxrss < 2 << 20, f"{usage.ru_maxrss / 1024:.0f} MiB"
