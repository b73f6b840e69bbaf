"""`zerosum route --explain`: which processor a payment would go through, and why no other."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from zerosum.adapters.clock import now
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, put, say, told_plainly
from zerosum.config import Settings, load_settings
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import Unavailable
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.payments.ledger_routes import OwnRoutes
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.routing import Routed, choose, explain
from zerosum.outside import live_processors
from zerosum.services.ledger_routes import own_routes_of
from zerosum.services.requests.outside_processors import OutsideProcessors
from zerosum.services.requests.times import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteQuestion:
    """A payment, in the words of the command line. `metadata` are `name=value`."""

    type: PaymentType
    amount: str
    currency: str
    account: str
    key: str
    metadata: list[str]
    ledger: str | None
    at: str | None
    is_explained: bool


@told_plainly
def run_route(question: RouteQuestion) -> int:
    outside, own = asyncio.run(_as_it_is_now(load_settings(), question.ledger))
    outside = outside.by(own)
    payment = _payment(question)
    if question.is_explained:
        for one in explain(outside.routes, payment, outside.paused, outside.troubled):
            told = one.why if one.processor is None else f"fits, {one.processor}"
            for name, why in one.passed_over:
                told = f"{told}; not {name}: {why}"
            put(f"{one.route.name}: {told}\n")
    choice = choose(outside.routes, payment, outside.paused, outside.troubled)
    if choice is None:
        say("no route leads to a processor for this payment")
        return FAILED
    decided = f"the file's version {outside.version}" if own is None else f"the ledger's routes {own.version}"
    put(f"{choice.processor} by {choice.route}, of {decided}\n")
    return 0


async def _as_it_is_now(settings: Settings, ledger: str | None) -> tuple[OutsideProcessors, OwnRoutes | None]:
    """With how well they answer, where there is a database to ask, and the routes of the ledger."""
    if not settings.database_url:
        if ledger is not None:
            raise CommandFailed("--ledger goes with a database: give ZEROSUM_DATABASE_URL", USAGE)
        return settings.outside(), None
    database = Database(make_engine(settings.database_url, pool_size=1))
    try:
        live = live_processors(settings, database, now)
        with contextlib.suppress(Unavailable):
            await live.look_at_health()
        own = None
        if ledger is not None:
            ledger_id = parse_id(Prefix.LEDGER, ledger)
            own = await own_routes_of(database, ledger_id)
        return live.outside, own
    finally:
        await database.close()


def _payment(question: RouteQuestion) -> Routed:
    pairs = [text.partition("=") for text in question.metadata]
    try:
        amount = Decimal(question.amount)
    except InvalidOperation:
        raise CommandFailed("--amount is a number", USAGE) from None
    if not amount.is_finite() or not all(separator for _, separator, _ in pairs):
        raise CommandFailed("--amount is a number, and --metadata is written name=value", USAGE)
    return Routed(
        type=question.type,
        amount=amount,
        currency=question.currency,
        account=question.account,
        key=question.key,
        at=_moment(question.at),
        metadata={name: value for name, _, value in pairs},
    )


def _moment(text: str | None) -> datetime:
    if text is None:
        return now()
    moment = parse_time(text)
    if moment is None:
        raise CommandFailed("--at is a time with its zone, such as 2026-12-01T08:00:00Z", USAGE)
    return moment
