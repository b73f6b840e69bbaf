"""The order of judgement, and what every answer of the gateway layer carries."""

from __future__ import annotations

import ipaddress

import orjson
import pytest

from tests.gateway.ground import HOST, JSON, KEY, MONEY, Ground
from zerosum.gateway import app as gateway_app
from zerosum.gateway.app import GatewayOptions
from zerosum.gateway.limits.client_address import client_address

# --- The order of judgement ------------------------------------------------------------------------------------------

BAD_JSON = b"{"
LONG = b" " * (64 * 1024 + 1)


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "code"),
    [
        ("/nothing", [], LONG, 404, "not_found"),
        ("/pay", [], LONG, 413, "body_too_large"),
        ("/pay", [], BAD_JSON, 401, "unauthenticated"),
        ("/admin", [KEY], BAD_JSON, 403, "forbidden"),
        ("/pay", [KEY], BAD_JSON, 415, "unsupported_media_type"),
        ("/pay", [JSON, KEY], BAD_JSON, 400, "idempotency_key_missing"),
        ("/pay", [JSON, KEY, (b"idempotency-key", b"a b")], BAD_JSON, 400, "idempotency_key_invalid"),
        ("/pay", MONEY, BAD_JSON, 400, "malformed_json"),
    ],
)
async def test_each_judgement_comes_before_the_next(
    path: str, headers: list[tuple[bytes, bytes]], body: bytes, status: int, code: str
) -> None:
    ground = Ground()
    reply = await ground.ask("POST", path, headers, body)
    assert (reply.status, reply.code) == (status, code)
    assert ground.calls == []
    assert ground.admission.in_flight == 0


async def test_what_passes_becomes_a_call() -> None:
    ground = Ground()
    reply = await ground.ask("POST", "/pay", MONEY, '{"a":"e\u0301"}'.encode(), query=b"dry_run=true")
    assert reply.status == 200
    (call,) = ground.calls
    assert (call.content, call.idempotency_key, call.query_string) == ({"a": "\u00e9"}, "k1", b"dry_run=true")
    assert call.caller.actor == "key_1"


async def test_the_framework_gets_the_same_call_and_the_body_again() -> None:
    ground = Ground()
    reply = await ground.ask("POST", "/slow/pay", MONEY, b'{"a":1}')
    assert (reply.status, reply.body) == (200, b'{"a":1}')
    assert ground.calls[0].content == {"a": 1}
    assert reply.headers[b"cache-control"] == b"public"


async def test_a_body_may_be_left_out_where_it_is_optional() -> None:
    ground = Ground()
    for headers, body in (([KEY], b""), ([KEY, JSON], b""), ([KEY, JSON], b"{}")):
        assert (await ground.ask("POST", "/optional", headers, body)).status == 200
    assert [call.content for call in ground.calls] == [{}, {}, {}]
    assert (await ground.ask("POST", "/optional", [KEY], b"{}")).code == "unsupported_media_type"
    assert (await ground.ask("POST", "/optional", [KEY, JSON], b"[]")).code == "validation_error"


# --- What every answer carries ---------------------------------------------------------------------------------------


async def test_every_answer_has_a_request_id_and_is_not_sniffed_or_stored() -> None:
    ground = Ground()
    for path in ("/pay", "/nothing"):
        reply = await ground.ask("POST", path, MONEY, b"{}")
        assert reply.headers[b"x-request-id"] == b"made-here"
        assert reply.headers[b"x-content-type-options"] == b"nosniff"
        assert reply.headers[b"cache-control"] == b"no-store"


async def test_the_callers_request_id_is_kept_where_it_does_no_harm() -> None:
    ground = Ground()
    given = (b"x-request-id", b"mine-1")
    reply = await ground.ask("GET", "/nothing", [given])
    assert reply.headers[b"x-request-id"] == b"mine-1"
    assert orjson.loads(reply.body)["request_id"] == "mine-1"
    harmful = await ground.ask("GET", "/nothing", [(b"x-request-id", b'a" onload="x')])
    assert harmful.headers[b"x-request-id"] == b"made-here"


async def test_a_refused_body_that_was_not_read_ends_the_connection() -> None:
    ground = Ground()
    assert (await ground.ask("POST", "/pay", MONEY, LONG)).headers[b"connection"] == b"close"
    assert (await ground.ask("POST", "/nothing", [], b"{}")).headers[b"connection"] == b"close"
    assert b"connection" not in (await ground.ask("POST", "/pay", [JSON], b"{}")).headers
    assert b"connection" not in (await ground.ask("GET", "/nothing")).headers


