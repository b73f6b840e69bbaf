"""The outside of a request: its address, headers, the size and kind of its body, its key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from zerosum.domain.errors import DomainError
from zerosum.gateway.guards import request_guard as guard
from zerosum.gateway.guards.request_guard import HeaderView
from zerosum.gateway.routing import BodyKind, Policy

JSON = Policy(method="POST", template="/x", scope=None, body=BodyKind.JSON, body_bytes_max=10)
FORM = Policy(method="POST", template="/x", scope=None, body=BodyKind.FORM)
READ = Policy(method="GET", template="/x", scope=None)
REMOVE = Policy(method="DELETE", template="/x", scope=None)


def view(*headers: tuple[bytes, bytes]) -> HeaderView:
    return HeaderView(list(headers))


def code_of(act: Any, *arguments: Any) -> str | None:
    """The code of the refusal, or None."""
    try:
        act(*arguments)
    except DomainError as refusal:
        return refusal.code
    return None


# --- Address ---------------------------------------------------------------------------------------------------------


def test_an_address_has_at_most_eight_kilobytes() -> None:
    path = "/" + "a" * (guard.TARGET_BYTES_MAX - 1)
    assert code_of(guard.check_target, path, path.encode(), b"") is None
    assert code_of(guard.check_target, path, path.encode(), b"q") == "uri_too_long"


@pytest.mark.parametrize("path", ["/a\x00b", "/a\r\nb", "/\x7f", "/\u202e", "/\u200b"])
def test_nothing_invisible_hides_in_a_path(path: str) -> None:
    assert code_of(guard.check_target, path, b"/", b"") == "invalid_request"


# --- Headers ---------------------------------------------------------------------------------------------------------


def test_headers_are_bounded_in_number_and_size() -> None:
    assert HeaderView([(b"x", b"y")] * guard.HEADERS_MAX)
    assert code_of(HeaderView, [(b"x", b"y")] * (guard.HEADERS_MAX + 1)) == "headers_too_large"
    assert HeaderView([(b"x", b"y" * (guard.HEADER_BYTES_MAX - 1))])
    assert code_of(HeaderView, [(b"x", b"y" * guard.HEADER_BYTES_MAX)]) == "headers_too_large"


@pytest.mark.parametrize("value", [b"abc-123", b"a" * 128, b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
def test_a_harmless_request_id_of_the_caller_is_kept(value: bytes) -> None:
    assert view((b"x-request-id", value)).caller_request_id() == value.decode()


@pytest.mark.parametrize("value", [b"", b"a" * 129, b"a b", b'a"b', b"\xc3\xa9", b"<x>", b"a\x00"])
def test_any_other_request_id_is_replaced(value: bytes) -> None:
    assert view((b"x-request-id", value)).caller_request_id() is None


def test_there_is_one_host_and_it_is_ours() -> None:
    ours = frozenset({b"pay.example"})
    assert code_of(guard.check_host, view((b"host", b"Pay.Example:443")), ours) is None
    assert code_of(guard.check_host, view((b"host", b"anything")), frozenset()) is None
    assert code_of(guard.check_host, view((b"host", b"evil.example")), ours) == "invalid_request"
    assert code_of(guard.check_host, view(), frozenset()) == "invalid_request"
    assert code_of(guard.check_host, view((b"host", b"a"), (b"host", b"a")), frozenset()) == "invalid_request"


# --- Size and kind of the body ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (b"0", None),
        (b"10", None),
        (b"11", "body_too_large"),
        (b"9" * 400, "body_too_large"),
        (b"-1", "invalid_request"),
        (b"+5", "invalid_request"),
        (b"1e3", "invalid_request"),
        (b"", "invalid_request"),
        ("٣".encode(), "invalid_request"),
    ],
)
def test_a_length_is_judged_before_a_byte_of_the_body_is_read(length: bytes, code: str | None) -> None:
    assert code_of(guard.check_length, JSON, view((b"content-length", length))) == code


def test_a_body_without_length_is_judged_as_it_comes() -> None:
    assert code_of(guard.check_length, JSON, view()) is None


def test_a_get_with_a_body_is_refused() -> None:
    for header in ((b"content-length", b"1"), (b"transfer-encoding", b"chunked")):
        assert code_of(guard.check_no_body, READ, view(header)) == "method_not_allowed"
        assert code_of(guard.check_no_body, REMOVE, view(header)) is None
    assert code_of(guard.check_no_body, READ, view((b"content-length", b"0"))) is None


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'Application/JSON ; charset="utf-8"',
        b"application/json;",
        b"application/json; charset=utf8",
        b"application/json;version=1",
        b"application/json; charset=utf-8; foo=bar",
        b'application/json; profile="a;charset=utf-16"; charset=utf-8',
        b"application/json; odd",
    ],
)
def test_json_in_utf_8_is_taken(value: bytes) -> None:
    assert code_of(guard.check_media_type, JSON, view((b"content-type", value))) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"text/json")],
        [(b"content-type", b"application/jsonx")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"multipart/form-data; boundary=x")],
        [(b"content-type", b"application/json; charset=utf-16")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/json; version=2; charset=utf-16")],
        [(b"content-type", b'application/json; charset="utf-16"; version=2')],
        [(b"content-type", b"application/json; charset=utf-8; charset=latin-1")],
        [(b"content-type", b"application/json; charset")],
        [(b"content-type", b'application/json; x="a;b"; charset="utf-16"')],
        [(b"content-type", b'application/json; x="open; charset=utf-16')],
        [(b"content-type", b"application/json"), (b"content-type", b"application/json")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")],
        [(b"content-type", b"application/json"), (b"content-encoding", b"gzip, identity")],
    ],
)
def test_any_other_kind_of_body_is_not(headers: Any) -> None:
    assert code_of(guard.check_media_type, JSON, HeaderView(headers)) == "unsupported_media_type"


def test_the_token_endpoint_takes_a_form() -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded; charset=UTF-8")
    assert code_of(guard.check_media_type, FORM, view(form)) is None
    assert code_of(guard.check_media_type, FORM, view((b"content-type", b"application/json"))) == (
        "unsupported_media_type"
    )


class Wire:
    """What a server hands over, message by message; after the last one nothing comes."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = iter(messages)
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        self.taken += 1
        return next(self._messages)


