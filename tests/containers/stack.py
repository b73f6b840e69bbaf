"""The whole of docker-compose.yml, brought up as docs/OPERATIONS.md says, in a fresh copy of the checkout."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.containers.engine import Engine
from tests.containers.images import TOP, has_a_collector, image_variables

PROJECT = "zerosum-container-test"
READY_SECONDS_MAX = 180.0
OURS = ("api", "worker")
WITH_STANDINS = (*OURS, "prometheus", "alertmanager")
"""What comes up, with all it depends on, where there are no public images; the collector too, if it can be built."""

SHOW_CREDENTIALS = (
    "run",
    "--rm",
    "--no-deps",
    "--entrypoint",
    "cat",
    "first-ledger",
    "/var/lib/zerosum/credentials.json",
)


def fresh_copy(target: Path) -> None:
    """What a clone of this checkout would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = TOP / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass
class Stack:
    engine: Engine
    folder: Path
    port: int
    credentials: dict[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[str, ...]:
        """All where nothing is named: there are public images then."""
        if not self.engine.is_private:
            return ()
        return (*WITH_STANDINS, "collector") if self.has_a_collector else WITH_STANDINS

    @property
    def has_a_collector(self) -> bool:
        return has_a_collector(self.engine)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """The documented command; another port, because 8080 may be in use here."""
        self.engine.call(("make", "compose.env", f"PUBLISHED_PORT={self.port}"), cwd=self.folder)
        named = self.folder / "compose.env"
        named.write_text(named.read_text("utf-8").replace("GRAFANA_PORT=3000", f"GRAFANA_PORT={free_port()}"), "utf-8")
        variables = "".join(f"{name}={value}\n" for name, value in image_variables(self.engine).items())
        with named.open("a", encoding="utf-8") as settings:
            settings.write(f"ZEROSUM_LOG_FORMAT=text\nZEROSUM_TRACE_RATIO=1\n{variables}")

    def compose(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.engine.call(
            (*self.engine.compose, "--project-name", PROJECT, *arguments), cwd=self.folder, check=check
        )

    def paste(self, commands: str) -> str:
        """Commands of the page as they are, but for the port and the client of the engine. What they print."""
        text = commands.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("docker compose ", f"{' '.join(self.engine.compose)} --project-name {PROJECT} ")
        return self.engine.call(("sh", "-euc", text), cwd=self.folder).stdout

    def up(self) -> None:
        is_waiting = self.engine.compose == ("docker", "compose")
        self.compose("up", "--detach", *(["--wait"] if is_waiting else []), *self.chosen)
        self.wait_until_ready()

    def down(self, *options: str) -> None:
        self.compose("down", *options)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False, verify=False).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, self.compose("logs", check=False).stdout[-4000:]
            time.sleep(0.3)

    def container(self, service: str) -> str:
        name = self.compose("ps", "--quiet", service).stdout.strip()
        assert name, f"{service} does not run"
        return name

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.run("inspect", self.container(service)).stdout)[0]
        return found

    def read_credentials(self) -> None:
        self.credentials = json.loads(self.compose(*SHOW_CREDENTIALS).stdout)

    def token(self) -> str:
        given = (self.credentials["client_id"], self.credentials["client_secret"])
        answer = httpx.post(
            f"{self.url}/v1/oauth/token", auth=given, data={"grant_type": "client_credentials"}, trust_env=False
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["access_token"])

    def call(self, method: str, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token()}"} | ({"Idempotency-Key": key} if key else {})
        return httpx.request(method, f"{self.url}{path}", json=body, headers=headers, trust_env=False)

    def balance_of(self, account: str) -> str:
        answer = self.call("GET", f"/v1/accounts/{account}/balance")
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["posted"])
