"""All routes of the service, from its own table and from its manual, and a request for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx

from tests.api.conftest import Client, fresh_key
from zerosum.gateway.app import Gateway
from zerosum.gateway.routing import BodyKind, Policy
from zerosum.main import Service

UNKNOWN_UUID = "01994f3e-8c1a-7b52-9d3e-5f2a6c7d8e90"
SOMETHING = {
    "account": f"acc_{UNKNOWN_UUID}",
    "processor": "nobody",
    "payment": f"pay_{UNKNOWN_UUID}",
    "refund": f"ref_{UNKNOWN_UUID}",
    "dispute": f"dsp_{UNKNOWN_UUID}",
    "exchange": f"exc_{UNKNOWN_UUID}",
    "hold": f"hold_{UNKNOWN_UUID}",
    "review": f"rev_{UNKNOWN_UUID}",
    "proposal": f"prp_{UNKNOWN_UUID}",
    "scheduled_payment": f"sch_{UNKNOWN_UUID}",
    "dead_letter": f"dl_{UNKNOWN_UUID}",
    "source": "nobody",
    "file": f"rcf_{UNKNOWN_UUID}",
    "break": f"brk_{UNKNOWN_UUID}",
    "entry": f"je_{UNKNOWN_UUID}",
    "ledger": f"led_{UNKNOWN_UUID}",
    "period": "2999-12",
    "endpoint": f"we_{UNKNOWN_UUID}",
    "event": f"evt_{UNKNOWN_UUID}",
    "api_key": f"key_{UNKNOWN_UUID}",
    "session": f"ses_{UNKNOWN_UUID}",
    "notification": f"ntf_{UNKNOWN_UUID}",
    "template": "nobody",
    "group": "nobody-s-group",
    "subject": "nobody",
    "tx": "4294967295",
    "number": "1",
    "size": "1",
    "client": "65535",
    "key": "nobody",
    "name": "redoc.standalone.js",
}
"""A value for each path parameter: well-formed, and of nothing that exists."""


def policies(service: Service) -> list[Policy]:
    """Of the API. The console's pages have walks of their own (tests/console)."""
    assert isinstance(service.app, Gateway)
    return [policy for policy in service.app._judge.routes.policies() if not policy.template.startswith("/console")]


@dataclass(frozen=True)
class Documented:
    """A route as the manual tells it."""

    method: str
    path: str
    operation: dict[str, Any]

    @property
    def query(self) -> set[str]:
        """Names of its query parameters; of a deep object without its brackets."""
        return {one["name"] for one in self.operation.get("parameters", []) if one["in"] == "query"}

    @property
    def needs_key(self) -> bool:
        return any(one["name"] == "Idempotency-Key" and one["required"] for one in self.operation.get("parameters", []))

    @property
    def moves_money(self) -> bool:
        return (
            self.method == "POST"
            and not self.path.endswith("/callbacks")
            and bool(
                {
                    "Payments",
                    "Processors",
                    "Reviews",
                    "Scheduled payments",
                    "Disputes",
                    "Holds",
                    "Exchanges",
                    "Journal",
                    "Templates",
                    "Clients",
                }
                & set(self.operation["tags"])
            )
        )

    @property
    def acts_upon(self) -> bool:
        """Whether its path names what it acts upon."""
        return "{" in self.path or self.path.endswith("/holds/resolve")

    @property
    def is_bulk(self) -> bool:
        return self.path.endswith(("/bulk", "/holds/resolve"))


async def documented(http: httpx.AsyncClient) -> list[Documented]:
    document = (await http.get("/openapi.json", timeout=60)).json()
    return [
        Documented(method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def manual_path(template: str) -> str:
    """The path of a policy as the manual writes it."""
    return template.replace(":path}", "}")


def address(template: str, /, **values: str) -> str:
    """The path with a value for each parameter."""
    return re.sub(r"\{(\w+)(:path)?\}", lambda match: {**SOMETHING, **values}[match.group(1)], template)


async def ask(client: Client, policy: Policy, *, body: Any = None, **options: Any) -> httpx.Response:
    """The route as it wants to be asked, so that only its endpoint can object."""
    headers = {**options.pop("headers", {})}
    if policy.needs_key:
        headers.setdefault("Idempotency-Key", fresh_key())
    path = options.pop("path", address(policy.template))
    if policy.body in (BodyKind.JSON, BodyKind.OPTIONAL_JSON):
        options.setdefault("json", {} if body is None else body)
    elif policy.body is BodyKind.FORM:
        options.setdefault("data", {"grant_type": "client_credentials"})
    elif policy.body is BodyKind.FILE:
        options.setdefault("content", b"a file")
        headers.setdefault("Content-Type", "text/csv")
    return await client.http.request(policy.method, path, headers=headers, **options)
