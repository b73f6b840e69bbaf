"""Who reads the metrics, and where."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import service_settings
from tests.api.reading import refused
from tests.conftest import Servers, TestDatabase
from zerosum.cli.certificate import development_certificate
from zerosum.cli.listening import check_side_port
from zerosum.cli.talk import CommandFailed
from zerosum.config import SettingsError, load_settings
from zerosum.main import Service

TOKEN = "a-token-for-prometheus"
COUNTED = "zerosum_http_requests_total"


def http_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://zerosum.test")


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """Bound meanwhile, so that nobody else takes it, but not listened on: the service shares it."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.asynccontextmanager
async def started(test_database: TestDatabase, servers: Servers, **settings: Any) -> AsyncIterator[Service]:
    service = Service(service_settings(test_database, servers, **settings))
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.mark.parametrize("is_lean", [True, False])
async def test_a_token_protects_them(test_database: TestDatabase, servers: Servers, is_lean: bool) -> None:
    service = Service(service_settings(test_database, servers, metrics_token=TOKEN, lean_routes=is_lean))
    async with http_of(service) as http:
        for given in (None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
            answer = await http.get("/metrics", headers={} if given is None else {"Authorization": given})
            refused(answer, 401, "unauthenticated", facts={})
            assert answer.headers["www-authenticate"] == "Bearer"
            assert COUNTED not in answer.text
        for given in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN}"):
            answer = await http.get("/metrics", headers={"Authorization": given})
            assert answer.status_code == 200
            assert re.search(rf'{COUNTED}{{method="GET",route="/metrics",status="401"}} \d', answer.text)
        document = (await http.get("/openapi.json")).json()
        operation = document["paths"]["/metrics"]["get"]
        assert operation["security"] == [{"metrics": []}]
        assert "401" in operation["responses"]
        assert document["components"]["securitySchemes"].keys() == {"oauth2", "bearer", "metrics"}
        assert (await http.get("/healthz")).status_code == 200
    await service.database.close()


async def test_the_manual_names_no_token_where_there_is_none(service: Service) -> None:
    async with http_of(service) as http:
        document = (await http.get("/openapi.json")).json()
    assert document["paths"]["/metrics"]["get"]["security"] == []
    assert document["components"]["securitySchemes"].keys() == {"oauth2", "bearer"}


async def test_a_port_of_their_own_has_them_and_nothing_else(test_database: TestDatabase, servers: Servers) -> None:
    with free_port() as port:
        settings: dict[str, Any] = {"metrics_port": port, "metrics_token": TOKEN, "lean_routes": False}
        async with (
            started(test_database, servers, **settings) as service,
            http_of(service) as http,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False) as side,
        ):
            refused(await http.get("/metrics"), 404, "not_found")
            assert "/metrics" not in (await http.get("/openapi.json")).json()["paths"]
            refused(await side.get("/metrics"), 401, "unauthenticated")
            answer = await side.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert f'{COUNTED}{{method="GET",route="/openapi.json",status="200"}} 1.0' in answer.text
            for elsewhere in ("/healthz", "/v1/payments", "/docs", "/"):
                refused(await side.get(elsewhere), 404, "not_found")
            refused(await side.post("/metrics"), 405, "method_not_allowed")
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, verify=False)


async def test_two_processes_share_that_port(test_database: TestDatabase, servers: Servers) -> None:
    with free_port() as port:
        async with (
            started(test_database, servers, metrics_port=port),
            started(test_database, servers, metrics_port=port),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False) as side,
        ):
            assert (await side.get("/metrics")).status_code == 200


async def test_that_port_speaks_tls_where_the_service_does(
    test_database: TestDatabase, servers: Servers, tmp_path: Path
) -> None:
    files = development_certificate(tmp_path, None)
    with free_port() as port:
        async with (
            started(test_database, servers, metrics_port=port, **files),
            httpx.AsyncClient(verify=False, trust_env=False) as side,
        ):
            assert (await side.get(f"https://127.0.0.1:{port}/metrics")).status_code == 200


async def test_metrics_that_are_off_open_no_port(test_database: TestDatabase, servers: Servers) -> None:
    with free_port() as port:
        async with (
            started(test_database, servers, metrics=False, metrics_port=port) as service,
            http_of(service) as http,
        ):
            refused(await http.get("/metrics"), 404, "not_found")
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, verify=False)


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters", "has a space in its middle", "sechzehn-zeichen-ä"])
def test_a_token_that_protects_nothing_is_refused(token: str) -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_METRICS_TOKEN: must be 16 characters or more"):
        load_settings(metrics_token=token)


@pytest.mark.parametrize("port", ["0", "65536", "http", ""])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_METRICS_PORT: "):
        load_settings(metrics_port=port)


def test_the_port_of_the_service_is_no_port_of_their_own() -> None:
    with pytest.raises(SettingsError, match=r"^ZEROSUM_METRICS_PORT must be another than ZEROSUM_PORT$"):
        load_settings(port=9464, metrics_port=9464)


def test_a_port_of_somebody_else_is_named_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"^ZEROSUM_METRICS_PORT: cannot listen on 127.0.0.1:{port} "):
            check_side_port("127.0.0.1", port)
    check_side_port("127.0.0.1", None)
