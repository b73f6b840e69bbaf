"""A real browser, driven by chromedriver's own protocol (W3C WebDriver) through httpx: no library to lock."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

SECONDS_MAX = 20.0
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,1600",
)  # fmt: skip

Found = TypeVar("Found")


def find_programs() -> tuple[str, str] | None:
    """The browser and its driver, where this machine has them (on Debian: chromium and chromium-driver)."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def until(look: Callable[[], Found | None], what: str) -> Found:
    """The page is drawn when it is drawn: look until something is there."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not seen within {SECONDS_MAX} s: {what}")


class Browser:
    """One window. Elements are named by CSS selectors."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, f"/session/{self._session}{path}", json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    def go_offline(self) -> None:
        """As if the cable was pulled; local files are still there."""
        cut = {"offline": True, "latency": 0, "download_throughput": 0, "upload_throughput": 0}
        self._ask("POST", "/chromium/network_conditions", {"network_conditions": cut})

    def run(self, script: str, *arguments: object) -> Any:
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, selector: str) -> None:
        until(lambda: self.run("return !!document.querySelector(arguments[0])", selector), selector)

    def click(self, selector: str) -> None:
        self.wait_for(selector)
        self.run(
            "const one = document.querySelector(arguments[0]); one.scrollIntoView({block: 'center'}); one.click()",
            selector,
        )

    def write(self, selector: str, text: str) -> None:
        """Key by key, in place of what stands there, until the page has taken it."""
        self.wait_for(selector)
        element = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        path = f"/element/{next(iter(element.values()))}"
        self._ask("POST", f"{path}/clear", {})
        self._ask("POST", f"{path}/value", {"text": text})
        time.sleep(0.6)  # the page itself waits a moment after the last key before it looks

    def complaints(self) -> list[str]:
        """What the console shows in yellow or red."""
        log = self._ask("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in log if line["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """The addresses asked for since the last look, but those of the browser's own pages."""
        lines = self._ask("POST", "/se/log", {"type": "performance"})
        messages = [json.loads(line["message"])["message"] for line in lines]
        asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith(("chrome", "data:", "blob:"))]

    def prefer(self, scheme: str) -> None:
        """`light` or `dark`, as whoever sits before it has said."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def command(self, name: str, **parameters: Any) -> Any:
        """One of Chrome's own."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def picture(self) -> str:
        """Base64 of a PNG, for looking at by hand."""
        shown: str = self._ask("GET", "/screenshot")
        return shown


@contextmanager
def browser(*flags: str) -> Iterator[Browser]:
    """A window with an empty profile, closed at the end."""
    programs = find_programs()
    assert programs is not None
    profile = Path(tempfile.mkdtemp(prefix="zerosum-browser-"))
    port = _free_port()
    process = subprocess.Popen([programs[1], f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0, trust_env=False, verify=False) as http:
            until(lambda: _is_up(http), "chromedriver")
            options = {"binary": programs[0], "args": [*FLAGS, f"--user-data-dir={profile}", *flags]}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            answer = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            session = answer.json()["value"].get("sessionId")
            assert session, answer.text
            try:
                yield Browser(http, session)
            finally:
                http.delete(f"/session/{session}")
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(profile, ignore_errors=True)


def _is_up(http: httpx.Client) -> bool:
    try:
        return bool(http.get("/status").json()["value"]["ready"])
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
