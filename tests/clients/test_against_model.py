"""Both engines against the naive model, on any stream of rows in any writing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.at_length import as_many_as
from tests.clients.naive_model import naive
from tests.clients.running import ENGINES, run
from zerosum.ingest.client_files.choices import Order

EXAMPLES = as_many_as(150, at_length=500)
EXAMPLES_OF_SEVERAL_INPUTS = as_many_as(100, at_length=300)
CAMPAIGN_EXAMPLES = 5_000
TYPES = ("deposit", "withdrawal", "dispute", "resolve", "chargeback")
ODD_FIELDS = ("", "-1", "1e3", "1_000", "x", "٣", "65536", "4294967296", "0.00001", "0", "00", "Deposit", "1 2", '5"')
HUGE = (
    "99999999999999999999.9999",
    "100000000000000000000",
    "55555555555555555555.5",
    "999999999999999.9999",
    "1" * 17,
    "00000000000000000000001.0",
)
COLUMNS = ("type", "client", "tx", "amount", "memo")


@dataclass(frozen=True)
class File:
    """A file as text, and its rows as text below their header."""

    header: str
    rows: list[str]

    @property
    def text(self) -> str:
        return self.header + "".join(self.rows)


# Made once: a strategy that is made anew for each draw is looked through anew each time, which took most of the time.
ARRANGEMENTS = st.one_of(st.just(COLUMNS[:4]), st.permutations(COLUMNS))
MARKS = st.sampled_from(["", "\ufeff"])
NUMBERS_OF_ROWS = st.integers(0, 25)
EITHER = st.booleans()
SOME_TYPE = st.sampled_from(TYPES)
CLIENTS = st.sampled_from([1, 1, 2, 65535])
TX_IDS = st.integers(1, 8)
MEMOS = st.sampled_from(["", "note", '5" screw', "ü"])
ONE_IN_TEN = st.integers(0, 9)
FIELDS = st.sampled_from(sorted(COLUMNS))
ODD = st.sampled_from(ODD_FIELDS)
SURPLUSES = st.sampled_from([""] * 12 + [",", ",,", ', "",', ",50", ", ,x", ',"5"'])
LINE_ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\n \t\n"])
WAYS_TO_WRITE = st.integers(0, 12)
PLAIN_AMOUNTS = st.integers(1, 50_000).map(lambda units: f"{units // 10_000}.{units % 10_000:04}")
AMOUNTS = st.one_of(
    PLAIN_AMOUNTS,
    PLAIN_AMOUNTS,
    st.sampled_from(["5.", ".5", "+5", "1.50000", "3", "0.0001"]),
    st.sampled_from(HUGE),
)


@st.composite
def files(draw: st.DrawFn) -> File:
    """Few clients and tx ids, so that rows have to do with each other; now and then something odd."""
    columns = draw(ARRANGEMENTS)
    written = draw(MARKS) + ",".join(_written(draw, name.upper()) for name in columns)
    rows = [_row(draw, tuple(columns)) for _ in range(draw(NUMBERS_OF_ROWS))]
    is_ended = draw(EITHER)
    if rows and not is_ended:
        rows[-1] = rows[-1].rstrip("\r\n")
    return File(written + "\n", rows)


def _row(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    fields = {
        "type": draw(SOME_TYPE),
        "client": str(draw(CLIENTS)),
        "tx": str(draw(TX_IDS)),
        "amount": draw(AMOUNTS),
        "memo": draw(MEMOS),
    }
    if draw(ONE_IN_TEN) == 0:
        fields[draw(FIELDS)] = draw(ODD)
    if columns == COLUMNS[:4] and draw(EITHER) and fields["type"] in TYPES[2:]:
        columns = columns[:3]
    line = ",".join(_written(draw, fields[name]) for name in columns)
    return line + draw(SURPLUSES) + draw(LINE_ENDS)


def _written(draw: st.DrawFn, text: str) -> str:
    """The same field as others write it."""
    way = draw(WAYS_TO_WRITE)
    if way == 0:
        return f" {text} "
    if way == 1:
        return '"' + text.replace('"', '""') + '"'
    if way == 2:
        return f'  "{text.replace(chr(34), chr(34) * 2)}" '
    return text


_settings = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_settings
@given(file=files(), block_bytes=st.sampled_from([1, 7, 64, 1 << 16]), refuse_negative_total=st.booleans())
def test_both_engines_come_to_what_the_rules_say(file: File, block_bytes: int, refuse_negative_total: bool) -> None:
    agree(file, block_bytes, refuse_negative_total)


@pytest.mark.campaign
@settings(_settings, max_examples=CAMPAIGN_EXAMPLES)
@given(file=files(), block_bytes=st.sampled_from([1, 7, 64, 1 << 16]), refuse_negative_total=st.booleans())
def test_both_engines_come_to_it_for_many_files(file: File, block_bytes: int, refuse_negative_total: bool) -> None:
    agree(file, block_bytes, refuse_negative_total)


def agree(file: File, block_bytes: int, refuse_negative_total: bool) -> None:
    model = naive([file.text], refuse_negative_total=refuse_negative_total)
    results = [
        run([file.text], engine, block_bytes=block_bytes, refuse_negative_total=refuse_negative_total)
        for engine in ENGINES
    ]
    for result in results:
        assert result.accounts == model.accounts()
        assert result.rejects == model.rejects
        assert (result.tally.carried_out, result.tally.rows) == (
            model.carried_out,
            model.carried_out + len(model.rejects),
        )
    assert results[0].reasons == results[1].reasons


@settings(_settings, max_examples=EXAMPLES_OF_SEVERAL_INPUTS)
@given(file=files(), cuts=st.lists(st.integers(0, 25), max_size=3), engine=st.sampled_from(ENGINES))
def test_any_split_into_several_inputs_comes_to_the_same_as_the_whole(file: File, cuts: list[int], engine: str) -> None:
    bounds = [0, *sorted(cuts), len(file.rows)]
    parts = [file.header + "".join(file.rows[begin:end]) for begin, end in pairwise(bounds)]
    assert run(parts, engine).accounts == run([file.text], engine).accounts


@st.composite
def groups(draw: st.DrawFn) -> list[tuple[int, list[str]]]:
    """Deposits and withdrawals with rising tx ids, each followed by what stays in its input, behind it."""
    made = []
    for tx in range(1, draw(st.integers(1, 12)) + 1):
        lines = [f"{draw(st.sampled_from(TYPES[:2]))},{draw(st.integers(1, 2))},{tx},{draw(st.integers(1, 9))}.0\n"]
        for _ in range(draw(st.integers(0, 2))):
            lines.append(f"{draw(st.sampled_from(TYPES[2:]))},{draw(st.integers(1, 2))},{draw(st.integers(1, tx))},\n")
        made.append((draw(st.integers(0, 2)), lines))
    return made


@settings(_settings, max_examples=EXAMPLES_OF_SEVERAL_INPUTS)
@given(groups=groups(), engine=st.sampled_from(ENGINES))
def test_inputs_merged_by_tx_come_to_the_same_as_the_file_they_were_cut_from(
    groups: list[tuple[int, list[str]]], engine: str
) -> None:
    header = "type,client,tx,amount\n"
    whole = header + "".join(line for _, lines in groups for line in lines)
    parts = [header + "".join(line for at, lines in groups if at == part for line in lines) for part in range(3)]
    assert run(parts, engine, order=Order.TX).accounts == run([whole], engine).accounts
