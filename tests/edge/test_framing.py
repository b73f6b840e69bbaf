"""What frames a request: versions, codings, trailers, fields, blanks; and HEAD wherever there is a GET."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.every_route import address, policies
from tests.api.serving import served
from tests.edge.test_connections import Peer, Running, running
from tests.gateway.ground import Ground
from zerosum.main import Service

CREDENTIAL = b"Authorization: Bearer good\r\n"
MONEY = b"Host: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODY = b"2\r\n{}\r\n0\r\n"


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running(ground=Ground(address_limit="1000/h")) as service:
        yield service


async def ask(server: Running, text: bytes) -> bytes:
    peer: Peer = await server.connect()
    return (await peer.ask(text)).removeprefix(b"HTTP/1.1 ")


# --- Trailers --------------------------------------------------------------------------------------------------------


async def test_a_credential_in_a_trailer_is_none(server: Running) -> None:
    head = b"POST /pay HTTP/1.1\r\n" + MONEY + CHUNKED + b"\r\n"
    assert await ask(server, head + BODY + CREDENTIAL + b"\r\n") == b"401 Unauthorized"
    assert server.ground.calls == []


async def test_trailers_are_dropped_and_the_request_is_served(server: Running) -> None:
    head = b"POST /pay HTTP/1.1\r\n" + MONEY + CREDENTIAL + CHUNKED + b"\r\n"
    trailers = b"Idempotency-Key: other\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Encoding: gzip\r\nHost: y\r\n\r\n"
    assert await ask(server, head + BODY + trailers) == b"200 OK"
    (call,) = server.ground.calls
    assert call.idempotency_key == "k"


# --- Versions and codings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/0.9\r\nHost: x\r\n\r\n",
        b"POST /pay HTTP/1.1\r\n" + MONEY + CREDENTIAL + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + BODY + b"\r\n",
        b"POST /pay HTTP/1.1\r\n"
        + MONEY
        + CREDENTIAL
        + b"Transfer-Encoding: gzip\r\n"
        + CHUNKED
        + b"\r\n"
        + BODY
        + b"\r\n",
        b"POST /pay HTTP/1.1\r\n" + MONEY + CREDENTIAL + CHUNKED + CHUNKED + b"\r\n" + BODY + b"\r\n",
        b"POST /pay HTTP/1.1\r\n" + MONEY + CREDENTIAL + b"Transfer-Encoding: identity\r\n\r\n",
        b"POST /pay HTTP/1.0\r\n" + MONEY + CREDENTIAL + CHUNKED + b"\r\n" + BODY + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nTE: gzip, chunked\r\n\r\n",
    ],
    ids=["HTTP/2.0", "HTTP/0.9", "gzip, chunked", "gzip and chunked", "twice", "identity", "1.0", "TE"],
)
async def test_what_is_not_spoken_here_is_refused(server: Running, head: bytes) -> None:
    assert await ask(server, head) == b"400 Bad Request"
    assert server.ground.calls == []


async def test_a_caller_may_say_that_it_takes_trailers(server: Running) -> None:
    assert await ask(server, b"GET /health HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n") == b"200 OK"


# --- Fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [101, 400])
async def test_too_many_fields_are_refused_charged_and_counted(fields: int) -> None:
    async with running(ground=Ground(address_limit="1/h")) as server:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(fields)) + b"\r\n"
        assert await ask(server, head) == b"431 Request Header Fields Too Large"
        assert await ask(server, head) == b"429 Too Many Requests"
        assert [status for _, _, status in server.ground.observed] == [431, 429]


async def test_too_large_fields_are_refused_alike() -> None:
    async with running(ground=Ground(address_limit="1/h")) as server:
        head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 17_000 + b"\r\n\r\n"
        assert await ask(server, head) == b"431 Request Header Fields Too Large"
        assert await ask(server, head) == b"429 Too Many Requests"


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t  "])
async def test_blanks_around_a_value_are_no_part_of_it(server: Running, blank: bytes) -> None:
    lines = [
        b"POST /pay HTTP/1.1",
        b"Host:" + blank + b"x" + blank,
        b"Authorization:" + blank + b"Bearer good" + blank,
        b"Idempotency-Key:" + blank + b"abc" + blank,
        b"Content-Type:" + blank + b"application/json" + blank,
        b"Content-Length: 2" + blank,
    ]
    assert await ask(server, b"\r\n".join(lines) + b"\r\n\r\n{}") == b"200 OK"
    assert server.ground.calls[0].idempotency_key == "abc"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"application/json;version=1", b"200 OK"),
        (b'Application/JSON ; charset=UTF-8 ; profile="a;b"', b"200 OK"),
        (b'application/json;charset="utf-8"', b"200 OK"),
        (b"application/json;charset=utf-16", b"415 Unsupported Media Type"),
        (b"application/json;version=1;charset=latin1", b"415 Unsupported Media Type"),
        (b"application/json;charset", b"415 Unsupported Media Type"),
    ],
)
async def test_only_another_charset_makes_json_another_type(
    server: Running, content_type: bytes, status: bytes
) -> None:
    head = b"POST /pay HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n" + CREDENTIAL
    assert await ask(server, head + b"Content-Type: " + content_type + b"\r\n\r\n{}") == status


# --- HEAD ------------------------------------------------------------------------------------------------------------


async def test_head_answers_wherever_get_does_with_the_same_fields(service: Service, client: Client) -> None:
    await client.open_account("a")
    varying = {"x-request-id", "ratelimit"}
    async with served(service) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        headers = {"authorization": f"Bearer {client.api_key}"}
        for policy in policies(service):
            if policy.method == "GET" and not policy.template.endswith("{name}"):
                path = address(policy.template)
                of_get = await http.get(path, headers=headers)
                of_head = await http.head(path, headers=headers)
                assert of_head.status_code == of_get.status_code, path
                assert of_head.content == b""
                told = {name: value for name, value in of_get.headers.items() if name not in varying}
                if path != "/metrics":  # it counts the calls of this very test
                    assert {n: v for n, v in of_head.headers.items() if n not in varying} == told, path


async def test_head_does_nothing_where_there_is_no_get(client: Client) -> None:
    answer = await client.http.head("/v1/accounts/a/freeze")
    assert answer.status_code == 405
    answer = await client.http.request("POST", "/v1/nothing", content=json.dumps({}), headers={"x": fresh_key()})
    assert answer.status_code == 404
    allowed = (await client.http.delete("/v1/payments")).headers["allow"]
    assert allowed == "GET, HEAD, POST"
