"""The OpenAPI document: what generators need of it, where it says the service is, and that it costs nothing to send."""

from __future__ import annotations

import asyncio
import copy
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.api.conftest import service_settings
from tests.api.every_route import policies
from tests.api.reading import refused
from tests.architecture.manual import document
from tests.conftest import Servers, TestDatabase
from tests.edge import openapi_rules
from tests.edge.openapi_rules import RULES, Document, Rule
from zerosum.api.generator_rules import apply_generator_rules
from zerosum.api.manual import ASSETS, REMOTE_LOGO
from zerosum.api.static_content import StaticContent, accepts_gzip, has_it
from zerosum.config import SettingsError
from zerosum.gateway.routing import Call
from zerosum.main import Service

CURE = "Say it so at the route or the member, or teach zerosum.api.generator_rules: generators stumble over it."
PREFIXED = "https://pay.example.com/ledger"
PAGES = ("/docs", "/redoc", "/openapi.json", *(f"/docs/assets/{name}" for name in ASSETS))


def http_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://zerosum.test")


@pytest.fixture(params=["lean", "framework"])
async def public(
    request: pytest.FixtureRequest, service: Service, framework_service: Service
) -> AsyncIterator[httpx.AsyncClient]:
    async with http_of(service if request.param == "lean" else framework_service) as http:
        yield http


