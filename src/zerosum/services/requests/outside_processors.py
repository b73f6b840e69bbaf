"""Which outside processor a payment goes through: the one that it names, or that a route has chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from zerosum.adapters.processors import Processor
from zerosum.domain.errors import NoRoute, ProcessorNotFound, ValidationFailed
from zerosum.domain.payments.ledger_routes import OwnRoutes
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, PaymentType
from zerosum.domain.payments.processor_health import BreakerRules
from zerosum.domain.payments.routing import AUTOMATIC, Route, Routed, choose


class Rules(Protocol):
    """How a processor is asked."""

    @property
    def timeout_seconds(self) -> float: ...
    @property
    def at_once(self) -> int: ...
    @property
    def attempts_max(self) -> int: ...
    @property
    def backoff_seconds(self) -> float: ...
    @property
    def backoff_seconds_max(self) -> float: ...
    @property
    def repeats_safely(self) -> bool: ...
    @property
    def breaker(self) -> BreakerRules: ...
    @property
    def fails_over(self) -> bool: ...
    @property
    def technical_reasons(self) -> Sequence[str]: ...


class Outside(Protocol):
    """A processor with its rules, as it is configured."""

    @property
    def name(self) -> str: ...
    @property
    def processor(self) -> Processor: ...
    @property
    def rules(self) -> Rules: ...


class Chosen(NamedTuple):
    """`route` None: the payment has named the processor itself. `routing` is kept with the payment."""

    processor: str
    route: str | None = None
    routing: Mapping[str, Any] | None = None


GONE = "it is not in the file of processors"

INTERNALLY = Chosen(INTERNAL_PROCESSOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideProcessors:
    """Those that are configured, by which version of the file. What is paused is chosen by no route."""

    names: frozenset[str] = frozenset()
    routes: Sequence[Route] = ()
    paused: frozenset[str] = frozenset()
    refunding: frozenset[str] = frozenset()
    """Those that are asked for refunds; of the others they are only recorded in the books."""

    troubled: Mapping[str, str] = field(default_factory=dict)
    """Those to which nothing new should go now, each with why."""
    version: str = ""

    def by(self, own: OwnRoutes | None) -> OutsideProcessors:
        """The same with a ledger's own routes. What the file has no more takes no payments."""
        if own is None:
            return self
        gone = {name: GONE for route in own.routes for name in route.processors if name not in self.names}
        return replace(self, routes=own.routes, paused=self.paused | set(gone), troubled={**self.troubled, **gone})

    def chosen(self, named: str, payment: Routed, own: OwnRoutes | None = None) -> Chosen:
        """Raises NoRoute, ProcessorNotFound."""
        if named == AUTOMATIC:
            routed = self.by(own)
            choice = choose(routed.routes, payment, routed.paused, routed.troubled)
            if choice is None:
                raise NoRoute("No route leads to a processor for this payment.", pointer="/processor")
            routing: dict[str, Any] = {"version": self.version, "passed_over": dict(choice.passed_over)}
            if choice.onward:
                routing["next"] = list(choice.onward)
            if own is not None:
                routing["routes"] = own.version
            return Chosen(choice.processor, choice.route, routing)
        if named not in self.names:
            raise ProcessorNotFound("There is no such processor here.", pointer="/processor")
        return Chosen(named, None, {"version": self.version, "passed_over": {}})

    def is_asked_to_refund(self, processor: str) -> bool:
        """Of the processor of a payment. Raises ProcessorNotFound."""
        if processor == INTERNAL_PROCESSOR:
            return False
        if processor not in self.names:
            raise ProcessorNotFound("The payment's processor is not known here any more: nobody could give it back.")
        return processor in self.refunding


NO_PROCESSORS = OutsideProcessors()


class Choosing(Protocol):
    """Who chooses: what is configured, or what of it is so now."""

    def chosen(self, named: str, payment: Routed, own: OwnRoutes | None = None) -> Chosen:
        """`own` are the ledger's routes, in the place of the file's. Raises NoRoute, ProcessorNotFound."""
        ...

    def is_asked_to_refund(self, processor: str) -> bool:
        """Raises ProcessorNotFound."""
        ...


def check_outside(type_: PaymentType, *, overrides_period: bool) -> None:
    """Raises ValidationFailed."""
    if type_ is PaymentType.TRANSFER:
        raise ValidationFailed("A transfer stays in the ledger: no processor carries it out.", pointer="/processor")
    if overrides_period:
        text = "What a processor is still to carry out has not happened in a period that is closed."
        raise ValidationFailed(text, pointer="/override_closed_period")
