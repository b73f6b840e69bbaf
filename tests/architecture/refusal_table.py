"""The table of all refusals in `docs/API.md`, rendered from the refusals themselves.

`make pages`, or python -m tests.architecture.refusal_table, puts it into the page.
"""

from __future__ import annotations

import re

from tests.architecture.sources import TOP
from zerosum.api.problems import STATUSES
from zerosum.domain.errors import DomainError, OutcomeUnknown

PAGE = TOP / "docs" / "API.md"
HEAD = "| code | status | retry helps | means |\n| --- | --- | --- | --- |\n"
_TABLE = re.compile(re.escape(HEAD) + r"(\|.*\n)*")


def rendered() -> str:
    """By status, and within one in the order of `STATUSES`."""
    return HEAD + "".join(row(refusal) for refusal in sorted(STATUSES, key=STATUSES.__getitem__))


def row(refusal: type[DomainError]) -> str:
    retry = "yes, with the same key" if refusal is OutcomeUnknown else "yes" if refusal.retryable else "no"
    return f"| `{refusal.code}` | {STATUSES[refusal]} | {retry} | {refusal.title} |\n"


def shown() -> str:
    """The table as the page has it."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    return "" if found is None else found.group()


if __name__ == "__main__":
    PAGE.write_text(_TABLE.sub(lambda _: rendered(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
