"""Client files as spreadsheets of other countries write them: never another amount than what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients.running import ENGINES, run, source
from zerosum.ingest.client_files.columns import read_columns
from zerosum.ingest.client_files.window import BLOCK_BYTES, InputFault, Window
from zerosum.ingest.importing import survey

HEADER = "type,client,tx,amount\n"
both_engines = pytest.mark.parametrize("engine", ENGINES)


@both_engines
def test_a_decimal_comma_without_quotes_is_no_smaller_amount(engine: str) -> None:
    result = run([HEADER + "deposit,1,1,5,50\nwithdrawal,1,2,0,5\ndeposit,2,3,1,\n"], engine)
    assert result.reasons == [(2, "surplus_value"), (3, "surplus_value")]
    assert result.accounts == "client,available,held,total,locked\n2,1.0000,0.0000,1.0000,false\n"


SURPLUS = st.lists(st.sampled_from(["", " ", "\t", '""', '" "', "0", "50", "x", '"5"', '"a""b"', "ü"]), max_size=4)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(SURPLUS, min_size=1, max_size=8), st.sampled_from([1, 7, 1 << 16]))
def test_both_engines_take_a_row_exactly_when_nothing_stands_behind_its_columns(
    rows: list[list[str]], block_bytes: int
) -> None:
    lines = [",".join(["deposit", "1", str(tx), "1", *surplus]) for tx, surplus in enumerate(rows)]
    expected = [
        (tx + 2, "surplus_value") for tx, surplus in enumerate(rows) if any(one.strip(' \t"') for one in surplus)
    ]
    for engine in ENGINES:
        result = run([HEADER + "\n".join(lines) + "\n"], engine, block_bytes=block_bytes)
        assert result.reasons == expected
        assert result.tally.carried_out == len(rows) - len(expected)


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("type;client;tx;amount\n", "semicolons"),
        ("\ufeff Type ; Client;TX;Amount;\r\n", "semicolons"),
        ('"type";"client";"tx";"amount"\n', "semicolons"),
        ("type\tclient\ttx\tamount\n", "tabs"),
        ('\n\n"type"\t"client"\t"tx"\t"amount"\n', "tabs"),
        ("type|client|tx|amount\n", "bars"),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 5, BLOCK_BYTES])
def test_a_file_with_another_separator_is_named_as_such(header: str, separator: str, block_bytes: int) -> None:
    content = source(header + "deposit;1;1;5,50\n")
    with pytest.raises(InputFault, match=f"^input is separated by {separator}: client files are separated by commas$"):
        read_columns(Window(content.read, "input", block_bytes=block_bytes))
    with pytest.raises(InputFault, match=separator):
        survey(source(header))


@both_engines
def test_a_semicolon_in_a_comma_separated_header_is_a_character_like_others(engine: str) -> None:
    result = run(["type,client,tx,amount,type;client;tx\ndeposit,1,1,1,x;y\n"], engine)
    assert (result.reasons, result.tally.carried_out) == ([], 1)
