"""A batch that was decided beforehand: locked, compared, looked up, written and committed in one round trip.

Its accounts and records must be as they were when it was decided: then it writes what it would write if it had decided
under their locks. Otherwise it writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from zerosum.db.batch.account_settings import AccountChanges
from zerosum.db.batch.holding import HELD, HOLD_ARGUMENTS, ONLY_KEYS_ARE_WAITED_FOR, OTHER_RECORDS
from zerosum.db.batch.loading import Key
from zerosum.db.batch.pairs import PairForm
from zerosum.db.batch.registered import RECORD_SETS
from zerosum.db.batch.wire import arguments, changed_columns, place_of, record_columns, stored, written
from zerosum.db.batch.writing import NewRows
from zerosum.domain.ledger.account import AccountState
from zerosum.domain.ledger.account_commands import ACCOUNT
from zerosum.domain.ledger.records import ChangedRecords, RecordKey


@cache
def post_statement(
    compared: tuple[str, ...], kinds: tuple[str, ...], changed: tuple[str, ...], form: PairForm | None
) -> str:
    """A transaction of its own. Behind the accounts the records that are to be `compared` are locked, kind by kind.

    It tells what `zerosum_hold_accounts` says, or that records are others; unless it is HELD nothing is written.
    """
    numbers = count(2)
    hold = ", ".join(f"${next(numbers)}::{kind}" for kind in HOLD_ARGUMENTS)
    clauses = [
        f"called as materialized (select zerosum_hold_accounts({hold}) as told)",
        # What is still waited for once the accounts are held are keys.
        f"held as materialized (select told, {ONLY_KEYS_ARE_WAITED_FOR} from called)",  # noqa: S608
    ]
    told, is_held = "told", f"(select told from held) = '{HELD}'"  # noqa: S608
    for kind in compared:
        clauses.append(f"same_{kind} as materialized ({RECORD_SETS[kind].compare_clause(numbers, is_held)})")
        is_held = f"(select is_same from same_{kind})"  # noqa: S608
        told = f"case when told = '{HELD}' and not {is_held} then '{OTHER_RECORDS}' else told end"
    clauses += written(kinds, changed, form, numbers, is_held)
    return f"with {', '.join(clauses)} select {told}, pg_current_xact_id_if_assigned()::xid from held"  # noqa: S608


def posting_of(
    rows: NewRows,
    changes: AccountChanges,
    records: ChangedRecords,
    row_versions: Mapping[RecordKey, int],
    accounts: Sequence[AccountState],
    keys: Sequence[Key],
    posted_at: datetime,
    behind: UUID | None = None,
) -> tuple[str, list[Any]] | None:
    """The statement and its arguments; None where there is more to write than entries and records.

    `accounts` with the row versions at which they must be, or LEFT_BY_BEHIND and an entry; `row_versions` are those
    at which records must be; `keys` must be free.
    """
    if rows.refusals or rows.answers or rows.actors or changes.settings or changes.overdrawn or not rows.posted:
        return None
    rows.posted.sort(key=place_of)
    made, updated = stored(rows.posted, records)
    if ACCOUNT in made or ACCOUNT in updated:
        return None
    form, columns = arguments(rows.posted, made, updated)
    ledgers = ",".join({str(account.ledger_id) for account in accounts})
    compared: dict[str, list[RecordKey]] = {}
    for key in row_versions:
        compared.setdefault(key.kind, []).append(key)
    sent: list[Any] = [
        posted_at,
        f"{{{ledgers}}}",
        [account.ledger_id for account in accounts],
        [account.id for account in accounts],
        [account.row_version for account in accounts],
        [ledger for ledger, _ in keys],
        [key for _, key in keys],
        behind,
    ]
    for _, of_kind in sorted(compared.items()):
        sent += [key.ledger_id for key in of_kind], [key.id for key in of_kind], [row_versions[key] for key in of_kind]
    sent += *columns, *record_columns(made), *changed_columns(updated)
    return post_statement(tuple(sorted(compared)), tuple(sorted(made)), tuple(sorted(updated)), form), sent
