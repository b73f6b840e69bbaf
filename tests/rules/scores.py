"""A server of risk scores, and a rule that asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Scores:
    """A server of scores, which says what a test wants, and remembers what it was told."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], tuple[int, bytes]] = lambda _: (200, b'{"score": 0}')
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        scores = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                scores.bodies.append(body)
                scores.asked.append(json.loads(body))
                scores.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, answer = scores.answer(scores.asked[-1])
                try:
                    self.send_response(status)
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/score"


@contextmanager
def scoring() -> Iterator[Scores]:
    made = Scores()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def scored(url: str, **members: Any) -> dict[str, Any]:
    return {
        "name": "risk",
        "kind": "score",
        "url": url,
        "refuse_from": 80,
        "review_from": "50.5",
        "default": "review",
        "timeout_seconds": 4,
        **members,
    }
