"""What is read of beancount's files, and what is refused with its line and why."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zerosum.domain.ledger.account import AccountType
from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.codes import Commodities
from zerosum.ingest.journal_files.file import EXPORTED, read_journal
from zerosum.ingest.journal_files.planning import Plan, PlanOptions, plan
from zerosum.ingest.journal_files.read import JournalRefused

OPEN = """\
2020-01-01 open Assets:Bank:Main USD,EUR "STRICT"
2020-01-01 open Equity:Opening
2020-01-01 open Expenses:Food
"""


def planned(text: str) -> Plan:
    journal = read_journal(text.encode(), JournalFormat.BEANCOUNT, Commodities({}), None)
    return plan(journal, PlanOptions(zone=UTC, exported=EXPORTED[JournalFormat.BEANCOUNT]))


def faults(text: str) -> list[str]:
    with pytest.raises(JournalRefused) as refused:
        planned(text)
    return [str(fault) for fault in refused.value.faults]


def test_a_file_becomes_accounts_and_entries() -> None:
    made = planned(
        """\
* A heading
option "title" "Mine"
option "operating_currency" "USD"
2020-01-01 commodity USD
  name: "Dollar"
"""
        + OPEN
        + """\
pushtag #trip
2024-01-02 ! "Market" "Apples \\"red\\"
and pears" #fruit ^receipt-1  ; a comment
  where: "corner"
  rate: 1.5 USD
  Expenses:Food           12.50 USD
    what: "apples"
  ! Assets:Bank:Main
poptag #trip

2024-01-01 txn "Opening"
  Assets:Bank:Main    1,000.00 USD
  Equity:Opening
2024-01-01 balance Assets:Bank:Main 0 USD
2024-01-02 balance Assets:Bank 1000.00 USD
2024-01-03 balance Assets:Bank 987.5 USD
2024-01-03 balance Assets:Bank 980 ~ 10 USD
2024-01-03 price USD 0.9 EUR
2024-01-03 note Assets:Bank:Main "hello"
2024-01-03 event "where" "home"
2024-01-03 custom "x" Assets:Bank:Main TRUE 1 USD
2025-01-01 close Expenses:Food
"""
    )
    market, opening = made.entries
    assert (market.line, market.reason) == (10, 'Apples "red"\nand pears')
    assert market.metadata == {
        "flag": "!",
        "payee": "Market",
        "where": "corner",
        "rate": "1.5 USD",
        "tags": "trip fruit",
        "links": "receipt-1",
        "posting.1.what": "apples",
        "posting.2.flag": "!",
    }
    assert [(line.name, f"{line.amount:f}") for line in market.lines] == [
        ("Expenses:Food", "12.50"),
        ("Assets:Bank:Main", "-12.50"),
    ]
    assert (opening.reason, opening.metadata) == ("Opening", {})
    assert [(account.code, account.type) for account in made.accounts] == [
        ("Expenses:Food", AccountType.EXPENSE),
        ("Assets:Bank:Main", AccountType.ASSET),
        ("Equity:Opening", AccountType.EQUITY),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('include "x"\n', "line 4: another file is not taken in"),
        ('plugin "x"\n', "line 4: a plugin would change what the file says"),
        ('option "name_assets" "Vermoegen"\n', "line 4: an option has a name and a value"),
        ("2024-01-01 pad Assets:Bank:Main Equity:Opening\n", "line 4: an entry that is made up"),
        ("2024-01-01 open Assets:Bank:Main\n", "line 4: the account was opened before"),
        ("2024-01-01 open Things:Bank\n", "line 4: Things:Bank begins with none of the roots"),
        ('2024-01-01 * "x"\n  Assets:Cash  1 USD\n  Equity:Opening\n', "line 5: Assets:Cash is not opened"),
        ('2019-01-01 * "x"\n  Assets:Bank:Main  1 USD\n  Equity:Opening\n', "line 5: Assets:Bank:Main is not open"),
        ('2024-01-01 * "x"\n  Assets:Bank:Main  1 USD @ 2 EUR\n  Equity:Opening\n', "line 5: a cost or price"),
        ('2024-01-01 * "x"\n  Assets:Bank:Main  1 USD {2 EUR}\n  Equity:Opening\n', "line 5: a cost or price"),
        ('2024-01-01 * "x"\n  Assets:Bank:Main  1 / 2 USD\n  Equity:Opening\n', "line 5: an amount is a number"),
        ('2024-01-01 * "x"\n  Assets:Bank:Main  USD\n  Equity:Opening\n', "line 5: an amount is a number"),
        ('2024-01-01 * "x"\n  Assets:Bank:Main  1 USD\n', "line 4: the entry does not balance: 1 USD"),
        ('2024-01-01 * "x" nonsense\n  Assets:Bank:Main  1 USD\n', "line 4: behind the flag stand"),
        ("2024-01-01 balance Assets:Bank:Main 1 USD\n", "line 4: Assets:Bank:Main holds 0 USD here, and not 1"),
        ("2024-01-01 frobnicate\n", "line 4: this is no directive of beancount: frobnicate"),
        ('2024-01-01 * "x\n', 'line 4: this cannot be read: "x'),
        ("2024-01-41 open Assets:X\n", "line 4: there is no such day"),
        ("poptag #x\n", "line 4: this tag was not pushed"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(text: str, told: str) -> None:
    assert faults(OPEN + text)[0].startswith(told)


PIECES = st.sampled_from(
    [
        "2024-01-01", "2024-02-30", " * ", ' "text" ', '"', "\\", "\n", "\n  ", "Assets:Bank", "Equity:A", "1.0",
        "-", "USD", "U", "open ", "close ", "balance ", "commodity ", "option ", "pushtag ", "#tag", "^link", "key: ",
        "{", "@", "~", "/", ";", "id: ", "metadata: ", '"{}"', "effective_at: ", "²", "\u2028", "txn ", "poptag ", "\t",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
@example("2024-01-01")
@example("2024-01-01 *\n  *")
@example('2024-01-01 * "x"\n  id: "je_018f0000-0000-7000-8000-000000000001"\n  effective_at: "2"\n  metadata: "["')
def test_whatever_is_given_is_read_or_refused(text: str) -> None:
    told = None
    try:
        planned(OPEN + text)
    except JournalRefused as refused:
        told = [fault.line for fault in refused.faults]
    assert told is None or (told and min(told) >= 1 and max(told) <= text.count("\n") + 4)
