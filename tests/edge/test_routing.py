"""Every code that can be opened can be read, changed and paid by its code."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client
from tests.api.reading import refused
from zerosum.domain.errors import NotFound
from zerosum.domain.identifiers import CODE_PATTERN_TEXT, is_account_code
from zerosum.gateway.routing import SLASH_IN_A_SEGMENT, routed_path

AWKWARD_CODES = (
    "a/balance",
    "a/freeze",
    "a/postings",
    "x/",
    "x//y",
    "a:b@c_d-e.f",
    "a/.hidden",
    "a/...",
    "v1/accounts",
    "a/statement/",
)


@pytest.mark.parametrize("code", AWKWARD_CODES)
async def test_whatever_can_be_opened_can_be_read_changed_and_paid(either_client: Client, code: str) -> None:
    client, path = either_client, f"/v1/accounts/{quote(code, safe='')}"
    opened = await client.open_account(code)
    assert (await client.get(path)).json()["id"] == opened["id"]
    assert (await client.http.patch(path, json={"name": "N"})).json()["name"] == "N"
    await client.deposit(code, "3")
    balance = await client.get(f"{path}/balance")
    assert (balance.json()["code"], balance.json()["posted"]) == (code, "3.00")
    assert len((await client.get(f"{path}/postings")).json()["data"]) == 1
    assert (await client.post(f"{path}/freeze", {})).json()["status"] == "frozen"


async def test_an_encoded_slash_tells_an_account_from_its_balance(client: Client) -> None:
    await client.open_account("a")
    odd = await client.open_account("a/balance")
    assert "posted" in (await client.get("/v1/accounts/a/balance")).json()
    assert (await client.get("/v1/accounts/a%2Fbalance")).json()["id"] == odd["id"]
    assert (await client.get("/v1/accounts/a%2fbalance/balance")).json()["account_id"] == odd["id"]
    refused(await client.http.get("/v1%2Faccounts"), 404, "not_found")


@pytest.mark.parametrize("code", ["a/.", "a/..", "a/../b", "a/./b", "b/../.."])
async def test_codes_with_dot_segments_are_neither_opened_nor_looked_for(client: Client, code: str) -> None:
    body = {"code": code, "currency": "USD", "type": "liability"}
    refused(await client.post("/v1/accounts", body), 422, "validation_error", "/code")
    answer = await client.http.get(f"/v1/accounts/{quote(code, safe='')}")
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("raw", ["/v1/accounts/..", "/v1/accounts/a/../b", "/v1/./accounts", "/%2e%2E/x", "/a/%2e"])
def test_dot_segments_lead_nowhere_however_they_are_written(raw: str) -> None:
    decoded = raw.replace("%2e", ".").replace("%2E", ".")
    with pytest.raises(NotFound):
        routed_path(decoded, raw.encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.from_regex(f"^{CODE_PATTERN_TEXT}$", fullmatch=True).filter(is_account_code))
def test_any_code_is_one_segment_of_its_address(code: str) -> None:
    routed = routed_path(f"/v1/accounts/{code}", f"/v1/accounts/{quote(code, safe='')}".encode())
    assert routed.count("/") == 3
    assert routed.removeprefix("/v1/accounts/").replace(SLASH_IN_A_SEGMENT, "/") == code
