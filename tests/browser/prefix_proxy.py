"""A proxy that takes a prefix off, as nginx does with `location /ledger/ { proxy_pass http://service/; }`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

BETWEEN_TWO_ONLY = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@contextmanager
def prefix_proxy(service: str, prefix: str) -> Iterator[str]:
    """Its address. What does not begin with the prefix is not there."""

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self._send(404, {}, b"not behind the prefix")
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in BETWEEN_TWO_ONLY}
            address = service + self.path.removeprefix(prefix)
            with httpx.stream(self.command, address, content=body, headers=headers, trust_env=False) as answer:
                self._send(answer.status_code, dict(answer.headers), b"".join(answer.iter_raw()))

        do_GET = do_POST = _pass_on  # noqa: N815 - the names http.server looks for

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in BETWEEN_TWO_ONLY:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
