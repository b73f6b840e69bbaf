"""One installation under a little load, watched by a real Prometheus, which tells a real Alertmanager."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.service import fresh_folder
from dashboards.ground import TOKEN, running_ground
from dashboards.load import running_load
from dashboards.prometheus import HOW_TO_GET_IT, Prometheus, free_port, running_program, running_prometheus
from dashboards.runbooks import TOP

ALERTMANAGER = "prometheus-alertmanager"
UNTIL_SECONDS_MAX = 90.0


@dataclass(frozen=True, slots=True)
class Watched:
    """`told` are the alerts that have come to whom Alertmanager tells."""

    prometheus: Prometheus
    told: list[dict[str, Any]] = field(default_factory=list)


def until(is_so: Callable[[], object], seconds: float = UNTIL_SECONDS_MAX) -> bool:
    """Whether it was so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """Not to the end of the session: the load would slow all that comes behind."""
    for program in ("prometheus", ALERTMANAGER):
        if shutil.which(program) is None:
            pytest.skip(f"{HOW_TO_GET_IT} prometheus-alertmanager")
    told: list[dict[str, Any]] = []
    with fresh_folder() as folder, _receiver(told) as receiver, _alertmanager(folder, receiver) as alertmanager:
        series = folder / "prometheus"
        series.mkdir()
        with (
            running_ground(folder) as ground,
            running_prometheus(series, {"zerosum": ground.target}, TOKEN, alertmanager=alertmanager) as prometheus,
            running_load(ground),
        ):
            yield Watched(prometheus, told)


@contextmanager
def _receiver(told: list[dict[str, Any]]) -> Iterator[str]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.extend(json.loads(self.rfile.read(int(self.headers["content-length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """With the file that we ship: only that somebody is told, and soon."""
    config = yaml.safe_load((TOP / "deploy" / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    config["route"]["group_wait"] = "1s"
    for one in config["receivers"]:
        one["webhook_configs"] = [{"url": f"{receiver}/{one['name']}"}]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={file}", f"--storage.path={folder / 'alerts'}", "--cluster.listen-address="]
    command = [ALERTMANAGER, *options, f"--web.listen-address={address}", "--log.level=warn"]
    with running_program(command, folder / "alertmanager.log", f"http://{address}/-/ready"):
        yield address