async def test_a_fault_of_ours_tells_nothing() -> None:
    reply = await Ground(is_broken=True).ask("POST", "/pay", MONEY, b"{}")
    assert (reply.status, reply.code) == (500, "internal_error")
    assert b"secret" not in reply.body


async def test_every_answer_is_observed_by_its_route() -> None:
    ground = Ground()
    await ground.ask("POST", "/pay", MONEY, b"{}")
    await ground.ask("POST", "/slow/pay", MONEY, b"{}")
    await ground.ask("GET", "/nothing")
    assert ground.observed == [("/pay", "POST", 200), ("/slow/pay", "POST", 200), ("", "GET", 404)]


async def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_app, "REQUEST_SECONDS_MAX", 0.01)
    ground = Ground(takes_forever=True)
    assert (await ground.ask("GET", "/read", [KEY])).code == "unavailable"
    write = await ground.ask("POST", "/slow/pay", MONEY, b"{}")
    assert (write.status, write.code) == (504, "outcome_unknown")
    assert ground.admission.in_flight == 0


# --- Methods, hosts, proxies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PUT", "HEAD", "OPTIONS", "get"])
async def test_another_method_is_refused_with_those_that_are_allowed(method: str) -> None:
    reply = await Ground().ask(method, "/pay", [(b"x-http-method-override", b"POST")])
    assert (reply.status, reply.code, reply.headers[b"allow"]) == (405, "method_not_allowed", b"POST")


async def test_a_get_with_a_body_is_refused_and_its_connection_closed() -> None:
    reply = await Ground().ask("GET", "/read", [KEY], b"{}")
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert reply.headers[b"connection"] == b"close"


async def test_a_request_names_one_host_which_is_ours() -> None:
    ground = Ground(options=GatewayOptions(allowed_hosts=frozenset({b"zerosum.test"})))
    assert (await ground.ask("GET", "/health")).status == 200
    for host in (None, (b"host", b"evil.test")):
        assert (await ground.ask("GET", "/health", host=host)).code == "invalid_request"
    assert (await ground.ask("GET", "/health", [HOST])).code == "invalid_request"


