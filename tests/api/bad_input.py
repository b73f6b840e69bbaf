"""The catalogue of bad input: what is sent, byte by byte, and the one answer it gets.

Numbers are for talking about a row. Those that are missing need more than requests and answers, and are named in
docs/TESTING.md with the test that shows them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

TOKEN = "<token>"
ACCOUNT = "<account>"
"""The id of account `a`."""
THEIRS = "<theirs>"
"""The id of an account of another ledger."""
CURSOR = "<cursor>"
"""Of the list of payments, newest first."""
FORGED = "<forged>"
"""The same with one character changed."""
THEIR_CURSOR = "<their-cursor>"
KEY = "<key>"
"""A fresh idempotency key; the same wherever it stands in one row."""

HOST = "Host: zerosum.test\r\n"
AUTHORIZED = f"{HOST}Authorization: Bearer {TOKEN}\r\nConnection: close\r\n"
JSON_TYPE = "Content-Type: application/json\r\n"
KEYED = f"Idempotency-Key: {KEY}\r\n"
BOUND = 64 * 1024


@dataclass(frozen=True)
class Row:
    number: int
    what: str
    sent: bytes
    status: int
    code: str | None = None
    """Of the refusal; None where it is taken, or where the answer is not for JSON."""
    before: tuple[bytes, ...] = ()
    """Sent first, and taken."""
    headers: dict[str, str] = field(default_factory=dict)
    """Which the answer has."""


def raw(method: str, path: str, headers: str, body: bytes = b"", *, length: str | None = None) -> bytes:
    sized = f"Content-Length: {len(body)}\r\n" if length is None and (body or method == "POST") else (length or "")
    return f"{method} {path} HTTP/1.1\r\n{headers}{sized}\r\n".encode("latin-1") + body


def get(path: str) -> bytes:
    return raw("GET", path, AUTHORIZED)


def post(path: str, body: bytes | str, *, headers: str = AUTHORIZED + JSON_TYPE + KEYED) -> bytes:
    return raw("POST", path, headers, body.encode() if isinstance(body, str) else body)


def joined(members: dict[str, str | None]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items() if text is not None) + "}"


def payment_text(**members: str | None) -> str:
    """A good payment but for `members`, which are JSON text (None: not there)."""
    good = {"type": '"transfer"', "amount": '"1.00"', "currency": '"USD"', "from": '"a"', "to": '"b"'}
    return joined({**good, **{name.rstrip("_"): text for name, text in members.items()}})


def payment(**members: str | None) -> bytes:
    return post("/v1/payments", payment_text(**members))


def with_key(key: str, **members: str | None) -> bytes:
    return post("/v1/payments", payment_text(**members), headers=AUTHORIZED + JSON_TYPE + key)


def entry(*lines: tuple[str, str, str, str]) -> bytes:
    postings = [
        {"account": account, "side": side, "amount": amount, "currency": currency}
        for account, side, amount, currency in lines
    ]
    return post("/v1/journal-entries", json.dumps({"reason": "x", "postings": postings}))


def text(value: str) -> str:
    return json.dumps(value)


def rows(number: int, status: int, code: str | None, sent: dict[str, bytes], **more: Any) -> list[Row]:
    """Different inputs with one answer."""
    return [Row(number, what, request, status, code, **more) for what, request in sent.items()]


def amounts(number: int, status: int, code: str, *texts: str, currency: str = "USD") -> list[Row]:
    return rows(number, status, code, {one[:30]: payment(amount=one, currency=text(currency)) for one in texts})


AMOUNTS = [
    *amounts(1, 400, "malformed_json", "NaN", "Infinity", "-Infinity", "1e400"),
    *amounts(2, 422, "invalid_amount", "100", "10.5", "1e2", "-0", "0.30000000000000004", "true"),
    *amounts(3, 422, "invalid_amount", '"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"'),
    *amounts(4, 422, "invalid_amount", '"1e2"', '"1E+1000000"', '"1e-400"', '"1e999999999999999999"'),
    *amounts(5, 422, "invalid_amount", '"0"', '"0.00"', '"-1"', '"-0"'),
    *amounts(6, 422, "amount_too_precise", '"10.005"', '"0.001"'),
    *amounts(7, 422, "amount_too_precise", '"10.5001"', '"10.000000000000000001"'),
    *amounts(8, 422, "invalid_amount", '"1_000"', '" 1 "', '"+1"', '"01"', '"0x10"', '"1."', '".5"', '"1,00"', '""'),
    *amounts(9, 422, "invalid_amount", '"١٢"', '"１２"', '"\\u0661\\u0662"'),
    *amounts(10, 422, "amount_too_large", '"' + "1" * 21 + '"'),
    *amounts(10, 422, "invalid_amount", '"' + "1" * 5000 + '"', '"0.' + "1" * 41 + '"'),
    Row(
        11,
        "more than a balance can be",
        payment(from_='"poor"', to='"rich"'),
        422,
        "balance_overflow",
        before=(
            payment(amount='"99999999999999999999.99"', from_='"poor"', to='"rich"').replace(KEY.encode(), b"rich"),
        ),
    ),
    *amounts(12, 422, "amount_too_precise", '"10.5"', currency="JPY"),
    *amounts(12, 422, "amount_too_precise", '"1.2345"', currency="KWD"),
    *amounts(13, 422, "validation_error", "null", "[]", "{}"),
    Row(13, "missing", payment(amount=None), 422, "validation_error"),
]

TO_AND_FRO = (("a", "debit", "1.00", "USD"), ("b", "credit", "1.00", "USD"))

ACCOUNTS = [
    *rows(24, 422, "invalid_currency", {one: payment(currency=text(one)) for one in ("eur", "€", "", "XXX", "EURO")}),
    Row(25, "EUR between accounts in USD", payment(currency='"EUR"'), 422, "currency_mismatch"),
    Row(27, "to itself", payment(to='"a"'), 422, "same_account"),
    Row(27, "to itself by its id", payment(to=text(ACCOUNT)), 422, "same_account"),
    Row(28, "sides that differ", entry(TO_AND_FRO[0], ("b", "credit", "0.99", "USD")), 422, "unbalanced"),
    Row(29, "even only across currencies", entry(TO_AND_FRO[0], ("eur", "credit", "1.00", "EUR")), 422, "unbalanced"),
    Row(30, "no posting", entry(), 422, "validation_error"),
    Row(30, "one posting", entry(TO_AND_FRO[0]), 422, "validation_error"),
    Row(30, "101 postings", entry(*TO_AND_FRO * 50, TO_AND_FRO[0]), 422, "validation_error"),
    Row(
        31,
        "one account on three postings",
        entry(*(("a", "debit", "0.10", "USD"),) * 3, ("b", "credit", "0.30", "USD")),
        201,
    ),
    Row(32, "an unknown code", payment(to='"nobody"'), 422, "account_not_found"),
    Row(32, "an unknown id", payment(to='"acc_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"'), 422, "account_not_found"),
    Row(
        32,
        "an unknown id in a path",
        get("/v1/accounts/acc_01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"),
        404,
        "account_not_found",
    ),
    Row(33, "another ledger's", payment(to=text(THEIRS)), 422, "account_not_found"),
    Row(33, "another ledger's in a path", get(f"/v1/accounts/{THEIRS}"), 404, "account_not_found"),
    Row(34, "a closed account", payment(to='"closed"'), 409, "account_closed"),
    Row(34, "a frozen account", payment(to='"frozen"'), 409, "account_frozen"),
    Row(35, "its id in upper case", payment(to=text("acc_<UPPER>")), 201),
    *rows(
        35,
        422,
        "invalid_id",
        {
            one: payment(to=text(one))
            for one in (
                "' or 1=1--",
                "acc_{01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90}",
                "acc_00000000-0000-0000-0000-000000000000",
                "acc_",
            )
        },
    ),
]

NESTED = "[" * 100_000

FRAMING = [
    Row(37, "nothing", post("/v1/payments", ""), 400, "malformed_json"),
    *rows(
        38,
        400,
        "malformed_json",
        {one: post("/v1/payments", one) for one in ('{"amount":1}x', '{"amount":1,}', '{"a":1}//x', "{'a':1}", "{")},
    ),
    Row(39, "a member twice", post("/v1/payments", '{"amount":"1","amount":"999"}'), 400, "duplicate_key"),
    Row(40, "a member twice inside", payment(metadata='{"a":"1","a":"2"}'), 400, "duplicate_key"),
    *rows(41, 422, "validation_error", {one: post("/v1/payments", one) for one in ("[1]", '"x"', "null", "1")}),
    *rows(
        42,
        422,
        "unknown_field",
        {
            name: payment(**{name: value})
            for name, value in (("is_admin", "true"), ("ledger_id", '"x"'), ("balance", '"1"'), ("status", '"x"'))
        },
    ),
    Row(43, "60,000 arrays deep", post("/v1/payments", '{"metadata":' + NESTED[:60_000]), 400, "too_deep"),
    Row(44, "900 deep", payment(metadata='{"a":' + "[" * 900 + "]" * 900 + "}"), 400, "too_deep"),
    Row(
        45,
        "100,000 members",
        post(
            "/v1/payments/bulk",
            joined({f"m{number}": "1" for number in range(100_000)}),
            headers=AUTHORIZED + JSON_TYPE,
        ),
        422,
        "too_many_items",
    ),
    Row(
        45,
        "10,000 elements",
        post("/v1/payments", '{"metadata":{"a":[' + ",".join(["1"] * 10_000) + "]}}"),
        422,
        "too_many_items",
    ),
    Row(
        46, "a byte order mark", post("/v1/payments", b"\xef\xbb\xbf" + payment_text().encode()), 400, "malformed_json"
    ),
    *rows(
        47,
        400,
        "malformed_json",
        {name: post("/v1/payments", payment_text().encode(name)) for name in ("utf-16-le", "utf-16-be", "utf-32-le")},
    ),
    Row(47, "utf-16 with its mark", post("/v1/payments", payment_text().encode("utf-16")), 400, "invalid_encoding"),
    *rows(
        48,
        400,
        "invalid_encoding",
        {
            repr(one): post("/v1/payments", b'{"reference":"' + one + b'"}')
            for one in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80\xed\xb0\x80")
        },
    ),
    *rows(
        49,
        415,
        "unsupported_media_type",
        {
            one or "none": post(
                "/v1/payments", payment_text(), headers=AUTHORIZED + KEYED + (f"Content-Type: {one}\r\n" if one else "")
            )
            for one in (
                "",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "application/json; charset=utf-16",
            )
        },
    ),
    Row(
        50,
        "gzip",
        post(
            "/v1/payments",
            b"\x1f\x8b" + b"\0" * 1000,
            headers=AUTHORIZED + JSON_TYPE + KEYED + "Content-Encoding: gzip\r\n",
        ),
        415,
        "unsupported_media_type",
    ),
]

STRINGS = [
    Row(51, "NUL", payment(description='"a\\u0000b"'), 422, "invalid_string"),
    Row(52, "NUL in a name", payment(metadata='{"a\\u0000":"x"}'), 422, "invalid_string"),
    Row(52, "NUL in a value", payment(metadata='{"a":"x\\u0000"}'), 422, "invalid_string"),
    Row(52, "NUL in a query", get("/v1/payments?cursor=%00"), 422, "invalid_string"),
    Row(53, "half a surrogate pair", payment(description='"\\ud800"'), 422, "invalid_string"),
    Row(54, "half a surrogate pair where nothing fits", payment(currency='"\\ud800"'), 422, "invalid_string"),
    Row(54, "half a surrogate pair in an unknown name", payment(**{"x\\udc00": '"\\ud800"'}), 422, "invalid_string"),
    Row(
        55,
        "10 MB",
        post("/v1/payments", b"", headers=AUTHORIZED + JSON_TYPE + KEYED).replace(b"Length: 0", b"Length: 10485760"),
        413,
        "body_too_large",
    ),
    Row(56, "501 characters of four bytes", payment(description=text("😀" * 501)), 422, "validation_error"),
    Row(56, "500 characters of four bytes", payment(description=text("😀" * 500)), 201),
    *rows(
        57,
        201,
        None,
        {repr(one): payment(description=text(one)) for one in ("\u202eevil", "zero\u200bwidth", "pаypal")},
    ),
    Row(58, "a line of its own in the log", payment(description='"x\\n{\\"level\\":\\"info\\"}"'), 201),
    *rows(
        59,
        201,
        None,
        {
            one: payment(description=text(one))
            for one in ("=HYPERLINK(1)", "${jndi:ldap://x}", "{{7*7}}", "<script>", "'; drop table accounts; --")
        },
        headers={"content-type": "application/json", "x-content-type-options": "nosniff"},
    ),
    Row(
        61,
        "the same reference in another normal form",
        with_key(KEYED, reference='"caf\\u00e9"'),
        201,
        before=(with_key(KEYED, reference='"cafe\\u0301"'),),
        headers={"idempotency-replayed": "true"},
    ),
]

KEYS = [
    Row(63, "no key", with_key(""), 400, "idempotency_key_missing"),
    *rows(
        64,
        400,
        "idempotency_key_invalid",
        {
            repr(one): with_key(f"Idempotency-Key: {one}\r\n")
            for one in ("", '""', "k" * 256, "a b", "a\tb", "caf\u00e9")
        },
    ),
    Row(64, "what no header may hold", with_key("Idempotency-Key: a\x7fb\r\n"), 400, "invalid_request"),
    Row(64, "two headers", with_key(KEYED * 2), 400, "idempotency_key_invalid"),
    Row(65, "another amount", with_key(KEYED, amount='"2.00"'), 422, "idempotency_key_reused", before=(payment(),)),
    Row(65, "another route", entry(*TO_AND_FRO), 422, "idempotency_key_reused", before=(payment(),)),
    Row(
        66,
        "in another writing",
        post("/v1/payments", '{ "to":"b", "from":"a",\n"currency":"USD", "amount":"1.0", "type":"transfer" }'),
        201,
        before=(payment(),),
        headers={"idempotency-replayed": "true"},
    ),
    Row(
        70,
        "after a request that did not fit",
        payment(),
        201,
        before=(with_key(KEYED, amount='"x"'), with_key(KEYED, to='"nobody"')),
    ),
    Row(
        71,
        "in quotes and bare",
        with_key(f'Idempotency-Key: "{KEY}"\r\n'),
        201,
        before=(payment(),),
        headers={"idempotency-replayed": "true"},
    ),
]

CHUNKED = "Transfer-Encoding: chunked\r\n"
MONEY = AUTHORIZED + JSON_TYPE + KEYED


def framed(lines: str, body: bytes) -> bytes:
    return raw("POST", "/v1/payments", MONEY, body, length=lines)


HTTP = [
    Row(72, "a byte too long", framed(f"Content-Length: {BOUND + 1}\r\n", b""), 413, "body_too_large"),
    Row(
        72,
        "too long in chunks",
        framed(CHUNKED, (b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 17),
        413,
        "body_too_large",
    ),
    *rows(
        73,
        400,
        "invalid_request",
        {
            "length and chunks": framed("Content-Length: 2\r\n" + CHUNKED, b"0\r\n\r\n"),
            "two lengths": framed("Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "),
            "a plus sign": framed("Content-Length: +2\r\n", b"{}"),
            "a folded line": framed("X: a\r\n b\r\nContent-Length: 2\r\n", b"{}"),
        },
        headers={"connection": "close"},
    ),
    *rows(
        74,
        400,
        "invalid_request",
        {
            "an endless chunk": framed(CHUNKED, b"FFFFFFFFFFFFFFFFF\r\n{}"),
            "a negative chunk": framed(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
        },
        headers={"connection": "close"},
    ),
    Row(
        75,
        "17 kB of header",
        raw("GET", "/v1/accounts", AUTHORIZED + f"X: {'a' * 17_000}\r\n"),
        431,
        "headers_too_large",
    ),
    Row(75, "200 headers", raw("GET", "/v1/accounts", AUTHORIZED + "X: y\r\n" * 200), 431, "headers_too_large"),
    Row(75, "10 kB of path", get("/v1/accounts/" + "a" * 10_000), 414, "uri_too_long"),
    *rows(
        76,
        400,
        "invalid_request",
        {
            "NUL in a header": raw("GET", "/v1/accounts", AUTHORIZED + "X: a\0b\r\n"),
            "a bare CR in a header": raw("GET", "/v1/accounts", AUTHORIZED + "X: a\rb\r\n"),
            "NUL in the path": get("/v1/accounts\0"),
            "%00": get("/v1/accounts/%00"),
            "%0d%0a": get("/v1/accounts/%0d%0aX:y"),
        },
    ),
    *rows(
        76,
        404,
        "not_found",
        {
            one: get(one)
            for one in ("/%2e%2e%2fv1/accounts", "/../v1/accounts", "//v1/accounts", "/v1/accounts;x", "/v1//accounts")
        },
    ),
    *rows(
        77,
        405,
        "method_not_allowed",
        {
            "TRACE": raw("TRACE", "/v1/payments", AUTHORIZED),
            "PROPFIND": raw("PROPFIND", "/v1/payments", AUTHORIZED),
            "DELETE": raw("DELETE", "/v1/payments", AUTHORIZED),
            "GET with a body": raw("GET", "/v1/payments", AUTHORIZED + JSON_TYPE, b"{}"),
            "another method by a header": raw("PUT", "/v1/payments", AUTHORIZED + "X-HTTP-Method-Override: POST\r\n"),
        },
    ),
    *rows(
        78,
        400,
        "invalid_request",
        {
            "no host": raw("GET", "/v1/accounts", AUTHORIZED.replace(HOST, "")),
            "two hosts": raw("GET", "/v1/accounts", AUTHORIZED + HOST),
        },
    ),
    Row(
        80,
        "a thousand ranges",
        raw("GET", "/docs/assets/redoc.standalone.js", AUTHORIZED + "Range: bytes=" + ",".join(["0-"] * 1000) + "\r\n"),
        200,
    ),
]

NO_CREDENTIAL = f"{HOST}Connection: close\r\n{JSON_TYPE}{KEYED}"
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(payment_text()), payment_text().encode())


def in_chunks(lines: str, *, headers: str = MONEY, trailers: str = "", version: str = "1.1") -> bytes:
    body = CHUNKS + trailers.encode() + b"\r\n"
    return raw("POST", "/v1/payments", headers, body, length=lines).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


FRAMES = [
    Row(
        101,
        "credentials in a trailer",
        in_chunks(CHUNKED, headers=NO_CREDENTIAL, trailers=f"Authorization: Bearer {TOKEN}\r\n"),
        401,
        "unauthenticated",
    ),
    Row(
        101,
        "a key in a trailer",
        in_chunks(CHUNKED, headers=AUTHORIZED + JSON_TYPE, trailers=KEYED),
        400,
        "idempotency_key_missing",
    ),
    Row(101, "trailers nobody asked for", in_chunks(CHUNKED, trailers="X-Forwarded-For: ::1\r\nHost: a\r\n"), 201),
    Row(102, "101 fields", raw("GET", "/v1/accounts", AUTHORIZED + "X: y\r\n" * 98), 431, "headers_too_large"),
    *rows(
        103,
        400,
        "invalid_request",
        {
            "HTTP/2.0": in_chunks(CHUNKED, version="2.0"),
            "HTTP/0.9": in_chunks(CHUNKED, version="0.9"),
            "chunks in HTTP/1.0": in_chunks(CHUNKED, version="1.0"),
            "gzip, chunked": in_chunks("Transfer-Encoding: gzip, chunked\r\n"),
            "chunked twice": in_chunks(CHUNKED * 2),
            "chunked, chunked": in_chunks("Transfer-Encoding: chunked, chunked\r\n"),
            "TE: gzip, chunked": in_chunks("TE: gzip, chunked\r\n" + CHUNKED),
        },
        headers={"connection": "close"},
    ),
    *rows(
        104,
        201,
        None,
        {
            "a blank behind a key": with_key(KEYED.replace("\r\n", "  \r\n")),
            "a tab behind a key": with_key(KEYED.replace("\r\n", "\t\r\n")),
            "tabs around a credential": payment().replace(b"Bearer <token>", b"\tBearer <token>\t "),
            "blanks behind Bearer": payment().replace(b"Bearer ", b"Bearer    "),
            "a blank behind a length": framed(f"Content-Length: {len(payment_text())} \r\n", payment_text().encode()),
            "a version of JSON": payment().replace(b"/json", b"/json;version=1"),
            "an unknown parameter": payment().replace(b"/json", b"/json; charset=utf-8;foo=bar"),
        },
    ),
]


def query(number: int, parameter: str, *values: str, path: str = "/v1/payments") -> list[Row]:
    return rows(
        number, 422, "invalid_parameter", {f"{parameter}={one}": get(f"{path}?{parameter}={one}") for one in values}
    )


TIMES = (
    "9999-12-31T23:59:59.999999999Z",
    "0000-01-01T00:00:00Z",
    "2026-11-21T09:30:00",
    "2026-11-21T09:30:60Z",
    "2026-02-30T00:00:00Z",
    "yesterday",
)

QUERIES = [
    *query(83, "limit", "0", "-1", "1000000", "abc", "1e3", "%D9%A1", "", "1.0"),
    *query(83, "limit", "1&limit=2"),
    *query(83, "cursor", "%ff"),
    *rows(
        84,
        400,
        "invalid_cursor",
        {
            "random": get("/v1/payments?cursor=AAAAAAAAAAAAAAAA"),
            "empty": get("/v1/payments?cursor="),
            "forged": get(f"/v1/payments?cursor={FORGED}"),
            "cut": get(f"/v1/payments?cursor={CURSOR[:-1]}").replace(CURSOR[:-1].encode(), CURSOR.encode() + b"A"),
            "another ledger's": get(f"/v1/payments?cursor={THEIR_CURSOR}"),
            "of another list": get(f"/v1/accounts?cursor={CURSOR}"),
            "of another filter": get(f"/v1/payments?cursor={CURSOR}&type=deposit"),
            "of another order": get(f"/v1/payments?cursor={CURSOR}&order=asc"),
        },
    ),
    *query(85, "from", *TIMES),
    *query(85, "as_of", *TIMES, path="/v1/accounts/a/balance"),
    *rows(
        86,
        422,
        "invalid_parameter",
        {
            "the wrong way round": get("/v1/payments?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z"),
            "two years": get("/v1/payments?from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z"),
        },
    ),
    *rows(
        87,
        200,
        None,
        {one: get(f"/v1/accounts?code_prefix={one}") for one in ("%25", "_", "%5C", "(a%2B)%2B$", "%5B%5B%5B")},
    ),
    Row(88, "50 ids", get("/v1/payments?" + "&".join(["ids=1"] * 50)), 422, "unknown_parameter"),
    Row(88, "900 ids", get("/v1/payments?" + "&".join(["ids=1"] * 900)), 422, "invalid_parameter"),
    Row(88, "5,000 ids", get("/v1/payments?" + "&".join(["ids=1"] * 5000)), 414, "uri_too_long"),
    Row(89, "an unknown parameter", get("/v1/payments?unknown=1"), 422, "unknown_parameter"),
    Row(
        89,
        "an unknown parameter of a payment",
        post("/v1/payments?dryrun=true", payment_text()),
        422,
        "unknown_parameter",
    ),
]


def as_caller(authorization: str) -> bytes:
    return raw("GET", "/v1/accounts", f"{HOST}Connection: close\r\n{authorization}")


CREDENTIALS = [
    Row(90, "without the scope", as_caller("Authorization: Bearer <narrow>\r\n"), 403, "forbidden"),
    Row(
        91,
        "in the address",
        raw("GET", f"/v1/accounts?api_key={TOKEN}", HOST + "Connection: close\r\n"),
        401,
        "unauthenticated",
    ),
    *rows(
        92,
        401,
        "unauthenticated",
        {
            "nothing": as_caller(""),
            "a tab after it": as_caller(f"Authorization: Bearer {TOKEN}\tx\r\n"),
            "quoted": as_caller(f'Authorization: Bearer "{TOKEN}"\r\n'),
            "another writing": as_caller("Authorization: Bearer <lower>\r\n"),
            "cut": as_caller("Authorization: Bearer <cut>\r\n"),
            "twice": as_caller(f"Authorization: Bearer {TOKEN}\r\n" * 2),
            "the word twice": as_caller(f"Authorization: Bearer Bearer {TOKEN}\r\n"),
        },
    ),
]


def account(**members: str) -> bytes:
    return post("/v1/accounts", joined({"code": '"new"', "currency": '"USD"', "type": '"liability"', **members}))


CONTRACTS = [
    *rows(
        93,
        201,
        None,
        {
            "zeros at the end": payment(amount='"1.000"', from_='"poor"', to='"rich"'),
            "more zeros at the end": payment(amount='"1' + "." + "0" * 18 + '"', from_='"poor"', to='"rich"'),
            "nine digits of a second": payment(effective_at='"2026-01-01T00:00:00.123456789Z"'),
            "small letters in a time": payment(effective_at='"2026-01-01t00:00:00z"'),
            "a floor above what is there": account(code='"saver"', min_available='"100"'),
        },
    ),
    *rows(
        94,
        422,
        "effective_in_future",
        {one: payment(effective_at=f'"{one}"') for one in ("9998-01-01T00:00:00Z", "9999-12-29T23:59:59.999999999z")},
    ),
    *rows(
        94,
        422,
        "validation_error",
        {
            one: payment(effective_at=f'"{one}"')
            for one in ("1969-12-31T23:59:59.999999999Z", "0001-01-03T00:00:00Z", "2026-01-01T00:00:00.1234567890Z")
        },
    ),
    *rows(
        95,
        422,
        "code_reserved",
        {one: account(code=f'"{one}"') for one in ("clearing:internal:EUR", "clients:1", "holds:1", "zerosum:")},
    ),
]

CATALOGUE: dict[str, list[Row]] = {
    "amounts": AMOUNTS,
    "currencies and accounts": ACCOUNTS,
    "JSON": FRAMING,
    "strings": STRINGS,
    "keys": KEYS,
    "HTTP": HTTP,
    "frames": FRAMES,
    "queries and pages": QUERIES,
    "credentials": CREDENTIALS,
    "money contracts": CONTRACTS,
}
