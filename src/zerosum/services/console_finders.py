"""What bears an id in a ledger: of one kind, or of any. Each is found by its key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from zerosum.db.credentials.api_keys import find_api_key
from zerosum.db.engine import Connection
from zerosum.db.queries.accounts import find_account
from zerosum.db.queries.dead_letters import find_dead_letter
from zerosum.db.queries.disputes import find_dispute
from zerosum.db.queries.exchanges import find_exchanges
from zerosum.db.queries.holds import find_hold
from zerosum.db.queries.issued_statements import find_issued_statement
from zerosum.db.queries.journal import find_entries
from zerosum.db.queries.payments import find_payments
from zerosum.db.queries.reconciliation_breaks import find_break
from zerosum.db.queries.reconciliation_files import find_files
from zerosum.db.queries.refunds import refunds_as_made
from zerosum.db.queries.reviews import find_reviews
from zerosum.db.queries.scheduled_payments import find_schedules
from zerosum.db.queries.webhook_endpoints import find_endpoint
from zerosum.domain.identifiers import ApiKeyId, LedgerId, Prefix, render_id
from zerosum.services.webhooks.announcing import shown_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found. It bears `prefix` and `id`, or is called `name`. `why` is what the question was to it.

    `place` are the parts of its page's address behind the ledger, where its prefix does not tell it.
    """

    prefix: Prefix | None = None
    id: UUID | None = None
    name: str | None = None
    label: str
    why: str
    place: tuple[str, ...] = ()


async def named(
    connection: Connection, ledger_id: UUID, id_: UUID, prefix: Prefix | None, why: str = "id"
) -> AsyncIterator[Hit]:
    """What bears this id: of one kind, or of any."""
    for kinds, find in _FINDERS:
        if prefix is None or prefix in kinds:
            for hit_prefix, hit_id, label in await find(connection, ledger_id, id_):
                yield Hit(prefix=hit_prefix, id=hit_id, label=label, why=why)
    if prefix in (None, Prefix.STATEMENT):
        async for hit in _statement(connection, ledger_id, id_, why):
            yield hit


Named = list[tuple[Prefix, UUID, str]]


async def _payments(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_payments(connection, ledger_id, [id_])).values()
    return [(Prefix.PAYMENT, one.id, f"{one.type} of {one.amount} {one.currency}") for one in found]


async def _refunds(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await refunds_as_made(connection, ledger_id, [id_])).values()
    named: Named = [(Prefix.REFUND, one.id, f"refund of {one.amount} {one.currency}") for one in found]
    return named + [(Prefix.PAYMENT, one.payment_id, "the payment that it refunds") for one in found]


async def _disputes(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_dispute(connection, ledger_id, id_)
    if one is None:
        return []
    return [
        (Prefix.DISPUTE, id_, f"dispute, {one.status}"),
        (Prefix.PAYMENT, one.payment_id, "the payment that it questions"),
    ]


async def _holds(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_hold(connection, ledger_id, id_)
    return [] if one is None else [(Prefix.HOLD, id_, f"hold of {one.amount} {one.currency}, {one.status}")]


async def _reviews(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_reviews(connection, ledger_id, [id_])).values()
    return [(Prefix.REVIEW, one.id, f"review, {one.status}") for one in found]


async def _breaks(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_break(connection, ledger_id, id_)
    return [] if one is None else [(Prefix.RECONCILIATION_BREAK, id_, f"break of {one.amount} {one.currency}")]


async def _schedules(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_schedules(connection, ledger_id, [id_])).values()
    return [(Prefix.SCHEDULED_PAYMENT, one.id, f"scheduled payment, {one.status}") for one in found]


async def _accounts(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_account(connection, ledger_id, id_=id_, code=None)
    return [] if one is None else [(Prefix.ACCOUNT, id_, one.code)]


async def _exchanges(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_exchanges(connection, ledger_id, [id_])).values()
    return [(Prefix.EXCHANGE, one.id, "exchange") for one in found]


async def _entries(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_entries(connection, ledger_id, [id_])).values()
    return [(Prefix.JOURNAL_ENTRY, one.id, f"journal entry: {one.reason}") for one in found]


async def _endpoints(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_endpoint(connection, ledger_id, id_)
    if one is None:
        return []
    return [(Prefix.WEBHOOK_ENDPOINT, id_, f"webhook endpoint at {shown_address(one.url)}, {one.status}")]


async def _api_keys(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = await find_api_key(connection, LedgerId(ledger_id), ApiKeyId(id_))
    return [] if found is None else [(Prefix.API_KEY, id_, f"API key {found[0].name}")]


async def _files(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    found = (await find_files(connection, ledger_id, id_)).values()
    return [(Prefix.RECONCILIATION_FILE, one.id, f"file of {one.source}, {one.lines} lines") for one in found]


async def _dead_letters(connection: Connection, ledger_id: UUID, id_: UUID) -> Named:
    one = await find_dead_letter(connection, ledger_id, id_)
    return [] if one is None else [(Prefix.DEAD_LETTER, id_, f"message of {one.message.partition.input}, {one.status}")]


async def _statement(connection: Connection, ledger_id: UUID, id_: UUID, why: str) -> AsyncIterator[Hit]:
    """Its page is one of its account's."""
    one = await find_issued_statement(connection, ledger_id, id_)
    if one is not None:
        place = ("accounts", render_id(Prefix.ACCOUNT, one.account_id), "statements", str(one.number))
        yield Hit(prefix=Prefix.STATEMENT, id=id_, label=f"statement number {one.number}", why=why, place=place)


_FINDERS = (
    # An event bears the id of the entry that made it.
    ({Prefix.PAYMENT, Prefix.EVENT}, _payments),
    ({Prefix.REFUND, Prefix.EVENT}, _refunds),
    ({Prefix.DISPUTE}, _disputes),
    ({Prefix.HOLD}, _holds),
    ({Prefix.REVIEW}, _reviews),
    ({Prefix.RECONCILIATION_BREAK}, _breaks),
    ({Prefix.SCHEDULED_PAYMENT}, _schedules),
    ({Prefix.ACCOUNT}, _accounts),
    ({Prefix.EXCHANGE, Prefix.EVENT}, _exchanges),
    ({Prefix.JOURNAL_ENTRY, Prefix.EVENT}, _entries),
    ({Prefix.WEBHOOK_ENDPOINT}, _endpoints),
    ({Prefix.API_KEY}, _api_keys),
    ({Prefix.RECONCILIATION_FILE}, _files),
    ({Prefix.DEAD_LETTER}, _dead_letters),
)
