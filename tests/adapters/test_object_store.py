"""Objects are put once, locked, and found again by their names; requests are signed as others sign them."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.adapters.object_store_server import BUCKET, KEY_ID, REGION, SECRET, Shelf, object_store_server, signature_of
from zerosum.adapters.aws_signature import StoreCredentials, encoded_path, encoded_query, signed_headers
from zerosum.adapters.clock import now
from zerosum.adapters.object_store import ObjectStore, StoreAddress, StoreFailed

NAMES = st.text(string.ascii_letters + string.digits + "-_.~/ +%&=?:é€", min_size=1, max_size=40)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with object_store_server() as made:
        yield made


def store_at(address: str, secret: str = SECRET) -> ObjectStore:
    return ObjectStore(StoreAddress.parse(address), KEY_ID, SecretStr(secret), now)


@given(
    name=NAMES,
    query=st.dictionaries(NAMES, NAMES, max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["if-none-match", "content-md5", "x-amz-meta-a"]), st.text("ab =*", max_size=9)
    ),
    body=st.binary(max_size=20),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_request_is_signed_as_a_client_of_others_signs_it(
    name: str, query: dict[str, str], headers: dict[str, str], body: bytes, at: datetime
) -> None:
    credentials = StoreCredentials(KEY_ID, SecretStr(SECRET), REGION)
    path = f"/{BUCKET}/{name}"
    made = signed_headers(credentials, "PUT", "store.example:9000", path, query, headers, body, at)
    said = made.pop("authorization")
    url = f"https://store.example:9000{encoded_path(path)}?{encoded_query(query)}"
    assert said.endswith(f"Signature={signature_of('PUT', url, made)}")
    assert SECRET not in said


def test_requests_are_signed_as_in_the_examples_of_the_protocol() -> None:
    """Of its documentation, "Signature Calculations for the Authorization Header": its account, bucket and moment."""
    secret = SecretStr("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    credentials = StoreCredentials("AKIAIOSFODNN7EXAMPLE", secret, "us-east-1")
    at, host = datetime(2013, 5, 24, tzinfo=UTC), "examplebucket.s3.amazonaws.com"

    def signature(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes = b"") -> str:
        made = signed_headers(credentials, method, host, path, query, headers, body, at)
        return made["authorization"].rpartition("=")[2]

    assert (
        signature("GET", "/test.txt", {}, {"Range": "bytes=0-9"})
        == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
    put = {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    assert (
        signature("PUT", "/test$file.text", {}, put, b"Welcome to Amazon S3.")
        == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )
    assert (
        signature("GET", "/", {"lifecycle": ""}, {})
        == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
    assert (
        signature("GET", "/", {"max-keys": "2", "prefix": "J"}, {})
        == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


async def test_an_object_is_put_once_and_locked(shelf: Shelf) -> None:
    store = store_at(shelf.address)
    assert await store.put("led_1/a note", b"first")
    assert not await store.put("led_1/a note", b"second")
    assert await store.get("led_1/a note") == b"first"
    assert shelf.objects == {"zero sum/led_1/a note": b"first"}
    [(mode, until)] = shelf.locks.values()
    assert mode == "COMPLIANCE"
    assert abs(datetime.fromisoformat(until) - now() - timedelta(days=30)) < timedelta(minutes=5)
    await store.close()


async def test_without_a_time_no_lock_is_asked_for(shelf: Shelf) -> None:
    store = store_at(shelf.address.replace("&retained_days=30", ""))
    await store.put("a", b"1")
    assert shelf.objects
    assert not shelf.locks
    await store.close()


async def test_the_last_name_is_found_over_pages(shelf: Shelf) -> None:
    store = store_at(shelf.address)
    for number in range(5):
        await store.put(f"led_1/{number}", b"")
        await store.put(f"led_1/sub/{number}", b"")
    assert await store.last_below("led_1/") == "led_1/sub/"
    assert await store.last_below("led_1/sub/") == "led_1/sub/4"
    assert await store.last_below("led_2/") is None
    assert len([one for one in shelf.asked if "continuation-token" in one]) == 2 + 2
    await store.close()


@pytest.mark.parametrize("status", [301, 400, 403, 404, 500, 503])
async def test_a_store_that_refuses_is_told_and_nothing_is_taken_for_put(shelf: Shelf, status: int) -> None:
    store = store_at(shelf.address)
    shelf.answers = status
    with pytest.raises(StoreFailed, match=str(status)):
        await store.put("a", b"1")
    with pytest.raises(StoreFailed, match=str(status)):
        await store.last_below("")
    await store.close()


async def test_a_wrong_secret_is_refused_by_the_store_and_not_told(shelf: Shelf) -> None:
    store = store_at(shelf.address, "another-secret")
    with pytest.raises(StoreFailed, match="403") as failed:
        await store.put("a", b"1")
    assert "another-secret" not in str(failed.value)
    assert not shelf.objects
    await store.close()


@pytest.mark.parametrize("says", [b"", b"<a", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff\xfe\x00"])
async def test_a_list_that_is_none_is_refused(shelf: Shelf, says: bytes) -> None:
    shelf.says = says or b" "
    store = store_at(shelf.address)
    with pytest.raises(StoreFailed, match="list"):
        await store.last_below("")
    await store.close()


async def test_a_store_that_is_away_is_told() -> None:
    with object_store_server() as gone:
        address = gone.address
    store = store_at(address)
    with pytest.raises(StoreFailed, match="not reached"):
        await store.get("a")
    await store.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s3://bucket", "https://host/bucket"),
        ("https://host", "bucket"),
        ("https://host/", "bucket"),
        ("https://key:secret@host/bucket", "settings of their own"),
        ("https://host/bucket?retained_days=0", "from 1"),
        ("https://host/bucket?retained_days=ten", "from 1"),
        ("https://host/bucket?retained_days=٣", "from 1"),
        ("https://host/bucket?retention=none", "compliance or governance"),
        ("https://host/bucket?regoin=eu", "regoin"),
        ("https://host/bucket#a", "https://host/bucket"),
    ],
)
def test_an_address_that_is_none_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        StoreAddress.parse(text)
