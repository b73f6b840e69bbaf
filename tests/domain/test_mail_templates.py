"""Texts with places: what fills them is one line, whatever it is, and nothing but members is reached."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from zerosum.domain.mail_addresses import is_address
from zerosum.domain.mail_templates import MailTemplate, TemplateWrong

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, some.text(max_size=20))
def test_what_fills_a_place_is_one_line(value: Any, around: str) -> None:
    kept = around.replace("{", "{{").replace("}", "}}")
    filled = MailTemplate.parse(f"{kept}{{data.x}}{kept}").filled({"data": {"x": value}})
    assert filled.startswith(around)
    assert filled.endswith(around)
    inside = filled[len(around) : len(filled) - len(around)]
    assert inside.isprintable()
    assert inside or value == ""


@given(some.text())
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = MailTemplate.parse(text)
    except TemplateWrong:
        assert "{" in text or "}" in text
    else:
        template.filled({})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{data.list.1}", "b"),
        ("{data.list.7}", "-"),
        ("{data.list.x}", "-"),
        ("{data.list}", '["a", "b"]'),
        ("{data.code.more}", "-"),
        ("{data.code.__class__}", "-"),
        ("{data.yes}", "true"),
        ("{{{type}}}", "{t}"),
        ("{notification}", "-"),
    ],
)
def test_members_are_found_and_nothing_else(text: str, filled: str) -> None:
    event = {"type": "t", "data": {"list": ["a", "b"], "code": "c", "yes": True}}
    assert MailTemplate.parse(text).filled(event) == filled


@given(some.text())
def test_no_address_holds_more_than_one(text: str) -> None:
    for address in (text, f"ann@example.com{text}", f"{text}@example.com"):
        if is_address(address):
            assert address.count("@") == 1
            assert address.isascii()
            assert not set(address) & set(' \r\n\t<>,;:"()[]\\')
