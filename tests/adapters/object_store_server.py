"""An object store on a real socket: S3's protocol as far as we speak it, signatures as a client of others has them."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from minio.credentials.credentials import Credentials
from minio.signer import sign_v4_s3

KEY_ID, SECRET, REGION, BUCKET = "AKIATEST", "a/secret+with=signs", "eu-central-1", "proofs"


@dataclass
class Shelf:
    """What the store holds, and how it is to behave."""

    objects: dict[str, bytes] = field(default_factory=dict)
    locks: dict[str, tuple[str, str]] = field(default_factory=dict)
    forms: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """What each is, and for how long it may be remembered."""
    asked: list[str] = field(default_factory=list)
    names_at_once: int = 2
    answers: int | None = None
    """Instead of what is right."""
    says: bytes = b""
    are_tags_weak: bool = False
    """As behind a proxy that packs what it passes on."""
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{BUCKET}/zero sum?region={REGION}&retained_days=30"

    def page(self, query: dict[str, str]) -> bytes:
        prefix, after = query["prefix"], query.get("continuation-token", "")
        below = sorted(name for name in self.objects if name.startswith(prefix))
        shown: list[str] = []
        for name in below:
            head, slash, _ = name[len(prefix) :].partition(query["delimiter"])
            if prefix + head + slash not in shown:
                shown.append(prefix + head + slash)
        rest = [name for name in shown if name > after]
        page = rest[: self.names_at_once]
        members = "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            if name.endswith("/")
            else f"<Contents><Key>{escape(name)}</Key></Contents>"
            for name in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(rest) > len(page) else ""
        return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{members}{more}</ListBucketResult>'.encode()


def signature_of(method: str, url: str, headers: dict[str, str]) -> str:
    """As MinIO's own client makes it; `headers` are those that are signed."""
    made = sign_v4_s3(
        method=method,
        url=urlsplit(url),
        region=REGION,
        headers=dict(headers),
        credentials=Credentials(KEY_ID, SECRET),
        content_sha256=headers["x-amz-content-sha256"],
        date=datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%S%z"),
    )
    return str(made["Authorization"]).rpartition("Signature=")[2]


def tag_of(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


@contextmanager
def object_store_server() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if not self._is_signed(body):
                return None
            name = self._name()
            if self.headers["content-md5"] != b64encode(md5(body, usedforsecurity=False).digest()).decode():
                return self._answer(400)
            if name in shelf.objects and self.headers["if-none-match"] == "*":
                return self._answer(412)
            if self.headers["if-match"] not in (None, tag_of(shelf.objects.get(name, b""))):
                return self._answer(412)
            shelf.objects[name] = body
            shelf.forms[name] = (self.headers["content-type"], self.headers["cache-control"])
            mode = self.headers["x-amz-object-lock-mode"]
            if mode:
                shelf.locks[name] = (mode, self.headers["x-amz-object-lock-retain-until-date"])
            return self._answer(200)

        def do_GET(self) -> None:
            if not self._is_signed(b""):
                return None
            query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            if "list-type" in query:
                return self._answer(200, shelf.says or shelf.page(query))
            found = shelf.objects.get(self._name())
            return self._answer(404) if found is None else self._answer(200, found)

        def _name(self) -> str:
            return unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/")

        def _is_signed(self, body: bytes) -> bool:
            shelf.asked.append(f"{self.command} {self.path}")
            if shelf.answers is not None:
                self._answer(shelf.answers)
                return False
            said = dict(part.strip().split("=", 1) for part in self.headers["authorization"][17:].split(","))
            names = said["SignedHeaders"].split(";")
            signed = {name: self.headers[name] for name in names}
            is_right = (
                {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names)
                and signed["x-amz-content-sha256"] == sha256(body).hexdigest()
                and said["Signature"] == signature_of(self.command, f"http://{signed['host']}{self.path}", signed)
            )
            if not is_right:
                self._answer(403)
            return is_right

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            if self.command == "GET" and status == 200:
                self.send_header("etag", f"W/{tag_of(body)}" if shelf.are_tags_weak else tag_of(body))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shelf.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
