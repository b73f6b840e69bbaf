"""The command line as a newcomer meets it: what is pasted, misspelt, closed, or shown on a terminal of another age."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.architecture.sources import TOP
from tests.campaigns.installation import Installation, installed
from tests.cli.command import assert_one_clear_line, zerosum
from zerosum.cli.precautions import is_loopback, private_metrics_dir
from zerosum.cli.talk import CommandFailed
from zerosum.config import SettingsError, check_environment
from zerosum.metrics.folder import MetricsFolder
from zerosum.metrics.snapshot import Snapshot

ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SECONDS_MAX = 60


on_the_one_installation = pytest.mark.xdist_group("first look")
"""One of the test processes starts it, not all."""


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    """Started where nothing but ASCII can be printed."""
    with installed("--workers", "1", environment=ASCII, is_new=True) as installation:
        (installation.folder.parent / ".zerosum").symlink_to(installation.folder)
        (installation.folder.parent / ".venv").symlink_to(sys.prefix)
        yield installation


def sh(script: str, cwd: Path, seconds_max: float = SECONDS_MAX) -> subprocess.CompletedProcess[str]:
    """As pasted into a shell that knows nothing of the project."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ZEROSUM_", "VIRTUAL_ENV"))}
    return subprocess.run(
        ["sh", "-c", script],
        cwd=cwd,
        env={**clean, "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )


# --- Encodings -------------------------------------------------------------------------------------------------------

EVERY_HELP = """
import sys
import typer
from zerosum.cli import app, main

def paths(command, before):
    yield before
    for name, below in getattr(command, "commands", {}).items():
        yield from paths(below, [*before, name])

made = typer.main.get_command(app)
typer.main.get_command = lambda _: made  # once for all of them
for words in paths(made, []):
    sys.argv = ["zerosum", *words, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""


def test_every_help_can_be_shown_in_ascii() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_HELP],
        env={**os.environ, **ASCII, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"IN.csv..." in done.stdout


@on_the_one_installation
def test_up_greets_and_tells_in_ascii(running: Installation) -> None:
    log = (running.folder.parent / "up.log").read_bytes()
    assert log.isascii()
    assert b"Starting PostgreSQL and Redis in" in log
    assert b"..." in log


@on_the_one_installation
def test_results_and_complaints_can_be_shown_in_ascii(running: Installation, tmp_path: Path) -> None:
    source = tmp_path / "müller\u2026.csv"
    source.write_text("type,client,tx,amount\ndeposit,1,1,5.0\ndépôt,1,2,1.0\n", encoding="utf-8")
    for command in (
        ("process", str(source)),
        ("import", str(source), "--data-dir", str(running.folder)),
        ("verify", "--data-dir", str(running.folder)),
        ("token", "--data-dir", str(running.folder)),
        ("bench", "--data-dir", str(running.folder), "--seconds", "0.2", "--accounts", "2", "--connections", "1"),
        ("process", str(tmp_path / "fehlt\u2026.csv")),
    ):
        said = zerosum(*command, environment=ASCII)
        assert (said.out + said.err).isascii()
        assert "Traceback" not in said.err, said.err
        assert said.code == (2 if "fehlt" in command[1] else 0), (command, said)


def test_what_others_have_written_does_not_steer_the_terminal(tmp_path: Path) -> None:
    said = zerosum("process", str(tmp_path / "\x1b[2Jgone.csv"))
    assert_one_clear_line(said, r"\x1b[2Jgone.csv")


# --- Words of the command line ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("serv",), "serve"),
        (("up", "--prot", "1"), "--port"),
        (("ledgers", "creat", "x"), "create"),
    ],
)
def test_a_slip_on_the_command_line_is_one_clear_line(words: tuple[str, ...], told: str) -> None:
    assert_one_clear_line(zerosum(*words), told)


@pytest.mark.parametrize(("words", "target"), [("--help", "&-"), ("--version", "/dev/full"), ("generate", "/dev/full")])
def test_a_closed_or_full_stdout_is_one_line(words: str, target: str) -> None:
    done = sh(f"{shlex.quote(sys.executable)} -m zerosum {words} >{target}", TOP)
    assert done.returncode == 1
    assert re.fullmatch(r"zerosum: [^\n]*(closed|No space left on device)[^\n]*\n", done.stderr), done.stderr


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"zerosum \d+\.\d+\.\d+\S*\n", zerosum("--version").out)


# --- Names of settings -----------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.upper().startswith("ZEROSUM_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ZEROSUM_RATE_LIMIT_PER_PRINCIPLE", "ZEROSUM_RATE_LIMIT_PER_PRINCIPAL"),
        ("ZEROSUM_RATELIMIT_PER_ADDRESS", "ZEROSUM_RATE_LIMIT_PER_ADDRESS"),
        ("ZEROSUM_DATABASE_ULR", "ZEROSUM_DATABASE_URL"),
        ("zerosum_in_flight_maxx", "ZEROSUM_IN_FLIGHT_MAX"),
        ("ZEROSUN_MASTER_KEYS", "ZEROSUM_MASTER_KEYS"),
        ("ZEROSUM_XYZZY", ""),
    ],
)
def test_a_misspelt_setting_is_named_with_what_was_meant(
    environment: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    environment.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"^{name} is no setting{f': did you mean {meant}' if meant else ''}"):
        check_environment()
    environment.setenv("ZEROSUM_ALLOW_UNKNOWN_SETTINGS", "true")
    (line,) = check_environment()
    assert line.startswith(f"{name} is no setting")


def test_right_names_and_those_of_other_programs_are_nobodys_business(environment: pytest.MonkeyPatch) -> None:
    for name in ("ZEROSUM_PORT", "zerosum_lanes", "ZEROSUM_URL", "ZEROSUM_TOKEN", "ZDOTDIR", "ZOOKEEPER_PORT", "ZERO"):
        environment.setenv(name, "1")
    assert check_environment() == []


def test_what_kubernetes_sets_for_a_service_of_our_name_is_told_and_ignored(environment: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"):
        environment.setenv(f"ZEROSUM_{name}", "10.0.0.1")
    environment.setenv("ZEROSUM_WORKER_PORT", "tcp://10.0.0.1:80")
    (line,) = check_environment()
    assert "ZEROSUM_SERVICE_HOST" in line
    assert "enableServiceLinks" in line
    environment.setenv("ZEROSUM_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(SettingsError, match=r"^ZEROSUM_PORT holds the address of a Kubernetes service"):
        check_environment()


@pytest.mark.parametrize("command", ["up", "serve"])
def test_nothing_starts_with_a_misspelt_setting(command: str, tmp_path: Path) -> None:
    said = zerosum(command, cwd=tmp_path, environment={"ZEROSUM_RATE_LIMIT_PER_ADRESS": "1/s"})
    assert_one_clear_line(said, "ZEROSUM_RATE_LIMIT_PER_ADRESS", "did you mean ZEROSUM_RATE_LIMIT_PER_ADDRESS?")
    assert not list(tmp_path.iterdir())


def _example_lines() -> dict[str, str]:
    lines = (TOP / ".env.example").read_text(encoding="utf-8").splitlines()
    found = [match for line in lines if (match := re.fullmatch(r"# (ZEROSUM_[A-Z_0-9]+)=(.*)", line))]
    return {match[1]: match[2] for match in found}


def test_the_lines_of_the_example_can_be_sourced_and_mean_the_same_to_docker_compose(tmp_path: Path) -> None:
    shown = _example_lines()
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in shown.items()), encoding="utf-8")
    done = sh("set -aeu; . ./.env; exec env -0", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    sourced = dict(line.split("=", 1) for line in done.stdout.split("\0") if line.startswith("ZEROSUM_"))
    # As compose reads it: quotes at both ends are taken off, a blank and a # begin a comment.
    composed = {name: re.sub(r"\s+#.*", "", value) for name, value in shown.items()}
    composed = {name: re.sub(r"^(['\"])(.*)\1$", r"\2", value) for name, value in composed.items()}
    assert sourced == composed
    assert len(sourced) == len(shown) > 40


# --- What listens, and where it counts -------------------------------------------------------------------------------


def test_up_beyond_this_machine_needs_tls_like_serve_and_makes_nothing_without(tmp_path: Path) -> None:
    said = zerosum("up", "--data-dir", str(tmp_path / "data"), "--host", "0.0.0.0", "--port", "0")
    assert_one_clear_line(said, "ZEROSUM_TLS_CERTIFICATE", "ZEROSUM_INSECURE_HTTP")
    assert not list(tmp_path.iterdir())


def test_loopback_is_told_from_everything_else() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "10.0.0.1", "example.com", "::ffff:10.0.0.1")))


def test_the_folder_of_metrics_is_made_for_us_alone(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    private_metrics_dir(folder)
    for left in ("counter_12.db", "process-12-0123456789ab.json", "ended.json.part"):  # by versions of before, and this
        (folder / left).touch()
    folder.chmod(0o755)
    private_metrics_dir(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_whatever_counts_before_us_leaves_a_folder_that_is_ours(tmp_path: Path) -> None:
    """A worker that is there first, or puts together what an ended process has told."""
    folder = private_metrics_dir(tmp_path / "metrics")
    ours = MetricsFolder(folder)
    ours.write(f"process-{os.getpid()}-0123456789ab.json", Snapshot())
    ours.write(ours.new_name(), Snapshot())
    ours.forget(os.getpid())
    ours.forget_silent()
    assert {path.name for path in folder.iterdir()} >= {"ended.json", "ended.lock"}
    private_metrics_dir(folder)


def test_a_folder_of_metrics_that_is_shared_or_holds_other_things_is_refused(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.db").touch()
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    link = tmp_path / "link"
    link.symlink_to(full)
    for folder, why in ((full, "thesis.db"), (shared, "by others"), (link, "is a link")):
        with pytest.raises(CommandFailed, match=f"^ZEROSUM_METRICS_DIR: .*{why}"):
            private_metrics_dir(folder)
    assert (full / "thesis.db").exists()


@on_the_one_installation
def test_the_metrics_of_up_are_counted_where_nobody_else_looks(running: Installation) -> None:
    assert stat.S_IMODE((running.folder / "metrics").stat().st_mode) == 0o700


# --- Credentials -----------------------------------------------------------------------------------------------------


@on_the_one_installation
def test_credentials_go_into_a_new_file_that_only_its_owner_can_read(running: Installation, tmp_path: Path) -> None:
    out = tmp_path / "credentials.json"
    command = ("ledgers", "create", "second", "--data-dir", str(running.folder), "--out")
    before = os.umask(0)
    try:
        said = zerosum(*command, str(out))
    finally:
        os.umask(before)
    assert (said.code, said.out) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert json.loads(out.read_text())["api_key"].startswith("zsk_")
    assert json.loads(out.read_text())["base_url"] == running.base_url
    kept = out.read_text()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for path in (out, link):
        assert_one_clear_line(zerosum(*command, str(path)), "not overwritten")
    assert out.read_text() == kept
    assert not (tmp_path / "elsewhere").exists()


@on_the_one_installation
def test_a_refused_credential_is_told_how_to_get_a_good_one(running: Installation) -> None:
    answer = httpx.get(
        f"{running.base_url}/v1/accounts", headers={"Authorization": "Bearer x"}, trust_env=False, verify=False
    )
    assert answer.status_code == 401
    assert "POST /v1/oauth/token" in answer.json()["detail"]
    assert "zerosum token" in answer.json()["detail"]


# --- Pasted as it is -------------------------------------------------------------------------------------------------


def blocks(page: str, kind: str) -> list[str]:
    text = (TOP / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@on_the_one_installation
def test_up_says_where_everything_is_and_how_to_get_another_token(running: Installation) -> None:
    log = running.log()
    for words in (f"{running.base_url}/docs", f"{running.base_url}/readyz", "credentials.json", "get a new one"):
        assert words in log


@on_the_one_installation
def test_the_commands_of_the_readme_work_as_they_are_pasted(running: Installation) -> None:
    """In a shell without comments, as zsh is at its prompt, and without the programs of .venv."""
    pasted = [block for block in blocks("README.md", "sh") if "make" not in block]
    assert not [line for block in pasted for line in block.splitlines() if "#" in line]
    script = "set -e\n" + "\n".join(pasted).replace("http://127.0.0.1:8080", running.base_url)
    folder = running.folder.parent
    done = sh(script.replace("--rows 100000", "--rows 300"), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"status":"succeeded"') == 2
    assert '"difference":"0.00"' in done.stdout
    assert len((folder / "accounts.csv").read_text().splitlines()) > 100
    assert "carried out" in done.stderr


def _commands_of_the_api_page() -> list[str]:
    commands = []
    for block in blocks("docs/API.md", "console"):
        lines = iter(block.splitlines())
        for line in lines:
            if line.startswith("$ "):
                command = line[2:]
                while command.endswith("\\") or command.count("'") % 2:
                    command += "\n" + next(lines)
                commands.append(command)
    return commands


@on_the_one_installation
def test_the_commands_of_the_api_page_work_as_they_are_pasted(running: Installation) -> None:
    (setup,) = [block for block in blocks("docs/API.md", "sh") if "TOKEN=" in block]
    assert "#" not in setup
    credentials = running.credentials
    known = {
        "CLIENT_ID": credentials["client_id"],
        "CLIENT_SECRET": credentials["client_secret"],
        "LEDGER": credentials["ledger"],
        "PAYMENT": _sale(running),
        "ENTRY": _entry(running),
        "HOLD": _hold(running),
    }
    script = setup.replace("http://127.0.0.1:8080", running.base_url)
    script += "".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items())
    commands = _commands_of_the_api_page()
    assert len(commands) > 20
    done = sh(script + "".join(f"{command}\necho\necho ======\n" for command in commands), running.folder.parent)
    assert done.stderr == ""
    answers = done.stdout.split("======\n")
    of_the_form = r'"code": ?"(invalid_json|malformed\w*|validation_failed|not_found|unauthenticated|invalid_\w+)"'
    wrong = [
        (command, answer)
        for command, answer in zip(commands, answers, strict=False)
        if re.search(rf'"status": ?5\d\d|{of_the_form}', answer) or not answer.strip()
    ]
    assert not wrong


@on_the_one_installation
def test_the_commands_of_the_page_about_reconciliation_work_as_they_are_pasted(running: Installation) -> None:
    pasted = "\n".join(blocks("docs/RECONCILIATION.md", "sh"))
    assert "#" not in pasted
    done = sh(
        "set -e\n" + pasted.replace("http://127.0.0.1:8080", running.base_url), running.folder.parent, 3 * SECONDS_MAX
    )
    assert done.returncode == 0, done.stderr
    assert "2 lines, in 100.00 and out 2.50 USD: 1 matched, 1 open breaks" in done.stderr
    assert "2 lines, in 100.00 and out 2.50 USD: 2 matched, 0 open breaks" in done.stderr
    assert ": 0 unexplained" in done.stderr
    assert '"state":"adjusted"' in done.stdout
    (row,) = [line.split() for line in done.stdout.splitlines() if line.split()[1:3] == ["bank", "USD"]]
    assert row[3:] == ["2", "97.50", "2", "0", "0", "0.00", "1", "0"]


@on_the_one_installation
def test_a_file_that_is_not_taken_is_told_line_by_line(running: Installation, tmp_path: Path) -> None:
    columns = {"date": "day", "amount": "amount", "id": "id"}
    source = {"name": "odd", "account": "assets:odd", "format": "csv", "csv": {"columns": columns}}
    account = {"code": "assets:odd", "currency": "USD", "type": "asset"}
    for path, body in (("accounts", account), ("reconciliation/sources", source)):
        url = f"{running.base_url}/v1/{path}"
        httpx.post(url, json=body, headers=running.headers, trust_env=False).raise_for_status()
    file = tmp_path / "bad.csv"
    file.write_text("day,id,reference,amount,text\n2026-13-01,a,b,1.00,x\n2026-11-01,b,b,many,x\n")
    said = zerosum("reconcile", str(file), "--source", "odd", "--data-dir", str(running.folder))
    assert (said.code, said.out) == (2, ""), said
    assert f"{file} line 2, day: " in said.err
    assert f"{file} line 3, amount: " in said.err
    assert "Traceback" not in said.err
    missing = zerosum("reconcile", str(tmp_path / "missing.csv"), "--source", "bank")
    assert missing.code == 2
    assert "cannot be read" in missing.err
    unknown = zerosum("reconcile", str(file), "--source", "nobody", "--data-dir", str(running.folder))
    assert (unknown.code, "no such source" in unknown.err) == (1, True), unknown


@on_the_one_installation
def test_people_are_shown_erased_and_after_a_restore_erased_again(running: Installation, tmp_path: Path) -> None:
    for subject in ("first", "second"):
        said = {"subject": subject, "members": {"name": "Ada"}}
        body = {"type": "deposit", "amount": "1.00", "currency": "USD", "to": "customers:alice", "personal": said}
        _made(running, "/v1/payments", f"about-{subject}", body)
    where = ("--data-dir", str(running.folder))
    shown = zerosum("subjects", "show", "first", *where)
    assert (shown.code, json.loads(shown.out)["entries"], json.loads(shown.out)["erased_at"]) == (0, 1, None), shown
    erased = zerosum("subjects", "erase", "first", "--reason", "asked for", *where)
    assert (erased.code, json.loads(erased.out)["subject"]) == (0, "first"), erased
    exported = zerosum("audit", "export", *where)
    [record] = [one for one in map(json.loads, exported.out.splitlines()) if one["type"] == "subject.erased"]
    assert (record["resource"], record["reason"]) == ("first", "asked for")
    # As if the second had been erased behind the time to which the database was restored, and a third made and erased.
    lost = [{**record, "id": f"aud_{name}", "resource": name} for name in ("second", "third")]
    file = tmp_path / "audit.jsonl"
    file.write_text(exported.out + "".join(f"{json.dumps(one)}\n" for one in lost))
    for _ in range(2):
        again = zerosum("subjects", "replay", str(file), *where)
        assert (again.code, "2 erased, 1 of whom nothing is there" in again.err) == (0, True), again
    assert json.loads(zerosum("subjects", "show", "second", *where).out)["erased_at"] is not None
    verified = zerosum("verify", *where)
    assert (verified.code, "2 sealed about people, 2 of them erased" in verified.out) == (0, True), verified
    file.write_text("no log\n")
    wrong = zerosum("subjects", "replay", str(file), *where)
    assert (wrong.code, "is not what" in wrong.err) == (2, True), wrong


def _made(running: Installation, path: str, key: str, body: dict[str, Any]) -> str:
    headers = {**running.headers, "Idempotency-Key": key}
    answer = httpx.post(f"{running.base_url}{path}", json=body, headers=headers, trust_env=False)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


def _sale(running: Installation) -> str:
    body = {"type": "deposit", "amount": "200.00", "currency": "USD", "to": "customers:alice"}
    return _made(running, "/v1/payments", "to-be-refunded", body)


def _hold(running: Installation) -> str:
    body = {"from": "customers:alice", "to": "customers:bob", "amount": "80.00", "currency": "USD"}
    return _made(running, "/v1/holds", "to-be-captured", body)


def _entry(running: Installation) -> str:
    answer = httpx.post(
        f"{running.base_url}/v1/journal-entries",
        json={
            "reason": "A fee",
            "postings": [
                {"account": "customers:alice", "side": "debit", "amount": "0.10", "currency": "USD"},
                {"account": "customers:bob", "side": "credit", "amount": "0.10", "currency": "USD"},
            ],
        },
        headers={**running.headers, "Idempotency-Key": "to-be-reversed"},
        trust_env=False,
    )
    entry: str = answer.json()["id"]
    return entry


# --- A terminal ------------------------------------------------------------------------------------------------------


@on_the_one_installation
def test_import_shows_committed_rows_rate_and_time_left_on_a_terminal_only(
    running: Installation, tmp_path: Path
) -> None:
    source = tmp_path / "rows.csv"
    rows = "".join(f"deposit,{number % 40},{9_000_000 + number},1.5\n" for number in range(2500))
    source.write_text("type,client,tx,amount\n" + rows)
    command = [
        sys.executable,
        "-m",
        "zerosum",
        "import",
        str(source),
        "--data-dir",
        str(running.folder),
        "--lanes",
        "1",
    ]
    reading, terminal = pty.openpty()
    process = subprocess.Popen(
        command, stderr=terminal, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "200"}
    )
    os.close(terminal)
    shown = b""
    try:
        while part := os.read(reading, 65536):
            shown += part
    except OSError:
        pass  # The other end is closed.
    assert process.wait() == 0
    os.close(reading)
    assert re.search(rb"0 of 2,50[01] rows", shown), shown[-2000:]
    assert re.search(rb"[12],000 of 2,50[01] rows, [0-9,]+ rows/s, time left", shown), shown[-2000:]
    said = zerosum("import", str(source), "--data-dir", str(running.folder))
    assert "rows/s, time left" not in said.err
