"""The sandbox's HTTP server.

| call | does |
| --- | --- |
| `POST /payments` | takes a payment on, under the key in `Idempotency-Key`: once, however often it is asked for |
| `GET /payments/{key}` | what became of it; 404 where it knows nothing of it |
| `POST /refunds`, `GET /refunds/{key}` | the same of a refund, of no more than was paid |
| `GET /settlement.csv` | what it has carried out |
| `GET /figures` | how many payments there are, by status, and how often they were asked for |
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from zerosum.adapters.clock import now
from zerosum.adapters.processors.contract import BadCallback
from zerosum.adapters.processors.signing import check_signature
from zerosum.cli.sandbox.behaviour import Chances, Deed, deed_of, dice
from zerosum.cli.sandbox.books import BooksFull, SandboxBooks, SandboxPayment
from zerosum.cli.sandbox.callbacks import Callbacks

BODY_BYTES_MAX = 64 * 1024
PENDING_SECONDS = 1.0
"""After which a payment that was taken on is decided, at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """`hang_seconds` is how long a reply lasts that comes too late; `delay_seconds`, any other, at most."""

    host: str = "127.0.0.1"
    port: int
    secret: bytes
    chances: Chances = field(default_factory=Chances)
    seed: int = 1
    by_amount: bool = False
    delay_seconds: float = 0.0
    hang_seconds: float = 30.0
    callback_url: str | None = None
    repeats: float = 0.1


class Sandbox:
    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.books = SandboxBooks()
        self.callbacks = Callbacks(options.callback_url, options.secret, options.seed, options.repeats)
        self.server = _Server((options.host, options.port), _answering(self))

    @property
    def url(self) -> str:
        return f"http://{self.options.host}:{self.server.server_address[1]}"

    def serve_forever(self) -> None:
        self.server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def pay(self, key: str, order: dict[str, Any]) -> tuple[int, dict[str, Any], Deed]:
        """The answer, and what happens on its way. Raises BooksFull."""
        payment, is_new = self.books.taken_on(key, order)
        if not is_new:
            is_same = (payment.amount, payment.currency) == (order.get("amount"), order.get("currency"))
            return (200, payment.shown(), Deed.APPROVED) if is_same else (409, {"error": "key_reused"}, Deed.FAILS)
        options = self.options
        said = order.get("reference" if payment.given_back_of is None else "reason")
        deed = deed_of(key, said, payment.amount, options.chances, options.seed, by_amount=options.by_amount)
        if payment.given_back_of is not None and not self.books.may_give_back(payment):
            deed = Deed.DECLINED
        if deed in (Deed.NEVER, Deed.FAILS) and self.books.forget(key):
            return 503, {"error": "try_again"}, deed
        if deed is Deed.PENDING:
            threading.Timer(
                PENDING_SECONDS * dice(options.seed, key, "later").random(), self._decide, [payment]
            ).start()
        elif deed is not Deed.SILENT:
            payment.decide(deed)
            # The second time it goes well.
            deed = Deed.APPROVED if deed in (Deed.NEVER, Deed.FAILS) else deed
            self.callbacks.tell(payment)
            if deed is Deed.DISPUTED:
                self.callbacks.tell_dispute(payment)
        return 202 if payment.status == "pending" else 200, payment.shown(), deed

    def _decide(self, payment: SandboxPayment) -> None:
        is_declined = dice(self.options.seed, payment.key, "decision").random() < self.options.chances.declined
        payment.decide(Deed.DECLINED if is_declined else Deed.APPROVED)
        self.callbacks.tell(payment)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _answering(sandbox: Sandbox) -> Callable[..., BaseHTTPRequestHandler]:
    class Answers(_Answers):
        own = sandbox

    return Answers


class _Answers(BaseHTTPRequestHandler):
    own: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        body = self._body()
        if body is None or self.path not in ("/payments", "/refunds"):
            self._answer(404, {"error": "not_found"})
            return
        try:
            check_signature([self.own.options.secret], self._lower_headers(), body, now())
            order = json.loads(body)
            if (self.path == "/refunds") is not ("payment_key" in order):
                raise ValueError
            key = self.headers.get("idempotency-key") or order["key"]
            status, content, deed = self.own.pay(key, order)
        except BadCallback as error:
            self._answer(401, {"error": str(error)})
        except (ValueError, KeyError, TypeError, AttributeError, BooksFull):
            self._answer(422, {"error": "unreadable"})
        else:
            self._reply(status, content, deed)

    def do_GET(self) -> None:
        if self.path == "/settlement.csv":
            self._send(200, self.own.books.settlement().encode(), "text/csv")
        elif self.path == "/figures":
            self._answer(200, {**self.own.books.figures(), "callbacks_taken": self.own.callbacks.sent})
        else:
            kind, _, key = self.path.removeprefix("/").partition("/")
            found = self.own.books.payments.get(key)
            is_there = found is not None and kind == ("payments" if found.given_back_of is None else "refunds")
            self._answer(200, found.shown()) if found and is_there else self._answer(404, {"error": "not_found"})

    def _reply(self, status: int, content: dict[str, Any], deed: Deed) -> None:
        options = self.own.options
        if deed in (Deed.LOST, Deed.NEVER):
            self.close_connection = True
            return
        if deed is Deed.HANGS:
            time.sleep(options.hang_seconds)
        elif options.delay_seconds:
            time.sleep(options.delay_seconds * dice(options.seed, content.get("key", ""), "delay").random())
        self._answer(status, content)

    def _body(self) -> bytes | None:
        length = self.headers.get("content-length") or "0"
        if not (length.isascii() and length.isdigit()) or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _lower_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        with contextlib.suppress(OSError):  # Who has asked may not have waited.
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """What it has done is told by its figures."""
