"""What two parsers could read differently is refused; what HTTP allows is taken, however unusual it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.api.conftest import Client
from tests.api.every_route import address, policies
from tests.edge.wire import Pages, Running, serving, until
from tests.gateway.ground import Ground
from tests.gateway.raw_http import HOST, MONEY, Reply
from zerosum.gateway.app import GatewayOptions
from zerosum.gateway.limits.charging import REFUSAL_UNITS
from zerosum.gateway.limits.client_address import caller_address, client_address
from zerosum.gateway.server.http_server import PIPELINED_MAX, GuardedProtocol
from zerosum.main import Service
from zerosum.services.requests.networks import is_within, parse_network

CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    proxies = GatewayOptions(trusted_proxies=(parse_network("::ffff:127.0.0.1/128"),))
    with serving(protocol=GuardedProtocol, pages=Pages(options=proxies)) as running:
        yield running


@pytest.fixture
def server(running: Running) -> Running:
    running.pages.calls.clear()
    running.pages.observed.clear()
    return running


def pay(server: Running, lines: str, body: str = "{}") -> Reply:
    with server.connect() as connection:
        return connection.ask(f"POST /pay HTTP/1.1\r\n{lines}\r\n{body}")


# --- Trailers --------------------------------------------------------------------------------------------------------

TRAILERS = "Authorization: Bearer good\r\nX-Forwarded-For: 192.0.2.66\r\nIdempotency-Key: t\r\n"


def test_a_trailer_brings_no_credential_no_key_and_no_address(server: Running) -> None:
    """Written as they came, and in small pieces."""
    without = f"{HOST}Content-Type: application/json\r\n{CHUNKED}"
    text = f"POST /pay HTTP/1.1\r\n{without}\r\n2\r\n{{}}\r\n0\r\n{TRAILERS}\r\n"
    for pieces in ([text], [text[:200], text[200:-30], text[-30:]], list(text)):
        with server.connect() as connection:
            for piece in pieces:
                connection.send(piece)
            reply = connection.reply()
            assert reply is not None
            assert (reply.status, reply.code) == (401, "unauthenticated")
    assert server.pages.calls == []


def test_a_refusal_reaches_who_is_still_sending(server: Running) -> None:
    """The server ends the connection; but not so that what it said is thrown away on the way (RFC 9112 section 9.6)."""
    head = f"POST /pay HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n{CHUNKED}\r\n"
    for _ in range(10):
        with server.connect() as connection:
            connection.send(head)
            time.sleep(0.02)
            for _ in range(20):
                connection.send("1000\r\n" + "x" * 4096 + "\r\n")
            reply = connection.reply()
            assert reply is not None
            assert (reply.status, reply.code, reply.headers["connection"]) == (401, "unauthenticated", "close")
            assert connection.reply() is None


def test_a_trailer_changes_nothing_of_a_good_request(server: Running) -> None:
    trailers = f"{TRAILERS}Host: other\r\nContent-Type: text/plain\r\nX: {'y' * 9000}\r\n"
    with server.connect() as connection:
        for _ in range(2):
            reply = connection.ask(f"POST /pay HTTP/1.1\r\n{MONEY}{CHUNKED}\r\n2\r\n{{}}\r\n0\r\n{trailers}\r\n")
            assert reply.status == 200
    assert [call.idempotency_key for call in server.pages.calls] == ["k", "k"]


# --- Too much of it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", ["X: y\r\n" * 100, f"X: {'y' * 16_400}\r\n"], ids=["101 fields", "16 kB"])
def test_too_large_a_head_is_refused_charged_and_counted(fields: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(pages=Pages(address_limit=f"{2 * REFUSAL_UNITS}/h"), protocol=GuardedProtocol) as limited:
        replies = [reply for _ in range(3) for reply in ask_head(limited, fields)]
        assert [(reply.status, reply.code) for reply in replies] == [
            (431, "headers_too_large"),
            (431, "headers_too_large"),
            (429, "rate_limited"),
        ]
        assert [(template, status) for template, _, status in limited.pages.observed] == [
            ("", 431),
            ("", 431),
            ("", 429),
        ]
    gateways = [record for record in caplog.records if record.name.startswith("zerosum.gateway")]
    assert [record for record in gateways if record.levelno >= logging.ERROR] == []


def ask_head(server: Running, fields: str) -> list[Reply]:
    return server.ask(f"POST /pay HTTP/1.1\r\n{MONEY}{fields}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nonsense\r\n\r\n", 400),
        (f"GET /health HTTP/1.1\r\n{HOST}X: {'a' * 100_000}", 431),
        (f"GET /{'a' * 100_000}", 414),
        ("GET /heal", 408),
    ],
)
def test_what_is_no_whole_request_is_charged_and_counted_too(text: str, status: int) -> None:
    with serving(pages=Pages(address_limit=f"{3 * REFUSAL_UNITS}/h")) as limited:
        for _ in range(3):
            assert [reply.status for reply in limited.ask(text)] == [status]
        until(lambda: limited.pages.observed == [("", "", status)] * 3)
        with limited.connect() as connection:
            assert connection.ask(f"GET /health HTTP/1.1\r\n{HOST}\r\n").status == 429


def test_a_hundred_fields_are_not_too_many(server: Running) -> None:
    assert pay(server, MONEY + "X: y\r\n" * 95 + "Content-Length: 2\r\n").status == 200


def test_more_pipelined_requests_than_are_answered_end_the_connection(server: Running) -> None:
    text = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}"
    replies = server.ask(text * (5 * PIPELINED_MAX))
    assert {reply.status for reply in replies} == {200}
    assert PIPELINED_MAX <= len(replies) <= 2 * PIPELINED_MAX
    assert len(server.pages.calls) == len(replies)


# --- White space -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [" ", "\t", "   ", " \t ", ""], ids=repr)
def test_white_space_around_a_value_is_no_part_of_it(server: Running, space: str) -> None:
    fields = {
        "Host": "zerosum.test",
        "Authorization": "Bearer good",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
        "Content-Length": "2",
        "X-Request-Id": "mine",
    }
    reply = pay(server, "".join(f"{name}:{space}{value}{space}\r\n" for name, value in fields.items()))
    assert (reply.status, reply.headers["x-request-id"]) == (200, "mine")
    assert server.pages.calls[0].idempotency_key == "k"


def test_white_space_around_chunked_is_no_part_of_it(server: Running) -> None:
    reply = pay(server, f"{MONEY}Transfer-Encoding: \t chunked  \r\n", "2\r\n{}\r\n0\r\n\r\n")
    assert reply.status == 200


@pytest.mark.parametrize("blanks", [1, 2, 7])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_blanks_part_a_scheme_from_its_credential(server: Running, scheme: str, blanks: int) -> None:
    with server.connect() as connection:
        text = f"GET /read HTTP/1.1\r\n{HOST}Authorization: {scheme}{' ' * blanks}good\r\n\r\n"
        assert connection.ask(text).status == (200 if scheme == "Bearer" else 401)  # the ground knows one writing


async def test_a_key_may_stand_behind_several_blanks(client: Client) -> None:
    for value in (f"Bearer   {client.api_key}", f"bearer  {client.api_key}"):
        headers = {"authorization": value}
        assert (await client.http.get("/v1/accounts", headers=headers)).status_code == 200


# --- Kinds of body ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json;version=1", 200),
        ("application/json; charset=utf-8; foo=bar", 200),
        ("application/json;charset=UTF-8;foo=bar", 200),
        ('application/json; profile="https://x/;charset=utf-16"', 200),
        ("application/json; charset=utf-16", 415),
        ("application/json; version=1; charset=iso-8859-1", 415),
        ("application/json+x; version=1", 415),
        ("text/plain; charset=utf-8", 415),
    ],
)
def test_only_the_charset_of_json_matters(server: Running, kind: str, status: int) -> None:
    other = MONEY.replace("application/json", kind)
    assert pay(server, f"{other}Content-Length: 2\r\n").status == status


# --- Versions and codings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/1.2", "HTTP/2", "http/1.1", "HTTQ/1.1"])
def test_another_version_is_refused(server: Running, version: str) -> None:
    (reply,) = server.ask(f"GET /health {version}\r\n{HOST}Connection: close\r\n\r\n")
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert server.pages.calls == []


@pytest.mark.parametrize(
    "lines",
    [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "TE: gzip, chunked\r\nTransfer-Encoding: gzip, chunked\r\n",
        "TE: gzip, chunked\r\nContent-Length: 2\r\n",
        "TE: chunked\r\nContent-Length: 2\r\n",
        "TE: gzip, chunked\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_another_coding_than_chunked_is_refused(server: Running, lines: str) -> None:
    """And nothing that stands behind it is taken for a request of its own."""
    hidden = f"POST /pay HTTP/1.1\r\n{MONEY}Content-Length: 2\r\n\r\n{{}}"
    body = "{}" if "Content-Length" in lines else "2\r\n{}\r\n0\r\n\r\n"
    replies = server.ask(f"POST /pay HTTP/1.1\r\n{MONEY}Connection: close\r\n{lines}\r\n{body}{hidden}")
    assert [(reply.status, reply.code) for reply in replies] == [(400, "invalid_request")]
    assert server.pages.calls == []


def test_http_1_0_knows_no_chunks(server: Running) -> None:
    (reply,) = server.ask(f"POST /pay HTTP/1.0\r\n{MONEY}{CHUNKED}\r\n2\r\n{{}}\r\n0\r\n\r\n")
    assert (reply.status, reply.code) == (400, "invalid_request")


@pytest.mark.parametrize("lines", ["TE: trailers\r\n", "TE: gzip;q=0.5\r\n", "TE: \r\n"])
def test_what_a_caller_would_take_is_none_of_our_business(server: Running, lines: str) -> None:
    assert pay(server, f"{MONEY}{lines}Content-Length: 2\r\n").status == 200


OFFER = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"


@pytest.mark.parametrize(
    "offer", [OFFER, "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n", "upgrade: websocket\r\n" + OFFER]
)
@pytest.mark.parametrize("cut", [None, 20, 300, -1])
def test_a_request_that_offers_another_protocol_is_a_request(server: Running, offer: str, cut: int | None) -> None:
    """As Java's HttpClient and curl offer it by default. Nothing of its body is lost, and the connection goes on."""
    for framing, body in (("Content-Length: 12\r\n", '{"a": "b  "}'), (CHUNKED, 'c\r\n{"a": "b  "}\r\n0\r\n\r\n')):
        server.pages.calls.clear()
        text = f"POST /pay HTTP/1.1\r\n{MONEY}{offer}{framing}\r\n{body}"
        with server.connect() as connection:
            for part in [text] if cut is None else [text[:cut], text[cut:]]:
                connection.send(part)
                time.sleep(0.01)
            reply = connection.reply()
            assert reply is not None
            assert (reply.status, reply.headers.get("connection")) == (200, None)
            assert connection.ask(f"GET /health HTTP/1.1\r\n{HOST}\r\n").status == 200
        assert server.pages.calls[0].body == b'{"a": "b  "}'


