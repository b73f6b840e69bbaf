"""What processes share by Redis alone: each is a `zerosum serve` of its own, as on two machines."""

from __future__ import annotations

from collections import Counter

import httpx

from tests.api.conftest import make_client
from tests.api.conftest import service as service
from tests.cli.test_serve import SECRET, serving
from tests.conftest import Servers, TestDatabase
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

ALLOWED = 6


async def test_a_caller_has_one_budget_however_many_processes_answer_him(
    service: Service, test_database: TestDatabase, servers: Servers, ledger_id: LedgerId
) -> None:
    client = await make_client(service, ledger_id)
    environment = {
        "ZEROSUM_DATABASE_URL": test_database.service_dsn,
        "ZEROSUM_REDIS_URL": servers.redis_url,
        "ZEROSUM_API_KEY_PEPPER": SECRET,
        "ZEROSUM_CURSOR_SECRET": SECRET,
        "ZEROSUM_MASTER_KEYS": f"test:{SECRET}",
        "ZEROSUM_RATE_LIMIT_PER_PRINCIPAL": f"{ALLOWED}/h",
    }
    headers = {"Authorization": f"Bearer {client.api_key}"}
    await client.http.aclose()
    with serving(environment, "--workers", "1") as (one, _), serving(environment, "--workers", "1") as (other, _):
        answers = [
            (url, httpx.get(f"{url}/v1/accounts", headers=headers, trust_env=False, verify=False).status_code)
            for _ in range(ALLOWED)
            for url in (one, other)
        ]
    assert Counter(status for _, status in answers) == {200: ALLOWED, 429: ALLOWED}
    assert {url for url, status in answers if status == 200} == {one, other}, "only one of them has answered"
