"""`zerosum import-journal` as a whole command, into a running installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns.installation import Installation, installed
from tests.cli.command import Said, assert_one_clear_line, zerosum

pytestmark = pytest.mark.xdist_group("import-journal")

JOURNAL = """\
; What we had, and what we did.
commodity $1,000.00
account assets:bank       ; type:A
account Wallet            ; type:L

2024-01-01 * (INV-1) Opening balance  ; tag:one, more:two words
    assets:bank               $1,000.00 = $1,000.00
    equity:opening

2024-01-15 ! Groceries | market
    ; a remark of two
    ; lines
    expenses:food             $12.50  ; what:apples
    assets:bank              $-12.50 = $987.50

2024-02-01 Change
    assets:bank               EUR 30.00
    Wallet                   -30.00 EUR
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installed(is_warm=True) as installation:
        yield installation


def get(running: Installation, path: str) -> Any:
    answer = httpx.get(f"{running.base_url}{path}", headers=running.headers, trust_env=False, verify=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def imported(running: Installation, path: Path, *more: str, over_http: bool = False) -> Said:
    where = ["--data-dir", str(running.folder)]
    if over_http:
        where = ["--url", running.base_url, "--token", running.credentials["api_key"]]
    return zerosum("import-journal", str(path), *where, "--json", *more)


def test_a_file_becomes_accounts_and_entries_and_again_changes_nothing(running: Installation, tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    path.write_text(JOURNAL)
    dry = imported(running, path, "--dry-run")
    assert dry.code == 0, dry.err
    assert json.loads(dry.out)["posted"] == 0
    first = imported(running, path)
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert (told["entries"], told["posted"], told["replayed"]) == (3, 3, 0)
    opened = ["assets:bank:USD", "equity:opening", "expenses:food", "assets:bank:EUR", "Wallet"]
    assert told["accounts_opened"] == opened
    for over_http in (False, True):
        again = imported(running, path, over_http=over_http)
        assert again.code == 0, again.err
        told = json.loads(again.out)
        assert (told["posted"], told["replayed"], told["accounts_opened"]) == (0, 3, [])
    assert get(running, "/v1/accounts/assets:bank:USD/balance")["posted"] == "987.50"
    assert get(running, "/v1/accounts/assets:bank:EUR/balance")["posted"] == "30.00"
    change, food, opening = get(running, "/v1/journal-entries?limit=3")["data"]
    assert change["reason"] == "Change"
    assert food["effective_at"] == "2024-01-15T00:00:00.000000Z"
    assert food["metadata"] == {
        "status": "pending",
        "comment": "a remark of two\nlines",
        "posting.1.what": "apples",
    }
    assert opening["metadata"] == {"code": "INV-1", "status": "cleared", "tag": "one", "more": "two words"}


def test_beancount_over_http_opens_and_defines_what_is_needed(running: Installation, tmp_path: Path) -> None:
    path = tmp_path / "two.beancount"
    path.write_text("""\
2020-01-01 commodity POINTS
  places: "1"
2020-01-01 open Assets:Points
2020-01-01 open Income:Points-Given
2024-03-01 * "Shop" "Points given" #loyalty
  Assets:Points         12.5 POINTS
  Income:Points-Given
2024-03-02 balance Assets:Points 12.5 POINTS
""")
    for posted, opened in ((1, 2), (0, 0)):
        said = imported(running, path, "--format", "beancount", over_http=True)
        assert said.code == 0, said.err
        told = json.loads(said.out)
        assert (told["entries"], told["posted"], len(told["accounts_opened"])) == (1, posted, opened)
    assert get(running, "/v1/accounts/Assets:Points/balance")["posted"] == "12.5"
    (entry,) = get(running, "/v1/journal-entries?account=Assets:Points")["data"]
    assert (entry["reason"], entry["metadata"]) == ("Points given", {"payee": "Shop", "tags": "loyalty"})


def test_a_file_with_faults_is_not_taken_and_every_fault_is_told(running: Installation, tmp_path: Path) -> None:
    path = tmp_path / "three.journal"
    path.write_text("include more.journal\n\n2024-01-01 x\n    assets:a   1 CHF @ 2 USD\n    assets:b\n")
    said = imported(running, path)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "zerosum: the journal is not taken",
        f"{path} line 1: another file is not taken in: import each by itself",
        f"{path} line 4: a cost or price is not taken: an entry balances in each of its currencies",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.journal"], "cannot be read"),
        (["x", "--decimal-mark", ";"], "--decimal-mark is . or ,"),
        (["x", "--account", "nothing"], "--account is OLD=NEW"),
        (["x", "--name", "a b"], "--name is 1 to 128"),
    ],
)
def test_what_is_asked_for_wrongly_is_told_in_one_line(words: list[str], told: str) -> None:
    assert_one_clear_line(zerosum("import-journal", *words), told)


def test_signs_and_names_are_what_the_command_says(running: Installation, tmp_path: Path) -> None:
    path = tmp_path / "four.journal"
    path.write_text("2024-04-01 x\n    Kasse   1.000,50 Fr\n    Eigenes  Fr -1.000,50\n")
    said = imported(
        running, path, "--commodity", "Fr=CHF", "--account", "Kasse=assets:cash", "--account", "Eigenes=equity:own"
    )
    assert said.code == 2
    assert "what is Kasse? Say it by a line" in said.err
    path.write_text("account Kasse  ; type:A\naccount Eigenes  ; type:E\n" + path.read_text())
    said = imported(
        running, path, "--commodity", "Fr=CHF", "--account", "Kasse=assets:cash", "--account", "Eigenes=equity:own"
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["accounts_opened"] == ["assets:cash", "equity:own"]
    assert get(running, "/v1/accounts/assets:cash/balance")["posted"] == "1000.50"
