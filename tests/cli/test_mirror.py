"""A mirror copies what a log has more, and nothing of a log that was rewritten: by the stand-alone verifier."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.campaigns.installation import installed
from tests.cli.command import zerosum
from zerosum.domain.proof_log.note import Statement, origin, signed_note, verifier_key
from zerosum.domain.proof_log.tiles import tiles_of
from zerosum.domain.proof_log.tree import Frontier, Node, leaf_hash
from zerosum.verifier import standalone

LEDGER = UUID("01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90")
TLOG = Path(__file__).with_name("go_tlog")
PUBLISHED_SECONDS_MAX = 60.0
SEALED_AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Log:
    """One that somebody publishes into a folder. `other` is the first leaf that is another one than elsewhere."""

    def __init__(self, folder: Path, *, other: int | None = None, signer: bytes = bytes(32)) -> None:
        self.folder = folder
        self.key = Ed25519PrivateKey.from_private_bytes(signer)
        self.other = other
        self.tree = Frontier()
        self.nodes: dict[Node, bytes] = {}

    @property
    def public(self) -> str:
        return verifier_key(origin(LEDGER), 1, self.key.public_key().public_bytes_raw())

    def grow(self, size: int) -> Log:
        before = self.tree.size
        while self.tree.size < size:
            said = "another" if self.tree.size == self.other else "leaf"
            self.nodes |= dict(self.tree.append(leaf_hash(f"{said} {self.tree.size}".encode())))
        for tile in tiles_of(size, before):
            path = self.folder / tile.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(self.nodes[node] for node in tile.nodes))
        statement = Statement(ledger_id=LEDGER, size=size, root=self.tree.root, sealed_at=SEALED_AT)
        public = self.key.public_key().public_bytes_raw()
        note = signed_note(statement, 1, public, self.key.sign(statement.text.encode()))
        (self.folder / "checkpoint").write_text(note, "utf-8")
        return self


def mirrored(log: Log, folder: Path, source: str | None = None) -> int:
    return standalone.main(["mirror", source or str(log.folder), str(folder), "--key", log.public])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """By a web server that knows of files alone; and what it was asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_log_that_grows_is_mirrored_from_size_to_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, mirror = Log(tmp_path / "log"), tmp_path / "mirror"
    sizes = [1, 255, 256, 257, 600, 1_024, 65_535, 65_536, 65_537, 65_800]
    for size in sizes:
        assert mirrored(log.grow(size), mirror) == 0
    assert mirrored(log, mirror) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == f"{origin(LEDGER)}: right, mirrored to size 65800, 0 tiles were copied"
    found = files(mirror)
    assert sorted(name for name in found if name.startswith("seen/")) == [f"seen/{size:020d}" for size in sizes]
    wanted = {tile.name for tile in tiles_of(65_800)} | {"checkpoint"}
    assert wanted <= found.keys()
    assert all(found[name] == (log.folder / name).read_bytes() for name in wanted)
    # What was partial once and is full by now is not kept.
    assert {name for name in found if ".p/" in name and name.startswith("tile/0/")} == {"tile/0/257.p/8"}
    # A mirror is a log like any other, and what it has seen checks a receipt.
    assert mirrored(log, tmp_path / "another", str(mirror)) == 0
    (tmp_path / "kept").write_bytes(b"".join(found[name] for name in sorted(found) if name.startswith("seen/")))
    assert standalone.main(["checkpoints", str(tmp_path / "kept"), "--key", log.public]) == 0