def parts(*texts: bytes) -> Iterable[dict[str, Any]]:
    for place, text in enumerate(texts):
        yield {"type": "http.request", "body": text, "more_body": place < len(texts) - 1}


@pytest.mark.parametrize("texts", [(b"",), (b"0123456789",), (b"01234", b"56789"), (b"", b"0", b"", b"1", b"")])
async def test_a_body_is_read_however_it_is_cut(texts: tuple[bytes, ...]) -> None:
    assert await guard.read_body(Wire(*parts(*texts)), 10) == b"".join(texts)


async def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    wire = Wire(*parts(b"0123456789", b"0", b"1", b"2"))
    with pytest.raises(DomainError) as caught:
        await guard.read_body(wire, 10)
    assert (caught.value.code, wire.taken) == ("body_too_large", 2)


async def test_a_body_whose_sender_went_away_is_refused() -> None:
    with pytest.raises(DomainError) as caught:
        await guard.read_body(Wire(*list(parts(b"0", b"1"))[:1], {"type": "http.disconnect"}), 10)
    assert caught.value.code == "invalid_request"


# --- The idempotency key ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"abc", "abc"),
        (b'"abc"', "abc"),
        (b"!~", "!~"),
        (b'"', '"'),
        (b"k" * 255, "k" * 255),
        (b'"' + b"k" * 255 + b'"', "k" * 255),
    ],
)
def test_a_key_is_the_same_quoted_or_bare(raw: bytes, key: str) -> None:
    assert guard.idempotency_key(view((b"idempotency-key", raw))) == key


@pytest.mark.parametrize("raw", [b"", b'""', b"k" * 256, b"a b", b"\x00", b"\x7f", "ключ".encode(), b"a\tb"])
def test_any_other_key_is_invalid(raw: bytes) -> None:
    assert code_of(guard.idempotency_key, view((b"idempotency-key", raw))) == "idempotency_key_invalid"


def test_two_keys_are_none() -> None:
    twice = view((b"idempotency-key", b"a"), (b"idempotency-key", b"a"))
    assert code_of(guard.idempotency_key, twice) == "idempotency_key_invalid"


def test_a_missing_key_is_told_from_a_bad_one() -> None:
    assert code_of(guard.idempotency_key, view()) == "idempotency_key_missing"
