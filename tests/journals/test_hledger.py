"""What is read of hledger's journal format, and what is refused with its line and why."""

from __future__ import annotations

from datetime import UTC, date
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.codes import Commodities, code_of
from zerosum.ingest.journal_files.file import EXPORTED, FILE_BYTES_MAX, read_journal
from zerosum.ingest.journal_files.planning import Plan, PlanOptions, plan
from zerosum.ingest.journal_files.read import JournalFault, JournalRefused, ReadJournal


def read(text: str, decimal_mark: str | None = None, **commodities: str) -> ReadJournal:
    return read_journal(text.encode(), JournalFormat.HLEDGER, Commodities(commodities), decimal_mark)


def planned(text: str, *, is_real_only: bool = False) -> Plan:
    options = PlanOptions(zone=UTC, exported=EXPORTED[JournalFormat.HLEDGER], is_real_only=is_real_only)
    return plan(read(text), options)


def amounts(text: str) -> list[tuple[str, str, str | None]]:
    (entry,) = read(text).entries
    return [(posting.account, f"{posting.amount:f}", posting.currency) for posting in entry.postings]


def faults(text: str) -> list[str]:
    with pytest.raises(JournalRefused) as refused:
        planned(text)
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("$100", "100", "USD"),
        ("$-100", "-100", "USD"),
        ("-$100", "-100", "USD"),
        ("- $ 100.5", "-100.5", "USD"),
        ("100 USD", "100", "USD"),
        ("+100USD", "100", "USD"),
        ("EUR 1,00", "1.00", "EUR"),
        ("€1.234.567,89", "1234567.89", "EUR"),
        ("1,234,567.89 EUR", "1234567.89", "EUR"),
        ("1 234 567,89 EUR", "1234567.89", "EUR"),
        ("1,23,45,678.00 INR", "12345678.00", "INR"),
        ('0.001 "P2P"', "0.001", "P2P"),
        (".5 USD", "0.5", "USD"),
        ("5. USD", "5", "USD"),
        ("0,123 KWD", "0.123", "KWD"),
    ],
)
def test_an_amount_may_be_written_in_many_ways(written: str, amount: str, currency: str) -> None:
    other = amount[1:] if amount[0] == "-" else f"-{amount}"
    assert amounts(f"2024-01-01 x\n  a:b c  {written}\n  d\n") == [("a:b c", amount, currency), ("d", other, currency)]


def test_what_marks_decimals_is_as_declared() -> None:
    for head in ("decimal-mark ,\n", "commodity 1.000,00 EUR\n", "commodity EUR\n  format 1.000,00 EUR\n"):
        assert amounts(f"{head}2024-01-01\n  a  1.000 EUR\n  b\n")[0][1] == "1000"
    assert faults("2024-01-01\n  a  1.000 EUR\n  b\n") == [
        "line 2: 1.000 may be thousands or have three places: say which by a line `decimal-mark .` or `,`"
    ]


def test_an_entry_says_what_it_says() -> None:
    journal = read("""\
Y2024
1/15=1/16 ! (INV-1) Market; of fruit, kind:pears
    ; where: corner shop , when:noon
    * assets:cash    -1 USD   ; how:coin
    ; as:ever
    expenses:food
""")
    (entry,) = journal.entries
    assert (entry.line, entry.on, entry.reason, entry.reference) == (2, date(2024, 1, 15), "Market", "INV-1")
    assert entry.said == [
        ("status", "pending"),
        ("date2", "2024-01-16"),
        ("kind", "pears"),
        ("where", "corner shop"),
        ("when", "noon"),
        ("comment", "of fruit, kind:pears"),
    ]
    assert entry.postings[0].said == [("status", "cleared"), ("how", "coin"), ("as", "ever")]


def test_an_amount_left_out_is_the_rest_of_every_currency() -> None:
    assert amounts("2024-01-01 x\n  a  1 USD\n  b  2 EUR\n  c\n")[2:] == [("c", "-1", "USD"), ("c", "-2", "EUR")]