async def test_a_host_can_be_an_address_of_either_kind() -> None:
    ground = Ground(options=GatewayOptions(allowed_hosts=frozenset({b"[::1]", b"127.0.0.1"})))
    for host in (b"[::1]", b"[::1]:9322", b"127.0.0.1:9322"):
        assert (await ground.ask("GET", "/health", host=(b"host", host))).status == 200
    for host in (b"[::2]:9322", b"::1", b"[::1"):
        assert (await ground.ask("GET", "/health", host=(b"host", host))).code == "invalid_request"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", b"127.0.0.1", "192.0.2.1"),  # nobody we trust
        ("10.0.0.1", b"192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", b"127.0.0.1, 192.0.2.7", "192.0.2.7"),  # what the client itself wrote stands before
        ("10.0.0.1", b"192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", b"nonsense", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("2001:db8:1:2:3::4", None, "2001:db8:1:2::/64"),
        ("10.0.0.1", b"2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ],
)
def test_only_a_trusted_proxy_vouches_for_an_address(peer: str, forwarded_for: bytes | None, address: str) -> None:
    assert client_address(peer, forwarded_for, [ipaddress.ip_network("10.0.0.0/8")]) == address
    if forwarded_for is not None:
        assert client_address(peer, forwarded_for, []) == client_address(peer, None, [])


# --- Limits ----------------------------------------------------------------------------------------------------------


async def test_what_remains_of_a_budget_is_told_and_then_refused() -> None:
    ground = Ground(principal_limit="2/s", address_limit="100/s")
    first = await ground.ask("POST", "/pay", MONEY, b"{}")
    assert first.headers[b"ratelimit"] == b'"principal";r=1;t=1'
    assert first.headers[b"ratelimit-policy"] == b'"principal";q=2;w=1, "address";q=100;w=1'
    await ground.ask("POST", "/pay", MONEY, b"{}")
    refused = await ground.ask("POST", "/pay", MONEY, b"{}")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert (refused.headers[b"retry-after"], refused.headers[b"ratelimit"]) == (b"1", b'"principal";r=0;t=1')
    assert len(ground.calls) == 2


async def test_an_address_has_a_budget_over_all_its_principals_and_another_address_its_own() -> None:
    ground = Ground(address_limit="1/s")
    first = await ground.ask("GET", "/read", [KEY])
    assert first.headers[b"ratelimit"] == b'"address";r=0;t=1'
    assert (await ground.ask("GET", "/read", [KEY])).code == "rate_limited"
    assert (await ground.ask("GET", "/read", [KEY], peer="192.0.2.2")).status == 200
    forged = [KEY, (b"x-forwarded-for", b"192.0.2.3")]
    assert (await ground.ask("GET", "/read", forged)).code == "rate_limited"


async def test_who_guesses_is_turned_away_before_the_next_credential_is_judged() -> None:
    ground = Ground(failure_limit="1/min")
    guess = [(b"authorization", b"Bearer bad")]
    assert (await ground.ask("GET", "/read", guess)).status == 401
    refused = await ground.ask("GET", "/read", guess)
    assert (refused.code, refused.headers[b"retry-after"]) == ("rate_limited", b"60")
    assert (await ground.ask("GET", "/read", [KEY])).code == "rate_limited"
    assert ground.keys.asked == 1
    assert (await ground.ask("GET", "/read", [KEY], peer="192.0.2.2")).status == 200


async def test_a_credential_that_was_good_a_moment_ago_is_not_locked_out_by_a_guesser_beside_it() -> None:
    ground = Ground(failure_limit="1/min")
    ground.keys.remembers = True
    assert (await ground.ask("GET", "/read", [KEY])).status == 200
    for _ in range(3):
        await ground.ask("GET", "/read", [(b"authorization", b"Bearer bad")])
    assert (await ground.ask("GET", "/read", [KEY])).status == 200


async def test_wrong_secrets_at_the_token_endpoint_count_as_guesses() -> None:
    ground = Ground(failure_limit="2/min", status=401)
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    for _ in range(2):
        assert (await ground.ask("POST", "/token", form, b"a=b")).status == 401
    assert (await ground.ask("POST", "/token", form, b"a=b")).code == "rate_limited"
    assert (await ground.ask("GET", "/read", [(b"authorization", b"Bearer bad")])).code == "rate_limited"
    assert (await ground.ask("GET", "/health")).status == 401  # no credential, nothing to guess
    assert len(ground.calls) == 3


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/token", [(b"content-type", b"application/x-www-form-urlencoded")], b"a=b"),
        ("GET", "/health", [], b""),
    ],
)
async def test_what_is_open_to_everybody_is_charged_to_the_address(
    method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    ground = Ground(address_limit="1/s")
    assert (await ground.ask(method, path, headers, body)).status == 200
    assert (await ground.ask(method, path, headers, body)).code == "rate_limited"
    assert (await ground.ask(method, path, headers, body, peer="192.0.2.2")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/pay", MONEY, b"{"),
        ("POST", "/pay", MONEY[1:], b"{}"),
        ("GET", "/nowhere", [KEY], b""),
        ("DELETE", "/pay", [KEY], b""),
        ("POST", "/pay", [KEY], b"{}"),
        ("GET", "/read", [KEY, (b"x-large", b"x" * 100_000)], b""),
        ("GET", "/" + "x" * 100_000, [KEY], b""),
    ],
    ids=["JSON", "token", "address", "method", "media type", "headers too large", "address too long"],
)
async def test_what_is_refused_is_held_against_its_address_too(
    method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    ground = Ground(address_limit="1/s")
    assert (await ground.ask(method, path, headers, body)).code != "rate_limited"
    assert (await ground.ask(method, path, headers, body)).code == "rate_limited"
    assert (await ground.ask("GET", "/health")).code == "rate_limited"
    assert (await ground.ask("GET", "/health", peer="192.0.2.2")).status == 200


async def test_strangers_have_no_megabytes_read_for_them() -> None:
    ground = Ground()
    reply = await ground.ask("POST", "/bulk", MONEY[1:], b"{" * 1_000_000)
    assert (reply.status, reply.headers[b"connection"]) == (401, b"close")
    assert (await ground.ask("POST", "/bulk", MONEY, b"{" * 1_000_000)).code in ("malformed_json", "too_deep")


async def test_when_there_is_too_much_to_do_reads_go_first_and_health_stays() -> None:
    ground = Ground(in_flight_max=4)
    for _ in range(3):
        ground.admission.enter(may_wait=False)
    shed = await ground.ask("GET", "/read", [KEY])
    assert (shed.status, shed.code, shed.headers[b"retry-after"]) == (503, "overloaded", b"1")
    assert (await ground.ask("POST", "/pay", MONEY, b"{}")).status == 200
    assert (await ground.ask("GET", "/health")).status == 200
    ground.admission.enter(may_wait=False)
    assert (await ground.ask("POST", "/pay", MONEY, b"{}")).code == "overloaded"
