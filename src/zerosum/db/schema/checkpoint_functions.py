"""What an account held at an instant, found without adding up its history: functions of the database, as they are now.

A posting is *dated* where it was given a time of its own (`effective_at <> posted_at`). All others happened when they
were written, and `posted_at` never goes back on an account: what they come to at an instant is the running balance of
one posting. Only dated ones must be added up, and checkpoints keep that short: each seals 256 postings more, and for
the dated ones among them their sums in the order of what happened in the world. 16 blocks are sealed again as one, up
to a million postings, so that any number of them is made of at most 15 blocks of each size.

Reading looks at few rows by many statements, whose planning would take ten times what they do: each is planned once.

A checkpoint says only what postings say that nobody can change, so it is never wrong and never renewed. The function
that makes them derives them; the application role can write none of its own.
"""

from __future__ import annotations

MAKE_CHECKPOINTS_SIGNATURE = "zerosum_make_checkpoints(uuid, uuid, integer)"

VERSION_AT = """
create function zerosum_version_at(of_ledger uuid, of_account uuid, moment timestamptz) returns bigint
language plpgsql stable as $$
declare
    -- Called by others, which set the path to search and what the planner may think of.
    low bigint := 0;
    high bigint;
    middle bigint;
    is_written boolean;
begin
    -- Versions have no gap and posted_at never goes back: the last one written by then is found by halves. A version is
    -- asked for as the last up to it: of a table that the planner takes for small, any index of the account looks as
    -- good to it as the one in this order, and most would be walked through.
    -- Most happened when they were written. The last of those by then is found by its time, and where the next one was
    -- written later it is all there is to find; some dated ones may lie between.
    select account_version, posted_at <= moment into high, is_written from postings
    where ledger_id = of_ledger and account_id = of_account order by account_version desc limit 1;
    if high is null then
        return 0;
    elsif is_written then
        return high;
    end if;
    high := high - 1;
    select account_version into middle from (
        select account_version, effective_at = posted_at as is_undated from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <= moment
        order by effective_at desc, account_version desc limit 16
    ) as near where is_undated limit 1;
    low := coalesce(middle, 0);
    middle := low + 1;
    while low < high loop
        select posted_at <= moment into is_written from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= middle
        order by account_version desc limit 1;
        if is_written then
            low := middle;
        else
            high := middle - 1;
        end if;
        middle := (low + high + 1) / 2;
    end loop;
    return low;
end
$$
"""

DATED_TOTALS = """
create function zerosum_dated_totals(
    of_ledger uuid, of_account uuid, known bigint, effective timestamptz,
    out debits numeric, out credits numeric, out held numeric, out version bigint
) language plpgsql stable as $$
declare
    sealed bigint;
    outgoing "char";
begin
    -- Of the dated postings up to a version: what they come to, as far as they had happened by an instant.
    select case when type in ('asset', 'expense') then 'c' else 'd' end into outgoing from accounts
    where ledger_id = of_ledger and id = of_account;
    select coalesce(max(account_version), 0) / 256 into sealed from account_checkpoints
    where ledger_id = of_ledger and account_id = of_account and account_version <= known;
    select coalesce(sum(part.debits), 0), coalesce(sum(part.credits), 0), coalesce(sum(part.held), 0),
           coalesce(max(part.version), 0)
    into debits, credits, held, version
    from (
        select chunk.debits[bound] as debits, chunk.credits[bound] as credits, chunk.held[bound] as held,
               chunk.versions[bound] as version
        from generate_series(0, 3) as size
        cross join lateral generate_series(
            case when size = 3 then 0 else (sealed >> (4 * size + 4)) << 4 end, (sealed >> (4 * size)) - 1
        ) as number
        cross join lateral (
            select * from dated_checkpoints stored
            where stored.ledger_id = of_ledger and stored.account_id = of_account and stored.level = size
              and stored.block = number and stored.first_effective_at <= effective
            order by stored.first_effective_at desc, stored.place desc limit 1
        ) as chunk
        cross join lateral width_bucket(effective, chunk.effective_ats) as bound
        union all
        select case when layer = 'p' and side = 'd' then amount else 0 end,
               case when layer = 'p' and side = 'c' then amount else 0 end,
               case when layer = 'p' or side <> outgoing then 0 when releases then -amount else amount end,
               account_version
        from (
            select * from postings
            where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
              and account_version > sealed * 256 and account_version <= known and effective_at <= effective
            order by account_version
        ) as unsealed
    ) as part;
end
$$
"""

