"""Routes that a ledger has of its own, in the place of the file's: versions, who and why, and without a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.api.conftest import Client, make_client
from tests.cli.command import zerosum
from tests.conftest import Servers, TestDatabase
from tests.processors.processing import QUICK, SECRET, client_with, processing_service, withdrawn
from zerosum.adapters.clock import now
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.payments.route_times import DAYS
from zerosum.services import ledger_routes

NOWHERE = "http://127.0.0.1:9"


def file_of(folder: Path, *names: str) -> Path:
    path = folder / "processors.json"
    one = {"kind": "sandbox", "base_url": NOWHERE, "secret": SECRET, **QUICK}
    routes = [{"name": "of the file", "processors": [names[0]]}]
    path.write_text(json.dumps({"processors": dict.fromkeys(names, one), "routes": routes}), encoding="utf-8")
    return path


async def put(client: Client, routes: list[dict[str, Any]] | None, why: str = "it is cheaper") -> httpx.Response:
    return await client.http.put("/v1/routes", json={"routes": routes, "why": why})


async def routed(client: Client) -> tuple[str, str, int | None]:
    made = await withdrawn(client, processor="auto")
    call = (await client.get(f"/v1/processor-calls/{made['id']}")).json()
    return call["processor"], call["route"], call["routing"]["routes"]


async def test_a_ledgers_own_routes_stand_in_the_place_of_the_files_until_it_gives_them_up(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    file = file_of(tmp_path, "acme", "beta")
    async with processing_service(test_database, servers, file) as service:
        client = await client_with(service, ledger_id)
        assert await routed(client) == ("acme", "of the file", None)
        assert (await client.get("/v1/routes")).json()["version"] == 0
        own: list[dict[str, Any]] = [
            {"name": "large", "amount_from": "1000.00", "processors": ["acme"]},
            {"name": "mine", "weights": {"beta": 7}, "types": ["withdrawal"], "currencies": ["USD"]},
        ]
        for _ in range(2):
            answer = await put(client, own)
            assert (answer.status_code, answer.json()["version"]) == (200, 1), answer.text
        assert answer.json()["routes"][1]["weights"] == {"beta": 7}
        assert await routed(client) == ("beta", "mine", 1)
        environment = {"ZEROSUM_PROCESSORS_FILE": str(file), "ZEROSUM_DATABASE_URL": test_database.service_dsn}
        asked = ("route", "--amount", "5", "--currency", "USD", "--account", "alice", "--explain")
        said = zerosum(*asked, "--ledger", render_id(Prefix.LEDGER, ledger_id), environment=environment)
        told = ["large: the amount is below its range", "mine: fits, beta", "beta by mine, of the ledger's routes 1"]
        assert said.out.splitlines() == told
        (await put(client, [], "nothing goes out today")).raise_for_status()
        refused = await client.pay(
            {"type": "withdrawal", "amount": "1", "currency": "USD", "from": "alice", "processor": "auto"}
        )
        assert (refused.status_code, refused.json()["code"]) == (422, "no_route")
        (await put(client, None, "all is well")).raise_for_status()
        assert await routed(client) == ("acme", "of the file", None)
        versions = (await client.get("/v1/routes/versions", params={"limit": 2})).json()
        assert [(one["version"], one["why"]) for one in versions["data"]] == [
            (3, "all is well"),
            (2, "nothing goes out today"),
        ]
        rest = (await client.get("/v1/routes/versions", params={"cursor": versions["next_cursor"]})).json()
        assert [(one["version"], one["actor"]) for one in rest["data"]] == [(1, versions["data"][0]["actor"])]
        asked_log = {"type": "routes.changed", "ledger": render_id(Prefix.LEDGER, ledger_id)}
        log = (await client.get("/v1/audit-log", params=asked_log)).json()["data"]
        assert [one["facts"]["why"] for one in log] == ["all is well", "nothing goes out today", "it is cheaper"]
        await client.http.aclose()


async def test_what_another_process_has_put_counts_when_what_is_known_is_old(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(tmp_path, "acme", "beta", "gamma")
    async with (
        processing_service(test_database, servers, file) as one,
        processing_service(test_database, servers, file) as other,
    ):
        client = await client_with(one, ledger_id)
        assert await routed(client) == ("acme", "of the file", None)
        second = await make_client(other, ledger_id)
        (await put(second, [{"name": "by the other", "processors": ["beta", "gamma"]}])).raise_for_status()
        monkeypatch.setattr(ledger_routes, "REMEMBERED_FOR", ledger_routes.REMEMBERED_FOR * 0)
        assert await routed(client) == ("beta", "by the other", 1)
        file_of(tmp_path, "acme", "gamma")
        monkeypatch.setattr("zerosum.services.requests.live_processors.LOOK_SECONDS", 0.0)
        made = await withdrawn(client, processor="auto")
        call = (await client.get(f"/v1/processor-calls/{made['id']}")).json()
        assert (call["processor"], call["routing"]["passed_over"]) == (
            "gamma",
            {"beta": "it is not in the file of processors"},
        )
        await client.http.aclose()
        await second.http.aclose()


async def test_a_route_is_for_its_times_by_the_clocks_of_its_place(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    async with processing_service(test_database, servers, file_of(tmp_path, "acme", "beta")) as service:
        client = await client_with(service, ledger_id)
        local = now().astimezone(ZoneInfo("Asia/Kathmandu"))
        hour, day = f"{local:%H}:00-{(local.hour + 2) % 24:02d}:00", DAYS[local.weekday()]
        others = ",".join(name for name in DAYS if name != day)
        other = {"name": "else", "processors": ["beta"]}
        for times, expected in (
            ([hour, "03:00-03:01"], "acme"),
            ([f"{day} {hour}"], "acme"),
            ([f"{others} {hour}"], "beta"),
        ):
            first = {"name": "first", "processors": ["acme"], "times": times, "time_zone": "Asia/Kathmandu"}
            (await put(client, [first, other])).raise_for_status()
            shown = (await client.get("/v1/routes")).json()["routes"][0]
            assert (shown["times"], shown["time_zone"]) == (times, "Asia/Kathmandu")
            assert (await routed(client))[0] == expected
        await client.http.aclose()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "x", "processors": ["acme"], "times": ["08:00-17:00", "always"]}, "/routes/1/times/1"),
    ({"name": "x", "processors": ["acme"], "times": ["mon 08:00-25:00"]}, "/routes/1/times/0"),
    ({"name": "x", "processors": ["acme"], "time_zone": "UTC"}, "/routes/1/time_zone"),
    ({"name": "x", "processors": ["acme"], "times": ["08:00-09:00"], "time_zone": "Mars"}, "/routes/1/time_zone"),
    ({"name": "x"}, "/routes/1"),
    ({"name": "x", "processors": ["acme"], "weights": {"acme": 1}}, "/routes/1"),
    ({"name": "first", "processors": ["acme"]}, "/routes/1/name"),
    ({"name": "x", "processors": ["acme", "nobody"]}, "/routes/1/processors/1"),
    ({"name": "x", "weights": {"nobody": 1}}, "/routes/1/weights"),
    ({"name": "x", "processors": ["acme"], "types": ["transfer"]}, "/routes/1/types"),
    ({"name": "x", "processors": ["acme"], "amount_from": "much"}, "/routes/1/amount_from"),
    ({"name": "x", "processors": ["acme"], "amount_below": 5}, "/routes/1/amount_below"),
]


async def test_a_route_that_is_wrong_is_refused_where_it_is(
    test_database: TestDatabase, servers: Servers, tmp_path: Path, ledger_id: LedgerId
) -> None:
    async with processing_service(test_database, servers, file_of(tmp_path, "acme")) as service:
        client = await client_with(service, ledger_id)
        for route, pointer in WRONG:
            answer = await put(client, [{"name": "first", "processors": ["acme"]}, route])
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
        assert (await client.get("/v1/routes")).json()["routes"] is None
        await client.http.aclose()
