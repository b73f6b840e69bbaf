"""Accounts, where all that was posted by a moment is bound by a signed checkpoint: from the last of that on.

What that posting says of all before it is believed if its hash says so too: the hash is in the checkpoint, and so is
the one that it follows from. What was posted later is walked as usual; the account's row and history are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from zerosum.db.engine import Connection
from zerosum.db.queries.chain_proofs import accounts_after, last_postings_by, postings_after
from zerosum.services.proofs.of_accounts import ACCOUNTS_AT_ONCE, POSTINGS_AT_ONCE, AccountsProof
from zerosum.services.proofs.of_chains import Walk
from zerosum.services.proofs.report import Report, part_of

ALWAYS = "9000-01-01T00:00:00+00:00"


class AccountsSinceProof(AccountsProof):
    """In one look: slices do not go on within an account."""

    def __init__(self, report: Report, places: Mapping[str, int]) -> None:
        super().__init__(report, places)
        self._moment = datetime.fromisoformat(ALWAYS)

    def position(self) -> dict[str, Any]:
        return {**super().position(), "moment": self._moment.isoformat()}

    def go_on(self, position: Mapping[str, Any]) -> None:
        super().go_on(position)
        self._moment = datetime.fromisoformat(position["moment"])

    async def take_slice(self, connection: Connection, share: float) -> bool:
        """Whether that was the last one."""
        report, limit = self._report, part_of(ACCOUNTS_AT_ONCE, share)
        page = await accounts_after(connection, report.ledger_id, after=self._compared, until=self._until, limit=limit)
        last: UUID = page[-1].id if len(page) == limit else self._until
        ids = [account.id for account in page]
        begun_at = await last_postings_by(connection, report.ledger_id, ids, self._moment)
        self._know(page)
        for account in page:
            walk = self._walks[account.id]
            if account.id in begun_at:
                walk.begin_at(report, report.ledger_id, begun_at[account.id])
                report.postings += 1
            if walk.version < account.version:
                await self._walk_on(connection, account.id, walk)
        await self._compare(connection, last)
        self._walks.clear()
        return last == self._until

    async def _walk_on(self, connection: Connection, account_id: UUID, walk: Walk) -> None:
        ledger_id, is_last = self._report.ledger_id, False
        while not is_last:
            rows = await postings_after(
                connection, ledger_id, (account_id, walk.version), last=account_id, limit=POSTINGS_AT_ONCE
            )
            for row in rows:
                walk.take(self._report, ledger_id, row)
            self._report.postings += len(rows)
            is_last = len(rows) < POSTINGS_AT_ONCE
