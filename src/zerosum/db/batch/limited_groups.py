"""Account groups with limits: which an account is in, their locks, and what counts in their windows.

An account's row names those it is in, so whoever has locked the account knows them. Only where one names any, their
rows are locked, and what their accounts have moved is added up, each from its first posting within the window on.
Whoever posts to one of these accounts holds the group's row, so that all of it is committed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from zerosum.domain.ledger.account_groups import group_limit
from zerosum.domain.ledger.group_rules import GroupWindow, LimitedGroup
from zerosum.domain.ledger.velocity import Direction, Use, Used, zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FIND_LIMITED_GROUPS = """
select limited.ledger_id, limited.name, limited.limits::text
from unnest($1::uuid[], $2::text[]) as wanted(ledger_id, name)
join limited_groups limited on limited.ledger_id = wanted.ledger_id and limited.name = wanted.name
order by limited.ledger_id, limited.name
"""
LOCK_LIMITED_GROUPS = FIND_LIMITED_GROUPS + "for no key update of limited"

GROUPS_OF_CODES = """
select wanted.place, limited.name
from unnest($1::uuid[], $2::text[]) with ordinality as wanted(ledger_id, code, place)
join limited_groups limited on limited.ledger_id = wanted.ledger_id and wanted.code ~ limited.expression
order by limited.name collate "C"
"""

COUNT_IN_GROUPS = """
select wanted.place, coalesce(sum(moved), 0)::text, count(moved),
       case when is_rolling then (jsonb_agg(
           jsonb_build_array((extract(epoch from entry.posted_at) * 1000000)::bigint, moved::text)
           order by entry.posted_at, entry.entry_id
       ) filter (where moved is not null))::text end
from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::timestamptz[], $7::timestamptz[])
    with ordinality as wanted(ledger_id, name, currency, is_out, is_rolling, since, until, place)
left join lateral (
    select entry_id, min(line.posted_at) as posted_at, sum(risen) as risen, sum(holds) as holds
    from accounts account
    cross join lateral (
        select entry_id, posting.posted_at,
               case when layer <> 'p' then 0 when (side = 'c') = (account.type not in ('asset', 'expense')) then amount
                   else -amount end as risen,
               case when layer = 'p' or (side = 'c') = (account.type not in ('asset', 'expense')) then 0
                   when releases then -amount else amount end as holds
        from postings posting
        where posting.ledger_id = account.ledger_id and posting.account_id = account.id
          and posting.account_version >= (
              select zerosum_first_version_since(account.ledger_id, account.id, account.version, wanted.since))
          and (wanted.until is null or posting.posted_at < wanted.until)
    ) line
    where account.ledger_id = wanted.ledger_id and account.limited_groups is not null
      and account.limited_groups @> array[wanted.name] and account.currency = wanted.currency
      and account.last_posted_at >= wanted.since
    group by entry_id
) entry on true
left join lateral (
    select case when is_out then entry.holds - entry.risen
                when entry.holds > 0 then entry.risen - entry.holds else entry.risen end as moved
    where case when is_out then entry.holds - entry.risen
               when entry.holds > 0 then entry.risen - entry.holds else entry.risen end > 0
) counted on true
group by wanted.place, is_rolling
"""
"""An entry counts once for a group, as the Book counts it (`group_rules.py`)."""


def group_names(text: str | None) -> tuple[str, ...]:
    """What PostgreSQL writes of an array of them: there is nothing in a name that it would quote."""
    return () if text is None else tuple(text.strip("{}").split(","))


def found_groups(rows: Iterable[Sequence[Any]]) -> list[LimitedGroup]:
    return [
        LimitedGroup(ledger_id=row[0], name=row[1], limits=tuple(group_limit(one) for one in json.loads(row[2])))
        for row in rows
    ]


Wanted = Sequence[tuple[LimitedGroup, GroupWindow]]


def wanted_of(groups: Iterable[LimitedGroup]) -> Wanted:
    return [
        (group, own)
        for group in groups
        for own in dict.fromkeys(GroupWindow(currency, limit.window) for currency, limit in group.limits)
    ]


def group_arguments(wanted: Wanted, at: datetime) -> list[list[Any]]:
    """What is written by a clock that goes before ours may lie beyond the end of a window, and is not in it."""
    return [
        [group.ledger_id for group, _ in wanted],
        [group.name for group, _ in wanted],
        [own.currency for _, own in wanted],
        [own.window.direction is Direction.OUT for _, own in wanted],
        [own.window.seconds is not None for _, own in wanted],
        [own.window.start(at, zone_of(group.ledger_id)) for group, own in wanted],
        [own.window.end(at, zone_of(group.ledger_id)) for group, own in wanted],
    ]


def fill_in_groups(wanted: Wanted, rows: Iterable[Sequence[Any]], at: datetime) -> None:
    for place, amount, count, uses in rows:
        group, own = wanted[place - 1]
        zone = zone_of(group.ledger_id)
        told = tuple(
            Use(_EPOCH + timedelta(microseconds=micros), Decimal(moved)) for micros, moved in json.loads(uses or "[]")
        )
        used = Used(at, own.window.start(at, zone), own.window.end(at, zone), Decimal(amount), count, told)
        group.used = {**group.used, own: used}
