"""What whole branches of the chart came to, sealed behind an instant: functions of the database, as they are now.

A seal stands at an instant behind which nothing is written any more (`SettledTime`). With it goes what each kept branch
came to by then, by type and currency: what it came to at the seal before, and the postings since. So each is the exact
sum of all postings with `posted_at` up to the seal, for ever. Of dated postings (`effective_at <> posted_at`) the sums
are also kept by the hour and the day in which they happened.

A branch is kept once it has so many accounts; smaller ones are quickly added up. Entries are found by their ids, which
are by time to two seconds, and where they are not by an index of those (`entry_times.py`). Accounts say when they were
made, but are written up to a minute later: so a seal counts those that were made five minutes before it.
"""

from __future__ import annotations

from zerosum.db.schema.entry_times import is_apart

SEAL_TOTALS_SIGNATURE = "zerosum_seal_totals(uuid, timestamptz, integer, integer)"

FIRST_ID = """
create function zerosum_first_id(moment timestamptz) returns uuid language sql immutable as $$
    -- Below every UUIDv7 of this millisecond or later.
    select (lpad(to_hex(case when moment > 'epoch' then floor(extract(epoch from moment) * 1000)::bigint else 0 end),
                 12, '0') || repeat('0', 20))::uuid
$$
"""

BRANCHES_OF = """
create function zerosum_branches_of(code text) returns setof text language sql immutable as $$
    -- The whole chart, and each of the first 16 branches in which an account of this code lies.
    select '' union all
    select array_to_string(parts[1:number], ':') || ':'
    from (select string_to_array(code, ':') as parts) as code_in_parts
    cross join lateral generate_series(1, least(cardinality(parts) - 1, 16)) as number
$$
"""

KEEP_BRANCHES = """
create function zerosum_keep_branches(of_ledger uuid, last total_seals, until timestamptz, kept_min integer)
returns void language plpgsql set search_path = public, pg_temp as $$
declare
    added text[];
begin
    -- Those that accounts of this time lie in, and that are large enough by now. (Too early does no harm.)
    select array_agg(branch) into added from (
        select distinct branch from (
            select code from accounts
            where ledger_id = of_ledger
              and id >= zerosum_first_id(last.accounts_until - interval '5 minutes')
              and id < zerosum_first_id(until + interval '5 minutes')
        ) as account cross join lateral zerosum_branches_of(code) as branch
    ) as candidate
    where not exists (
        select from total_branches kept where kept.ledger_id = of_ledger and kept.branch = candidate.branch
    ) and (branch = '' or kept_min <= (
        select count(*) from (
            select from accounts account
            where account.ledger_id = of_ledger
              and account.code ~>=~ candidate.branch and account.code ~<~ (candidate.branch || '~') limit kept_min
        ) as found
    ));
    insert into total_branches (ledger_id, branch, type, currency, since)
    select distinct of_ledger, branch, account.type, account.currency, last.sealed_at
    from unnest(added) as branch
    cross join lateral (
        select * from accounts
        where ledger_id = of_ledger and code ~>=~ branch and code ~<~ (branch || '~') offset 0
    ) as account;
    if last.sealed_at = '-infinity' then
        return;
    end if;
    -- What they came to at the seal before, account by account: there were few of them then.
    insert into branch_totals (ledger_id, branch, type, currency, sealed_at, accounts, lines, debits, credits,
                               dated_lines, dated_debits, dated_credits)
    select of_ledger, branch, account.type, account.currency, last.sealed_at,
           count(*) filter (where account.created_at <= last.accounts_until), coalesce(sum(own.version), 0),
           coalesce(sum(own.debits), 0), coalesce(sum(own.credits), 0), sum(dated.lines), sum(dated.debits),
           sum(dated.credits)
    from unnest(added) as branch
    cross join lateral (
        select * from accounts
        where ledger_id = of_ledger and code ~>=~ branch and code ~<~ (branch || '~') offset 0
    ) as account
    left join lateral zerosum_totals_at(of_ledger, account.id, null, last.sealed_at, true) as own
      on account.version > 0 and account.created_at <= last.sealed_at + interval '5 minutes'
    cross join lateral (
        select count(*) as lines,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits
        from postings
        where ledger_id = of_ledger and account_id = account.id and effective_at <> posted_at
          and posted_at <= last.sealed_at
    ) as dated
    group by branch, account.type, account.currency;
    insert into dated_branch_totals (ledger_id, branch, type, currency, grain, starts_at, lines, debits, credits)
    select of_ledger, branch, account.type, account.currency, span, date_trunc(span, effective_at, 'UTC'), count(*),
           coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0),
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0)
    from unnest(added) as branch
    cross join lateral (
        select * from accounts
        where ledger_id = of_ledger and code ~>=~ branch and code ~<~ (branch || '~') offset 0
    ) as account
    join postings line on line.ledger_id = of_ledger and line.account_id = account.id
     and line.effective_at <> line.posted_at and line.posted_at <= last.sealed_at
    cross join unnest(array['hour', 'day']) as span
    group by branch, account.type, account.currency, span, date_trunc(span, effective_at, 'UTC');
end
$$
"""