def test_requests_that_offer_another_protocol_can_be_pipelined(server: Running) -> None:
    text = f"POST /pay HTTP/1.1\r\n{MONEY}{OFFER}Content-Length: 2\r\n\r\n{{}}"
    with server.connect() as connection:
        connection.send(text * 5 + f"GET /health HTTP/1.1\r\n{HOST}\r\n")
        replies = [connection.reply() for _ in range(6)]
        assert [reply.status for reply in replies if reply] == [200] * 6


def test_an_offer_of_another_protocol_does_not_hide_what_is_refused(server: Running) -> None:
    for fields, status in (("Content-Length: 2\r\nContent-Length: 3\r\n", 400), ("X: y\r\n" * 101, 431)):
        replies = server.ask(f"POST /pay HTTP/1.1\r\n{MONEY}{OFFER}{fields}\r\n{{}}")
        assert [reply.status for reply in replies] == [status]
    (reply,) = server.ask(f"CONNECT zerosum.test:80 HTTP/1.1\r\n{HOST}\r\n")
    assert reply.status in (400, 405)


# --- HEAD ------------------------------------------------------------------------------------------------------------


def test_head_is_answered_like_get_without_the_body(server: Running) -> None:
    with server.connect() as connection:
        got = connection.ask(f"GET /health HTTP/1.1\r\n{HOST}\r\n")
        connection.send(f"HEAD /health HTTP/1.1\r\n{HOST}\r\nHEAD /nothing HTTP/1.1\r\n{HOST}\r\n")
        head, missing = connection.reply(has_body=False), connection.reply(has_body=False)
        assert head is not None
        assert missing is not None
        assert (head.status, head.headers) == (got.status, got.headers)
        assert (missing.status, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_head_is_answered_wherever_get_is(
    client: Client, service: Service, service_port: int, framework_port: int
) -> None:
    found = [policy for policy in policies(service) if policy.method == "GET"]
    assert len(found) > 20
    lean = [policy for policy in found if policy.lean is not None]
    for port, asked in ((service_port, lean), (framework_port, found)):
        headers = {"authorization": f"Bearer {client.api_key}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, verify=False
        ) as http:
            for policy in asked:
                path = address(policy.template)
                got, head = await http.get(path), await http.head(path)
                assert (head.status_code, head.content) == (got.status_code, b""), path
                assert head.headers["content-type"] == got.headers["content-type"], path
                of_wire = {"transfer-encoding"}  # where a page is made as it is sent, its length is not known
                assert head.headers.keys() == got.headers.keys() - of_wire, path


def test_where_get_is_allowed_head_is_listed(server: Running) -> None:
    with server.connect() as connection:
        assert connection.ask(f"DELETE /health HTTP/1.1\r\n{HOST}\r\n").headers["allow"] == "GET, HEAD"
        connection.send(f"HEAD /pay HTTP/1.1\r\n{HOST}\r\n")
        refused = connection.reply(has_body=False)
        assert refused is not None
        assert (refused.status, refused.headers["allow"]) == (405, "POST")


# --- Addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted", "caller"),
    [
        ("::ffff:192.0.2.1", None, "192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:0201", None, "192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", None, "2001:db8::/64", "2001:db8::1"),
        ("fe80::1%eth0", None, "fe80::/64", "fe80::1"),
        ("::ffff:10.0.0.1", b"192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"192.0.2.7, ::ffff:10.9.9.9", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"2001:db8::0:5", "2001:db8::/64", "2001:db8::5"),
        ("192.0.2.1", b"198.51.100.1", "192.0.2.1", "192.0.2.1"),
        # As proxies write them that tell ports as well.
        ("10.0.0.1", b"192.0.2.7:4711", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"[2001:db8::5]:443", "2001:db8::/64", "2001:db8::5"),
        ("10.0.0.1", b"[2001:db8::5]", "2001:db8::/64", "2001:db8::5"),
        ("10.0.0.1", b'"192.0.2.7"', "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b'"[2001:db8::5]:443", 10.9.9.9:80', "2001:db8::/64", "2001:db8::5"),
    ],
)
@pytest.mark.parametrize("proxies", ["10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:a00:0/104"])
def test_addresses_are_read_however_they_are_written(
    peer: str, forwarded: bytes | None, counted: str, caller: str, proxies: str
) -> None:
    trusted = [parse_network(proxies)]
    assert client_address(peer, forwarded, trusted) == counted
    assert caller_address(peer, forwarded, trusted) == caller
    assert is_within(peer, trusted) == peer.endswith("10.0.0.1")


async def test_one_caller_in_both_writings_has_one_budget() -> None:
    ground = Ground(address_limit="2/h")
    statuses = [
        (await ground.ask("GET", "/health", peer=peer)).status for peer in ("192.0.2.1", "::ffff:192.0.2.1") * 2
    ]
    assert statuses == [200, 200, 429, 429]


def test_a_connection_of_a_mapped_proxy_is_believed(server: Running) -> None:
    with server.connect() as connection:
        text = f"GET /read HTTP/1.1\r\n{HOST}Authorization: Bearer good\r\nX-Forwarded-For: 192.0.2.5\r\n\r\n"
        assert connection.ask(text).status == 200
