"""Files as they should not be: read in pieces of any size, too long, wrongly quoted, not UTF-8."""

from __future__ import annotations

import pytest

from tests.clients.running import ENGINES, rendered, run, source
from zerosum.ingest.client_files.choices import Order
from zerosum.ingest.client_files.fast_engine import BATCH_ROWS, FastEngine
from zerosum.ingest.client_files.records import RECORD_BYTES_MAX
from zerosum.ingest.client_files.run import Run
from zerosum.ingest.client_files.window import InputFault

HEADER = "type,client,tx,amount,memo\n"
both_engines = pytest.mark.parametrize("engine", ENGINES)
any_blocks = pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 16, 1 << 16])


def memo(length: int) -> str:
    """A deposit with an ignored column, `length` bytes long altogether."""
    start = "deposit,1,1,1.0,"
    return start + "m" * (length - len(start))


@both_engines
@pytest.mark.parametrize(("length", "rejects"), [(RECORD_BYTES_MAX, []), (RECORD_BYTES_MAX + 1, [(2, "row_too_long")])])
@pytest.mark.parametrize("block_bytes", [1000, 1 << 20])
def test_a_row_has_a_longest_length(engine: str, length: int, rejects: list[tuple[int, str]], block_bytes: int) -> None:
    result = run([HEADER + memo(length) + "\ndeposit,2,2,1.0\n"], engine, block_bytes=block_bytes)
    assert result.reasons == rejects
    assert result.tally.carried_out == 2 - len(rejects)


@both_engines
def test_a_row_without_an_end_is_read_past_without_being_kept(engine: str) -> None:
    result = run([HEADER + "x" * (5 * RECORD_BYTES_MAX) + "\ndeposit,2,2,1.0"], engine, block_bytes=4096)
    assert (result.reasons, result.tally.carried_out) == ([(2, "row_too_long")], 1)
    result = run([HEADER + "x" * (5 * RECORD_BYTES_MAX)], engine, block_bytes=4096)
    assert (result.reasons, result.tally.carried_out) == ([(2, "row_too_long")], 0)


@both_engines
@any_blocks
def test_a_quote_that_is_never_closed_costs_its_own_line(engine: str, block_bytes: int) -> None:
    text = HEADER + 'deposit,1,1,1.0,"open\ndeposit,1,2,1.0\n' + "deposit,1,3,1.0\n" * 3
    result = run([text], engine, block_bytes=block_bytes)
    assert result.reasons == [(2, "invalid_quoting"), (5, "tx_exists"), (6, "tx_exists")]


@both_engines
def test_a_quoted_field_that_goes_on_too_long_costs_its_own_line(engine: str) -> None:
    notes = "deposit,1,2,1.0\n" * (RECORD_BYTES_MAX // 10)
    result = run([HEADER + f'deposit,1,1,1.0,"open\n{notes}deposit,1,3,1.0,"closed"\n'], engine, block_bytes=4096)
    assert result.reasons[0] == (2, "invalid_quoting")
    assert result.accounts.splitlines()[1] == "1,2.0000,0.0000,2.0000,false"


@both_engines
@any_blocks
def test_quoted_fields_may_go_over_lines_and_hold_quotes(engine: str, block_bytes: int) -> None:
    text = HEADER + 'deposit,1,1,1.0,"a\n""b""\r\n"\ndispute,1,1\n"deposit", "1" ,2," 1.0 "\r\nnonsense,1,1,"""\n"""'
    result = run([text], engine, block_bytes=block_bytes)
    assert result.accounts.splitlines()[1] == "1,1.0000,1.0000,2.0000,false"
    assert result.reasons == [(7, "unknown_type")]


@both_engines
@any_blocks
def test_carriage_returns_belong_to_line_ends_only(engine: str, block_bytes: int) -> None:
    result = run(
        [HEADER + "deposit,1,1,1.0\r\r\ndeposit,1,2\r,1.0\r\n\r\ndispute,1,9\r"], engine, block_bytes=block_bytes
    )
    assert result.reasons == [(2, "invalid_amount"), (3, "invalid_tx"), (5, "tx_not_found")]


@both_engines
def test_nul_bytes_and_other_blanks_are_no_blanks(engine: str) -> None:
    result = run([HEADER + "deposit,1,\x001,1.0\ndeposit,1\u00a0,1,1.0\ndeposit,1,1,1.0\u2003\n"], engine)
    assert [reason for _, reason in result.reasons] == ["invalid_tx", "invalid_client", "invalid_amount"]


@both_engines
def test_thousands_of_digits_are_read_and_cost_nothing(engine: str) -> None:
    zeros, nines = "0" * 10_000, "9" * 10_000
    rows = [
        f"deposit,{zeros}1,{zeros}1,{zeros}1.0{zeros}",
        f"deposit,1,{nines},1",
        f"deposit,{nines},2,1",
        f"deposit,1,2,{nines}",
        f"deposit,1,2,0.{zeros}1",
    ]
    result = run([HEADER + "\n".join(rows)], engine)
    assert result.accounts.splitlines()[1] == "1,1.0000,0.0000,1.0000,false"
    assert [reason for _, reason in result.reasons] == [
        "invalid_tx", "invalid_client", "amount_too_large", "amount_too_precise",
    ]  # fmt: skip


@both_engines
@any_blocks
@pytest.mark.parametrize(
    "content",
    [
        HEADER.encode() + b"deposit,1,1,1.0,\xff\n",
        HEADER.encode() + b"deposit,1,1,1.0,\xc0\x80\n",
        HEADER.encode() + b"deposit,1,1,1.0,\xc3",
        HEADER.encode("utf-16"),
    ],
    ids=["no-such-byte", "overlong", "cut-off", "utf-16"],
)
def test_what_is_not_utf8_is_no_client_file(content: bytes, engine: str, block_bytes: int) -> None:
    with pytest.raises(InputFault, match="is not UTF-8"):
        run([content], engine, block_bytes=block_bytes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\ufeff", "is empty"),
        (" \n\t\r\n", "is empty"),
        ("type,client,tx\ndeposit,1,1", "no column amount"),
        ("deposit,1,1,1.0\n", "no column type, client, tx, amount"),
        ("type,client,tx,amount,Client\n", "column client more than once"),
        ('"type,client,tx,amount\n', "cannot be read"),
        ("x" * (RECORD_BYTES_MAX + 1), "cannot be read"),
    ],
)
@both_engines
def test_a_header_that_is_not_one_is_told(text: str, words: str, engine: str) -> None:
    with pytest.raises(InputFault, match=words):
        run([text], engine)


