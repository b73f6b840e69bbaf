"""The first ledger of an installation, with credentials and, unless it is not wanted, something to look at."""

from __future__ import annotations

from zerosum.adapters.clock import now
from zerosum.cli.installation import Credentials
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
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

DEMO_CURRENCY = "USD"
DEMO_ACCOUNTS = (
    ("customers:alice", AccountType.LIABILITY, "Alice's wallet"),
    ("customers:bob", AccountType.LIABILITY, "Bob's wallet"),
    ("revenue:fees", AccountType.REVENUE, "Fees we have earned"),
)


async def make_first_ledger(settings: Settings, *, is_demo: bool) -> Credentials:
    """A ledger, an API key with every scope, and for the demo three accounts, still empty."""
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        cursors = Cursors(settings.cursor_key())
        api_keys = ApiKeys(database, settings.pepper(), now)
        ledger = await Ledgers(database, api_keys, cursors, now).create("demo" if is_demo else "main")
        ledger_id = LedgerId(ledger.id)
        key, text = await api_keys.create(ledger_id, "zerosum up", sorted(scope.value for scope in ALL_SCOPES))
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