@asynccontextmanager
async def asked(test_database: TestDatabase, servers: Servers, **overrides: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A service with other settings."""
    service = Service(service_settings(test_database, servers, **overrides))
    async with http_of(service) as http:
        yield http
    await service.database.close()


# --- What generators need --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_document_keeps_the_rule(rule: Rule) -> None:
    assert not rule(document()), CURE


def _operation(content: Document, path: str = "/v1/payments", method: str = "get") -> Any:
    return content["paths"][path][method]


def _member(content: Document, schema: str, name: str) -> Any:
    return content["components"]["schemas"][schema]["properties"][name]


FAULTS: dict[Rule, Callable[[Document], object]] = {
    openapi_rules.operation_ids_are_a_verb_and_a_noun: lambda d: _operation(d).update(
        operationId="list_payments_v1_payments_get"
    ),
    openapi_rules.operation_ids_are_unique: lambda d: _operation(d).update(operationId="createPayment"),
    openapi_rules.operations_have_one_described_tag: lambda d: _operation(d).update(tags=["Something"]),
    openapi_rules.operations_say_who_may_call: lambda d: _operation(d).update(security=[{"oauth2": ["payments:see"]}]),
    openapi_rules.answers_are_described: lambda d: _operation(d)["responses"].update({"402": {"description": "Pay."}}),
    openapi_rules.path_parameters_are_those_of_the_path: lambda d: _operation(d, "/v1/payments/{payment}").pop(
        "parameters"
    ),
    openapi_rules.parameters_are_never_null: lambda d: _operation(d)["parameters"][0]["schema"].update(
        type=["integer", "null"]
    ),
    openapi_rules.no_default_is_null: lambda d: _member(d, "PaymentRequest", "to").update(default=None),
    openapi_rules.request_members_have_no_default: lambda d: _member(d, "OpenAccountRequest", "min_available").update(
        default="0"
    ),
    openapi_rules.nothing_stands_beside_a_choice: lambda d: _operation(d)["parameters"][1].update(
        schema={"anyOf": [{"type": "string"}, {"type": "integer"}], "pattern": "^a$"}
    ),
    openapi_rules.only_words_of_json_schema_are_used: lambda d: _operation(d)["parameters"][0]["schema"].update(ge=1),
    openapi_rules.null_is_said_in_one_way: lambda d: _member(d, "PaymentRequest", "reference").update(
        {"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    openapi_rules.every_engine_reads_the_patterns: lambda d: _member(d, "PaymentRequest", "to").update(
        pattern=r"^(?!acc_)\w+$"
    ),
    openapi_rules.references_lead_somewhere: lambda d: d["components"]["schemas"].pop("Fault"),
    openapi_rules.every_component_is_used_and_well_named: lambda d: d["components"]["schemas"].update(
        ListOf_X_={"type": "object"}
    ),
    openapi_rules.members_have_no_title: lambda d: _member(d, "PaymentRequest", "type").update(title="Type"),
    openapi_rules.schemas_are_valid: lambda d: _member(d, "PaymentRequest", "type").update(type="text"),
    openapi_rules.examples_fit_their_schemas: lambda d: _member(d, "PaymentRequest", "amount").update(examples=[12.34]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_it_is_there_for(rule: Rule) -> None:
    broken = copy.deepcopy(document())
    FAULTS[rule](broken)
    assert rule(broken)


def test_absent_and_null_stay_two_things_where_an_account_is_changed() -> None:
    schema = document()["components"]["schemas"]["ChangeAccountRequest"]
    assert schema["properties"].keys() == {"name", "min_available", "max_available", "velocity_limits", "metadata"}
    assert "required" not in schema
    for member in schema["properties"].values():
        assert "null" in member["type"]
        assert "default" not in member


def test_every_list_says_how_long_its_pages_are() -> None:
    limits = [
        parameter["schema"]
        for _, _, operation in openapi_rules.operations(document())
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    ]
    assert len(limits) > 8
    assert all((one["minimum"], one["maximum"], one["default"]) == (1, 200, 50) for one in limits)


def test_words_beside_a_choice_go_into_the_branches_they_are_about() -> None:
    schema = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}], "pattern": "^a$", "le": 5}
    content = {"paths": {}, "components": {"schemas": {"X": {"properties": {"x": schema}}}}}
    apply_generator_rules(content)
    assert schema == {
        "anyOf": [{"type": "string", "pattern": "^a$"}, {"type": "integer", "maximum": 5}, {"type": "null"}]
    }


def test_the_document_says_whose_it_is() -> None:
    told = document()["info"]
    assert told["license"] == {"name": "MIT", "identifier": "MIT"}
    assert told["contact"]["name"]
    assert document()["tags"][0]["name"] == "Payments"


# --- Where the service is --------------------------------------------------------------------------------------------


async def test_behind_a_prefix_the_document_says_so(test_database: TestDatabase, servers: Servers) -> None:
    async with asked(test_database, servers, base_url=PREFIXED) as http:
        told = (await http.get("/openapi.json")).json()
    assert [server["url"] for server in told["servers"]] == [PREFIXED]
    flow = told["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{PREFIXED}/v1/oauth/token"


@pytest.mark.parametrize("wrong", ["?x=1", "/a#b", "/a b"])
def test_an_address_that_others_cannot_begin_with_is_refused(
    test_database: TestDatabase, servers: Servers, wrong: str
) -> None:
    with pytest.raises(SettingsError, match="ZEROSUM_BASE_URL"):
        service_settings(test_database, servers, base_url=f"https://pay.example.com{wrong}")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:8080"), ("0.0.0.0", "http://localhost:8080"), ("::", "http://localhost:8080")],
)
async def test_without_a_setting_it_is_where_it_listens(
    test_database: TestDatabase, servers: Servers, host: str, url: str
) -> None:
    async with asked(test_database, servers, base_url=None, host=host) as http:
        assert (await http.get("/openapi.json")).json()["servers"][0]["url"] == url


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_name_every_address_relative_to_themselves(public: httpx.AsyncClient, page: str) -> None:
    """Then whatever prefix a proxy takes off is in them, too; and nothing comes from elsewhere."""
    answer = await public.get(page)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    addresses = [part.split('"')[0] for name in ("href", "src") for part in answer.text.split(f'{name}="')[1:]]
    loaded = [address for address in addresses if "assets" in address]
    assert len(loaded) >= 3
    for address in addresses:
        assert not address.startswith(("/", "http")), address
    for address in (*loaded, "favicon.svg"):
        asset = await public.get(f"/{address}")
        assert asset.status_code == 200
        assert len(asset.content) > 200
        forever = asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert forever is (address in loaded)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_may_run_own_scripts_only(public: httpx.AsyncClient, page: str) -> None:
    answer = await public.get(page)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "http" not in answer.headers["content-security-policy"]
    assert "<script>" not in answer.text
    assert " on" not in answer.text.replace(" on ", "")
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_scripts_load_nothing_from_elsewhere_by_themselves(public: httpx.AsyncClient) -> None:
    """What they name are links and schemas; these two would be fetched."""
    redoc = await public.get("/docs/assets/redoc.standalone.js")
    assert REMOTE_LOGO not in redoc.content
    assert b"cdn." not in redoc.content
    own = (await public.get("/docs/assets/manual.js")).text
    assert "validatorUrl: null" in own
    assert "persistAuthorization: false" in own
    assert "http" not in own.replace("https on", "")


# --- Made once -------------------------------------------------------------------------------------------------------


def _call(**headers: str) -> Call:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Call("x", "/", b"", headers=sent)


async def test_a_page_is_made_once_however_many_ask_at_once() -> None:
    made = 0

    def make() -> bytes:
        nonlocal made
        made += 1
        return b"x" * 1000

    content = StaticContent(make, "text/plain")
    answers = await asyncio.gather(*(content.answer(_call()) for _ in range(50)))
    again = await content.answer(_call())
    assert made == 1
    assert all(answer.body is again.body for answer in answers)


async def test_what_could_not_be_made_is_tried_again() -> None:
    outcomes: list[Any] = [OSError("gone"), b"there"]

    def make() -> bytes:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return bytes(outcome)

    content = StaticContent(make, "text/plain")
    with pytest.raises(OSError, match="gone"):
        await content.answer(_call())
    assert (await content.answer(_call())).body == b"there"


def test_every_page_of_the_manual_is_sent_without_the_web_framework(service: Service) -> None:
    lean = {policy.template for policy in policies(service) if policy.lean is not None}
    assert lean >= {"/", "/docs", "/redoc", "/openapi.json", "/docs/assets/{name}", "/favicon.ico", "/favicon.svg"}


@pytest.mark.parametrize("path", PAGES)
async def test_who_has_it_already_is_told_so(public: httpx.AsyncClient, path: str) -> None:
    first = await public.get(path, headers={"Accept-Encoding": "identity"})
    assert first.status_code == 200
    tag = first.headers["etag"]
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await public.get(path, headers={"If-None-Match": given, "Accept-Encoding": "identity"})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-length" not in again.headers
        assert "public" in again.headers["cache-control"]
    for given in ('"other"', tag.strip('"'), ""):
        other = await public.get(path, headers={"If-None-Match": given, "Accept-Encoding": "identity"})
        assert other.status_code == 200


@pytest.mark.parametrize("path", PAGES)
async def test_it_is_compressed_for_who_takes_that(public: httpx.AsyncClient, path: str) -> None:
    plain = await public.get(path, headers={"Accept-Encoding": "identity"})
    async with public.stream("GET", path, headers={"Accept-Encoding": "br;q=1, gzip;q=0.5"}) as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent) == plain.content
    assert len(sent) < len(plain.content)
    assert plain.headers["etag"] != answer.headers["etag"]
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accept_encoding", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.1", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=x", False),
    ],
)
def test_compression_is_negotiated(accept_encoding: str, takes: bool) -> None:
    assert accepts_gzip(accept_encoding) is takes


def test_tags_are_compared_weakly() -> None:
    assert has_it('W/"a", "b"', b'"a"')
    assert not has_it('W/"a", "b"', b'"c"')


async def test_on_the_wire_an_answer_without_a_body_does_not_disturb_the_next(service_port: int) -> None:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{service_port}", trust_env=False, verify=False, timeout=60
    ) as http:
        tag = (await http.get("/openapi.json")).headers["etag"]
        for _ in range(3):
            answer = await http.get("/openapi.json", headers={"If-None-Match": tag})
            assert (answer.status_code, answer.content) == (304, b"")
            assert "transfer-encoding" not in answer.headers
            assert (await http.get("/healthz")).json() == {"status": "ok"}


# --- Closed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_lean", [True, False])
async def test_a_setting_closes_the_manual(test_database: TestDatabase, servers: Servers, is_lean: bool) -> None:
    async with asked(test_database, servers, docs="off", lean_routes=is_lean) as http:
        for path in PAGES:
            refused(await http.get(path), 404, "not_found", facts={})
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/favicon.ico")).status_code == 200
