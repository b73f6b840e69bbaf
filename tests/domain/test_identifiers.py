"""Ids and codes: one id has several writings, but nothing else is ever taken for an id."""

from __future__ import annotations

from uuid import UUID

import pytest

from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import SERVICE_LEDGER, Prefix, is_account_code, parse_id, render_id

UUID_TEXT = "01978a2e-6b7c-7def-8123-456789abcdef"
VALUE = UUID(UUID_TEXT)


@pytest.mark.parametrize("prefix", Prefix)
def test_an_id_is_a_prefix_and_a_uuid(prefix: Prefix) -> None:
    assert render_id(prefix, VALUE) == f"{prefix.value}{UUID_TEXT}"
    assert parse_id(prefix, render_id(prefix, VALUE)) == VALUE


def test_every_kind_of_thing_has_a_prefix_of_its_own() -> None:
    prefixes = [prefix.value for prefix in Prefix]
    assert {"acc_", "je_", "pay_", "hold_", "dsp_", "evt_", "we_", "key_"} <= set(prefixes)
    assert not [(one, other) for one in prefixes for other in prefixes if one != other and one.startswith(other)]


def test_upper_case_names_the_same_thing() -> None:
    assert parse_id(Prefix.ACCOUNT, f"acc_{UUID_TEXT.upper()}") == VALUE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acc_",
        UUID_TEXT,
        f"pay_{UUID_TEXT}",
        f"ACC_{UUID_TEXT}",
        f"acc_acc_{UUID_TEXT}",
        f"acc_{{{UUID_TEXT}}}",
        f"acc_urn:uuid:{UUID_TEXT}",
        f"acc_{VALUE.hex}",
        f"acc_{UUID_TEXT}0",
        f"acc_{UUID_TEXT[:-1]}",
        f"acc_{UUID_TEXT} ",
        f" acc_{UUID_TEXT}",
        f"acc_{UUID_TEXT}\n",
        f"acc_{UUID_TEXT[:-1]}g",
        f"acc_{UUID_TEXT[:-1]}١",
        f"acc_{UUID_TEXT[:-1]}０",
        "acc_00000000-0000-0000-0000-000000000000",
        "' or 1=1--",
        "acc_' or 1=1--",
        "acc_../../etc/passwd",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(InvalidId) as caught:
        parse_id(Prefix.ACCOUNT, text)
    assert UUID_TEXT not in caught.value.detail


def test_the_nil_uuid_belongs_to_the_service_itself() -> None:
    assert SERVICE_LEDGER.int == 0
    for prefix in Prefix:
        with pytest.raises(InvalidId):
            parse_id(prefix, render_id(prefix, SERVICE_LEDGER))


@pytest.mark.parametrize(
    "code",
    ["a", "0", "customers:alice", "clearing:internal:USD", "A.b-c_d/e@f:1", "x" * 128, "acc", "accounts", "ACC_1"],
)
def test_a_code_is_what_a_caller_calls_an_account(code: str) -> None:
    assert is_account_code(code)


@pytest.mark.parametrize(
    "code",
    ["", "x" * 129, ":a", "-a", "_a", "/a", ".a", "@a", "a b", " a", "a ", "a\n", "ä", "а", "a\x00", "a#b", "a?b",
     "a%20b", "a,b", "acc_", "acc_alice", f"acc_{UUID_TEXT}"],
)  # fmt: skip
def test_a_code_of_any_other_form_or_like_an_id_is_refused(code: str) -> None:
    assert not is_account_code(code)
