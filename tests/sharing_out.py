"""How the test processes share the suite: the longest first, so that none is left alone with one; else file by file.

Told apart one by one, eleven thousand tests take xdist a quarter of a minute of processor time to hand out, and what
a file makes for all its tests is made in each process.
"""

from __future__ import annotations

import pytest

LONGEST = (
    "tests/ingest/test_killed.py",
    "tests/ingest/test_every_input.py",
    "tests/campaigns/test_webhook_kills.py",
    "tests/model/test_against_model.py",
    "tests/api/test_schemathesis.py",
    "tests/api/test_verify.py",
    "tests/api/test_replays.py",
    "tests/cli/test_up.py",
    "tests/embedded/test_postgres.py",
    "tests/edge/test_first_look.py",
)
"""Each is half a minute or more. Where one has no groups of its own its tests are told apart."""


def share_out(items: list[pytest.Item]) -> None:
    ranks = {path: rank for rank, path in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(_path(item), len(ranks)))
    for item in items:
        if _path(item) not in ranks and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_path(item)))


def _path(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