TOTALS_AT = """
create function zerosum_totals_at(
    of_ledger uuid, of_account uuid, effective timestamptz, recorded timestamptz, with_sides boolean,
    out posted numeric, out held numeric, out version bigint, out debits numeric, out credits numeric
) language plpgsql stable set search_path = public, pg_temp set enable_seqscan = off
set plan_cache_mode = force_generic_plan as $$
declare
    own accounts%rowtype;
    mark account_checkpoints%rowtype;
    known bigint;
    reached bigint;
    happened record;
    written record;
begin
    -- Over the postings effective at or before `effective` and written at or before `recorded`; null is no bound.
    -- Debits and credits by themselves are told where they are asked for; their difference always.
    select * into own from accounts where ledger_id = of_ledger and id = of_account;
    known := case when recorded is null then own.version else zerosum_version_at(of_ledger, of_account, recorded) end;
    reached := case when effective is null then known
                    else least(known, zerosum_version_at(of_ledger, of_account, effective)) end;
    version := reached;
    if reached = own.version then
        -- Nothing was written since: the account's row says it.
        held := own.held;
        debits := own.posted_debits;
        credits := own.posted_credits;
        posted := case when own.type in ('asset', 'expense') then debits - credits else credits - debits end;
    else
        select balance_after, held_after into posted, held from postings
        where ledger_id = of_ledger and account_id = of_account and account_version <= reached
        order by account_version desc limit 1;
        posted := coalesce(posted, 0);
        held := coalesce(held, 0);
    end if;
    if effective is null and (reached = own.version or not with_sides) then
        return;
    end if;
    select * into mark from account_checkpoints
    where ledger_id = of_ledger and account_id = of_account and account_version <= reached
    order by account_version desc limit 1;
    mark.account_version := coalesce(mark.account_version, 0);
    if with_sides and reached <> own.version then
        -- From the checkpoint on, or back from now, whichever is shorter.
        if own.version - reached < reached - mark.account_version then
            select own.posted_debits - coalesce(sum(amount), 0) into debits from (
                select amount from postings
                where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
                  and account_version > reached and account_version <= own.version
                order by account_version
            ) as since;
        else
            select coalesce(mark.debits, 0) + coalesce(sum(amount), 0) into debits from (
                select amount from postings
                where ledger_id = of_ledger and account_id = of_account and layer = 'p' and side = 'd'
                  and account_version > mark.account_version and account_version <= reached
                order by account_version
            ) as since;
        end if;
        credits := case when own.type in ('asset', 'expense') then debits - posted else debits + posted end;
    end if;
    if effective is null then
        return;
    end if;
    -- Everything up to `reached` was counted as if it had happened when it was written. Of the dated ones it is taken
    -- away again, and in their place stand those that had happened.
    select * into happened from zerosum_dated_totals(of_ledger, of_account, known, effective);
    select coalesce(mark.dated_debits, 0)
           + coalesce(sum(amount) filter (where layer = 'p' and side = 'd'), 0) as debits,
           coalesce(mark.dated_credits, 0)
           + coalesce(sum(amount) filter (where layer = 'p' and side = 'c'), 0) as credits,
           coalesce(mark.dated_held, 0) + coalesce(sum(case when releases then -amount else amount end) filter (
               where layer = 'h' and side = case when own.type in ('asset', 'expense') then 'c' else 'd' end
           ), 0) as held
    into written from (
        select * from postings
        where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
          and account_version > mark.account_version and account_version <= reached
        order by account_version
    ) as since;
    debits := debits + happened.debits - written.debits;
    credits := credits + happened.credits - written.credits;
    held := held + happened.held - written.held;
    posted := posted + (happened.debits - written.debits - happened.credits + written.credits)
                       * case when own.type in ('asset', 'expense') then 1 else -1 end;
    -- The last of those that were counted: one that happened when it was written, or a dated one.
    select account_version into version from postings
    where ledger_id = of_ledger and account_id = of_account and effective_at = posted_at
      and account_version > mark.account_version and account_version <= reached
    order by account_version desc limit 1;
    version := greatest(coalesce(version, mark.undated_version, 0), happened.version);
end
$$
"""

