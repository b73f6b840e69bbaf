"""What a page is given: who looks, at which ledger, with which parameters; and how it answers."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel

from zerosum.api.endpoints import check_parameters
from zerosum.api.validation import validated
from zerosum.console.navigation import GROUPS, ROOT, Nav
from zerosum.domain.errors import AccountNotFound, Forbidden, ValidationFailed
from zerosum.domain.identifiers import LedgerId, Prefix, parse_id, render_id
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.money import parse_amount
from zerosum.gateway.guards.request_guard import parse_key
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.gateway.routing import Call, HttpAnswer
from zerosum.services.credentials.console_sessions import SessionRecord, csrf_token, done_mark, is_done_mark, may_write
from zerosum.services.requests.caller import Caller

Order = TypeVar("Order", bound=BaseModel)

if TYPE_CHECKING:
    from zerosum.console.console import Console

PAGE_TYPE = (b"content-type", b"text/html; charset=utf-8")
REASON_MAX = 500


@dataclass(slots=True, kw_only=True)
class View:
    """One request of somebody who has signed in, and may see this page.

    `path` holds the named parts of the address, `form` the fields of an act that are not empty.
    """

    console: Console
    call: Call
    session: SessionRecord
    token: str
    principal: Principal
    ledger_name: str
    path: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict)
    own_key: str | None = None
    """In place of the form's: of an act that is carried out for somebody."""

    @property
    def caller(self) -> Caller:
        """As the API makes it of a credential: the same services judge the same person alike."""
        return Caller(self.principal.ledger_id, self.principal.actor, self.call.address, self.call.request_id)

    @property
    def ledger_id(self) -> LedgerId:
        return self.principal.ledger_id

    @property
    def ledger(self) -> str:
        return render_id(Prefix.LEDGER, self.ledger_id)

    def may(self, scope: Scope) -> bool:
        return scope in self.principal.scopes

    def must(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if not self.may(scope):
            raise Forbidden(f"Your role may not do this: it lacks {scope.value}.", scope=scope.value)

    @property
    def is_of_installation(self) -> bool:
        """Whether they may open every ledger: only they see what applies to all of them."""
        return self.session.ledgers is None

    @property
    def navigation(self) -> list[tuple[str, list[Nav]]]:
        """The places this person may go to, by group."""
        return [
            (group, shown)
            for group in GROUPS
            if (shown := [one for one in self.console.nav if one.group == group and self._leads_to(one)])
        ]

    def _leads_to(self, nav: Nav) -> bool:
        return nav.scope is None or self.may(nav.scope)

    @property
    def may_write_now(self) -> bool:
        """Whether they have lately shown who they are; if not, the first act leads there."""
        return may_write(self.session, self.console.now())

    @property
    def above(self) -> str:
        """Above which amounts an act waits for a second person; empty: none does."""
        return self.console.proposals.thresholds.in_words

    def query(self, known: Collection[str] = (), families: tuple[str, ...] = ()) -> dict[str, str]:
        """The parameters that say something, of those the page knows. Raises UnknownParameter, InvalidParameter."""
        given = check_parameters(self.call.query_string, frozenset((*known, "done")), families)
        return {name: value.strip() for name, value in given.items() if value.strip() and name != "done"}

    @property
    def is_done(self) -> bool:
        """Whether the page is shown after an act that went well: an address that anybody has made up says nothing."""
        marks = [part[5:] for part in self.call.query_string.split(b"&") if part.startswith(b"done=")]
        if len(marks) != 1:
            return False
        mark = marks[0].decode("ascii", "replace")
        return is_done_mark(mark, self.token, self.call.path, self.console.now())

    def href(self, *parts: str, **parameters: str | None) -> str:
        """An address of this ledger's: href("payments", id) -> /console/led_…/payments/pay_…"""
        return self.console.href(self.ledger, *parts, **parameters)

    def list_of(self, place: str, **filters: str) -> str | None:
        """The address of a list, where there is such a page."""
        return self.console.places.list_of(self.ledger, place, **filters)

    def page_of(self, prefix: str, id_: UUID) -> str | None:
        """The address of a thing's page, where there is one: view.page_of("HOLD", hold.id)."""
        return self.console.places.page_of(self.ledger, Prefix[prefix], id_)

    def id(self, prefix: Prefix, name: str) -> Any:
        """A part of the address, as an id. Raises InvalidId."""
        return parse_id(prefix, self.path[name])

    @property
    def reason(self) -> str:
        """Why, as every act has to say. Raises ValidationFailed."""
        reason = self.form.get("reason", "")
        if not reason or len(reason) > REASON_MAX:
            raise ValidationFailed(f"Say why, in at most {REASON_MAX} characters.", pointer="/reason")
        return reason

    def field(self, name: str) -> str:
        """A field that must be there. Raises ValidationFailed."""
        if name not in self.form:
            raise ValidationFailed(f"The field {name} is needed.", pointer=f"/{name}")
        return self.form[name]

    @property
    def key(self) -> str:
        """The idempotency key of a form that moves money. Raises ValidationFailed, IdempotencyKeyInvalid."""
        if self.own_key is not None:
            return self.own_key
        return parse_key(self.field("key").encode("utf-8", "replace"))

    async def amount(self, said: str, currency: str) -> Decimal:
        """As the books read it. Raises InvalidAmount, AmountTooLarge, AmountTooPrecise."""
        return parse_amount(said, await self.console.services.currencies.get(self.ledger_id, currency))

    def order(self, model: type[Order], *fields: str) -> Order:
        """The form as a body of the API, with these of its fields: the same words, limits and refusals."""
        return validated(model, {name: self.form[name] for name in fields if name in self.form})

    def piece(self, template: str, **shown: Any) -> HttpAnswer:
        """A part of a page, for what refreshes itself."""
        return self.show(template, **shown)

    def show(self, template: str, *, status: int = 200, **shown: Any) -> HttpAnswer:
        """The template, which knows this view as `view`."""
        page = self.console.templates.render(template, {"view": self, "csrf": csrf_token(self.token), **shown})
        return HttpAnswer(status, page.encode(), (PAGE_TYPE,))

    def go_to(self, *parts: str) -> HttpAnswer:
        """After an act: back to the page that shows what has become of it."""
        path = "/".join((ROOT, self.ledger, *parts))
        return see_other(self.href(*parts, done=done_mark(self.token, path, self.console.now())))

    async def seen(self, resource: str) -> None:
        """Write down that this person has looked at somebody's data: once an hour."""
        await self.console.viewings.note(self.caller, resource)

    async def seen_account(self, text: str | None) -> None:
        """The same of a list of what somebody's account has done: what we owe, we owe somebody."""
        if text is None:
            return
        try:
            account = await self.console.services.accounts.get(self.caller, text)
        except AccountNotFound:
            return
        if account.type is AccountType.LIABILITY:
            await self.seen(render_id(Prefix.ACCOUNT, account.state.id))


def fresh_key() -> str:
    """An idempotency key for a form that moves money: in a hidden field, so that sending it twice does it once."""
    return f"console-{secrets.token_hex(12)}"


def asks_for_piece(call: Call) -> bool:
    """Whether a page of ours asks by itself, for a part that refreshes."""
    return any(name == b"hx-request" for name, _ in call.headers)


def see_other(location: str, *headers: tuple[bytes, bytes]) -> HttpAnswer:
    return HttpAnswer(303, b"", ((b"location", location.encode("ascii")), *headers))


def with_parameters(path: str, parameters: Mapping[str, str | None]) -> str:
    said = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(said)}" if said else path
