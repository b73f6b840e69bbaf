"""The first part of a proof: every account with its postings, its history and its clients' transactions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.chain_proofs import (
    account_changes_between,
    accounts_after,
    changed_client_transactions,
    postings_after,
)
from zerosum.db.queries.proofs import FIRST_ID, LAST_ID
from zerosum.services.proofs.of_chains import Walk
from zerosum.services.proofs.of_histories import History
from zerosum.services.proofs.report import Report, part_of

ACCOUNTS_AT_ONCE = 500
POSTINGS_AT_ONCE = 5_000

_CLIENT_CODE = re.compile(r"clients:([0-9]{1,5})")


class AccountsProof:
    """Slices may look at different moments: each account is compared at the moment of its last posting."""

    def __init__(self, report: Report, places: Mapping[str, int]) -> None:
        self._report = report
        self._places = places
        self._until = LAST_ID
        """Those behind it are another's."""
        self._compared = FIRST_ID
        """All accounts up to here are."""
        self._position = (FIRST_ID, 0)
        self._walks: dict[UUID, Walk] = {}

    def position(self) -> dict[str, Any]:
        account_id, version = self._position
        walk = self._walks.get(account_id)
        return {
            "until": str(self._until),
            "compared": str(self._compared),
            "at": [str(account_id), version],
            "walk": None if walk is None else walk.position(),
        }

    def go_on(self, position: Mapping[str, Any]) -> None:
        account_id, version = position["at"]
        self._until = UUID(position.get("until", str(LAST_ID)))
        self._compared, self._position = UUID(position["compared"]), (UUID(account_id), int(version))
        if position["walk"] is not None:
            walk = self._walks[UUID(account_id)] = Walk(self._report.ledger_id, UUID(account_id))
            walk.go_on(position["walk"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report = self._report
        accounts_max, postings_max = part_of(ACCOUNTS_AT_ONCE, share), part_of(POSTINGS_AT_ONCE, share)
        page = await accounts_after(
            connection, report.ledger_id, after=self._compared, until=self._until, limit=accounts_max
        )
        last: UUID = page[-1].id if len(page) == accounts_max else self._until
        rows = await postings_after(connection, report.ledger_id, self._position, last=last, limit=postings_max)
        self._know(page)
        for row in rows:
            walk = self._walks.get(row.account_id)
            if walk is None:
                report.note("a posting to an account that does not exist", row.account_id, row.account_version)
            else:
                walk.take(report, report.ledger_id, row)
        report.postings += len(rows)
        if len(rows) == postings_max:
            # The account of the last row may go on in the next slice; all before it are complete.
            await self._compare(connection, UUID(int=rows[-1].account_id.int - 1))
            self._position = (rows[-1].account_id, rows[-1].account_version)
            self._walks = {one: walk for one, walk in self._walks.items() if one > self._compared}
            return False
        await self._compare(connection, last)
        self._position = (last, 2**63 - 1)
        self._walks.clear()
        return last == self._until

    def _know(self, page: Sequence[Any]) -> None:
        """Of those that are known already the row may have changed since."""
        for account in page:
            walk = self._walks.get(account.id)
            if walk is None:
                walk = self._walks[account.id] = Walk(self._report.ledger_id, account.id)
            walk.account, walk.places = account, self._places.get(account.currency)

    async def _compare(self, connection: Connection, last: UUID) -> None:
        """All accounts that are not compared yet, up to this one, as they are at this moment."""
        report = self._report
        complete = [walk for account_id, walk in self._walks.items() if self._compared < account_id <= last]
        for walk in complete:
            with report.noting("the account cannot be read", walk.account.id, walk.version):
                walk.compare_with_row(report)
            report.accounts += 1
        await self._compare_histories(connection, complete, last)
        await self._compare_client_transactions(connection, complete)
        self._compared = max(self._compared, last)

    async def _compare_histories(self, connection: Connection, complete: Sequence[Walk], last: UUID) -> None:
        report = self._report
        if last <= self._compared:
            return
        changes = await account_changes_between(connection, report.ledger_id, after=self._compared, last=last)
        histories = {walk.account.id: History(report.ledger_id, walk.account.id) for walk in complete}
        for row in changes:
            history = histories.get(row.account_id)
            if history is not None:
                history.take(report, row)
            elif row.revision == 1:
                report.note("the account has a history and does not exist", row.account_id)
        for walk in complete:
            with report.noting("the account cannot be read", walk.account.id, walk.version):
                histories[walk.account.id].compare_with_row(report, walk.account)

    async def _compare_client_transactions(self, connection: Connection, complete: Sequence[Walk]) -> None:
        clients = {int(match[1]): walk for walk in complete if (match := _CLIENT_CODE.fullmatch(walk.account.code))}
        if not clients:
            return
        found: dict[int, dict[str, str]] = {client: {} for client in clients}
        for row in await changed_client_transactions(connection, self._report.ledger_id, clients):
            found[row.client][str(row.tx)] = row.status
        for client, walk in clients.items():
            if not walk.is_whole:  # What was said before it was begun is not known.
                found[client] = {tx: status for tx, status in found[client].items() if tx in walk.client_transactions}
            for tx in sorted(found[client].items() ^ walk.client_transactions.items()):
                what = f"the status of the client transaction {tx[0]} is not what its journal entries say"
                self._report.note(what, walk.account.id)
