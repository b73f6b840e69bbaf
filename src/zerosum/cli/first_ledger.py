"""`zerosum ledgers create` and `operators create`, and the first ledger of `up`: with credentials to begin with."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.api.schemas.ledgers import LedgerRequest
from zerosum.api.validation import validated
from zerosum.cli.administration import administered, the_machine
from zerosum.cli.credentials_file import credentials_to
from zerosum.cli.installation import Credentials
from zerosum.cli.talk import CommandFailed, say, told_plainly
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.chart import ChartRule
from zerosum.gateway.identity.principal import ALL_SCOPES, TENANT_SCOPES, Scope
from zerosum.services.accounts import Accounts
from zerosum.services.charts import Charts
from zerosum.services.credentials.api_keys import ApiKeys
from zerosum.services.ledgers import Ledgers
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors

KEY_NAME = "made by the command"

DEMO_CHART = (
    ChartRule(pattern="customers:*", type=AccountType.LIABILITY, min_available="0"),
    ChartRule(pattern="revenue:*", type=AccountType.REVENUE, min_available="0"),
)
"""That of the example in docs/API.md."""


@told_plainly
def run_create_ledger(name: str, data_dir: Path | None, out: Path | None) -> int:
    """The credentials as JSON; the key is not to be had again."""
    request = _valid_name(name)

    async def create(settings: Settings, database: Database) -> Credentials:
        return await make_ledger(settings, database, request.name, TENANT_SCOPES)

    with credentials_to(out) as write:
        write(asdict(administered(data_dir, create)))
    say("zerosum: this key has every scope of its ledger, and is shown only now")
    return 0


@told_plainly
def run_create_operator(name: str, data_dir: Path | None, out: Path | None) -> int:
    """The same for who administers the service."""
    request = _valid_name(name)

    async def create(settings: Settings, database: Database) -> dict[str, str]:
        api_keys = ApiKeys(database, settings.pepper(), now, lifetimes=settings.key_lifetimes)
        scopes = [Scope.OPERATOR.value]
        key, text = await api_keys.create(SERVICE_LEDGER, request.name, scopes, caller=the_machine())
        key_id = render_id(Prefix.API_KEY, key.id)
        return {"base_url": settings.url, "client_id": key_id, "client_secret": text, "api_key": text}

    with credentials_to(out) as write:
        write(administered(data_dir, create))
    say("zerosum: this key administers the service, all ledgers and their keys, and is shown only now")
    return 0


def _valid_name(name: str) -> LedgerRequest:
    try:
        request: LedgerRequest = validated(LedgerRequest, {"name": name})
    except DomainError as refusal:
        raise CommandFailed(refusal.detail) from None
    return request


async def make_first_ledger(settings: Settings, *, is_demo: bool) -> Credentials:
    """What `up` begins with: for the demo with a chart, so that payments open accounts.

    Its key may do everything, on this machine.
    """
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        credentials = await make_ledger(settings, database, "demo" if is_demo else "main", ALL_SCOPES)
        if is_demo:
            ledger_id = LedgerId(parse_id(Prefix.LEDGER, credentials.ledger))
            cursors = Cursors(settings.cursor_key())
            await _put_demo_chart(database, cursors, Caller(ledger_id, credentials.client_id))
    finally:
        await database.close()
    return credentials


async def with_every_scope(settings: Settings, credentials: Credentials) -> Credentials:
    """The same, or those of a new key where this one is of a version that knew no operators."""
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        api_keys = ApiKeys(database, settings.pepper(), now, lifetimes=settings.key_lifetimes)
        record = await api_keys.authenticate(credentials.api_key)
        if record is None or Scope.OPERATOR in record.scopes:
            return credentials
        texts = sorted(scope.value for scope in ALL_SCOPES)
        key, text = await api_keys.create(record.ledger_id, KEY_NAME, texts, caller=the_machine())
    finally:
        await database.close()
    return replace(credentials, client_id=render_id(Prefix.API_KEY, key.id), client_secret=text, api_key=text)


async def make_ledger(settings: Settings, database: Database, name: str, scopes: frozenset[Scope]) -> Credentials:
    """A ledger and an API key with these scopes."""
    cursors = Cursors(settings.cursor_key())
    api_keys = ApiKeys(database, settings.pepper(), now, lifetimes=settings.key_lifetimes)
    ledger = await Ledgers(database, api_keys, cursors, now).create(name, the_machine())
    ledger_id = LedgerId(ledger.id)
    texts = sorted(scope.value for scope in scopes)
    key, text = await api_keys.create(ledger_id, KEY_NAME, texts, caller=the_machine())
    key_id = render_id(Prefix.API_KEY, key.id)
    return Credentials(
        base_url=settings.url,
        ledger=render_id(Prefix.LEDGER, ledger_id),
        client_id=key_id,
        client_secret=text,
        api_key=text,
    )


async def _put_demo_chart(database: Database, cursors: Cursors, caller: Caller) -> None:
    currencies, directory = Currencies(database, now), AccountDirectory(database)
    accounts = Accounts(database, currencies, directory, cursors, now)
    await Charts(database, accounts, directory, currencies, now).put(caller, DEMO_CHART)