SEAL_TOTALS = f"""
create function zerosum_seal_totals(of_ledger uuid, horizon timestamptz, at_most integer, kept_min integer)
returns integer language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
set jit = off set plan_cache_mode = force_generic_plan as $$
declare
    last total_seals%rowtype;
    until timestamptz;
    counted_until timestamptz;
    low uuid;
    high uuid;
begin
    -- One seal further, once so many entries, or as many new accounts, lie behind the last one. `horizon` has settled.
    if not pg_try_advisory_xact_lock(hashtextextended('zerosum:totals:' || of_ledger, 0)) then
        return 0;
    end if;
    horizon := least(horizon, clock_timestamp() - interval '1 second');
    select * into last from total_seals where ledger_id = of_ledger order by sealed_at desc limit 1;
    last.sealed_at := coalesce(last.sealed_at, '-infinity');
    last.accounts_until := coalesce(last.accounts_until, '-infinity');
    low := zerosum_first_id(last.sealed_at - interval '2 seconds');
    select posted_at into until from journal_entries
    where ledger_id = of_ledger and id >= low and posted_at > last.sealed_at and posted_at <= horizon
    order by id offset at_most - 1 limit 1;
    if until is null then
        if at_most > (
            select count(*) from (
                select from accounts
                where ledger_id = of_ledger and id >= zerosum_first_id(last.accounts_until - interval '5 minutes')
                  and created_at > last.accounts_until and created_at <= horizon - interval '5 minutes' limit at_most
            ) as opened
        ) then
            return 0;
        end if;
        until := horizon;
    end if;
    counted_until := greatest(last.accounts_until, until - interval '5 minutes');
    high := zerosum_first_id(until + interval '2 seconds');
    perform zerosum_keep_branches(of_ledger, last, until, kept_min);
    with moved as (
        select line.account_id, count(*) as lines,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits,
               count(*) filter (where is_dated) as dated_lines,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'd' and is_dated), 0) as dated_debits,
               coalesce(sum(amount) filter (where layer = 'p' and side = 'c' and is_dated), 0) as dated_credits
        from (
            select id, effective_at <> posted_at as is_dated from journal_entries
            where ledger_id = of_ledger and id >= low and id < high and posted_at > last.sealed_at
              and posted_at <= until
            union all
            select id, effective_at <> posted_at from journal_entries
            where ledger_id = of_ledger and posted_at > last.sealed_at and posted_at <= until
              and {is_apart()}
              and not (id >= low and id < high) offset 0
        ) as entry
        join postings line on line.ledger_id = of_ledger and line.entry_id = entry.id
        group by line.account_id
    ), change as (
        select branch, type, currency, sum(accounts) as accounts, sum(lines) as lines, sum(debits) as debits,
               sum(credits) as credits, sum(dated_lines) as dated_lines, sum(dated_debits) as dated_debits,
               sum(dated_credits) as dated_credits
        from (
            select code, type, currency, 0 as accounts, lines, debits, credits, dated_lines, dated_debits, dated_credits
            from moved join accounts on ledger_id = of_ledger and id = account_id
            union all
            select code, type, currency, 1, 0, 0, 0, 0, 0, 0 from accounts
            where ledger_id = of_ledger and id >= zerosum_first_id(last.accounts_until - interval '5 minutes')
              and id < zerosum_first_id(until + interval '5 minutes')
              and created_at > last.accounts_until and created_at <= counted_until
        ) as part
        cross join lateral zerosum_branches_of(code) as branch
        group by branch, type, currency
    ), kept as (
        select * from change where exists (
            select from total_branches own where own.ledger_id = of_ledger and own.branch = change.branch
        )
    ), line as (
        insert into total_branches (ledger_id, branch, type, currency, since)
        select of_ledger, branch, type, currency, (
            select min(since) from total_branches own where own.ledger_id = of_ledger and own.branch = kept.branch
        ) from kept on conflict do nothing
    )
    insert into branch_totals (ledger_id, branch, type, currency, sealed_at, accounts, lines, debits, credits,
                               dated_lines, dated_debits, dated_credits)
    select of_ledger, branch, type, currency, until,
           coalesce(before.accounts, 0) + kept.accounts, coalesce(before.lines, 0) + kept.lines,
           coalesce(before.debits, 0) + kept.debits, coalesce(before.credits, 0) + kept.credits,
           coalesce(before.dated_lines, 0) + kept.dated_lines, coalesce(before.dated_debits, 0) + kept.dated_debits,
           coalesce(before.dated_credits, 0) + kept.dated_credits
    from kept left join lateral (
        select accounts, lines, debits, credits, dated_lines, dated_debits, dated_credits from branch_totals so_far
        where so_far.ledger_id = of_ledger and so_far.branch = kept.branch and so_far.type = kept.type
          and so_far.currency = kept.currency order by so_far.sealed_at desc limit 1
    ) as before on true;
    insert into dated_branch_totals as so_far (ledger_id, branch, type, currency, grain, starts_at, lines, debits,
                                               credits)
    select of_ledger, within, account.type, account.currency, span, date_trunc(span, entry.effective_at, 'UTC'),
           count(*), coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0),
           coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0)
    from (
        select id, effective_at from journal_entries
        where ledger_id = of_ledger and id >= low and id < high and posted_at > last.sealed_at and posted_at <= until
          and effective_at <> posted_at
        union all
        select id, effective_at from journal_entries
        where ledger_id = of_ledger and posted_at > last.sealed_at and posted_at <= until
          and effective_at <> posted_at
          and {is_apart()}
          and not (id >= low and id < high) offset 0
    ) as entry
    join postings line on line.ledger_id = of_ledger and line.entry_id = entry.id
    join accounts account on account.ledger_id = of_ledger and account.id = line.account_id
    cross join lateral zerosum_branches_of(account.code) as within
    cross join unnest(array['hour', 'day']) as span
    where exists (select from total_branches own where own.ledger_id = of_ledger and own.branch = within)
    group by within, account.type, account.currency, span, date_trunc(span, entry.effective_at, 'UTC')
    on conflict on constraint dated_branch_totals_pkey do update
    set lines = so_far.lines + excluded.lines, debits = so_far.debits + excluded.debits,
        credits = so_far.credits + excluded.credits;
    insert into total_seals (ledger_id, sealed_at, accounts_until) values (of_ledger, until, counted_until);
    return 1;
end
$$
"""  # noqa: S608 - made of constants only


def statements(role: str) -> list[str]:
    """All of them, and who may call the one that writes."""
    return [
        FIRST_ID,
        BRANCHES_OF,
        KEEP_BRANCHES,
        "revoke all on function zerosum_keep_branches(uuid, total_seals, timestamptz, integer) from public",
        SEAL_TOTALS,
        f"revoke all on function {SEAL_TOTALS_SIGNATURE} from public",
        f"grant execute on function {SEAL_TOTALS_SIGNATURE} to {role}",
    ]
