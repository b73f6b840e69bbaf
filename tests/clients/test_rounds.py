"""How rows are dealt out to lanes: what must keep its order keeps it, whatever the rows are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.ingest.client_files.rows import INVALID_TX, Row
from zerosum.ingest.importing import HUGE_UNITS, LANE_ROWS_MAX, Round, Rounds


def row(line: int, client: int, tx: int, fault: str | None = None) -> Row:
    return Row(line, 0, client, tx, 1, fault, (b"", b"", b"", b""))


def dealt(rows: list[Row], lanes: int) -> list[Round]:
    rounds = Rounds(iter(rows), lanes)
    found = []
    while (made := rounds.next()) is not None:
        found.append(made)
    return found


a_row = st.tuples(st.integers(0, 6), st.integers(0, 8), st.booleans())


@settings(max_examples=300)
@given(st.lists(a_row, max_size=60), st.integers(1, 5))
def test_no_row_is_lost_and_none_overtakes_its_client_or_tx(given: list[tuple[int, int, bool]], lanes: int) -> None:
    rows = [
        row(line, client, tx, INVALID_TX if is_bad else None)
        for line, (client, tx, is_bad) in enumerate(given, start=2)
    ]
    place: dict[int, tuple[int, int, int]] = {}
    malformed: list[int] = []
    for number, made in enumerate(dealt(rows, lanes)):
        malformed += [each.line for each in made.malformed]
        for lane, dealt_out in enumerate(made.lanes):
            for index, each in enumerate(dealt_out):
                place[each.line] = (number, lane, index)
    good = [each for each in rows if each.fault is None]
    assert sorted(place) == [each.line for each in good]
    assert malformed == [each.line for each in rows if each.fault is not None]
    for earlier_index, earlier in enumerate(good):
        for later in good[earlier_index + 1 :]:
            if earlier.client == later.client or earlier.tx == later.tx:
                first, second = place[earlier.line], place[later.line]
                is_in_order = first[0] < second[0] or (first[:2] == second[:2] and first[2] < second[2])
                assert is_in_order, (earlier, later)


def test_a_lane_never_gets_more_than_one_bulk_call_takes() -> None:
    found = dealt([row(line, 4, line) for line in range(2 * LANE_ROWS_MAX + 1)], 2)
    assert [len(made.lanes[0]) for made in found] == [LANE_ROWS_MAX, LANE_ROWS_MAX, 1]


def test_a_file_of_nothing_but_faults_is_told_of_bit_by_bit() -> None:
    found = dealt([row(line, 0, 0, INVALID_TX) for line in range(LANE_ROWS_MAX + 1)], 2)
    assert [len(made.malformed) for made in found] == [LANE_ROWS_MAX, 1]


def test_from_a_huge_amount_on_there_is_one_lane() -> None:
    """The clearing account may be nearly full since: whatever comes first must have been first in the file."""
    huge = row(3, 1, 3)._replace(units=HUGE_UNITS)
    found = dealt([row(2, 0, 2), huge, row(4, 0, 4), row(5, 1, 5), huge._replace(line=6, tx=6), row(7, 1, 7)], 2)
    lines = [[[each.line for each in lane] for lane in made.lanes] for made in found]
    assert lines == [[[2], []], [[3, 4, 5, 6, 7], []]]
