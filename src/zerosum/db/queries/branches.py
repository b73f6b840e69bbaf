"""The chart of accounts, branch by branch: what lies right below a prefix, and what it comes to at any instant.

Which branches there are is seen by leaps through the index of codes, however many accounts lie in each. What the larger
ones come to is sealed (`branch_totals.py`); the accounts of the others are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, TEXT, func, literal, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncConnection

from zerosum.db.gently import gently
from zerosum.db.queries.balances import Instant, had_begun, source_of
from zerosum.db.queries.branch_totals import BranchTotal, SealedTotals
from zerosum.db.queries.pages import look_up_by_key
from zerosum.db.queries.rolled_up import SEPARATOR, RolledUp, rolled_up
from zerosum.db.schema.tables import accounts

# From each code the leap goes behind all that begin with its branch: nothing in a code sorts as high as a tilde. A code
# that is no branch, or is the prefix itself, is followed by whatever sorts next, and nothing sorts as low as a blank.
_LEAPS = text("""
with recursive child (code) as (
    (select code from accounts
     where ledger_id = :ledger_id and code ~>=~ :start and code ~>=~ :prefix and code ~<~ (cast(:prefix as text) || '~')
     order by code using ~<~ limit 1)
    union all
    select (
        select code from accounts
        where ledger_id = :ledger_id and code ~<~ (cast(:prefix as text) || '~')
          and code ~>=~ case
              when strpos(substr(child.code, length(cast(:prefix as text)) + 1), ':') = 0 then child.code || ' '
              else cast(:prefix as text) || split_part(substr(child.code, length(cast(:prefix as text)) + 1), ':', 1)
                   || ':~' end
        order by code using ~<~ limit 1
    ) from child where child.code is not null
)
select code from child where code is not null limit :limit
""")


class Child(NamedTuple):
    """What lies right below a prefix. `is_branch`: accounts whose codes begin with the name; if not, one account."""

    name: str
    is_branch: bool

    @property
    def end(self) -> str:
        """Behind all codes that belong to it, and before all others."""
        return f"{self.name}~" if self.is_branch else f"{self.name} "


async def children_of(
    connection: AsyncConnection, ledger_id: UUID, prefix: str, *, after: str | None, limit: int
) -> list[Child]:
    """In the order of their bytes, from behind the end of another one on."""
    await look_up_by_key(connection)
    given = {"ledger_id": ledger_id, "prefix": prefix, "start": after or prefix, "limit": limit}
    return [_child(prefix, code) for code in (await connection.execute(_LEAPS, given)).scalars()]


def _child(prefix: str, code: str) -> Child:
    name, separator, _ = code[len(prefix) :].partition(SEPARATOR)
    return Child(f"{prefix}{name}{separator}", bool(separator))


async def children_totals(
    connection: AsyncConnection,
    ledger_id: UUID,
    instant: Instant,
    prefix: str,
    children: Sequence[Child],
    sealed: SealedTotals | None,
) -> list[RolledUp]:
    """What they come to, by type and currency. Those of which there was no account yet are left out."""
    found: list[RolledUp] = []
    kept: set[str] = set()
    if sealed is not None and (branches := [child.name for child in children if child.is_branch]):
        kept = await sealed.kept(connection, branches)
        found += [_as_rolled_up(one) for one in await sealed.below(connection, prefix, kept) if one.accounts]
    rest = [child for child in children if child.name not in kept]
    found += await _added_up(connection, ledger_id, instant, rest)
    return sorted(found, key=lambda one: (one.branch, one.type, one.currency))


async def _added_up(
    connection: AsyncConnection, ledger_id: UUID, instant: Instant, children: Sequence[Child]
) -> list[RolledUp]:
    if not children:
        return []
    source, debits, credits_, version = source_of(ledger_id, instant)
    child = (
        func.unnest(
            literal([one.name for one in children], ARRAY(TEXT)), literal([one.end for one in children], ARRAY(TEXT))
        )
        .table_valued("name", "end", name="child")
        .render_derived()
    )
    # Whatever the planner thinks of the ends: the accounts of a child are a range of the codes.
    own = accounts.alias("own").c
    range_of = select(own.id).where(
        own.ledger_id == ledger_id,
        own.code.bool_op("~>=~")(child.c.name),
        own.code.bool_op("~<~")(child.c.end),
    )
    each = range_of.offset(0).lateral("each")
    members = (
        select(child.c.name, each.c.id).select_from(child.join(each, true())).cte("members").prefix_with("materialized")
    )
    line = (members.c.name, accounts.c.type, accounts.c.currency)
    statement = (
        select(
            members.c.name.label("branch"),
            accounts.c.type,
            accounts.c.currency,
            func.count().label("accounts"),
            func.sum(debits).label("debits"),
            func.sum(credits_).label("credits"),
        )
        .select_from(members.join(source, accounts.c.id == members.c.id))
        .where(accounts.c.ledger_id == ledger_id, or_(version > 0, had_begun(instant)))
        .group_by(*line)
    )
    return await gently(rolled_up, await connection.execute(statement))


def _as_rolled_up(total: BranchTotal) -> RolledUp:
    return RolledUp(
        branch=total.branch,
        type=total.type,
        currency=total.currency,
        accounts=total.accounts,
        debits=total.debits,
        credits=total.credits,
    )
