"""Journals of every writing, read by us and by hledger itself, where it is installed."""

from __future__ import annotations

import csv
import io
import random
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal

import pytest

from tests.journals.test_hledger import read

SEEDS = range(12)
WRITINGS = ("${}", "$ {}", "-$ {}", "{} USD", "{}USD", "USD {}", "-{} EUR", "EUR-{}", "€{}")


def a_number(chance: random.Random) -> str:
    whole, part = chance.randrange(1, 10 ** chance.randrange(1, 9)), chance.randrange(100)
    return chance.choice((f"{whole}.{part:02}", f"{whole:,}.{part:02}", f"{whole}.{part:02}".replace(".", ",")))


def a_journal(chance: random.Random) -> str:
    lines = ["; random"]
    for number in range(20):
        day = f"{chance.randrange(2000, 2030)}{chance.choice('-/.')}{chance.randrange(1, 13)}"
        separator = day[4]
        lines.append(f"{day}{separator}{chance.randrange(1, 29)} {chance.choice(['', '* ', '! '])}entry {number}")
        for _ in range(chance.randrange(1, 4)):
            account = chance.choice(["assets:bank", "assets:my cash", "Ausgaben:Büro", "x"])
            amount = chance.choice(WRITINGS).format(a_number(chance))
            lines.append(
                f"    {account}{chance.choice(['  ', '    ', chr(9) * 2])}{amount}{chance.choice(['', '  ; k:v'])}"
            )
        lines += ["    equity:rest", ""]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_hledger_comes_to_the_same_balances(seed: int) -> None:
    hledger = shutil.which("hledger")
    if hledger is None:
        pytest.skip("hledger is not installed (Debian: apt-get install hledger)")
    text = a_journal(random.Random(seed))
    # One commodity may have several signs for us; for hledger each is one of its own.
    ours: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in read(text, **{"$": "SIGNUSD", "€": "SIGNEUR"}).entries:
        for posting in entry.postings:
            assert posting.amount is not None
            assert posting.currency is not None
            ours[posting.account, posting.currency] += posting.amount
    command = [hledger, "-f", "-", "balance", "--flat", "--empty", "-N", "-O", "csv", "--layout", "bare"]
    told = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 0, told.stderr
    theirs = {
        (row["account"], {"$": "SIGNUSD", "€": "SIGNEUR"}.get(row["commodity"], row["commodity"])): _plain(
            row["balance"]
        )
        for row in csv.DictReader(io.StringIO(told.stdout))
        if row["commodity"]
    }
    assert {key: amount for key, amount in ours.items() if amount} == {
        key: amount for key, amount in theirs.items() if amount
    }


def _plain(text: str) -> Decimal:
    """Of a number in hledger's output, written in the style that its commodity had first in the file."""
    mark = text[-3] if len(text) > 2 and text[-3] in ".," else "."
    other = "," if mark == "." else "."
    return Decimal(text.replace(other, "").replace(mark, "."))
