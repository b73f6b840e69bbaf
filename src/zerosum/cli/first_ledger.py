"""`zerosum ledgers create`, and the first ledger of an embedded installation: with credentials to begin with."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.api.schemas.ledgers import LedgerRequest
from zerosum.api.validation import validated
from zerosum.cli.installation import Credentials, reachable_settings
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly, write_private
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId, Prefix, render_id
from zerosum.domain.ledger.account import AccountType
from zerosum.gateway.principal import ALL_SCOPES
from zerosum.services.account_directory import AccountDirectory
from zerosum.services.accounts import Accounts, OpenAccount
from zerosum.services.api_keys import ApiKeys
from zerosum.services.caller import Caller
from zerosum.services.currencies import Currencies
from zerosum.services.ledgers import Ledgers
from zerosum.services.paging import Cursors

KEY_NAME = "made by the command"

DEMO_CURRENCY = "USD"
DEMO_ACCOUNTS = (
    ("customers:alice", AccountType.LIABILITY, "Alice's wallet"),
    ("customers:bob", AccountType.LIABILITY, "Bob's wallet"),
    ("revenue:fees", AccountType.REVENUE, "Fees we have earned"),
)


@told_plainly
def run_create_ledger(name: str, data_dir: Path | None, out: Path | None = None) -> int:
    """The credentials as JSON, on stdout or in a new file of their owner's; the key is not to be had again."""
    if out is not None and out.is_symlink() | out.exists():
        raise CommandFailed(f"{out} is there already, and is not overwritten", USAGE)
    try:
        request = validated(LedgerRequest, {"name": name})
        credentials = asyncio.run(make_ledger(reachable_settings(data_dir), request.name, is_demo=False))
    except DomainError as refusal:
        raise CommandFailed(refusal.detail) from None
    text = f"{json.dumps(asdict(credentials), indent=2)}\n"
    if out is None:
        put(text)
    else:
        write_private(out, text)
    say("zerosum: this key has every scope and is shown only now")
    return 0


async def make_first_ledger(settings: Settings, *, is_demo: bool) -> Credentials:
    """What `up` begins with: for the demo three accounts, still empty."""
    return await make_ledger(settings, "demo" if is_demo else "main", is_demo=is_demo)


async def make_ledger(settings: Settings, name: str, *, is_demo: bool) -> Credentials:
    """A ledger and an API key with every scope."""
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        cursors = Cursors(settings.cursor_key())
        api_keys = ApiKeys(database, settings.pepper(), now)
        ledger = await Ledgers(database, api_keys, cursors, now).create(name)
        ledger_id = LedgerId(ledger.id)
        key, text = await api_keys.create(ledger_id, KEY_NAME, sorted(scope.value for scope in ALL_SCOPES))
        if is_demo:
            await _open_demo_accounts(database, cursors, Caller(ledger_id, render_id(Prefix.API_KEY, key.id)))
    finally:
        await database.close()
    key_id = render_id(Prefix.API_KEY, key.id)
    return Credentials(
        base_url=settings.url,
        ledger=render_id(Prefix.LEDGER, ledger_id),
        client_id=key_id,
        client_secret=text,
        api_key=text,
    )


async def _open_demo_accounts(database: Database, cursors: Cursors, caller: Caller) -> None:
    currencies = Currencies(database, now)
    accounts = Accounts(database, currencies, AccountDirectory(database), cursors, now)
    for code, type_, name in DEMO_ACCOUNTS:
        await accounts.open(
            caller,
            OpenAccount(
                code=code,
                currency=DEMO_CURRENCY,
                type=type_,
                name=name,
                min_available="0",
                max_available=None,
                metadata={},
            ),
        )
