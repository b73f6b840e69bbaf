"""A ledger of the test's own, with what a committer carries out in it."""

from __future__ import annotations

import pytest

from tests.committer.ground import Ground
from zerosum.db.engine import Database
from zerosum.domain.identifiers import LedgerId


@pytest.fixture
def ground(database: Database, ledger_id: LedgerId) -> Ground:
    return Ground(database, ledger_id)
