"""`/` answers people with a page and programs with JSON; and what HTTPS adds to every answer."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import pytest

from tests.api.conftest import service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from tests.edge.test_openapi import asked, http_of
from zerosum import __version__
from zerosum.api.first_page import Front, first_page, prefers_html
from zerosum.config import SettingsError
from zerosum.main import Service

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


@pytest.fixture(params=["lean", "framework"])
async def public(
    request: pytest.FixtureRequest, service: Service, framework_service: Service
) -> AsyncIterator[httpx.AsyncClient]:
    async with http_of(service if request.param == "lean" else framework_service) as http:
        yield http


# --- For people and for programs -------------------------------------------------------------------------------------


async def test_programs_get_json_with_addresses_that_lead_somewhere(public: httpx.AsyncClient) -> None:
    answer = await public.get("/")
    told = answer.json()
    assert (told["service"], told["version"]) == ("zerosum", __version__)
    assert {"manual", "openapi", "token", "health", "readiness", "metrics", "public_keys"} <= told["links"].keys()
    for name, address in told["links"].items():
        assert address.startswith("http://zerosum.test/")
        assert (await public.get(address)).status_code == (405 if name == "token" else 200), name


async def test_people_get_a_page_whose_links_lead_somewhere(public: httpx.AsyncClient) -> None:
    page = await public.get("/", headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert __version__ in page.text
    assert "credentials.json" in page.text
    links = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert {"docs", "redoc", "openapi.json", "healthz", "readyz", "metrics", "favicon.svg"} <= set(links)
    for address in links:
        assert not address.startswith(("/", "http")), f"{address}: not behind a prefix"
        assert (await public.get(f"/{address}")).status_code == 200, address


async def test_the_page_carries_its_style_runs_nothing_and_loads_nothing_else(public: httpx.AsyncClient) -> None:
    page = await public.get("/", headers=BROWSER)
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self';")
    assert "unsafe" not in policy
    assert "<script" not in page.text
    assert "style=" not in page.text


async def test_a_cache_keeps_the_two_apart(public: httpx.AsyncClient) -> None:
    page, data = await public.get("/", headers=BROWSER), await public.get("/")
    assert page.headers["vary"] == data.headers["vary"] == "Accept, Accept-Encoding"
    assert page.headers["etag"] != data.headers["etag"]
    again = await public.get("/", headers={**BROWSER, "If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    assert (await public.get("/", headers={"If-None-Match": page.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        (BROWSER["Accept"], True),
        ("TEXT/HTML", True),
        ("text/html;q=0.9, application/json;q=0.5", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=nonsense", False),
        (",;,;;q=,", False),
    ],
)
def test_who_asks_for_a_page_by_name_gets_it(accept: str, is_page: bool) -> None:
    assert prefers_html(accept) is is_page


async def test_what_is_not_there_is_not_linked(test_database: TestDatabase, servers: Servers) -> None:
    async with asked(test_database, servers, docs=False, metrics=False) as http:
        links = (await http.get("/")).json()["links"]
        assert not {"manual", "reference", "openapi", "metrics"} & links.keys()
        page = (await http.get("/", headers=BROWSER)).text
        for gone in ("docs", "redoc", "openapi.json", "metrics"):
            assert f'href="{gone}"' not in page
        assert 'href="healthz"' in page
        assert "<!-- " not in page


async def test_behind_a_prefix_programs_are_told_the_whole_address(
    test_database: TestDatabase, servers: Servers
) -> None:
    async with asked(test_database, servers, base_url="https://pay.example.com/ledger/") as http:
        links = (await http.get("/")).json()["links"]
        assert links["health"] == "https://pay.example.com/ledger/healthz"
        assert "curl -s https://pay.example.com/ledger/v1/oauth/token" in (await http.get("/", headers=BROWSER)).text


def test_an_odd_address_does_no_harm_in_the_page() -> None:
    page = first_page(Front(url='http://x/"><script>alert(1)</script>', version="1<2"))
    assert "<script" not in page
    assert "1&lt;2" in page


async def test_the_first_page_takes_no_parameters(public: httpx.AsyncClient) -> None:
    refused(await public.get("/", params={"x": "1"}), 422, "unknown_parameter", "x")


@pytest.mark.parametrize(
    ("path", "media_type", "begins"),
    [("/favicon.ico", "image/x-icon", b"\0\0\1\0\3\0"), ("/favicon.svg", "image/svg+xml", b"<svg ")],
)
async def test_the_sign_is_there(public: httpx.AsyncClient, path: str, media_type: str, begins: bytes) -> None:
    answer = await public.get(path)
    assert answer.headers["content-type"] == media_type
    assert answer.content.startswith(begins)
    assert len(answer.content) < 5000


# --- HTTPS -----------------------------------------------------------------------------------------------------------

HSTS = "strict-transport-security"
ANYTHING = ("/", "/docs", "/healthz", "/readyz", "/v1/accounts", "/v1/nothing", "/openapi.json", "/v1/payments/x?y=z")


@pytest.mark.parametrize("is_lean", [True, False])
async def test_over_https_every_answer_says_to_stay_there(
    test_database: TestDatabase, servers: Servers, is_lean: bool
) -> None:
    overrides: dict[str, Any] = {"base_url": "https://pay.example.com", "lean_routes": is_lean}
    async with asked(test_database, servers, **overrides) as http:
        for path in ANYTHING:
            assert (await http.get(path)).headers.get_list(HSTS) == ["max-age=31536000"], path
        refusal = await http.post("/v1/payments", json={})
        assert refusal.headers[HSTS] == "max-age=31536000"


async def test_over_plain_http_none_does(public: httpx.AsyncClient) -> None:
    for path in ANYTHING:
        assert HSTS not in (await public.get(path)).headers


async def test_for_how_long_is_a_setting(test_database: TestDatabase, servers: Servers) -> None:
    async with asked(test_database, servers, base_url="https://pay.example.com", hsts_seconds=60) as http:
        assert (await http.get("/healthz")).headers[HSTS] == "max-age=60"
    async with asked(test_database, servers, base_url="https://pay.example.com", hsts_seconds=0) as http:
        assert HSTS not in (await http.get("/healthz")).headers


def test_with_a_certificate_of_its_own_it_counts_too(test_database: TestDatabase, servers: Servers) -> None:
    own = {"base_url": None, "tls_certificate": "certificate.pem", "tls_key": "key.pem"}
    assert service_settings(test_database, servers, **own).hsts_seconds_where_it_counts == 31_536_000
    with pytest.raises(SettingsError, match="ZEROSUM_HSTS_SECONDS"):
        service_settings(test_database, servers, hsts_seconds=-1)
