"""The manual: the OpenAPI schema, Swagger UI at /docs and ReDoc at /redoc, with nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Literal

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from zerosum.api.endpoints import Routes
from zerosum.api.route_manual import BEARER, METRICS_TOKEN, OAUTH, component_name
from zerosum.api.schemas.problems import Problem
from zerosum.domain.errors import NotFound
from zerosum.gateway.principal import Scope
from zerosum.gateway.routing import BodyKind, Policy

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - an address
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "favicon.png": "image/png",
}

REMOTE_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""The one picture that ReDoc would load from elsewhere; it does without where there is none."""

# The pages run the script they carry inline and load the assets beside them; they may speak to this service only.
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    "worker-src blob:; frame-ancestors 'none'",
}

_SCOPES = {
    Scope.ACCOUNTS_READ: "Read accounts, balances and history",
    Scope.ACCOUNTS_WRITE: "Open and change accounts",
    Scope.JOURNAL_READ: "Read journal entries",
    Scope.JOURNAL_WRITE: "Post journal entries",
    Scope.PAYMENTS_READ: "Read payments",
    Scope.PAYMENTS_WRITE: "Make payments",
    Scope.EVENTS_READ: "Read events",
    Scope.WEBHOOKS_WRITE: "Manage webhook endpoints",
    Scope.REPORTS_READ: "Read reports",
    Scope.ADMIN: "Administer ledgers and API keys",
}

DESCRIPTION = """
Double-entry books with payments on top. Every call that moves money is answered after its commit, at most once under
its `Idempotency-Key`, and leaves debits equal to credits.

**Begin here**: press *Authorize* and enter the client id and secret that `zerosum up` has written into
`credentials.json`; no scope chosen means all of them. Open two accounts, deposit into one, and transfer to the other,
each payment under an `Idempotency-Key` of its own.

Amounts are strings with at most the currency's places. Refusals are `application/problem+json` with a stable `code`.
"""


def schema(app: FastAPI, documented: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The OpenAPI document, with the models that endpoints read by themselves and the ways to authenticate."""
    content = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=app.openapi_tags
    )
    components = content.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
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
    asked = {
        name
        for operations in content["paths"].values()
        for operation in operations.values()
        for way_in in operation["security"]
        for name in way_in
    }
    components["securitySchemes"] = {name: scheme for name, scheme in _security_schemes().items() if name in asked}
    return content


def _security_schemes() -> dict[str, dict[str, Any]]:
    return {
        OAUTH: {
            "type": "oauth2",
            "description": "Client credentials: the id and text of an API key give a short-lived token.",
            "flows": {
                "clientCredentials": {
                    "tokenUrl": TOKEN_PATH,
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


def manual_policies() -> list[Policy]:
    """Open to everybody: there is nothing in the manual but the manual."""
    paths = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/docs/assets/{name}")
    return [Policy(method="GET", template=path, scope=None, body=BodyKind.NONE) for path in paths]


def add_manual(app: FastAPI, groups: Sequence[Routes]) -> None:
    documented = [model for group in groups for model in group.documented]

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = schema(app, documented)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    assets = files("fastapi_offline") / "static"

    async def swagger() -> Response:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: the manual",
            oauth2_redirect_url="/docs/oauth2-redirect",
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon.png",
            swagger_ui_parameters={
                "persistAuthorization": True,
                "tryItOutEnabled": True,
                "displayRequestDuration": True,
                "validatorUrl": None,  # else the schema's address goes to a validator elsewhere
            },
            init_oauth={"usePkceWithAuthorizationCodeGrant": False},
        )
        return _page(page)

    async def swagger_redirect() -> Response:
        return _page(get_swagger_ui_oauth2_redirect_html())

    async def redoc() -> Response:
        page = get_redoc_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: the manual",
            redoc_js_url="/docs/assets/redoc.standalone.js",
            redoc_favicon_url="/docs/assets/favicon.png",
            with_google_fonts=False,
        )
        return _page(page)

    async def asset(name: str) -> Response:
        if name not in ASSETS:
            raise NotFound("There is nothing at this address.")
        content = (assets / name).read_bytes().replace(REMOTE_LOGO, b"data:,")
        return Response(content, media_type=ASSETS[name], headers={"cache-control": "public, max-age=86400"})

    async def openapi_document() -> dict[str, Any]:
        return openapi()

    for path, endpoint in (
        ("/docs", swagger),
        ("/docs/oauth2-redirect", swagger_redirect),
        ("/redoc", redoc),
        ("/docs/assets/{name}", asset),
        ("/openapi.json", openapi_document),
    ):
        app.add_api_route(path, endpoint, include_in_schema=False, response_model=None)


def _page(page: Response) -> Response:
    for name, value in _PAGE_HEADERS.items():
        page.headers[name] = value
    return page
