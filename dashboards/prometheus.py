"""A Prometheus of our own, with the configuration that we ship: started, asked, stopped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from dashboards.runbooks import TOP

SHIPPED = TOP / "deploy" / "prometheus"
READY_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 10.0
HOW_TO_GET_IT = "Prometheus is not here: apt-get install prometheus"

EVALUATIONS_AFTER = 3
"""Scrapes: there are many rules."""

RESEND = "--rules.alert.resend-delay=2s"
"""What fires in the first second finds no Alertmanager yet, and would be told of again only after a minute."""


class NoPrometheus(Exception):
    """Says how to get it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One of the lines that a query gives: its labels, and the value at each time (seconds since 1970)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    http: httpx.Client

    def ask(self, path: str, **given: str) -> Any:
        answer = self.http.get(f"/api/v1/{path}", params=given)
        content = answer.json()
        if content["status"] != "success":
            raise ValueError(f"{given}: {content['error']}")
        return content["data"]

    def now(self, expr: str) -> list[Line]:
        found = self.ask("query", query=expr)["result"]
        return [Line(one["metric"], [(float(one["value"][0]), float(one["value"][1]))]) for one in found]

    def lately(self, expr: str, end: float, seconds: float, step: float) -> list[Line]:
        given = {"start": str(end - seconds), "end": str(end), "step": str(step)}
        found = self.ask("query_range", query=expr, **given)["result"]
        return [Line(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]


@contextmanager
def running_prometheus(
    folder: Path, targets: Mapping[str, str], token: str, *, seconds: float = 1.0, alertmanager: str | None = None
) -> Iterator[Prometheus]:
    """It scrapes every so many seconds. `targets`: an address for each job of the file. Raises NoPrometheus."""
    program = shutil.which("prometheus")
    if program is None:
        raise NoPrometheus(HOW_TO_GET_IT)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(_config(folder, targets, token, seconds, alertmanager)), encoding="utf-8")
    port = free_port()
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}", RESEND]
    command = [program, *options, f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with (
        running_program(command, folder / "prometheus.log", f"http://127.0.0.1:{port}/-/ready"),
        # One client for all: each makes itself ready for TLS, which takes longer than the question.
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0, trust_env=False) as http,
    ):
        yield Prometheus(http)


def _config(
    folder: Path, targets: Mapping[str, str], token: str, seconds: float, alertmanager: str | None
) -> dict[str, Any]:
    """The file that we ship, with other addresses."""
    config: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text(encoding="utf-8"))
    every, evaluated = f"{seconds:g}s", f"{seconds * EVALUATIONS_AFTER:g}s"
    config["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": evaluated}
    config["rule_files"] = [str(SHIPPED / "rules" / "*.yml")]
    scraped = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    (folder / "metrics-token").write_text(token, encoding="utf-8")
    for job in scraped:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(folder / "metrics-token")
    config["scrape_configs"] = scraped
    told = [] if alertmanager is None else [{"static_configs": [{"targets": [alertmanager]}]}]
    config["alerting"]["alertmanagers"] = told
    return config


@contextmanager
def running_program(command: Sequence[str], log: Path, ready_url: str) -> Iterator[None]:
    """Until it is ready; it is gone afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not _is_ready(ready_url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2.0, trust_env=False, verify=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
