"""Entries posted in a span of time, as SQL: found by their ids, and beside them those that lie apart from theirs."""

from __future__ import annotations

from zerosum.db.schema.entry_times import is_apart


def entries_where(which: str) -> str:
    """The ids of a ledger's entries; `ledger_id` is given with the statement."""
    return f"select id from journal_entries where ledger_id = :ledger_id and {which}"  # noqa: S608 - of constants only


def posted_between(after: str, until: str, which: str = "") -> str:
    """After one moment and up to another. Each is given under its name, and as an id, `APART` around it.

    The first id is given as `{after}_low` and the last as `{until}_high`.
    """
    posted = f"posted_at > :{after} and posted_at <= :{until}{which}"
    near = f"id >= :{after}_low and id < :{until}_high"
    far = f"{is_apart()} and not ({near})"
    return f"{entries_where(f'{near} and {posted}')} union all {entries_where(f'{far} and {posted}')}"
