"""What tests that speak HTTP in bytes say and hear, whichever way their sockets are driven."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

PATIENCE_SECONDS = 8.0
"""Of the tests, with any server."""

HOST = "Host: zerosum.test\r\n"
MONEY = f"{HOST}Authorization: Bearer good\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        code: str = orjson.loads(self.body)["code"]
        return code
