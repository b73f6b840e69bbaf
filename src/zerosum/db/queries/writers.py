"""Who is writing at this moment, in this database: seen by the locks that every posting takes first."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Whoever locks an account's row or writes a posting holds one of these on the table until the end of the transaction.
# Dumps, vacuums and builds of indexes hold others, and need not be waited for.
_WRITERS = text("""
select distinct virtualtransaction from pg_locks
where locktype = 'relation' and database = (select oid from pg_database where datname = current_database())
  and relation in ('public.accounts'::regclass, 'public.postings'::regclass)
  and mode in ('RowShareLock', 'RowExclusiveLock') and pid <> pg_backend_pid()
""")


async def find_writers(connection: AsyncConnection) -> set[str]:
    """The names of the transactions that may be about to commit postings. A name is never used again."""
    return set((await connection.execute(_WRITERS)).scalars())
