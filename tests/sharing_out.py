"""How the test processes share the suite: file by file, the longest first, so that none is left alone with one.

What a file makes for all its tests, an installation or a ledger, is made in one process then and not in each. xdist's
own groups are of no help: it marks a test by a name of its own, which pytest 9.2 no longer looks at.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

LONGEST = (
    "tests/ingest/test_killed.py",
    "tests/publications/test_killed.py",
    "tests/ingest/test_every_input.py",
    "tests/campaigns/test_webhook_kills.py",
    "tests/model/test_against_model.py",
    "tests/cli/test_backup.py",
    "tests/api/test_verify.py",
    "tests/edge/test_first_look.py",
    "tests/api/test_schemathesis.py",
    "tests/edge/test_databases.py",
    "tests/cli/test_up.py",
    "tests/cli/test_import.py",
    "tests/api/test_replays.py",
    "tests/embedded/test_postgres.py",
    "tests/campaigns/test_processors.py",
    "tests/cli/test_bench.py",
    "tests/campaigns/test_kill.py",
    "tests/edge/test_database_url.py",
    "tests/campaigns/test_sigterm.py",
    "tests/embedded/test_supervisor.py",
    "tests/cli/test_serve.py",
    "tests/campaigns/test_game_shop.py",
    "tests/campaigns/test_at_once.py",
    "tests/publications/test_every_broker.py",
    "tests/db/test_migrations.py",
    "tests/db/test_totals_at.py",
    "tests/histories/test_serializable.py",
    "tests/cache/test_faults.py",
    "tests/dashboards/test_watched.py",
    "tests/committer/test_faults.py",
    "tests/api/test_import.py",
    "tests/api/test_every_route.py",
)
"""By what they take from beginning to end."""

TOLD_APART = {
    "tests/ingest/test_every_input.py",
    "tests/model/test_against_model.py",
    "tests/api/test_replays.py",
    "tests/embedded/test_postgres.py",
}
"""Long, and nothing is made for all their tests."""


class FileByFile(LoadScopeScheduling):  # type: ignore[misc]
    """In the order of collection."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path in TOLD_APART:
            return nodeid
        if path.startswith("tests/db/") and "oldest" in nodeid.partition("[")[2]:
            return "the oldest PostgreSQL, which one of the processes starts"
        return path


def longest_first(items: list[pytest.Item]) -> None:
    ranks = {path: rank for rank, path in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))
