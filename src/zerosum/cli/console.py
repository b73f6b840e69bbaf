"""`zerosum console-link`: an address that signs in to the console, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.cli.administration import administered, the_machine
from zerosum.cli.talk import USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import Settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import InvalidId
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.gateway.identity.principal import ACTOR_CHARACTERS_MAX
from zerosum.services.credentials.console_sessions import LINK_LASTS, ConsoleSessions

WAY = "console|"
"""What stands before the name of a person who has come by a link, wherever it is told who did something."""

DEMO_PERSON = "demo"


@told_plainly
def run_console_link(subject: str, role: str, ledgers: Sequence[str], data_dir: Path | None) -> int:
    if not subject or not subject.isprintable() or len(subject) > ACTOR_CHARACTERS_MAX - len(WAY):
        raise CommandFailed("--subject: the name of a person, in printable characters", USAGE)
    try:
        seen = tuple(parse_id(Prefix.LEDGER, ledger) for ledger in ledgers) or None
    except InvalidId as refusal:
        raise CommandFailed(f"--ledger: {refusal.detail}", USAGE) from None

    async def made(settings: Settings, database: Database) -> str:
        token = await ConsoleSessions(database, now).make_link(f"{WAY}{subject}", Role(role), seen, the_machine())
        return link(settings, token)

    put(f"{administered(data_dir, made)}\n")
    say(f"zerosum: it signs in once, within {LINK_LASTS.seconds // 60} minutes")
    return 0


async def demo_link(settings: Settings) -> str:
    """For whoever has started everything on this machine: they may do all."""
    database = Database(make_engine(settings.required_database_url(), pool_size=1))
    try:
        return link(settings, await ConsoleSessions(database, now).make_link(f"{WAY}{DEMO_PERSON}", Role.ADMIN, None))
    finally:
        await database.close()


def link(settings: Settings, token: str) -> str:
    return f"{settings.shown_url}/console/sign-in?link={token}"
