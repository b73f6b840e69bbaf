"""The text of an API key: exactly one for each key, and nothing else is read."""

from __future__ import annotations

import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerosum.domain.identifiers import ApiKeyId, LedgerId
from zerosum.services.credentials import base64url
from zerosum.services.credentials.api_key_text import ParsedApiKey, hash_secret, make, parse

LEDGER_ID = LedgerId(UUID("01890000-0000-7000-8000-000000000001"))
KEY_ID = ApiKeyId(UUID("01890000-0000-7000-8000-000000000002"))


@given(st.uuids(), st.uuids())
def test_a_text_that_was_made_is_read_back(ledger_id: UUID, key_id: UUID) -> None:
    text = make(LedgerId(ledger_id), ApiKeyId(key_id))
    assert parse(text) == ParsedApiKey(LedgerId(ledger_id), ApiKeyId(key_id))


def test_a_text_is_92_plain_characters_and_never_the_same_twice() -> None:
    texts = {make(LEDGER_ID, KEY_ID) for _ in range(1000)}
    assert len(texts) == 1000
    assert {len(text) for text in texts} == {92}
    assert set("".join(texts)) <= set(string.ascii_letters + string.digits + "-_")


def test_every_change_of_a_single_character_is_refused() -> None:
    text = make(LEDGER_ID, KEY_ID)
    others = string.printable + "äß\u0661\x00\ud800"
    for place, character in enumerate(text):
        for other in others:
            if other != character:
                assert parse(text[:place] + other + text[place + 1 :]) is None


def test_neighbouring_characters_that_change_places_are_refused() -> None:
    text = make(LEDGER_ID, KEY_ID)
    for place in range(len(text) - 1):
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        assert swapped == text or parse(swapped) is None


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        str.upper,
        lambda text: text[:-1],
        lambda text: text[1:],
        lambda text: text + "\n",
        lambda text: text + " ",
        lambda text: " " + text,
        lambda text: text + "=",
        lambda text: text + "A",
        lambda text: text[4:],
        lambda text: "zsk-" + text[4:],
        lambda text: "zsk_" + text,
        lambda text: text[:91] + "\n",
        lambda text: text[:90] + "==",
        lambda _: "",
        lambda _: "zsk_",
        lambda _: "zsk_" + "A" * 88,
    ],
)
def test_another_writing_of_a_text_is_refused(change: object) -> None:
    assert callable(change)
    assert parse(change(make(LEDGER_ID, KEY_ID))) is None


@given(st.text(max_size=200) | st.text(alphabet=string.ascii_letters + "-_", min_size=88, max_size=88))
def test_no_other_text_is_read_and_none_makes_the_reader_fail(text: str) -> None:
    assert parse(text) is None
    found = parse("zsk_" + text)  # one in 65,536 of the right length and alphabet meets the checksum
    assert found is None or base64url.encode(base64url.decode(text)) == text


def test_the_hash_depends_on_pepper_and_text() -> None:
    text = make(LEDGER_ID, KEY_ID)
    assert hash_secret(b"p" * 32, text) == hash_secret(b"p" * 32, text)
    assert hash_secret(b"q" * 32, text) != hash_secret(b"p" * 32, text)
    assert hash_secret(b"p" * 32, make(LEDGER_ID, KEY_ID)) != hash_secret(b"p" * 32, text)
    assert len(hash_secret(b"p" * 32, text)) == 32


@given(st.binary(max_size=100))
def test_base64url_has_one_text_for_each_value(raw: bytes) -> None:
    text = base64url.encode(raw)
    assert base64url.decode(text) == raw
    assert "=" not in text


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "A=", "AA==", "AA\n", " AA", "+/8", "ä", "AA AA", "AA.A", "\ud800"])
def test_base64url_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several libraries' words; that it is refused is what counts
        base64url.decode(text)
