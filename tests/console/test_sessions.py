"""Who is signed in, for how long, and what browsers are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.conftest import Client, service_settings
from tests.conftest import Servers, TestDatabase
from tests.console.conftest import OWN_PAGE, Person, browser, signed_in
from zerosum.console.headers import POLICY
from zerosum.db.engine import Database
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import SignInRefused
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId
from zerosum.main import Service
from zerosum.services.credentials.console_sessions import (
    IDLE_MAX,
    LINK_LASTS,
    SESSION_MAX,
    STEPPED_UP_FOR,
    USES_APART,
    ConsoleSessions,
    may_write,
)
from zerosum.services.requests.caller import Caller

ANN = Caller(SERVICE_LEDGER, "console", "192.0.2.1", "a request")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(database: Database, clock: Clock) -> ConsoleSessions:
    return ConsoleSessions(database, clock)


@pytest.fixture
async def viewer(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id, Role.VIEWER)
    yield person
    await person.http.aclose()


async def test_a_link_signs_in_once(sessions: ConsoleSessions) -> None:
    link = await sessions.make_link("console|ann", Role.ADMIN, None)
    token = await sessions.open_by_link(link, ANN)
    session = await sessions.find(token)
    assert session is not None
    assert (session.subject, session.role, session.ledgers, session.way) == ("console|ann", "admin", None, "link")
    for used in (link, token, "", "x", link[:-4] + "AAAA"):
        with pytest.raises(SignInRefused):
            await sessions.open_by_link(used, ANN)


async def test_a_link_lasts_a_quarter_of_an_hour(sessions: ConsoleSessions, clock: Clock) -> None:
    link, later = [await sessions.make_link("console|ann", Role.ADMIN, None) for _ in range(2)]
    clock.now = NOON + LINK_LASTS - timedelta(seconds=1)
    await sessions.open_by_link(link, ANN)
    clock.now = NOON + LINK_LASTS
    with pytest.raises(SignInRefused):
        await sessions.open_by_link(later, ANN)


async def test_a_session_ends_when_nobody_uses_it_and_at_last_in_any_case(
    sessions: ConsoleSessions, clock: Clock
) -> None:
    token = await sessions.open_by_link(await sessions.make_link("console|ann", Role.ADMIN, None), ANN)
    clock.now = NOON + IDLE_MAX - timedelta(seconds=1)
    assert await sessions.find(token) is not None
    clock.now += IDLE_MAX - timedelta(seconds=1)
    assert await sessions.find(token) is not None, "it was used meanwhile"
    idle = clock.now
    clock.now = idle + IDLE_MAX
    assert await sessions.find(token) is None
    kept = await sessions.open_by_link(await sessions.make_link("console|ann", Role.ADMIN, None), ANN)
    begun = clock.now
    while clock.now < begun + SESSION_MAX - IDLE_MAX:
        clock.now += IDLE_MAX - USES_APART
        assert await sessions.find(kept) is not None
    clock.now = begun + SESSION_MAX
    assert await sessions.find(kept) is None


async def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(
    sessions: ConsoleSessions, clock: Clock, viewer: Person
) -> None:
    token = await sessions.open_by_link(await sessions.make_link("console|ann", Role.ADMIN, None), ANN)
    clock.now = NOON + IDLE_MAX - timedelta(seconds=1)
    assert await sessions.find(token, is_used=False) is not None
    clock.now = NOON + IDLE_MAX
    assert await sessions.find(token) is None
    viewer.http.cookies.clear()
    gone = await viewer.get("/overview/live", headers={"HX-Request": "true"})
    assert (gone.status_code, gone.headers["hx-redirect"]) == (204, "/console/sign-in")
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://zerosum.test/console/{viewer.ledger}?x=1"}
    gone = await viewer.get("/overview/live", headers=headers)
    assert gone.headers["hx-redirect"] == f"/console/sign-in?to=%2Fconsole%2F{viewer.ledger}"


async def test_a_session_writes_for_ten_minutes_and_after_a_new_link_again(
    sessions: ConsoleSessions, clock: Clock
) -> None:
    token = await sessions.open_by_link(await sessions.make_link("console|ann", Role.ADMIN, None), ANN)
    clock.now = NOON + STEPPED_UP_FOR
    session = await sessions.find(token)
    assert session is not None
    assert not may_write(session, clock.now)
    with pytest.raises(SignInRefused):
        await sessions.step_up_by_link(session, await sessions.make_link("console|bob", Role.ADMIN, None), ANN)
    await sessions.step_up_by_link(session, await sessions.make_link("console|ann", Role.ADMIN, None), ANN)
    session = await sessions.find(token)
    assert session is not None
    assert may_write(session, clock.now)


async def test_signing_out_ends_the_session_and_not_only_the_cookie(viewer: Person) -> None:
    cookie = dict(viewer.http.cookies)
    out = await viewer.act("/console/sign-out")
    assert out.status_code == 303
    assert "Max-Age=0" in out.headers["set-cookie"]
    viewer.http.cookies.update(cookie)
    assert (await viewer.get("/payments")).headers["location"].startswith("/console/sign-in")


async def test_the_cookie_goes_nowhere_else(service: Service, ledger_id: LedgerId) -> None:
    person = await browser(service, ledger_id)
    link = await service.console.sessions.make_link("console|ann", Role.VIEWER, None)
    told = (await person.post("/console/sign-in/link", {"link": link})).headers["set-cookie"]
    assert told.endswith("; Path=/; HttpOnly; SameSite=Strict")
    await person.http.aclose()


async def test_the_link_of_the_terminal_waits_for_a_click(service: Service, ledger_id: LedgerId) -> None:
    """What looks at addresses before people do must not use it up."""
    person = await browser(service, ledger_id)
    link = await service.console.sessions.make_link("console|ann", Role.VIEWER, None)
    for _ in range(2):
        assert link in (await person.get("/console/sign-in", params={"link": link})).text
    assert (await person.post("/console/sign-in/link", {"link": link})).status_code == 303
    refused = await person.post("/console/sign-in/link", {"link": link})
    assert refused.status_code == 401
    assert "sign_in_refused" in refused.text
    await person.http.aclose()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://zerosum.test"},
    ],
)
async def test_a_form_of_another_site_is_refused(viewer: Person, headers: dict[str, str]) -> None:
    refused = await viewer.post("/console/sign-out", {"csrf": await viewer.csrf()}, headers=headers)
    assert refused.status_code == 403
    assert "write_refused" in refused.text
    assert await viewer.page("/payments")


async def test_a_form_without_this_session_s_token_is_refused(
    service: Service, viewer: Person, ledger_id: LedgerId
) -> None:
    other = await signed_in(service, ledger_id, Role.VIEWER)
    for csrf in ("", "0" * 64, await other.csrf()):
        refused = await viewer.post("/console/sign-out", {"csrf": csrf}, headers=OWN_PAGE)
        assert refused.status_code == 403
    await other.http.aclose()


async def test_a_browser_that_knows_no_sec_fetch_site_is_believed_by_its_origin(viewer: Person) -> None:
    answer = await viewer.post(
        "/console/sign-out", {"csrf": await viewer.csrf()}, headers={"Origin": "http://zerosum.test"}
    )
    assert answer.status_code == 303


async def test_the_api_takes_no_cookie_and_the_console_no_key(viewer: Person, client: Client) -> None:
    assert (await viewer.http.get("/v1/payments")).status_code == 401
    assert (await viewer.http.get("/v1/payments", headers={"Authorization": ""})).status_code == 401
    page = await client.http.get(f"/console/{viewer.ledger}/payments")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/console/sign-in")


async def test_every_answer_says_what_the_browser_may_do(viewer: Person, service: Service) -> None:
    ledger = viewer.ledger
    pages = ("/console", f"/console/{ledger}", "/console/sign-in", "/console/nowhere", "/console/static/console.css",
             "/console/static/none.css", f"/console/{ledger}/payments.csv", f"/console/{ledger}/payments?odd=1",
             f"/console/{ledger}/payments/{'x' * 9000}")  # fmt: skip
    for page in pages:
        answer = await viewer.http.get(page)
        assert answer.headers["content-security-policy"] == POLICY, page
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert (
        (await viewer.http.get(service.console.files.href("console.css")))
        .headers["cache-control"]
        .endswith("immutable")
    )
    assert (await viewer.page("/payments")) is not None
    assert (await viewer.get("/payments")).headers["cache-control"] == "no-store"


async def test_two_cookies_of_one_name_are_none(viewer: Person) -> None:
    (name, value), *_ = viewer.http.cookies.items()
    viewer.http.cookies.clear()
    headers = {"Cookie": f"{name}={value}; {name}={value}"}
    assert (await viewer.get("/payments", headers=headers)).status_code == 303
    assert (await viewer.get("/payments", headers={"Cookie": f"{name}={value}"})).status_code == 200


async def test_whoever_has_signed_in_is_charged_wherever_he_comes_from(
    test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    """A person has one budget, with however many browsers and addresses."""
    service = Service(service_settings(test_database, servers, rate_limit_per_principal="4/h"))
    await service.start()
    try:
        ann, again = await signed_in(service, ledger_id), await signed_in(service, ledger_id)
        ben = await signed_in(service, ledger_id, Role.VIEWER)
        for person in (ann, again, ann, again):
            await person.page("/payments")
        for person in (ann, again):
            answer = await person.get("/payments")
            assert (answer.status_code, "rate_limited" in answer.text) == (429, True)
            assert int(answer.headers["retry-after"]) > 0
        assert (await ann.post("/api-keys", {"csrf": "x"})).status_code == 429, "forms as well"
        await ben.page("/payments")
        for person in (ann, again, ben):
            await person.http.aclose()
    finally:
        await service.stop()
