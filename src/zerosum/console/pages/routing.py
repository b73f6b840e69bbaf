"""Routing: by which processor a payment goes that has left that to us, which of them are in trouble, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from zerosum.console.choices import check_choices
from zerosum.console.console import Console
from zerosum.console.navigation import Nav
from zerosum.console.view import View
from zerosum.domain.errors import InvalidParameter
from zerosum.domain.payments.ledger_routes import OwnRoutes
from zerosum.domain.payments.payment import PaymentType
from zerosum.domain.payments.routing import Routed, choose, explain
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

ASKED = ("type", "amount", "currency", "account", "key", "metadata")
ROUTED = tuple(type_ for type_ in PaymentType if type_ is not PaymentType.TRANSFER)
"""A transfer stays in the ledger."""

AMOUNT_CHARACTERS_MAX = 40


def routing_pages(console: Console) -> None:
    async def shown(view: View) -> HttpAnswer:
        """Nothing is asked or changed: the same question the books ask, with how well processors answer now."""
        given = view.query(ASKED)
        check_choices(given, type=ROUTED)
        own = await console.services.ledger_routes.current(view.ledger_id)
        every = console.services.live_processors.outside
        outside = every.by(own)
        payment = _payment(given, console.now()) if "amount" in given else None
        told = () if payment is None else tuple(explain(outside.routes, payment, outside.paused, outside.troubled))
        choice = None if payment is None else choose(outside.routes, payment, outside.paused, outside.troubled)
        return view.show(
            "routing.html",
            outside=outside,
            own=own,
            is_there=bool(every.names),
            names=sorted(every.names if view.is_of_installation else _named_by(own)),
            routes=outside.routes if view.is_of_installation or own is not None else None,
            given=given,
            types=ROUTED,
            payment=payment,
            explained=told,
            choice=choice,
        )

    nav = Nav(group="Outside", title="Routing", key="t")
    console.page("/{ledger}/routing", shown, needs=Scope.ADMIN, nav=nav)


def _named_by(own: OwnRoutes | None) -> frozenset[str]:
    """What a ledger's administrator may see of the file: the processors that his own routes name."""
    return frozenset(name for route in (() if own is None else own.routes) for name in route.processors)


def _payment(given: Mapping[str, str], at: datetime) -> Routed:
    """Raises InvalidParameter."""
    try:
        amount = Decimal(given["amount"]) if len(given["amount"]) <= AMOUNT_CHARACTERS_MAX else Decimal("nan")
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite():
        raise InvalidParameter("An amount is written like 12.34.", pointer="amount")
    pairs = [text.partition("=") for text in given.get("metadata", "").replace(",", " ").split()]
    if not all(separator for _, separator, _ in pairs):
        raise InvalidParameter("Metadata are written like name=value.", pointer="metadata")
    return Routed(
        type=PaymentType(given.get("type", PaymentType.WITHDRAWAL)),
        amount=amount,
        currency=given.get("currency", ""),
        account=given.get("account", ""),
        key=given.get("key", ""),
        at=at,
        metadata={name: value for name, _, value in pairs},
    )
