"""Whether the books are right after a reading: by SQL, over everything, without asking the service."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.service import DATABASE, Service

BOOKS = """
with sums as (
    select ledger_id, account_id, count(*) as postings, max(account_version) as last_version,
           sum(case when layer = 'p' and side = 'd' then amount else 0 end) as debits,
           sum(case when layer = 'p' and side = 'c' then amount else 0 end) as credits
    from postings group by ledger_id, account_id
)
select
    (select coalesce(sum(abs(difference)), 0) from (
        select sum(case side when 'd' then amount else -amount end) as difference
        from postings where layer = 'p' group by ledger_id, currency) by_currency) as difference,
    (select count(*) from accounts
        left join sums on sums.ledger_id = accounts.ledger_id and sums.account_id = accounts.id
        where posted_debits <> coalesce(debits, 0) or posted_credits <> coalesce(credits, 0)
           or version <> coalesce(postings, 0) or version <> coalesce(last_version, 0)) as wrong_accounts,
    (select count(*) from sums
        left join accounts on accounts.ledger_id = sums.ledger_id and accounts.id = sums.account_id
        where accounts.id is null) as unknown_accounts,
    (select count(*) from payments) as payments,
    (select count(*) from journal_entries) as entries
"""


class BooksAreWrong(Exception):
    """A benchmark that lost money has failed."""


@dataclass(frozen=True, slots=True)
class Totals:
    payments: int
    entries: int


def check_books(service: Service, database: str = DATABASE) -> Totals:
    """Debits equal credits; every balance and version is the sum of its postings. Raises BooksAreWrong."""
    row = service.sql(BOOKS, database=database)[0]
    wrong = {name: row[name] for name in ("difference", "wrong_accounts", "unknown_accounts") if row[name] != 0}
    if wrong:
        raise BooksAreWrong(f"in the database {database}: {wrong}")
    return Totals(row["payments"], row["entries"])