def test_balances_are_checked_day_by_day() -> None:
    good = """\
2024-02-01 second
    a:x    1 USD = 3 USD
    b     -1 USD =* -3 USD

2024-01-01 first
    a:x    2 USD == 2 USD
    b
    a      0 USD =* 2 USD
"""
    assert len(read(good).entries) == 2
    assert faults(good.replace("= 3 USD", "= 4 USD")) == ["line 2: a:x holds 3 USD here, and not 4"]
    sole = "2024-01-01\n  a  1 EUR\n  a  1 USD == 1 USD\n  b\n"
    assert faults(sole) == ["line 3: a holds more here than USD"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2024-01-01 x\n  a  1 USD\n  b  -2 USD\n", "line 1: the entry does not balance: -1 USD is too much"),
        ("2024-01-01 x\n  a  1 USD @ 2 EUR\n  b\n", "line 2: a cost or price is not taken"),
        ("2024-01-01 x\n  a  1 USD {2 EUR}\n  b\n", "line 2: a cost or price is not taken"),
        ("2024-01-01 x\n  (a)  1 USD\n", "line 2: a virtual posting in ( ) balances nothing"),
        ("2024-01-01 x\n  [a]  1 USD\n  [b]\n", "line 2: a pending posting is no entry's"),
        ("2024-01-01 x\n  a  = 1 USD\n  b\n", "line 2: a balance that is assigned is not taken"),
        ("2024-01-01 x\n  a\n  b\n  c  1 USD\n", "line 3: only one posting of an entry may leave out its amount"),
        ("2024-01-01 x\n  a  1 USD  ; [2024-02-02]\n  b\n", "line 2: a posting with a date of its own"),
        ("2024-01-01 x\n  a  1 USD  ; date:2024-02-02\n  b\n", "line 2: a posting with a date of its own"),
        ("2024-01-01 x\n  a  1\n  b\n", "line 2: the amount has no commodity"),
        ("2024-01-01 x\n  a  1 h\n  b\n", "line 2: h is no code of a currency: say what it is by --commodity h="),
        ("2024-01-01 x\n  a  1E3 USD\n  b\n", "line 2: an amount with an exponent is not taken"),
        ("2024-01-01 x\n  a  1 USD nonsense\n  b\n", "line 2: this cannot be read behind the amount: nonsense"),
        ("2024-13-01 x\n  a  1 USD\n  b\n", "line 1: there is no such day"),
        ("01-01 x\n  a  1 USD\n  b\n", "line 1: this is no whole date"),
        ("include other.journal\n", "line 1: another file is not taken in"),
        ("alias a=b\n", "line 1: accounts are not renamed by the file"),
        ("apply account x\n", "line 1: `apply` is not taken"),
        ("~ monthly\n  a  1 USD\n  b\n", "line 1: a periodic transaction is a forecast"),
        ("= expenses\n  a  1 USD\n", "line 1: an automated posting rule"),
        ("\nnonsense\n", "line 2: this is no line of a journal: nonsense"),
        ("  a  1 USD\n", "line 1: this line is indented"),
        ("account a  ; type:Q\n", "line 1: hledger has no account type Q"),
        ("2024-01-01 x\n  mine  1 USD\n  assets\n", "line 2: what is mine? Say it by a line"),
        ("2024-01-01 x\n  assets:ä  1 USD\n  assets:-c3-a4\n", "line 3: assets:-c3-a4 and assets:ä would become"),
        (f"2024-01-01 x\n  assets  {'9' * 21} USD\n  equity\n", "line 2: an amount has at most 20 digits"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(text: str, told: str) -> None:
    assert faults(text)[0].startswith(told)


def test_all_faults_are_told_up_to_a_bound() -> None:
    assert len(faults("include x\n" * 3)) == 3
    assert len(faults("include x\n" * 300)) == 20


def test_comments_and_what_a_ledger_has_no_use_for_are_passed_over() -> None:
    text = """\
# one
* two
; three
comment
2024-01-01 none
  a  1 x
end comment
P 2024-01-01 USD 0.9 EUR
payee Ann
tag x
D 1,000.00 USD
account assets:cash
  ; type:A
2024-01-01 one
    assets:cash    1
    equity
"""
    made = planned(text)
    assert [(line.name, f"{line.amount}", line.currency) for line in made.entries[0].lines] == [
        ("assets:cash", "1", "USD"),
        ("equity", "-1", "USD"),
    ]
    assert made.places == {"USD": 2}


def test_what_moves_nothing_is_left_out_and_counted() -> None:
    made = planned("2024-01-01 x\n  assets  0 USD = 0 USD\n  equity\n")
    assert (made.entries, dict(made.left_out)) == ([], {"postings of zero": 1, "entries that move nothing": 1})
    pending = "2024-01-01 x\n  [assets]  1 USD\n  [equity]\n  assets  1 USD\n  equity\n"
    assert dict(planned(pending, is_real_only=True).left_out) == {"pending postings": 2}


def test_a_key_is_of_what_an_entry_moves_and_its_place_among_equals() -> None:
    one = "2024-01-01 * Coffee  ; tag:x\n  assets  -1 USD\n  expenses  1.00 USD\n\n"
    same = "2024/1/1 Coffee\n  assets    USD -1.0\n  expenses\n\n"
    other = "2024-01-02 Coffee\n  assets  -1 USD\n  expenses\n\n"
    keys = [entry.key for entry in planned(one + same + other).entries]
    assert len(set(keys)) == 3
    assert [entry.key for entry in planned(other + same + one).entries] == [keys[2], keys[0], keys[1]]


def test_names_become_codes() -> None:
    assert code_of("Ausgaben:Bücher und Co", (), 1) == "Ausgaben:B-c3-bccher_und_Co"
    assert code_of("clients:5", [("clients:", "old:")], 1) == "old:5"
    with pytest.raises(JournalFault):
        code_of("ä", (), 1)


def test_a_file_is_bounded_and_utf_8() -> None:
    for content, told in (
        (b"x" * (FILE_BYTES_MAX + 1), "line 1: a file has at most"),
        (b"; \xff\n; \xff", "line 1: this is not UTF-8"),
        (b"\n; \0", "line 2: no text holds"),
    ):
        with pytest.raises(JournalRefused) as refused:
            read_journal(content, JournalFormat.HLEDGER, Commodities({}), None)
        assert str(refused.value).startswith(told)


PIECES = st.sampled_from(
    [
        "2024-01-01", "2024-02-30", " * ", "(code)", "  assets:bank", "  ", "\t", "\n", "\n    ", "1.00", "1,000", "-",
        "USD", "$", '"', ";", "=", "==", "=*", "@", "{", "[a]", "(a)", "tag:value", ",", "account ", "commodity ",
        "decimal-mark ", "D ", "Y", "comment\n", "end comment\n", "assets", "equity", "\u2028", "²", "\r", "~", "0",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
@example("2024-01-01\n  [")
@example("2024-01-01\n  a  1..,")
@example("commodity 1")
def test_whatever_is_given_is_read_or_refused(text: str) -> None:
    told = None
    try:
        planned(text)
    except JournalRefused as refused:
        told = [fault.line for fault in refused.faults]
    assert told is None or (told and min(told) >= 1 and max(told) <= text.count("\n") + 1)


def test_an_amount_is_exact() -> None:
    (entry,) = read(f"2024-01-01\n  a  {'9' * 20}.{'9' * 18} USD\n  b\n").entries
    assert entry.postings[1].amount == -Decimal(f"{'9' * 20}.{'9' * 18}")
