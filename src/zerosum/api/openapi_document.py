"""The OpenAPI document: what the framework knows of the routes, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from zerosum.api.generator_rules import apply_generator_rules
from zerosum.api.route_manual import BEARER, METRICS_TOKEN, OAUTH, component_name
from zerosum.api.schemas.problems import Problem
from zerosum.gateway.identity.principal import Scope

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - an address

DESCRIPTION = """
Double-entry books with payments on top. Every call that moves money is answered after its commit, at most once under
its `Idempotency-Key`, and leaves debits equal to credits.

**Begin here**: press *Authorize* and enter the client id and secret that `zerosum up` has written into
`credentials.json`; no scope chosen means all of them. Open two accounts, deposit into one, and transfer to the other,
each payment under an `Idempotency-Key` of its own.

Amounts are strings with at most the currency's places. Refusals are `application/problem+json` with a stable `code`.
"""

CONTACT = {"name": "The Zerosum developers"}
LICENSE = {"name": "MIT", "identifier": "MIT"}

TAGS = {
    "Payments": "Money between two accounts, into the ledger or out of it: one payment a call, or up to 1,000.",
    "Proof": "What can be checked without trusting us: signed checkpoints, receipts, and that nothing was rewritten.",
    "Periods": "Closing a month or a day: its balances are sealed, and nothing more is dated into it.",
    "Processors": "Who carries out what leaves or enters the ledger: what is asked of them, and what they tell.",
    "Disputes": "What a payer's bank questions: opened, answered with evidence, won or lost.",
    "Holds": "Money that is promised and not paid yet: captured at once or in parts, voided, or released by time.",
    "Exchanges": "One currency sold for another, at a rate of yours, in one entry that balances in both.",
    "Reviews": "Payments that a rule has held, until people approve or refuse them.",
    "Scheduled payments": "Payments of a later day, once or again and again, and what came of each.",
    "Clients": "Client transactions by number, with disputes and chargebacks, by the rules of client files.",
    "Imports": "Files of client transactions, so that each row is carried out once however often the file is sent.",
    "Accounts": "What money lies in: opening, limits, freezing, balances, history and statements.",
    "Reconciliation": "Settlement files and bank statements beside the books: what matches, what does not, and why.",
    "Subjects": "People about whom something was said: what that was, sealed for each, and their erasure.",
    "Account groups": "Accounts under a name, whatever their codes begin with, and what they come to together.",
    "Statements": "What an account had from one day to another, issued with a number and the same for ever.",
    "Journal": "The books themselves: entries whose debits equal their credits, never changed, only reversed.",
    "Templates": "Entries you post again and again, written once: their amounts are arithmetic over parameters.",
    "Reports": "How the books prove themselves, and what became of an idempotency key.",
    "Events": "What has happened, told once it is committed: in the order of the books, without gaps.",
    "Webhooks": "Events sent to you as they happen: signed, tried again for days, searched and replayed.",
    "Notifications": "Events told to people by mail: which, to whom and in what words, within limits.",
    "Dead letters": "Messages from queues that could not be carried out: why, and carrying them out after all.",
    "Administration": "Ledgers, their currencies and the API keys that open them.",
    "Service": "What is open to everybody: what runs here, health, tokens, public keys and metrics.",
}
"""Each group of routes, in the order of the manual."""

_SCOPES = {
    Scope.ACCOUNTS_READ: "Read accounts, balances and history",
    Scope.ACCOUNTS_WRITE: "Open and change accounts",
    Scope.JOURNAL_READ: "Read journal entries",
    Scope.JOURNAL_WRITE: "Post journal entries",
    Scope.PAYMENTS_READ: "Read payments",
    Scope.PAYMENTS_WRITE: "Make payments",
    Scope.REVIEWS_WRITE: "Approve and refuse payments in review",
    Scope.EVENTS_READ: "Read events",
    Scope.WEBHOOKS_WRITE: "Manage webhook endpoints",
    Scope.NOTIFICATIONS_WRITE: "Manage notifications: what is mailed to whom",
    Scope.REPORTS_READ: "Read reports",
    Scope.RECONCILIATION_READ: "Read files, breaks and the report of reconciliation",
    Scope.RECONCILIATION_WRITE: "Send files to reconcile, and work on breaks",
    Scope.PERSONAL_READ: "Read what was said about people",
    Scope.PERSONAL_ERASE: "Erase people",
    Scope.ADMIN: "Administer the ledger: its API keys, currencies and security log",
    Scope.OPERATOR: "Administer the service: ledgers, and the keys of all of them",
}


def openapi_document(app: FastAPI, documented: Sequence[type[BaseModel]], url: str) -> dict[str, Any]:
    """With the models that endpoints read by themselves, the ways to authenticate, and where the service is reached.

    `url` is without a slash at its end; it may have a path, which a proxy takes off.
    """
    content = get_openapi(
        title=app.title,
        version=app.version,
        summary="A payment service on double-entry books.",
        description=DESCRIPTION,
        routes=app.routes,
        servers=[{"url": url, "description": "This service"}],
        contact=CONTACT,
        license_info=LICENSE,
    )
    _add_models(content, documented)
    _add_security_schemes(content, url)
    used = {tag for operation in _operations(content) for tag in operation["tags"]}
    content["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    apply_generator_rules(content)
    return content


def _add_models(content: dict[str, Any], documented: Sequence[type[BaseModel]]) -> None:
    schemas = content.setdefault("components", {}).setdefault("schemas", {})
    models: list[type[BaseModel]] = [*documented, Problem]
    wanted: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in models]
    names, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    for name, definition in definitions.get("$defs", {}).items():
        schemas.setdefault(name, definition)
    for model in documented:
        named = names[model, "validation"]["$ref"].rsplit("/", 1)[-1]
        schemas.setdefault(component_name(model), schemas[named])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def _add_security_schemes(content: dict[str, Any], url: str) -> None:
    """Those that some operation asks for, client credentials first: the manual offers them in this order."""
    asked = {name for operation in _operations(content) for way_in in operation["security"] for name in way_in}
    schemes = {name: scheme for name, scheme in _security_schemes(url).items() if name in asked}
    content["components"]["securitySchemes"] = schemes


def _operations(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for operations in content["paths"].values() for operation in operations.values()]


def _security_schemes(url: str) -> dict[str, dict[str, Any]]:
    return {
        OAUTH: {
            "type": "oauth2",
            "description": "Client credentials: the id and text of an API key give a short-lived token.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": f"{url}{TOKEN_PATH}",
                    "scopes": {scope.value: text for scope, text in _SCOPES.items()},
                }
            },
        },
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, or an API key itself.",
        },
        METRICS_TOKEN: {
            "type": "http",
            "scheme": "bearer",
            "description": "What whoever runs the service has set as ZEROSUM_METRICS_TOKEN.",
        },
    }