MAKE_CHECKPOINTS = """
create function zerosum_make_checkpoints(of_ledger uuid, of_account uuid, at_most integer) returns integer
language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    own accounts%rowtype;
    mark account_checkpoints%rowtype;
    first_block bigint;
    end_block bigint;
    outgoing "char";
    size integer;
begin
    -- Blocks of 256 postings are sealed in their order, by one at a time. What is committed up to an account's version
    -- is there for good, so nothing is waited for.
    if not pg_try_advisory_xact_lock(hashtextextended('zerosum:checkpoints:' || of_account, 0)) then
        return 0;
    end if;
    select * into own from accounts where ledger_id = of_ledger and id = of_account;
    select * into mark from account_checkpoints
    where ledger_id = of_ledger and account_id = of_account order by account_version desc limit 1;
    first_block := coalesce(mark.account_version, 0) / 256;
    end_block := least(own.version / 256, first_block + at_most);
    if own.version is null or end_block <= first_block then  -- an account of another ledger is none at all
        return 0;
    end if;
    outgoing := case when own.type in ('asset', 'expense') then 'c' else 'd' end;
    insert into account_checkpoints (ledger_id, account_id, account_version, currency, debits,
                                     dated_debits, dated_credits, dated_held, undated_version)
    select of_ledger, of_account, (block + 1) * 256, own.currency,
           coalesce(mark.debits, 0) + sum(sum(debit)) over so_far,
           coalesce(mark.dated_debits, 0) + coalesce(sum(sum(debit) filter (where is_dated)) over so_far, 0),
           coalesce(mark.dated_credits, 0) + coalesce(sum(sum(credit) filter (where is_dated)) over so_far, 0),
           coalesce(mark.dated_held, 0) + coalesce(sum(sum(hold) filter (where is_dated)) over so_far, 0),
           greatest(mark.undated_version, max(max(account_version) filter (where not is_dated)) over so_far, 0)
    from (
        select account_version, (account_version - 1) / 256 as block, effective_at <> posted_at as is_dated,
               case when layer = 'p' and side = 'd' then amount else 0 end as debit,
               case when layer = 'p' and side = 'c' then amount else 0 end as credit,
               case when layer = 'p' or side <> outgoing then 0 when releases then -amount else amount end as hold
        from postings
        where ledger_id = of_ledger and account_id = of_account
          and account_version > first_block * 256 and account_version <= end_block * 256
    ) as line
    group by block
    window so_far as (order by block);
    for size in 0..3 loop
        -- All blocks of this size that have become full: their dated postings in the order of the world, with sums.
        insert into dated_checkpoints (ledger_id, account_id, level, block, first_effective_at, place,
                                       effective_ats, versions, debits, credits, held)
        select of_ledger, of_account, size, block, min(effective_at), rank / 256,
               array_agg(effective_at order by rank), array_agg(last_version order by rank),
               array_agg(debits order by rank), array_agg(credits order by rank), array_agg(held order by rank)
        from (
            select block, effective_at, row_number() over so_far - 1 as rank,
                   max(account_version) over so_far as last_version,
                   sum(case when layer = 'p' and side = 'd' then amount else 0 end) over so_far as debits,
                   sum(case when layer = 'p' and side = 'c' then amount else 0 end) over so_far as credits,
                   sum(case when layer = 'p' or side <> outgoing then 0 when releases then -amount else amount end)
                       over so_far as held
            from (
                select *, (account_version - 1) >> (8 + 4 * size) as block from postings
                where ledger_id = of_ledger and account_id = of_account and effective_at <> posted_at
                  and account_version > (first_block >> (4 * size)) << (8 + 4 * size)
                  and account_version <= (end_block >> (4 * size)) << (8 + 4 * size)
            ) as line
            window so_far as (partition by block order by effective_at, account_version
                              rows between unbounded preceding and current row)
        ) as step
        group by block, rank / 256;
    end loop;
    return end_block - first_block;
end
$$
"""


def statements(role: str) -> list[str]:
    """All of them, and who may call the one that writes."""
    return [
        VERSION_AT,
        DATED_TOTALS,
        TOTALS_AT,
        MAKE_CHECKPOINTS,
        f"revoke all on function {MAKE_CHECKPOINTS_SIGNATURE} from public",
        f"grant execute on function {MAKE_CHECKPOINTS_SIGNATURE} to {role}",
    ]
