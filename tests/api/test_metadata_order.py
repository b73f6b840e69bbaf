"""The members of metadata stand in one order, wherever they are shown: PostgreSQL keeps no other (jsonb)."""

from __future__ import annotations

from unicodedata import normalize

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Client, fresh_key
from tests.api.test_idempotency import is_replay

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4).map(lambda text: normalize("NFC", text))
MEMBERS = st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=8)


def written_as(members: dict[str, str]) -> bytes:
    return b'"metadata":' + orjson.dumps(members)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(metadata=MEMBERS)
async def test_metadata_are_written_in_one_order_everywhere(
    neighbours: tuple[Client, Client], metadata: dict[str, str]
) -> None:
    """By the answer, its replay, and whoever reads the payment, the entry or the account later."""
    client, other = neighbours
    code = f"account:{fresh_key()}"
    lines = [{"account": code, "side": side, "amount": "1", "currency": "USD"} for side in ("debit", "credit")]
    requests = {
        "/v1/accounts": {"code": code, "currency": "USD", "type": "liability", "metadata": metadata},
        "/v1/payments": {"type": "deposit", "amount": "1", "currency": "USD", "to": code, "metadata": metadata},
        "/v1/journal-entries": {"reason": "x", "postings": lines, "metadata": metadata},
    }
    for path, body in requests.items():
        key = fresh_key()
        first = await client.post(path, body, key=key)
        assert first.status_code == 201, first.text
        again = await other.post(path, body, key=key)
        read = await other.get(f"{path}/{first.json()['id']}")
        assert is_replay(again)
        assert first.json()["metadata"] == metadata
        written = written_as(first.json()["metadata"])
        for answer in (first, again, read):
            assert written in answer.content
        assert again.content == first.content


async def test_they_are_ordered_by_bytes_and_not_by_characters(neighbours: tuple[Client, Client]) -> None:
    client, _ = neighbours
    body = {"code": "o", "currency": "USD", "type": "liability", "metadata": {"é": "", "zz": "", "b": "", "B": ""}}
    answer = await client.post("/v1/accounts", body, key=fresh_key())
    assert list(answer.json()["metadata"]) == ["B", "b", "zz", "é"]
    changed = await client.http.patch("/v1/accounts/o", json={"metadata": {"ab": "", "c": ""}})
    assert list(changed.json()["metadata"]) == ["c", "ab"]
