"""When an entry was posted, by its id: that is by time, and nearly always to two seconds.

An id is made when a command comes, and the entry is posted when the command is carried out. Those that lie further
apart have an index of their own, `journal_entries_apart`: so what was posted in a span of time is found by ids that are
two seconds around it, and there, exactly, however long anything has waited.
"""

from __future__ import annotations

from datetime import timedelta

APART = timedelta(seconds=2)

_IS_APART = (
    "abs(date_part('epoch', {posted_at} - timestamptz 'epoch') * 1000"
    " - ('x' || left({id}::text, 8) || substr({id}::text, 10, 4))::bit(48)::bigint) > 1999"
)
"""Of functions alone that an index may call. A millisecond less than APART: ids know no smaller part of it."""


def is_apart(of: str = "") -> str:
    """Whether an entry lies further from its id than `APART`, as SQL; `of` names the table and ends with a dot.

    It stands in each statement in full, for so the planner knows the index by it.
    """
    return _IS_APART.format(id=f"{of}id", posted_at=f"{of}posted_at")
