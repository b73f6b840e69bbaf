"""Rules: by which payments are judged before they are posted, and what they would say of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zerosum.api.schemas.payments import PaymentRequest
from zerosum.api.validation import validated
from zerosum.console.choices import check_choices
from zerosum.console.console import Console
from zerosum.console.navigation import Nav
from zerosum.console.view import View, fresh_key
from zerosum.domain.errors import DomainError
from zerosum.domain.payments.payment import PaymentType
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer
from zerosum.services.reviews import RecordedReview

ASKED = ("type", "amount", "currency", "from", "to", "reference", "metadata")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a payment would be answered: by a rule that has refused or held it, by the books, or paid."""

    refusal: DomainError | None = None
    review: RecordedReview | None = None


def rule_pages(console: Console) -> None:
    desk = console.services.payments.desk

    async def shown(view: View) -> HttpAnswer:
        given = view.query(ASKED)
        check_choices(given, type=PaymentType)
        rules = await console.rules.now()
        verdict = await _verdict(view, given) if "amount" in given else None
        return view.show(
            "rules.html",
            rules_version=None if rules is None else rules.version,
            # The file is the whole installation's: it may tell of other ledgers' accounts and of how much is looked at.
            rules=rules if view.is_of_installation else None,
            given=given,
            types=list(PaymentType),
            verdict=verdict,
        )

    async def _verdict(view: View, given: dict[str, str]) -> Verdict:
        """A rehearsal: judged as it would be, by the rules and by the books, and written nowhere."""
        try:
            order = validated(PaymentRequest, _body(given)).order(fresh_key())
            rehearsed = await desk.rehearse(view.caller, [order])
        except DomainError as refusal:
            return Verdict(refusal=refusal)
        if isinstance(rehearsed, tuple):
            return Verdict(refusal=rehearsed[1])
        (result,) = rehearsed.results
        if isinstance(result, DomainError):
            return Verdict(refusal=result)
        return Verdict(review=result.view if isinstance(result.view, RecordedReview) else None)

    nav = Nav(group="Administration", title="Rules", key="f", also=("house-rules",))
    console.page("/{ledger}/rules", shown, needs=Scope.ADMIN, nav=nav)


def _body(given: dict[str, str]) -> dict[str, Any]:
    """As the API would get it."""
    pairs = [text.partition("=") for text in given.get("metadata", "").replace(",", " ").split()]
    metadata = {name: value for name, _, value in pairs}
    told = {name: value for name, value in given.items() if name != "metadata"}
    return {"type": PaymentType.TRANSFER.value, **told, **({"metadata": metadata} if metadata else {})}
