"""What the guard lets through, and what it never lets near an amount: JSON framing, sizes, characters."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.domain.errors import DomainError
from zerosum.gateway.guards import json_guard
from zerosum.gateway.guards.json_guard import parse_json
from zerosum.gateway.json_structure import DEPTH_MAX, ITEMS_MAX, pointer_step

CPU_SECONDS_MAX = 0.5
"""Generous: what matters is that two million brackets do not take minutes."""


def refusal_of(body: bytes) -> DomainError:
    with pytest.raises(DomainError) as caught:
        parse_json(body)
    return caught.value


def nested(depth: int) -> bytes:
    """An object with arrays in it, `depth` levels in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1}x',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1}//',
        b'/**/{"a":1}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b'{"a":True}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e400}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    assert refusal_of(body).code == "malformed_json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\xff"}',
        b'{"a":"\xc0\x80"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xf5\x80\x80\x80"}',
        b"\xff\xfe" + '{"a":1}'.encode("utf-16-le"),
        '{"é":1}'.encode("latin-1"),
    ],
)
def test_what_is_not_utf_8_is_an_invalid_encoding(body: bytes) -> None:
    assert refusal_of(body).code == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_and_utf_32_are_not_guessed(encoding: str) -> None:
    assert refusal_of('{"a":"b"}'.encode(encoding)).code == "malformed_json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount":"1","amount":"999"}',
        b'{"metadata":{"a":"1","a":"2"}}',
        b'{"items":[{"a":1,"a":1}]}',
        b'{"a":1,"\\u0061":2}',
        '{"\u00e9":1,"e\u0301":2}'.encode(),  # equal once both are in normal form C
    ],
)
def test_a_member_given_twice_is_refused(body: bytes) -> None:
    assert refusal_of(body).code == "duplicate_key"


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"null", b"1", b"true", b"1.5", b"[]"])
def test_json_that_is_no_object_does_not_fit_any_schema(body: bytes) -> None:
    refusal = refusal_of(body)
    assert (refusal.code, refusal.pointer) == ("validation_error", "")


def test_depth_is_bounded_on_both_sides() -> None:
    assert parse_json(nested(DEPTH_MAX))
    assert refusal_of(nested(DEPTH_MAX + 1)).code == "too_deep"


@pytest.mark.parametrize("depth", [900, 60_000, 2_000_000])
def test_any_depth_is_refused_at_once(depth: int) -> None:
    body = b'{"a":' + b"[" * depth
    whole = nested(depth)
    for text in (body, whole):
        started = time.process_time()
        assert refusal_of(text).code in ("too_deep", "malformed_json")
        assert time.process_time() - started < CPU_SECONDS_MAX
    assert refusal_of(whole).code == "too_deep"


def test_many_shallow_arrays_are_not_deep() -> None:
    assert parse_json(b'{"a":[' + b",".join([b"[]"] * 100) + b"]}")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"a": [0] * (ITEMS_MAX + 1)}, "/a"),
        ({str(n): 0 for n in range(ITEMS_MAX + 1)}, ""),
        ({"a": {"b/c": [0] * 100_000}}, "/a/b~1c"),
    ],
)
def test_more_items_than_anything_has_are_refused_where_they_are(body: Any, pointer: str) -> None:
    refusal = refusal_of(json.dumps(body).encode())
    assert (refusal.code, refusal.pointer) == ("too_many_items", pointer)


def test_as_many_items_as_a_bulk_call_has_are_fine() -> None:
    assert len(parse_json(json.dumps({"items": [0] * ITEMS_MAX}).encode())["items"]) == ITEMS_MAX


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("a\x00b", "/note"),
        ("\x01", "/note"),
        ("\x1b[31m", "/note"),
        ("a\bb", "/note"),
        ("\f", "/note"),
        ("\x7f", "/note"),
        ("\x85", "/note"),
        ("\ud800", "/note"),
        ("\udfff\ud800", "/note"),
    ],
)
def test_control_characters_and_half_surrogates_are_refused_by_their_place(text: str, pointer: str) -> None:
    refusal = refusal_of(json.dumps({"note": text}).encode())
    assert (refusal.code, refusal.pointer) == ("invalid_string", pointer)
    in_name = refusal_of(json.dumps({"metadata": {text: "x"}}).encode())
    assert (in_name.code, in_name.pointer) == ("invalid_string", "/metadata")