@both_engines
def test_the_order_of_time_needs_its_column(engine: str) -> None:
    with pytest.raises(InputFault, match="no column timestamp"):
        run([HEADER], engine, order=Order.TIME)


@both_engines
@pytest.mark.parametrize(("window_rows", "late"), [(0, 2), (1, 1), (2, 0), (9, 0)])
def test_rows_out_of_order_are_put_right_as_far_as_the_window_goes(engine: str, window_rows: int, late: int) -> None:
    text = "type,client,tx,amount,timestamp\nwithdrawal,1,2,1.0,3\nwithdrawal,1,3,1.0,2\ndeposit,1,1,2.0,1\n"
    result = run([text], engine, order=Order.TIME, window_rows=window_rows)
    assert result.tally.late == late
    assert (result.reasons == []) == (late == 0)


@both_engines
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-11-21T05:12:26.613703001Z", "2026-11-21T05:12:26.613703002Z"),
        ("2026-11-21T05:12:26.6137031Z", "2026-11-21T06:12:26.6137032+01:00"),
        ("2026-11-21T05:12:26.613703Z", "2026-11-21T04:12:26.613703001-01:00"),
        ("1969-12-31T23:59:59.999999998Z", "1969-12-31T23:59:59.999999999Z"),
        ("1795237946.000000001", "2026-11-21T05:12:26.000000002Z"),
    ],
)
def test_moments_are_told_apart_to_the_nanosecond(engine: str, first: str, second: str) -> None:
    header = "type,client,tx,amount,timestamp\n"
    inputs = [header + f"withdrawal,1,2,1.0,{second}\n", header + f"deposit,1,1,2.0,{first}\n"]
    assert run(inputs, engine, order=Order.TIME).reasons == []


@both_engines
def test_tx_ids_that_all_share_their_low_bits_are_kept_apart(engine: str) -> None:
    rows = "".join(f"deposit,1,{tx << 20},0.0001\n" for tx in range(4000))
    assert run([HEADER + rows + rows], engine).accounts.splitlines()[1] == "1,0.4000,0.0000,0.4000,false"


@pytest.mark.parametrize("block_bytes", [1 << 10, 1 << 20])
def test_huge_amounts_that_were_refused_are_not_kept(block_bytes: int) -> None:
    """On the fast engine: 100,000 withdrawals that are too much, in batches, with one huge deposit between them."""
    bad = [f"withdrawal,2,{tx},99999999999999999999" for tx in range(2, 50_000)]
    rows = [*bad, "deposit,1,1,99999999999999999999", 'deposit,1,5,"x""', *bad, "dispute,1,1"]
    engine = FastEngine(slots=16)
    Run(block_bytes=block_bytes).take([source(HEADER + "\n".join(rows))], engine)
    assert rendered(engine).splitlines()[1:] == [
        "1,0.0000,99999999999999999999.0000,99999999999999999999.0000,false",
        "2,0.0000,0.0000,0.0000,false",
    ]
    assert len(engine._huge) <= 2 * BATCH_ROWS


@both_engines
@pytest.mark.parametrize("digits", range(1, 21))
def test_amounts_of_any_length_are_exact(engine: str, digits: int) -> None:
    """Whole numbers of 64 bits end after 15 digits and four places."""
    integer = "9" * digits
    text = HEADER + f"deposit,1,1,{integer}.9999\nwithdrawal,1,3,{integer}\ndispute,1,1\n"
    assert run([text], engine).accounts.splitlines()[1] == f"1,-{integer}.0000,{integer}.9999,0.9999,false"


def test_ten_million_times_the_smallest_amount_is_exactly_a_thousand() -> None:
    """On the fast engine. A float would have drifted."""
    chunks = [
        HEADER,
        *("".join(f"deposit,1,{tx},0.0001\n" for tx in range(at, at + 10**6)) for at in range(0, 10**7, 10**6)),
    ]
    result = run(["".join(chunks)], "fast", block_bytes=1 << 20)
    assert result.accounts.splitlines()[1] == "1,1000.0000,0.0000,1000.0000,false"
