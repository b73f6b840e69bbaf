"""`zerosum import-journal` as a whole command, into a running installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.campaigns.installation import Installation, installed
from tests.cli.command import Said, zerosum

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