def test_over_the_web_what_is_full_by_now_is_taken_in_the_place_of_what_was_partial(tmp_path: Path) -> None:
    log = Log(tmp_path / "log").grow(600)
    stale = (log.folder / "checkpoint").read_bytes()
    log.grow(800)
    (log.folder / "checkpoint").write_bytes(stale)
    (log.folder / "tile/0/002.p/88").unlink()
    with served(log.folder) as (address, asked):
        assert mirrored(log, tmp_path / "mirror", address) == 0
        assert sorted(set(asked)) == [
            *("/checkpoint", "/tile/0/000", "/tile/0/001", "/tile/0/002", "/tile/0/002.p/88", "/tile/1/000.p/2")
        ]
        log.grow(801)
        asked.clear()
        assert zerosum("proof", "mirror", address, str(tmp_path / "mirror"), "--key", log.public).code == 0
        # Of what it has it fetches nothing again.
        assert asked == ["/checkpoint", "/tile/0/003.p/33", "/tile/1/000.p/3", "/tile/0/002"]
    assert files(tmp_path / "mirror")["tile/0/002"] == (log.folder / "tile/0/002").read_bytes()


@pytest.mark.parametrize(
    ("other", "size", "what"),
    [
        (3, 700, "has two roots of 700 leaves"),
        (3, 1_500, "did not begin as that of size 700"),
        (699, 701, "did not begin as that of size 700"),
        (690, 65_800, "did not begin as that of size 700"),
        (None, 699, "has shrunk from 700 to 699"),
    ],
)
def test_a_fork_is_refused_and_kept_as_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: int | None, size: int, what: str
) -> None:
    log, mirror = Log(tmp_path / "log").grow(700), tmp_path / "mirror"
    assert mirrored(log, mirror) == 0
    before = files(mirror)
    fork = Log(tmp_path / "fork", other=other).grow(size)
    for _ in range(2):
        assert mirrored(fork, mirror) == 1
    assert what in capsys.readouterr().out
    after = files(mirror)
    evidence = {name: content for name, content in after.items() if name.startswith("evidence/")}
    assert {name: content for name, content in after.items() if name not in evidence} == before
    [note] = [content for name, content in evidence.items() if name.endswith("/checkpoint")]
    [held] = [content for name, content in evidence.items() if name.endswith("/held")]
    assert (note, held) == ((fork.folder / "checkpoint").read_bytes(), before["checkpoint"])
    # And the log itself is mirrored on.
    assert mirrored(log.grow(1_000), mirror) == 0


def test_a_fork_is_kept_whatever_else_was_told_before_and_whatever_it_withholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standalone, "EVIDENCE_MAX", 2)
    log, mirror = Log(tmp_path / "log").grow(700), tmp_path / "mirror"
    assert mirrored(log, mirror) == 0
    for size in (300, 301, 302, 303):
        old = Log(tmp_path / "old").grow(size)
        for _ in range(2):
            assert mirrored(old, mirror) == 1
            note = old.folder / "checkpoint"  # Anybody can add a line that nobody can check.
            note.write_text(note.read_text("utf-8") + "\N{EM DASH} somebody AAAAAAAA\n", "utf-8")
    assert len([*(mirror / "evidence").iterdir()]) == 2
    fork = Log(tmp_path / "fork", other=3).grow(700)
    shutil.rmtree(fork.folder / "tile")
    assert mirrored(fork, mirror) == 1
    [kept] = (mirror / "evidence").glob("fork-*")
    assert (kept / "checkpoint").read_bytes() == (fork.folder / "checkpoint").read_bytes()


def test_nobody_is_sent_elsewhere_and_what_was_cut_off_is_not_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "log").grow(300)
    assert mirrored(log, tmp_path / "mirror") == 0
    log.grow(600)

    def sends_elsewhere(handler: SimpleHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/log" + handler.path.removeprefix("/moved"))
        handler.end_headers()

    def cuts_off(handler: SimpleHTTPRequestHandler) -> None:
        content = (log.folder / handler.path.lstrip("/").removeprefix("log/")).read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content if handler.path.endswith("checkpoint") else content[:-1])

    with served(tmp_path) as (address, asked):
        for answer, path in ((sends_elsewhere, "moved"), (cuts_off, "log")):
            monkeypatch.setattr(SimpleHTTPRequestHandler, "do_GET", answer)
            assert mirrored(log, tmp_path / "mirror", f"{address}/{path}") == 2
        assert asked
    monkeypatch.undo()
    assert mirrored(log, tmp_path / "mirror") == 0


