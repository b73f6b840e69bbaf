"""A walk over every page and every act of the console, and over every role."""

from __future__ import annotations

import httpx
import pytest

from tests.api.every_route import SOMETHING
from tests.console.conftest import Person, browser, signed_in
from zerosum.console.console import Route
from zerosum.console.roles import SCOPES
from zerosum.db.identifiers import new_uuid
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service

EVERYBODY = frozenset(Role)
WRITERS = frozenset({Role.OPERATOR, Role.ADMIN})
APPROVERS = frozenset({Role.APPROVER, Role.ADMIN})
ADMIN = frozenset({Role.ADMIN})
OPEN = "open to everybody"

ROUTES: dict[tuple[str, str], frozenset[Role] | str] = {
    ("GET", "/console/static/{name}"): OPEN,
    ("GET", "/console/sign-in"): OPEN,
    ("POST", "/console/sign-in/link"): OPEN,
    ("POST", "/console/sign-out"): OPEN,
    ("POST", "/console/step-up"): OPEN,
    ("GET", "/console/{rest:path}"): OPEN,
    ("GET", "/console/step-up"): EVERYBODY,
    ("GET", "/console"): EVERYBODY,
    ("GET", "/console/ledgers"): EVERYBODY,
    ("GET", "/console/{ledger}"): EVERYBODY,
    ("GET", "/console/{ledger}/overview/live"): EVERYBODY,
    ("GET", "/console/{ledger}/overview/series"): EVERYBODY,
    ("GET", "/console/{ledger}/overview/stream"): EVERYBODY,
    ("GET", "/console/{ledger}/payments"): EVERYBODY,
    ("GET", "/console/{ledger}/accounts"): EVERYBODY,
    ("GET", "/console/{ledger}/accounts/{account}"): EVERYBODY,
    ("GET", "/console/{ledger}/account-tree"): EVERYBODY,
    ("POST", "/console/{ledger}/accounts/{account}/freeze"): WRITERS,
    ("POST", "/console/{ledger}/accounts/{account}/unfreeze"): WRITERS,
    ("POST", "/console/{ledger}/accounts/{account}/close"): WRITERS,
    ("GET", "/console/{ledger}/accounts/{account}/statements"): EVERYBODY,
    ("POST", "/console/{ledger}/accounts/{account}/statements"): WRITERS,
    ("GET", "/console/{ledger}/accounts/{account}/statements/{number}"): EVERYBODY,
    ("GET", "/console/{ledger}/clients"): EVERYBODY,
    ("GET", "/console/{ledger}/clients/{client}"): EVERYBODY,
    ("GET", "/console/{ledger}/journal"): EVERYBODY,
    ("GET", "/console/{ledger}/journal/{entry}"): EVERYBODY,
    ("POST", "/console/{ledger}/journal/{entry}/reverse"): WRITERS,
    ("GET", "/console/{ledger}/trial-balance"): EVERYBODY,
    ("GET", "/console/{ledger}/trial-balance.csv"): EVERYBODY,
    ("GET", "/console/{ledger}/periods"): EVERYBODY,
    ("GET", "/console/{ledger}/periods/{period}"): EVERYBODY,
    ("POST", "/console/{ledger}/periods"): ADMIN,
    ("GET", "/console/{ledger}/reports"): EVERYBODY,
    ("GET", "/console/{ledger}/reports/income"): EVERYBODY,
    ("GET", "/console/{ledger}/reports/cash"): EVERYBODY,
    ("GET", "/console/{ledger}/events"): EVERYBODY,
    ("GET", "/console/{ledger}/events/{event}"): EVERYBODY,
    ("GET", "/console/{ledger}/webhooks"): WRITERS,
    ("GET", "/console/{ledger}/webhooks/{endpoint}"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/replay"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/deliveries/{event}/replay"): WRITERS,
    ("GET", "/console/{ledger}/dead-letters"): ADMIN,
    ("GET", "/console/{ledger}/dead-letters/{dead_letter}"): ADMIN,
    ("POST", "/console/{ledger}/dead-letters/{dead_letter}/replay"): ADMIN,
    ("POST", "/console/{ledger}/dead-letters/{dead_letter}/drop"): ADMIN,
    ("GET", "/console/{ledger}/messages"): EVERYBODY,
    ("GET", "/console/{ledger}/integrity"): EVERYBODY,
    ("GET", "/console/{ledger}/journal/{entry}/receipt"): EVERYBODY,
    ("GET", "/console/{ledger}/payments.csv"): EVERYBODY,
    ("GET", "/console/{ledger}/payments/{payment}"): EVERYBODY,
    ("GET", "/console/{ledger}/refunds/{refund}"): EVERYBODY,
    ("POST", "/console/{ledger}/payments/{payment}/refund"): WRITERS,
    ("GET", "/console/{ledger}/search"): EVERYBODY,
    ("POST", "/console/{ledger}/views/{page}/keep"): EVERYBODY,
    ("POST", "/console/{ledger}/views/{page}/rename"): EVERYBODY,
    ("POST", "/console/{ledger}/views/{page}/delete"): EVERYBODY,
    ("GET", "/console/{ledger}/reviews"): EVERYBODY,
    ("GET", "/console/{ledger}/reviews/{review}"): EVERYBODY,
    ("POST", "/console/{ledger}/reviews/{review}/approve"): APPROVERS,
    ("POST", "/console/{ledger}/reviews/{review}/refuse"): APPROVERS,
    ("GET", "/console/{ledger}/proposals"): EVERYBODY,
    ("GET", "/console/{ledger}/proposals/{proposal}"): EVERYBODY,
    ("POST", "/console/{ledger}/proposals/{proposal}/confirm"): APPROVERS,
    ("POST", "/console/{ledger}/proposals/{proposal}/decline"): APPROVERS,
    ("POST", "/console/{ledger}/proposals/{proposal}/withdraw"): WRITERS,
    ("GET", "/console/{ledger}/reconciliation"): EVERYBODY,
    ("GET", "/console/{ledger}/reconciliation/sources"): EVERYBODY,
    ("GET", "/console/{ledger}/reconciliation/sources/{source}"): EVERYBODY,
    ("GET", "/console/{ledger}/reconciliation/files"): EVERYBODY,
    ("GET", "/console/{ledger}/reconciliation/files/{file}"): EVERYBODY,
    ("GET", "/console/{ledger}/breaks"): EVERYBODY,
    ("GET", "/console/{ledger}/breaks/{break}"): EVERYBODY,
    ("POST", "/console/{ledger}/breaks/{break}/assign"): WRITERS,
    ("POST", "/console/{ledger}/breaks/{break}/note"): WRITERS,
    ("POST", "/console/{ledger}/breaks/{break}/explain"): WRITERS,
    ("POST", "/console/{ledger}/breaks/{break}/resolve"): WRITERS,
    ("POST", "/console/{ledger}/breaks/{break}/adjust"): WRITERS,
    ("GET", "/console/{ledger}/holds"): EVERYBODY,
    ("GET", "/console/{ledger}/holds/{hold}"): EVERYBODY,
    ("POST", "/console/{ledger}/holds/{hold}/capture"): WRITERS,
    ("POST", "/console/{ledger}/holds/{hold}/void"): WRITERS,
    ("POST", "/console/{ledger}/holds/{hold}/extend"): WRITERS,
    ("GET", "/console/{ledger}/disputes"): EVERYBODY,
    ("GET", "/console/{ledger}/disputes/{dispute}"): EVERYBODY,
    ("POST", "/console/{ledger}/disputes/{dispute}/evidence"): WRITERS,
    ("POST", "/console/{ledger}/disputes/{dispute}/resolve"): WRITERS,
    ("POST", "/console/{ledger}/disputes/{dispute}/chargeback"): WRITERS,
    ("POST", "/console/{ledger}/disputes/{dispute}/escalate"): WRITERS,
    ("GET", "/console/{ledger}/scheduled-payments"): EVERYBODY,
    ("GET", "/console/{ledger}/scheduled-payments/{scheduled_payment}"): EVERYBODY,
    ("POST", "/console/{ledger}/scheduled-payments/{scheduled_payment}/cancel"): WRITERS,
    ("GET", "/console/{ledger}/processor-calls"): EVERYBODY,
    ("GET", "/console/{ledger}/processor-calls/{payment}"): EVERYBODY,
    ("POST", "/console/{ledger}/processor-calls/{payment}/settle"): ADMIN,
    ("GET", "/console/{ledger}/sessions"): ADMIN,
    ("POST", "/console/{ledger}/sessions/end"): ADMIN,
    ("POST", "/console/{ledger}/sessions/{session}/end"): ADMIN,
    ("GET", "/console/{ledger}/routing"): ADMIN,
    ("GET", "/console/{ledger}/api-keys"): ADMIN,
    ("POST", "/console/{ledger}/api-keys"): ADMIN,
    ("POST", "/console/{ledger}/api-keys/{api_key}/revoke"): ADMIN,
    ("GET", "/console/{ledger}/audit-log"): ADMIN,
    ("GET", "/console/{ledger}/new-webhook"): WRITERS,
    ("POST", "/console/{ledger}/webhooks"): WRITERS,
    ("GET", "/console/{ledger}/webhooks/{endpoint}/settings"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/settings"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/enable"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/disable"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/ping"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/rotate-secret"): WRITERS,
    ("POST", "/console/{ledger}/webhooks/{endpoint}/delete"): WRITERS,
    ("GET", "/console/{ledger}/rules"): ADMIN,
    ("GET", "/console/{ledger}/house-rules"): ADMIN,
    ("POST", "/console/{ledger}/house-rules"): ADMIN,
    ("GET", "/console/{ledger}/currencies"): ADMIN,
    ("POST", "/console/{ledger}/currencies"): ADMIN,
    ("GET", "/console/{ledger}/chart"): ADMIN,
}
"""Who may come where. Written by hand: a page that is not here is one that nobody has thought about."""


def address(route: Route, ledger: LedgerId) -> str:
    parts = {**SOMETHING, "ledger": f"led_{ledger}", "name": "console.css", "rest": "nowhere", "page": "payments"}
    return route.template.replace(":path}", "}").format(**parts)


def closed(service: Service) -> list[Route]:
    return [route for route in service.console.routes if not route.is_open]


def test_every_page_is_in_the_table_and_the_other_way_round(service: Service) -> None:
    found = {(route.method, route.template) for route in service.console.routes}
    assert found == ROUTES.keys(), "say here who may come to the new page"
    for route in service.console.routes:
        assert (ROUTES[route.method, route.template] == OPEN) is route.is_open


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_do_what_the_table_says_and_nothing_else(
    service: Service, ledger_id: LedgerId, role: Role
) -> None:
    person = await signed_in(service, ledger_id, role)
    for route in closed(service):
        allowed = ROUTES[route.method, route.template]
        answer = await ask(person, route, ledger_id)
        assert answer.status_code < 500, f"{route.template}: {answer.text}"
        is_let_in = answer.status_code != 403
        assert is_let_in is (role in allowed), f"{role} at {route.method} {route.template}: {answer.status_code}"
    await person.http.aclose()


async def test_who_has_not_signed_in_is_led_there_from_every_page(service: Service, ledger_id: LedgerId) -> None:
    nobody = await browser(service, ledger_id)
    for route in closed(service):
        answer = await (
            nobody.get(address(route, ledger_id))
            if route.method == "GET"
            else nobody.post(address(route, ledger_id), {"reason": "none"})
        )
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in")
    await nobody.http.aclose()


async def test_another_ledger_is_not_there_whether_or_not_it_is(service: Service, ledger_id: LedgerId) -> None:
    person = await signed_in(service, ledger_id)
    other = LedgerId((await service.services.ledgers.create("another")).id)
    for ledger in (other, LedgerId(new_uuid())):
        for route in closed(service):
            if "{ledger}" in route.template:
                answer = await ask(person, route, ledger)
                assert answer.status_code == 404, route.template
                assert "ledger_not_found" in answer.text
    await person.http.aclose()


def test_no_role_administers_the_service_and_only_two_write(service: Service) -> None:
    for role, scopes in SCOPES.items():
        assert Scope.OPERATOR not in scopes
        assert any(scope.endswith(":write") for scope in scopes) is (role is not Role.VIEWER)
    assert SCOPES[Role.APPROVER] - SCOPES[Role.VIEWER] == {Scope.REVIEWS_WRITE}


async def ask(person: Person, route: Route, ledger: LedgerId) -> httpx.Response:
    if route.method == "GET":
        return await person.get(address(route, ledger))
    return await person.act(address(route, ledger))


async def test_who_was_refused_is_told_by_name_in_the_ledger(
    service: Service, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The walks above were refused so often that a minute's rows are used up.
    monkeypatch.setattr(service.security_log, "_known", type(service.security_log._known)())
    viewer, admin = await signed_in(service, ledger_id, Role.VIEWER), await signed_in(service, ledger_id)
    assert (await viewer.get("/api-keys")).status_code == 403
    await service.security_log.write()
    told = await admin.page("/audit-log?type=scope.denied")
    assert "console|viewer" in told
    for person in (viewer, admin):
        await person.http.aclose()
