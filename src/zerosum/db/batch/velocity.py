"""What counts in the windows of velocity limits, added up from an account's postings while its row is locked.

Only of accounts that have such limits, and only from the first posting within the window on: times never go back on an
account, so that one is found by halving.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from zerosum.domain.ledger.account import AccountState, Side
from zerosum.domain.ledger.velocity import Direction, Use, Used, VelocityLimit, Window, velocity_limit, zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FIRST_VERSION_SIGNATURE = "zerosum_first_version_since(uuid, uuid, bigint, timestamptz)"

FIRST_VERSION_SINCE = """
create function zerosum_first_version_since(ledger uuid, account uuid, version bigint, moment timestamptz)
returns bigint language plpgsql stable as $$
declare
    before bigint := 0;
    since bigint := version + 1;
    step bigint := 1;
    middle bigint;
begin
    -- From the newest posting back, twice as far each time: windows are short, histories are long.
    loop
        middle := since - step;
        exit when middle <= 0;
        if (select posted_at < moment from public.postings posting where posting.ledger_id = ledger
            and posting.account_id = account and posting.account_version = middle) then
            before := middle;
            exit;
        end if;
        since := middle;
        step := step * 2;
    end loop;
    while since - before > 1 loop
        middle := (before + since) / 2;
        if (select posted_at < moment from public.postings posting where posting.ledger_id = ledger
            and posting.account_id = account and posting.account_version = middle) then
            before := middle;
        else
            since := middle;
        end if;
    end loop;
    return since;
end
$$
"""
"""The first posting of an account that was not posted before a moment; one more than there are where none was."""

COUNT_VELOCITY = """
select wanted.place, coalesce(sum(moved), 0)::text, count(moved),
       case when is_rolling then (jsonb_agg(
           jsonb_build_array((extract(epoch from entry.posted_at) * 1000000)::bigint, moved::text)
           order by entry.version
       ) filter (where moved is not null))::text end
from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bool[], $5::bool[], $6::bool[], $7::timestamptz[])
    with ordinality as wanted(ledger_id, account_id, version, is_credit, is_out, is_rolling, since, place)
left join lateral (
    select min(account_version) as version, min(posted_at) as posted_at, sum(risen) as risen, sum(holds) as holds
    from (
        select entry_id, account_version, posted_at,
               case when layer <> 'p' then 0 when (side = 'c') = is_credit then amount else -amount end as risen,
               case when layer = 'p' or (side = 'c') = is_credit then 0 when releases then -amount else amount end
                   as holds
        from postings posting
        where posting.ledger_id = wanted.ledger_id and posting.account_id = wanted.account_id
          and posting.account_version >= (
              select zerosum_first_version_since(wanted.ledger_id, wanted.account_id, wanted.version, wanted.since))
    ) line
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
"""An entry counts once, as the Book counts it (`velocity_rules.Moved`)."""


def velocity_limits(text: str) -> tuple[VelocityLimit, ...]:
    return tuple(velocity_limit(content) for content in json.loads(text))


def velocity_text(state: AccountState) -> str | None:
    """As it is stored, which is not at all where there are none."""
    return json.dumps([limit.content for limit in state.velocity]) if state.velocity else None


Wanted = Sequence[tuple[AccountState, Window]]


def velocity_arguments(wanted: Wanted, at: datetime) -> list[list[Any]]:
    return [
        [account.ledger_id for account, _ in wanted],
        [account.id for account, _ in wanted],
        [account.version for account, _ in wanted],
        [account.normal_side is Side.CREDIT for account, _ in wanted],
        [window.direction is Direction.OUT for _, window in wanted],
        [window.seconds is not None for _, window in wanted],
        [window.start(at, zone_of(account.ledger_id)) for account, window in wanted],
    ]


def fill_in(wanted: Wanted, rows: Iterable[Sequence[Any]], at: datetime) -> None:
    for place, amount, count, uses in rows:
        account, window = wanted[place - 1]
        zone = zone_of(account.ledger_id)
        told = tuple(
            Use(_EPOCH + timedelta(microseconds=micros), Decimal(moved)) for micros, moved in json.loads(uses or "[]")
        )
        # The places of the currency, also where nothing was moved.
        total = Decimal(amount) + (account.posted_debits - account.posted_debits)
        used = Used(at, window.start(at, zone), window.end(at, zone), total, count, told)
        account.used = {**account.used, window: used}
