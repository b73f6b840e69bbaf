"""Every administrative act leaves a record: a walk over all routes that write and are for who administers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.api.conftest import Client, fresh_key
from tests.api.every_route import manual_path, policies
from zerosum.domain.audit import AuditType
from zerosum.gateway.identity.principal import Scope
from zerosum.main import Service

TESTS = Path(__file__).parents[1]

ADMINISTRATIVE = {
    Scope.ADMIN,
    Scope.OPERATOR,
    Scope.ACCOUNTS_WRITE,
    Scope.WEBHOOKS_WRITE,
    Scope.NOTIFICATIONS_WRITE,
    Scope.RECONCILIATION_WRITE,
    Scope.REVIEWS_WRITE,
    Scope.PERSONAL_ERASE,
}

ACTS = {
    "POST /v1/ledgers": "ledger.created",
    "PATCH /v1/ledgers/{ledger}": "ledger.changed",
    "POST /v1/api-keys": "api_key.created",
    "DELETE /v1/api-keys/{api_key}": "api_key.revoked",
    "POST /v1/currencies": "currency.defined",
    "PUT /v1/chart": "chart.changed",
    "PUT /v1/house-rules": "house_rules.changed",
    "PUT /v1/account-groups/{group}": "account_group.changed",
    "DELETE /v1/account-groups/{group}": "account_group.changed",
    "PATCH /v1/accounts/{account}": "account.limits_changed",
    "POST /v1/accounts/{account}/freeze": "account.frozen",
    "POST /v1/accounts/{account}/unfreeze": "account.unfrozen",
    "POST /v1/accounts/{account}/close": "account.closed",
    "POST /v1/webhook-endpoints": "webhook_endpoint.created",
    "PATCH /v1/webhook-endpoints/{endpoint}": "webhook_endpoint.changed",
    "POST /v1/webhook-endpoints/{endpoint}/rotate-secret": "webhook_endpoint.secret_rotated",
    "POST /v1/webhook-endpoints/{endpoint}/replay": "webhook_endpoint.replayed",
    "POST /v1/webhook-endpoints/{endpoint}/deliveries/{event}/replay": "webhook_endpoint.replayed",
    "POST /v1/webhook-endpoints/{endpoint}/disable": "webhook_endpoint.disabled",
    "POST /v1/webhook-endpoints/{endpoint}/enable": "webhook_endpoint.enabled",
    "DELETE /v1/webhook-endpoints/{endpoint}": "webhook_endpoint.deleted",
    "POST /v1/notifications": "notification.created",
    "PATCH /v1/notifications/{notification}": "notification.changed",
    "DELETE /v1/notifications/{notification}": "notification.deleted",
    "POST /v1/periods/{period}/close": "period.closed",
    "POST /v1/reconciliation/sources": "reconciliation_source.changed",
    "POST /v1/reconciliation/breaks/{break}/assign": "reconciliation_break.changed",
    "POST /v1/reconciliation/breaks/{break}/note": "reconciliation_break.changed",
    "POST /v1/reconciliation/breaks/{break}/explain": "reconciliation_break.changed",
    "POST /v1/reconciliation/breaks/{break}/adjust": "reconciliation_break.changed",
    "POST /v1/reconciliation/breaks/{break}/resolve": "reconciliation_break.changed",
}
"""What each leaves behind, in the order in which they are done here."""

ELSEWHERE = {
    "POST /v1/dead-letters/{dead_letter}/replay": ("dead_letter.replayed", "api/test_dead_letters.py"),
    "POST /v1/dead-letters/{dead_letter}/drop": ("dead_letter.dropped", "api/test_dead_letters.py"),
    "POST /v1/processor-calls/{payment}/settle": ("processor_call.settled", "processors/test_payments.py"),
    "PUT /v1/routes": ("routes.changed", "processors/test_own_routes.py"),
    "POST /v1/console-sessions/end": ("console.session_ended", "console/test_ended_sessions.py"),
    "POST /v1/console-sessions/{session}/end": ("console.session_ended", "console/test_ended_sessions.py"),
    "POST /v1/reviews/{review}/approve": ("review.approved", "rules/test_reviews.py"),
    "POST /v1/reviews/{review}/refuse": ("review.refused", "rules/test_reviews.py"),
    "POST /v1/subjects/{subject}/erase": ("subject.erased", "api/test_subjects.py"),
}
"""What takes more to come about, and which tests look at its record."""

NONE = {
    "POST /v1/accounts": "opened by every first use as well; its history and an event say by whom",
    "POST /v1/accounts/{account}/statements": "issues what the books say; numbered, sealed and for ever",
    "POST /v1/webhook-endpoints/{endpoint}/ping": "changes nothing: an attempt to send, listed among the deliveries",
    "POST /v1/notifications/{notification}/test": "changes nothing: a mail, listed among the mails",
    "POST /v1/reconciliation/files": "what was received is kept as it came, with who has sent it",
}
"""What leaves no record, and why it needs none."""


def test_every_writing_route_for_who_administers_is_known_here(service: Service) -> None:
    found = {
        f"{policy.method} {manual_path(policy.template)}"
        for policy in policies(service)
        if policy.method != "GET" and ADMINISTRATIVE & set(policy.scopes)
    }
    told = ACTS.keys() | ELSEWHERE.keys() | NONE.keys()
    assert found - told == set(), "audit the new act and add it to ACTS, or say in NONE why it needs no record"
    assert told - found == set()


def test_what_is_tested_elsewhere_is(service: Service) -> None:
    for type_, path in ELSEWHERE.values():
        assert AuditType(type_).value in (TESTS / path).read_text(), (type_, path)


class Acting:
    """Does what ACTS lists, each with an answer that is a success."""

    def __init__(self, admin: Client, operator: Client) -> None:
        self.admin = admin
        self.operator = operator
        self.of: dict[str, Any] = {}

    async def prepare(self) -> None:
        account = await self.admin.open_account("audited", min_available=None)
        await self.admin.open_account("fees", min_available=None)
        await self.admin.open_account("contra", min_available=None)
        self.of |= {
            "period": "2026-09",
            "account": "audited",
            "id": account["id"],
            "group": "audited",
            "ledger": self.admin.ledger,
        }

    async def do(self, act: str) -> None:
        method, path = act.split()
        if path.endswith(("/breaks/{break}/assign", "/breaks/{break}/resolve")):
            await self._make_break("2026-11-01" if "assign" in path else "2026-11-02")
        if path.endswith("/{event}/replay"):
            self.of["event"] = (await self.admin.get("/v1/events")).json()["data"][0]["id"]
        client = self.operator if act == "POST /v1/ledgers" else self.admin
        url = path.format_map(self.of)
        body = self._body(act)
        headers = (
            {"Idempotency-Key": fresh_key()}
            if method == "PUT" or path.endswith(("{group}", "/adjust", "{period}/close"))
            else {}
        )
        answer = await client.http.request(method, url, json=body, headers=headers)
        assert answer.is_success, (act, answer.text)
        self._keep(act, answer)

    def _keep(self, act: str, answer: httpx.Response) -> None:
        names = {
            "POST /v1/api-keys": "api_key",
            "POST /v1/webhook-endpoints": "endpoint",
            "POST /v1/notifications": "notification",
        }
        if act in names:
            self.of[names[act]] = answer.json()["id"]

    async def _make_break(self, day: str) -> None:
        told: dict[str, Any] = {"content": f"d,a\n{day},1\n".encode(), "headers": {"content-type": "text/csv"}}
        await self.admin.http.post("/v1/reconciliation/files", params={"source": "bank"}, **told)
        self.of["break"] = (await self.admin.get("/v1/reconciliation/breaks")).json()["data"][0]["id"]

    def _body(self, act: str) -> dict[str, Any] | None:
        mailed = {"name": "n", "event_types": ["hold.*"], "recipients": ["a@example.com"], "subject": "s", "text": "t"}
        csv = {"columns": {"date": "d", "amount": "a"}}
        bodies: dict[str, dict[str, Any]] = {
            "POST /v1/ledgers": {"name": "made"},
            "PATCH /v1/ledgers/{ledger}": {"time_zone": "Europe/Berlin"},
            "POST /v1/api-keys": {"ledger": self.admin.ledger, "name": "n", "scopes": ["payments:read"]},
            "POST /v1/currencies": {"code": "POINTS", "exponent": 0},
            "PUT /v1/chart": {"rules": [{"pattern": "customers:*", "type": "liability"}]},
            "PUT /v1/house-rules": {"over_capture": {"percent": "10"}},
            "PUT /v1/account-groups/{group}": {"members": ["audited"]},
            "PATCH /v1/accounts/{account}": {"max_available": "5"},
            "POST /v1/accounts/{account}/close": {},
            "POST /v1/webhook-endpoints": {"url": "https://93.184.215.14/"},
            "PATCH /v1/webhook-endpoints/{endpoint}": {"description": "x"},
            "POST /v1/webhook-endpoints/{endpoint}/replay": {"since": "2026-01-01T00:00:00Z"},
            "POST /v1/periods/{period}/close": {},
            "POST /v1/notifications": mailed,
            "PATCH /v1/notifications/{notification}": {"name": "m"},
            "POST /v1/reconciliation/sources": {"name": "bank", "account": "fees", "format": "csv", "csv": csv},
            "POST /v1/reconciliation/breaks/{break}/assign": {"owner": "ann"},
            "POST /v1/reconciliation/breaks/{break}/note": {"note": "looked at"},
            "POST /v1/reconciliation/breaks/{break}/explain": {"reason": "late"},
            "POST /v1/reconciliation/breaks/{break}/resolve": {"reason": "none"},
            "POST /v1/reconciliation/breaks/{break}/adjust": {"account": "contra", "reason": "fee"},
        }
        return bodies.get(act)


async def test_each_act_leaves_its_record(admin: Client, operator: Client) -> None:
    acting = Acting(admin, operator)
    await acting.prepare()
    without = []
    for act, type_ in ACTS.items():
        before = await _newest(operator, type_)
        await acting.do(act)
        if await _newest(operator, type_) == before:
            without.append(act)
    assert without == []


async def _newest(operator: Client, type_: str) -> Any:
    """None before the first."""
    found = (await operator.get("/v1/audit-log", params={"type": type_, "limit": 1})).json()["data"]
    return found[0] if found else None
