"""What panels are asked about: a whole `zerosum up`, a processor with bad days, receivers, a consumer of messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import redis
from benchmarks.service import Service, running_service

from zerosum.cli.sandbox.behaviour import Chances
from zerosum.cli.sandbox.callbacks import Callbacks
from zerosum.cli.sandbox.server import Sandbox, SandboxOptions

TOKEN = "a-token-of-this-trial"
SECRET = "a secret of this trial's processor"
STREAM_IN, STREAM_OUT = "orders", "events"
STOP_SECONDS_MAX = 15.0

CHANCES = Chances(declined=0.12, partial=0.05, fails=0.05, lost=0.03, pending=0.2)

RULES = [
    {"name": "large", "kind": "limit", "types": ["transfer"], "amount_max": "900.00", "action": "review"},
    {"name": "strangers", "kind": "blocked", "blocked_metadata": {"country": ["XX"]}},
]
PROCESSORS = {
    "timeout_seconds": 2.0,
    "backoff_seconds": 0.2,
    "backoff_seconds_max": 1.0,
    "breaker_failures": 3,
    "breaker_seconds": 2,
    "attempts_max": 4,
}


@dataclass(frozen=True, slots=True)
class Ground:
    """`receiver` takes webhooks, but none at /refused; and traces."""

    service: Service
    receiver: str
    redis: redis.Redis

    @property
    def url(self) -> str:
        return self.service.credentials.base_url

    @property
    def target(self) -> str:
        return self.url.removeprefix("http://")

    def restart_worker(self) -> None:
        """What is read of the database seldom is read when a worker begins."""
        for pid in self.service.worker_pids:
            os.kill(pid, signal.SIGTERM)


@contextmanager
def running_ground(folder: Path) -> Iterator[Ground]:
    """Nothing of it is left at the end."""
    with _sandbox() as sandbox, _receiver() as receiver:
        processors = {"sandbox": _processor(sandbox.url), "lame": _processor("http://127.0.0.1:9")}
        settings = {
            "metrics_token": TOKEN,
            "processors_file": _written(folder / "processors.json", {"processors": processors}),
            "rules_file": _written(folder / "rules.json", {"rules": RULES}),
            "webhook_allow_private": "true",
            "otlp_endpoint": receiver,
            "trace_ratio": "0.2",
            "self_audit_seconds": "0.2",
        }
        with running_service(folder, **settings) as service:
            address = f"{service.credentials.base_url}/v1/processors/sandbox/callbacks"
            sandbox.callbacks = Callbacks(address, SECRET.encode(), seed=1, repeats=0.1)
            store = redis.Redis.from_url(service.redis_url)
            store.xgroup_create(STREAM_IN, "zerosum", id="0", mkstream=True)
            with _streams(folder, service):
                yield Ground(service, receiver, store)


def _processor(url: str) -> dict[str, object]:
    return {"kind": "sandbox", "base_url": url, "secret": SECRET, **PROCESSORS}


def _written(path: Path, content: object) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(SandboxOptions(port=0, secret=SECRET.encode(), chances=CHANCES, hang_seconds=3.0))
    thread = threading.Thread(target=sandbox.serve_forever, daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
        thread.join()


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(500 if self.path == "/refused" else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _streams(folder: Path, service: Service) -> Iterator[None]:
    """A consumer of messages and a publisher of events, which count where the service counts."""
    environment = {
        **os.environ,
        "ZEROSUM_DATA_DIR": str(service.data_dir),
        "ZEROSUM_METRICS_DIR": str(service.data_dir / "metrics"),
    }
    commands = (
        ("ingest", "--from", f"{service.redis_url}?stream={STREAM_IN}&group=zerosum"),
        ("publish", "--to", f"{service.redis_url}?topic={STREAM_OUT}"),
    )
    with (folder / "streams.log").open("wb") as log:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "zerosum", *command], env=environment, cwd=folder, stdout=log, stderr=log
            )
            for command in commands
        ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
