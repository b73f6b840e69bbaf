"""Whether a process has the secrets that its installation was made with: a wrong one is noticed before it is used.

The first start leaves a check value of each secret in PostgreSQL; every later one compares. Master keys must besides
open what they have sealed, which also tells on an installation from before there were check values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from zerosum.db.credentials.data_keys import WrappedDataKey, find_newest_data_key
from zerosum.db.credentials.secret_checks import insert_secret_checks, list_secret_checks, replace_secret_checks
from zerosum.db.engine import Connection, Database
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.credentials import envelope
from zerosum.services.credentials.envelope import MasterKeys, SealBroken
from zerosum.services.credentials.installation_secrets import (
    MASTER_KEYS_VARIABLE,
    InstallationSecrets,
    WrongSecret,
    complaint,
    differing,
)

LOOKED_AT_AGAIN_AFTER = timedelta(seconds=5)
"""A process that is asked again and again whether it is ready looks at the database this seldom for it."""

_log = logging.getLogger(__name__)


class SecretChecks:
    def __init__(self, database: Database, secrets: InstallationSecrets, now: Callable[[], datetime]) -> None:
        self._database = database
        self._secrets = secrets
        self._values = secrets.check_values()
        self._now = now
        self._looked: tuple[datetime, bool] | None = None

    async def confirm(self) -> None:
        """Compare each secret that was given with what is stored, and store what is new. Raises WrongSecret."""
        stored = await self._stored_and_fitting()
        new = {name: value for name, value in self._values.items() if name not in stored}
        if new:
            async with self._database.work(SERVICE_LEDGER) as connection:
                await insert_secret_checks(connection, new, self._now())
            # Another process may have been first, with another secret.
            await self._stored_and_fitting()

    async def confirm_or_tell(self) -> None:
        """At the start of a process that nobody has looked at before: with wrong secrets it is never ready."""
        try:
            await self.confirm()
        except WrongSecret as error:
            _log.error("%s", error)

    async def fits(self) -> bool:
        """Whether every secret is still the installation's: they may have been changed under a running process."""
        now = self._now()
        # The age of a clock that was set back is negative and counts as too old.
        if self._looked is not None and timedelta() <= now - self._looked[0] < LOOKED_AT_AGAIN_AFTER:
            return self._looked[1]
        try:
            await self._stored_and_fitting()
            is_fitting = True
        except WrongSecret:
            is_fitting = False
        self._looked = (now, is_fitting)
        return is_fitting

    async def changed(self) -> list[str]:
        """The names of the secrets that are others than before."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            return differing(self._values, await list_secret_checks(connection))

    async def must_open_what_is_sealed(self) -> None:
        """Raises WrongSecret unless the master keys open what they have sealed."""
        async with self._database.work(SERVICE_LEDGER) as connection:
            newest = await find_newest_data_key(connection, SERVICE_LEDGER)
        if newest is not None and self._secrets.master_keys:
            self._must_open(newest)

    async def replace(self, connection: Connection) -> None:
        """From now on the secrets given to this process are the installation's."""
        await replace_secret_checks(connection, self._values, self._now())

    async def _stored_and_fitting(self) -> Mapping[str, bytes]:
        async with self._database.work(SERVICE_LEDGER) as connection:
            stored = await list_secret_checks(connection)
            newest = await find_newest_data_key(connection, SERVICE_LEDGER)
        for name in differing(self._values, stored):
            raise WrongSecret(complaint(name))
        if newest is not None and self._secrets.master_keys:
            self._must_open(newest)
        return stored

    def _must_open(self, wrapped: WrappedDataKey) -> None:
        keys = self._secrets.master_keys
        if wrapped.master_key_id not in keys:
            raise WrongSecret(
                f"{MASTER_KEYS_VARIABLE} lacks the key `{wrapped.master_key_id}`, which has sealed what is stored: "
                "add it behind the others"
            )
        masters = MasterKeys(next(iter(keys)), keys)
        try:
            envelope.unwrap(masters, wrapped.ledger_id, wrapped.id, wrapped.master_key_id, wrapped.wrapped_key)
        except SealBroken:
            raise WrongSecret(
                f"{MASTER_KEYS_VARIABLE}: the key `{wrapped.master_key_id}` is not the one that has sealed what is "
                "stored: put that one back"
            ) from None
