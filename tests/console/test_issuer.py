"""Signing in by an outside issuer, against a real one on a local socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.api.conftest import service_settings
from tests.conftest import Servers, TestDatabase
from tests.console.conftest import Person, browser
from tests.console.issuer import CLIENT, SECRET, Issuer, issuing, place
from zerosum.adapters.openid import ASKED_AT_ONCE_MAX, OpenIdProvider
from zerosum.config import SettingsError, load_settings
from zerosum.db.identifiers import new_uuid
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id
from zerosum.issuers import check_issuers
from zerosum.main import Service


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as running:
        yield running


@pytest.fixture(scope="module")
async def trusting(issuer: Issuer, test_database: TestDatabase, servers: Servers) -> AsyncIterator[Service]:
    given = {
        "issuer": issuer.address,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "role_claim": "groups",
        "roles": {"payments admins": "admin", "support": "viewer"},
        "ledger_claim": "ledgers",
    }
    running = Service(service_settings(test_database, servers, console_issuer=given))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def ada(trusting: Service, issuer: Issuer, ledger_id: LedgerId) -> AsyncIterator[Person]:
    issuer.claims = {"groups": ["nobody here", "support"], "ledgers": [f"led_{ledger_id}"]}
    issuer.signs_with = None
    person = await browser(trusting, ledger_id)
    yield person
    await person.http.aclose()


async def come_back(person: Person, **changed: Any) -> httpx.Response:
    """Off to the issuer and back, as a browser goes."""
    off = await person.get("/console/sign-in/issuer")
    assert off.status_code == 303, off.text
    async with httpx.AsyncClient(trust_env=False) as outside:
        signed_in = await outside.get(off.headers["location"])
    back = httpx.URL(signed_in.headers["location"]).copy_merge_params(changed)
    return await person.get(place(str(back)))


async def test_who_comes_from_the_issuer_has_the_role_and_the_ledgers_of_its_claims(
    ada: Person, issuer: Issuer, trusting: Service
) -> None:
    back = await come_back(ada)
    assert back.status_code == 200, back.text
    assert 'http-equiv="refresh" content="0;url=/console"' in back.text
    page = await ada.page("/payments")
    assert f"{issuer.address}|ada" in page
    assert "viewer" in page
    other = await trusting.services.ledgers.create("another")
    assert (await ada.get(f"/console/led_{other.id}")).status_code == 404
    strict = [cookie for cookie in back.headers.get_list("set-cookie") if "_going" not in cookie]
    assert all("SameSite=Strict" in cookie and "HttpOnly" in cookie for cookie in strict)
    assert issuer.asked["code_challenge_method"] == "S256"


@pytest.mark.parametrize("roles", [{"payments admins": "admin"}, {"support": "approver"}])
async def test_a_session_ends_or_changes_with_the_setting_that_gave_its_role(
    ada: Person, issuer: Issuer, test_database: TestDatabase, servers: Servers, roles: dict[str, str]
) -> None:
    assert (await come_back(ada)).status_code == 200
    given = {"issuer": issuer.address, "client_id": CLIENT, "client_secret": SECRET, "role_claim": "groups"}
    later = Service(service_settings(test_database, servers, console_issuer={**given, "roles": roles}))
    await later.start()
    person = await browser(later, LedgerId(parse_id(Prefix.LEDGER, ada.ledger)))
    person.http.cookies = ada.http.cookies
    try:
        answer = await person.get("/payments")
        if "support" in roles:
            assert (answer.status_code, "approver" in answer.text) == (200, True)
        else:
            assert answer.headers["location"].startswith("/console/sign-in")
    finally:
        await person.http.aclose()
        await later.stop()


async def test_a_ledger_of_its_claims_that_is_not_here_hides_no_other(ada: Person, issuer: Issuer) -> None:
    issuer.claims["ledgers"] = [ada.ledger, f"led_{new_uuid()}"]
    assert (await come_back(ada)).status_code == 200
    assert ada.ledger in await ada.page("/console/ledgers")
    assert (await ada.get("/console")).headers["location"] == f"/console/{ada.ledger}"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody else"},
        {"aud": [CLIENT, "and another"]},
        {"azp": "another"},
        {"nonce": "of another question"},
        {"nonce": None},
        {"iss": "https://elsewhere.example.com"},
        {"exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200},
        {"sub": None},
        {"sub": "x" * 200},
        {"groups": "nobody here"},
        {"groups": None},
        {"ledgers": "not an id"},
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_opens_nothing(
    ada: Person, issuer: Issuer, claims: dict[str, Any]
) -> None:
    issuer.claims |= claims
    refused = await come_back(ada)
    assert refused.status_code == 401, claims
    assert "sign_in_refused" in refused.text
    assert (await ada.get("/console")).headers["location"].startswith("/console/sign-in")


async def test_a_token_under_another_key_opens_nothing(ada: Person, issuer: Issuer) -> None:
    issuer.signs_with = ec.generate_private_key(ec.SECP256R1())
    assert (await come_back(ada)).status_code == 401


async def test_an_answer_to_another_browser_s_question_opens_nothing(
    ada: Person, trusting: Service, ledger_id: LedgerId
) -> None:
    assert (await come_back(ada, state="made-up")).status_code == 401
    assert (await come_back(ada, iss="https://elsewhere.example.com")).status_code == 401
    other = await browser(trusting, ledger_id)
    off = await ada.get("/console/sign-in/issuer")
    async with httpx.AsyncClient(trust_env=False) as outside:
        back = place((await outside.get(off.headers["location"])).headers["location"])
    assert (await other.get(back)).status_code == 401
    assert (await ada.get(back)).status_code == 200
    assert (await ada.get(back)).status_code == 401, "a code is good once"
    await other.http.aclose()


async def test_showing_again_who_one_is_needs_the_issuer_s_word_for_it(ada: Person, issuer: Issuer) -> None:
    async def again() -> httpx.Response:
        off = await ada.get("/console/sign-in/issuer?again=1")
        async with httpx.AsyncClient(trust_env=False) as outside:
            back = await outside.get(off.headers["location"])
        return await ada.get(place(back.headers["location"]))

    assert (await again()).status_code == 401
    issuer.claims["auth_time"] = int(time.time()) - 3600
    assert (await again()).status_code == 401
    issuer.claims["auth_time"] = int(time.time())
    assert (await again()).status_code == 200
    assert (issuer.asked["prompt"], issuer.asked["max_age"]) == ("login", "0")


@pytest.mark.parametrize(("ago", "status"), [(0, 422), (3600, 303), (None, 303)])
async def test_who_is_signed_in_without_being_asked_has_shown_nothing(
    ada: Person, issuer: Issuer, ago: int | None, status: int
) -> None:
    """Single sign-on is enough to read, and not to write."""
    issuer.claims["groups"] = ["payments admins"]
    if ago is not None:
        issuer.claims["auth_time"] = int(time.time()) - ago
    assert (await come_back(ada)).status_code == 200
    assert (await ada.get("/payments")).status_code == 200
    answer = await ada.act("/currencies", code="", exponent="")
    assert answer.status_code == status, answer.text
    assert answer.headers.get("location") == ("/console/step-up" if status == 303 else None)


async def test_nobody_is_led_out_of_the_console(ada: Person) -> None:
    inside = (
        "/console/..",
        "/console/../../other",
        "/console/%2E%2e/%2e%2e/other",
        "/console/./x",
        "/console/../docs?x",
    )
    for address in ("//evil.example.com", "https://evil.example.com", "/v1/ledger", "/consoleX", *inside):
        assert (await ada.get("/console/sign-in/issuer", params={"to": address})).status_code == 422, address


def test_an_issuer_that_cannot_be_is_told_by_the_name_of_its_setting() -> None:
    given = '{"issuer": "http://login.example.com", "client_id": "x", "roles": {"a": "admin"}}'
    secret = "A" * 44
    with pytest.raises(SettingsError, match="ZEROSUM_CONSOLE_ISSUER"):
        check_issuers(load_settings(console_issuer=given, cursor_secret=secret))
    for wrong in (
        "{",
        '{"issuer": "https://a.example.com"}',
        '{"issuer": "x", "client_id": "x", "roles": {"a": "god"}}',
    ):
        with pytest.raises(SettingsError, match="ZEROSUM_CONSOLE_ISSUER"):
            load_settings(console_issuer=wrong)


async def test_an_issuer_that_does_not_answer_holds_few() -> None:
    """Whoever wants to sign in has shown nothing yet: a slow issuer must not be how strangers take every place."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    provider = OpenIdProvider(f"http://127.0.0.1:{port}", CLIENT, None)
    asked = [asyncio.create_task(provider.endpoints()) for _ in range(ASKED_AT_ONCE_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many ask"):
        await provider.endpoints()
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)
    free = asyncio.create_task(provider.endpoints())
    await asyncio.sleep(0)
    assert not free.done()
    free.cancel()
    await asyncio.wait([free])
    await provider.close()
    server.close()
