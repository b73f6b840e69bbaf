"""What commands that administer an installation have in common: they begin only where all is in place."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from zerosum.adapters.clock import now
from zerosum.cli.installation import reachable_settings
from zerosum.cli.talk import FAILED, USAGE, CommandFailed
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.db.schema.startup_checks import Unfit, check_fitness, told_in_one_line
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.credentials.envelope import SealBroken
from zerosum.services.credentials.installation_secrets import WrongSecret
from zerosum.services.credentials.secret_checks import SecretChecks
from zerosum.services.requests.caller import Caller

Result = TypeVar("Result")

Act = Callable[[Settings, Database], Awaitable[Result]]


def administered(data_dir: Path | None, act: Act[Result], *, secrets_must_fit: bool = True) -> Result:
    """What `act` gives. Raises CommandFailed with one line for all that can stand in its way, SettingsError."""
    settings = reachable_settings(data_dir)
    try:
        with told_in_one_line("work with the database"):
            asyncio.run(check_fitness(settings.required_database_url()))
            return asyncio.run(_acted(settings, act, secrets_must_fit=secrets_must_fit))
    except Unfit as error:
        raise CommandFailed(f"ZEROSUM_DATABASE_URL: {error}", USAGE) from None
    except WrongSecret as error:
        raise CommandFailed(str(error), USAGE) from None
    except DomainError as refusal:
        raise CommandFailed(refusal.detail, FAILED) from None
    except SealBroken as error:
        raise CommandFailed(f"ZEROSUM_MASTER_KEYS: {error}", USAGE) from None


def check_secrets(settings: Settings, kept_in: Path | None = None) -> None:
    """Before anything is served: whether the secrets are those of the installation. Raises CommandFailed.

    `kept_in` is the folder they came from, where that was not the environment.
    """

    async def nothing(_: Settings, __: Database) -> None: ...

    try:
        asyncio.run(_acted(settings, nothing, secrets_must_fit=True))
    except WrongSecret as error:
        where = "" if kept_in is None else f" (here it is a file in {kept_in})"
        raise CommandFailed(f"{error}{where}", USAGE) from None
    except DomainError as refusal:
        raise CommandFailed(f"ZEROSUM_DATABASE_URL: {refusal.detail}", USAGE) from None


def the_machine() -> Caller:
    """On whose behalf a command on the machine works: the service's, by the account that runs it."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        account = str(os.getuid())
    return Caller(SERVICE_LEDGER, f"command|{account}")


async def _acted(settings: Settings, act: Act[Result], *, secrets_must_fit: bool) -> Result:
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        if secrets_must_fit:
            await SecretChecks(database, settings.installation_secrets(), now).confirm()
        return await act(settings, database)
    finally:
        await database.close()