@pytest.mark.parametrize("name", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_a_tile_that_is_another_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    log = Log(tmp_path / "log").grow(600)
    path = log.folder / name
    right = path.read_bytes()
    for wrong in (right[:-1] + bytes([right[-1] ^ 1]), right[:-32], right[:-1]):
        path.write_bytes(wrong)
        assert mirrored(log, tmp_path / "mirror") == 1
        assert "WRONG" in capsys.readouterr().out
    assert not (tmp_path / "mirror/checkpoint").exists()
    path.write_bytes(right + b"x")
    assert mirrored(log, tmp_path / "mirror") == 2
    path.unlink()
    assert mirrored(log, tmp_path / "mirror") == 2
    path.write_bytes(right)
    assert mirrored(log, tmp_path / "mirror") == 0


def test_a_checkpoint_that_is_forged_or_of_somebody_else_is_refused(tmp_path: Path) -> None:
    log, mirror = Log(tmp_path / "log").grow(300), tmp_path / "mirror"
    assert mirrored(log, mirror) == 0
    before = files(mirror)
    path = log.folder / "checkpoint"
    note = path.read_text()
    for wrong in (
        note.replace("\n300\n", "\n299\n"),
        note.replace("zerosum/led", "zerosum/leb"),
        note[:-9] + "AAAAAAA=\n",
    ):
        path.write_text(wrong)
        assert mirrored(log, mirror) == 1
    for wrong in ("", "x", note.partition("\n\n")[0], "x" * 70_000):
        path.write_text(wrong)
        assert mirrored(log, mirror) == 2
    stranger = Log(tmp_path / "stranger", signer=sha256(b"x").digest()).grow(301)
    assert mirrored(log, mirror, str(stranger.folder)) == 1
    assert files(mirror) == before


def test_a_run_that_was_cut_short_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, mirror = Log(tmp_path / "log").grow(300), tmp_path / "mirror"
    assert mirrored(log, mirror) == 0
    write, whole = standalone.Mirror.write, files(mirror)

    def write_until(last: str, self: standalone.Mirror, path: str, content: bytes) -> None:
        if path == last:
            raise KeyboardInterrupt
        write(self, path, content)

    for last in ("checkpoint", "tile/0/003"):
        monkeypatch.setattr(
            standalone.Mirror, "write", lambda self, path, content, last=last: write_until(last, self, path, content)
        )
        log.grow(log.tree.size + 500)
        with pytest.raises(KeyboardInterrupt):
            mirrored(log, mirror)
        assert files(mirror)["checkpoint"] == whole["checkpoint"]
    monkeypatch.undo()
    # One that is here but is not what was signed is fetched anew; the others are not.
    (mirror / "tile/0/001").write_bytes(bytes(8_192))
    with served(log.folder) as (address, asked):
        assert mirrored(log, mirror, address) == 0
    assert {name for name in asked if ".p/" not in name} == {"/checkpoint", "/tile/0/001", "/tile/0/003", "/tile/0/004"}
    assert mirrored(log, tmp_path / "another", str(mirror)) == 0


def test_a_log_that_is_not_reached_is_told_apart_from_one_that_is_wrong(tmp_path: Path) -> None:
    log = Log(tmp_path / "log").grow(3)
    with served(tmp_path) as (address, _):
        assert mirrored(log, tmp_path / "mirror", f"{address}/nowhere") == 2
    assert mirrored(log, tmp_path / "mirror", address) == 2
    assert not (tmp_path / "mirror").exists()


@pytest.fixture(scope="module")
def tlog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader of logs made of Go's own library. Nothing is fetched for it."""
    if shutil.which("go") is None:
        pytest.skip("go is not here: install Go 1.25 or later")
    program = tmp_path_factory.mktemp("go") / "tlog"
    environment = {**os.environ, "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = ["go", "build", "-o", str(program), "."]
    made = subprocess.run(command, cwd=TLOG, env=environment, check=False, capture_output=True, text=True, timeout=300)
    if "GOPROXY=off" in made.stderr or "requires go >=" in made.stderr:
        pytest.skip(f"what it is made of is not here: `go mod download` in {TLOG}, with Go 1.25 or later")
    assert made.returncode == 0, made.stderr
    return program


def test_another_implementation_reads_a_log_and_its_mirror(tmp_path: Path, tlog: Path) -> None:
    log, mirror = Log(tmp_path / "log"), tmp_path / "mirror"
    old, root = 1, b64encode(log.grow(1).tree.root).decode()
    for size in (2, 255, 256, 257, 65_535, 65_536, 65_537, 65_800):
        assert mirrored(log.grow(size), mirror) == 0
        for folder in (log.folder, mirror):
            command = [str(tlog), str(folder), log.public, str(old), root]
            read = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            assert (read.returncode, read.stdout) == (0, f"{origin(LEDGER)} {size}\n"), read
        old, root = size, b64encode(log.tree.root).decode()
    wrong = b64encode(bytes(32)).decode()
    for given in ((str(old), wrong), (str(old - 1), root)):
        read = subprocess.run(
            [str(tlog), str(mirror), log.public, *given], check=False, capture_output=True, text=True, timeout=60
        )
        assert read.returncode == 1
    (mirror / "tile/0/100").write_bytes(bytes(8_192))
    command = [str(tlog), str(mirror), log.public, str(old), root]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode == 1


@pytest.mark.xdist_group("up")
def test_what_the_worker_publishes_is_mirrored_and_proves_a_receipt(tmp_path: Path) -> None:
    published, elsewhere = tmp_path / "published", tmp_path / "elsewhere"
    published.mkdir()
    elsewhere.mkdir()
    alone = elsewhere / "verifier.py"
    alone.write_bytes(Path(standalone.__file__).read_bytes())
    environment = {"ZEROSUM_CHECKPOINTS_DIR": str(published), "ZEROSUM_CHECKPOINTS_TILES": "true"}

    def checked(*arguments: str) -> None:
        key = next(published.glob("led_*.keys"))
        command = [sys.executable, "-I", str(alone), *arguments, "--key", str(key)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done

    with (
        installed("--workers", "1", environment=environment, is_warm=True) as installation,
        httpx.Client(base_url=installation.base_url, headers=installation.headers, trust_env=False) as client,
        served(published) as (address, _),
    ):
        order = {"type": "deposit", "to": "customers:alice", "currency": "USD", "amount": "20"}
        paid = client.post("/v1/payments", json=order, headers={"Idempotency-Key": "mirrored"})
        assert paid.status_code == 201, paid.text
        receipt = f"/v1/payments/{paid.json()['id']}/receipt"
        size = soon(lambda: client.get(receipt).json().get("checkpoint", {}).get("size"))
        log = soon(lambda: next((one for one in published.glob("led_*") if one.is_dir() and noted(one) >= size), None))
        checked("mirror", f"{address}/{log.name}", str(elsewhere / "log"))
        under = client.get(receipt, params={"size": noted(elsewhere / "log")})
    (elsewhere / "receipt").write_bytes(under.content)
    seen = sorted((elsewhere / "log/seen").iterdir())
    (elsewhere / "held").write_bytes(b"".join(one.read_bytes() for one in seen))
    checked("receipt", str(elsewhere / "receipt"), "--checkpoints", str(elsewhere / "held"))


def noted(log: Path) -> int:
    path = log / "checkpoint"
    return int(path.read_text().split("\n")[1]) if path.exists() else 0


def soon(look: Callable[[], Any]) -> Any:
    """What is there at last."""
    ends_at = time.monotonic() + PUBLISHED_SECONDS_MAX
    while not (found := look()):
        assert time.monotonic() < ends_at
        time.sleep(0.1)
    return found