@pytest.mark.parametrize(
    "text",
    [
        "line\nline\tcell\r\n",
        "=HYPERLINK(1)",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>",
        "'; drop table accounts; --",
        "\u202eevil",
        "zero\u200bwidth",
        "😀",
        "\u2028",
    ],
)
def test_text_is_text(text: str) -> None:
    assert parse_json(json.dumps({"note": text}).encode()) == {"note": text}
    assert parse_json(json.dumps({"note": text}, ensure_ascii=False).encode()) == {"note": text}


def test_text_is_brought_into_normal_form_c() -> None:
    assert parse_json('{"e\u0301":["e\u0301"]}'.encode()) == {"\u00e9": ["\u00e9"]}
    assert parse_json(b'{"a":"e\\u0301"}') == {"a": "\u00e9"}


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


def test_a_refusal_shows_no_more_of_a_name_than_a_pointer_needs() -> None:
    assert pointer_step("a/b~c\n" + "x" * 100) == "a~1b~0c" + "x" * 58


# --- The faster parser -----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "", "a b"])
TEXTS = st.sampled_from(["", "x", "1.00", "a:b", "{", "}", "[,]", ":", "null"])
NO_TEXTS = st.sampled_from(["null", "true", "false", "0", "-1", "1.5", "1e400", "NaN", "x"])
SCALARS = TEXTS.map(json.dumps) | NO_TEXTS
SPACES = st.sampled_from(["", " ", "\n", "\t", "\f", "\u00a0"])


def _written(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects whose members may be there twice, and lists."""
    objects = st.lists(st.tuples(NAMES, inner), max_size=4).map(_written)
    return st.one_of(objects, st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"))


VALUES = st.recursive(SCALARS, _containers, max_leaves=8)
BODIES = st.tuples(SPACES, st.lists(st.tuples(NAMES, VALUES), max_size=4).map(_written), SPACES).map("".join)
CUT = BODIES.flatmap(lambda text: st.sampled_from([text[:-1], text + "}", text.replace('"', "", 1)]))


def must_be_read_alike(text: str) -> None:
    found = json_guard._read_plain(text.encode())
    if found is not None:
        assert json_guard._DECODER.decode(text) == found


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(BODIES | CUT)
def test_the_faster_parser_takes_nothing_that_the_strict_one_refuses_and_reads_the_same(text: str) -> None:
    """Parsers that do not look for members lost, or not closely, are found within 60."""
    must_be_read_alike(text)


@pytest.mark.campaign
@settings(max_examples=20_000, deadline=None)
@given(BODIES | CUT)
def test_the_faster_parser_reads_twenty_thousand_others_the_same(text: str) -> None:
    must_be_read_alike(text)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.text(max_size=8), st.lists(st.text(), max_size=2))))
def test_all_that_is_text_is_read_as_the_strict_parser_reads_it(content: dict[str, Any]) -> None:
    """Whichever of the two it is; what is wrong with a text is told by the same refusal."""
    for is_ascii in (True, False):
        body = json.dumps(content, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
        outcomes: list[Any] = []
        for faster in (json_guard._read_plain, lambda _: None):
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(json_guard, "_read_plain", faster)
                try:
                    outcomes.append((parse_json(body), None))
                except DomainError as refusal:
                    outcomes.append((None, (refusal.code, refusal.pointer)))
        assert outcomes[0] == outcomes[1]


def test_the_usual_body_is_read_by_the_faster_parser() -> None:
    """Or it would be of no use."""
    assert json_guard._read_plain(b'{"a": "b", "c": null, "d": {"e": "f"}, "g": ["h"]}') is not None
