"""Where everything of the console comes together: which pages there are, and what every request to them goes through.

policies -> _answered -> a page (`page`), an act (`act`) or something open to everybody (`open`)
a page:  session -> ledger of the session -> scope -> the page -> a template
an act:  the same, then: own page -> form's token -> stepped up -> reason -> audit log -> the act -> back to a page
         above a threshold the act waits for a second person instead (`second_person.py`)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from urllib.parse import quote, unquote, urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from zerosum.api.endpoints import TheCall, as_response
from zerosum.api.services import Services
from zerosum.api.static_content import header
from zerosum.console.door import Door, read_form
from zerosum.console.headers import with_headers
from zerosum.console.navigation import ROOT, Nav
from zerosum.console.openid import OpenIdSignIn
from zerosum.console.places import Places
from zerosum.console.problems import Problems
from zerosum.console.roles import SCOPES
from zerosum.console.second_person import SecondPerson, Weigh, WeighedAct
from zerosum.console.static import StaticFiles
from zerosum.console.streams import LiveStreams, StreamedAnswer, Tell
from zerosum.console.templates import Templates
from zerosum.console.view import View, asks_for_piece, fresh_key, see_other, with_parameters
from zerosum.domain.console_roles import Role
from zerosum.domain.errors import DomainError, LedgerNotFound, NotFound, StepUpNeeded, Unauthenticated
from zerosum.domain.identifiers import SERVICE_LEDGER, LedgerId, Prefix, parse_id
from zerosum.gateway.app import REQUEST_SECONDS_MAX, too_late
from zerosum.gateway.identity.principal import Principal, Scope
from zerosum.gateway.routing import BodyKind, Call, HttpAnswer, Policy
from zerosum.services.console_log import ConsoleLog, Outcome
from zerosum.services.console_overview import ConsoleOverview
from zerosum.services.console_search import ConsoleSearch
from zerosum.services.console_views import ConsoleViews
from zerosum.services.credentials.console_sessions import ConsoleSessions, SessionRecord, may_write
from zerosum.services.payment_lives import PaymentLives
from zerosum.services.proposals import Proposals
from zerosum.services.shown_rules import ShownRules

NAMES_KEPT = 1_000
"""Names of ledgers that are remembered."""

Turn = Callable[..., AbstractAsyncContextManager[None]]
"""Of a ledger's costly reads."""

Show = Callable[[View], Awaitable[HttpAnswer]]
Answer = Callable[[Call], Awaitable[HttpAnswer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One of the console's, as tests walk over them. `needs` None: any session, or none at all where it `is_open`."""

    method: str
    template: str
    needs: Scope | None
    is_open: bool
    answer: Answer
    is_streamed: bool = False
    is_personal: bool = False
    """Whether each look at it is told in the audit log."""
    is_weighed: bool = False
    """Above a threshold it waits for a second person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleServices:
    """The use cases that the console alone has."""

    sessions: ConsoleSessions
    log: ConsoleLog
    overview: ConsoleOverview
    lives: PaymentLives
    search: ConsoleSearch
    rules: ShownRules
    views: ConsoleViews
    proposals: Proposals
    issuer: OpenIdSignIn | None = None
    """Who signs people in, besides links."""


class Console:
    """`url` is how browsers reach the service, and may end in a path where a proxy puts one before ours."""

    def __init__(
        self, services: Services, own: ConsoleServices, now: Callable[[], datetime], url: str, version: str
    ) -> None:
        self.services = services
        self.sessions = own.sessions
        self.viewings = own.log
        self.overview = own.overview
        self.lives = own.lives
        self.search = own.search
        self.rules = own.rules
        self.views = own.views
        self.proposals = own.proposals
        self.second_person = SecondPerson(self)
        self.issuer = own.issuer
        self.now = now
        self.door = Door(url)
        self.path_prefix = re.sub("^[a-z]+://[^/]*", "", url.rstrip("/"))
        self.files = StaticFiles(f"{self.path_prefix}{ROOT}/static")
        self.nav: list[Nav] = []
        self.routes: list[Route] = []
        shared = {"base": f"{self.path_prefix}{ROOT}", "static": self.files.href, "version": version}
        self.templates = Templates(**shared, now=now, fresh_key=fresh_key)
        self.problems = Problems(self.templates)
        self.places = Places(self)
        self.streams = LiveStreams(lambda: False)
        self.turn: Turn = lambda _, **_of: nullcontext()
        self._names: dict[LedgerId, str] = {}

    def href(self, *parts: str, **parameters: str | None) -> str:
        path = "/".join((f"{self.path_prefix}{ROOT}", *(quote(part, safe="") for part in parts)))
        return with_parameters(path, parameters)

    def page(
        self,
        template: str,
        show: Show,
        *,
        needs: Scope | None,
        nav: Nav | None = None,
        is_report: bool = False,
        is_personal: bool = False,
    ) -> None:
        """A page of a ledger ("/{ledger}/payments"), or of no one ("/ledgers"), for whoever has the scope.

        What `is_report` waits for its turn among the ledger's reports, whoever asks for them. What `is_personal` is
        about the thing that the last part of its address names, and may say something about somebody: who looks at
        it is told in the audit log before he sees it.
        """
        if nav is not None:
            parts = tuple(part for part in template.split("/")[2:] if part)
            self.nav.append(replace(nav, place=parts, scope=needs))

        async def answered(call: Call) -> HttpAnswer:
            view = await self._view(call, template, needs)
            async with self.turn(view.ledger_id, is_report=True) if is_report else nullcontext():
                shown = await show(view)
            if is_personal:
                # The thing is there. An id in capitals is the same id.
                await view.seen([*view.path.values()][-1].lower())
            return shown

        self._add("GET", template, answered, needs, is_personal=is_personal)

    def stream(self, template: str, tell: Callable[[View], Tell], *, needs: Scope) -> None:
        """What a page that is open is told as it happens."""

        async def answered(call: Call) -> HttpAnswer:
            view = await self._view(call, template, needs, is_used=False)
            # A page that is told something keeps nobody signed in who has gone away.
            confirm = partial(self.sessions.find, view.token, is_used=False)
            return self.streams.answer(call, view.session, confirm, tell(view))

        self._add("GET", template, answered, needs, is_streamed=True)

    def act(
        self,
        template: str,
        carry_out: Show,
        *,
        needs: Scope | None,
        name: str,
        is_own: bool = False,
        weigh: Weigh | None = None,
    ) -> None:
        """What changes something, by a form. `name` is what the audit log calls it: a verb and a noun.

        What is their own and nobody else's people change without a reason, however long ago they came. What moves
        money says how much (`weigh`): above a threshold it waits for a second person.
        """
        weighed = None if weigh is None else WeighedAct(name, weigh, carry_out)
        if weighed is not None:
            self.second_person.acts[name] = weighed

        async def answered(call: Call) -> HttpAnswer:
            view = await self._view(call, template, needs)
            view.form = read_form(call.body)
            self.door.check_form(call, view.token, view.form)
            if is_own:
                return await carry_out(view)
            if not may_write(view.session, self.now()):
                raise StepUpNeeded("It is some time since you have shown who you are.")
            # Before it is done: nothing happens of which nobody can say why.
            act = await self.viewings.acted(view.caller, name, call.path, view.reason)
            async with self.viewings.outcome(act) as ending:
                waiting = None if weighed is None else await self.second_person.waits(view, weighed)
                if waiting is None:
                    return await carry_out(view)
                ending.outcome = Outcome.WAITS
                return waiting

        self._add("POST", template, answered, needs, is_weighed=weigh is not None)

    def open(self, method: str, template: str, answer: Answer) -> None:
        """What needs no session."""
        self._add(method, template, answer, None, is_open=True)

    def mount(self, app: FastAPI) -> list[Policy]:
        """To be added to those of the API, behind them. What else begins with /console is told to be not there."""
        self.open("GET", "/{rest:path}", _nothing)
        return [self._mounted(app, route) for route in self.routes]

    async def session(self, call: Call, *, is_used: bool = True) -> tuple[SessionRecord, str]:
        """Raises Unauthenticated."""
        token = self.door.token(call)
        # A page that refreshes itself keeps nobody signed in who has gone away.
        is_used = is_used and not asks_for_piece(call)
        session = None if token is None else await self.sessions.find(token, is_used=is_used)
        if session is not None and session.way == "issuer":
            session = None if self.issuer is None else self.issuer.as_set_now(session)
        if session is None or token is None:
            raise Unauthenticated("Sign in first.")
        return session, token

    async def ledger_name(self, ledger_id: LedgerId) -> str:
        """Raises LedgerNotFound."""
        if ledger_id not in self._names:
            name = (await self.services.ledgers.get(ledger_id)).name
            if len(self._names) >= NAMES_KEPT:
                self._names.clear()
            self._names[ledger_id] = name
        return self._names[ledger_id]

    async def _view(self, call: Call, template: str, needs: Scope | None, *, is_used: bool = True) -> View:
        session, token = await self.session(call, is_used=is_used)
        found = path_of(template).fullmatch(call.path)
        if found is None:
            # An encoded slash in the ledger's part. Without a ledger this would be a page of the service's own.
            raise NotFound("There is nothing at this address.")
        path = found.groupdict()
        ledger_id, name = SERVICE_LEDGER, ""
        if "ledger" in path:
            ledger_id = LedgerId(parse_id(Prefix.LEDGER, path["ledger"]))
            if session.ledgers is not None and ledger_id not in session.ledgers:
                raise LedgerNotFound("There is no such ledger.")
            name = await self.ledger_name(ledger_id)
        principal = Principal(
            ledger_id, session.subject, SCOPES[Role(session.role)], rate_key=f"console:{session.subject}"
        )
        call.principal = principal
        await call.charge(principal)
        view = View(
            console=self, call=call, session=session, token=token, principal=principal, ledger_name=name, path=path
        )
        if needs is not None:
            view.must(needs)
        return view

    def _add(
        self,
        method: str,
        template: str,
        answer: Answer,
        needs: Scope | None,
        *,
        is_open: bool = False,
        is_streamed: bool = False,
        is_personal: bool = False,
        is_weighed: bool = False,
    ) -> None:
        guarded = self._guarded(answer, is_read=method == "GET")
        self.routes.append(
            Route(method, f"{ROOT}{template}", needs, is_open, guarded, is_streamed, is_personal, is_weighed)
        )

    def _guarded(self, answer: Answer, *, is_read: bool) -> Answer:
        """Whatever a page comes to, a page leaves, and in time."""

        async def guarded(call: Call) -> HttpAnswer:
            try:
                async with asyncio.timeout(REQUEST_SECONDS_MAX):
                    return with_headers(await answer(call))
            except TimeoutError:
                return self.problems.page(too_late(is_read=is_read), call)
            except DomainError as refusal:
                return self._refused(refusal, call)

        return guarded

    def _refused(self, refusal: DomainError, call: Call) -> HttpAnswer:
        """Where signing in or stepping up would help, on to there; else a page that tells the refusal."""
        if not isinstance(refusal, Unauthenticated | StepUpNeeded):
            return self.problems.page(refusal, call)
        is_step_up = isinstance(refusal, StepUpNeeded)
        location = self.href("step-up" if is_step_up else "sign-in", to=self._came_from(call))
        if asks_for_piece(call):
            return with_headers(HttpAnswer(204, b"", ((b"hx-redirect", location.encode("ascii")),)))
        return with_headers(see_other(location))

    def _came_from(self, call: Call) -> str | None:
        """Where to go on afterwards: the page that was asked for, or that has asked for a part of itself."""
        if call.body:
            return None
        path = call.path
        if asks_for_piece(call):
            try:
                path = unquote(urlsplit(header(call, b"hx-current-url")).path).removeprefix(self.path_prefix)
            except ValueError:
                return None
        return quote(path, safe="/:@~+,") if path.startswith(f"{ROOT}/") else None

    def _mounted(self, app: FastAPI, route: Route) -> Policy:
        async def answered(call: TheCall) -> Response:
            answer = await route.answer(call)
            if isinstance(answer, StreamedAnswer) and answer.parts is not None:
                headers = {name.decode(): value.decode() for name, value in answer.headers}
                return StreamingResponse(answer.parts, answer.status, headers)
            return as_response(answer)

        app.add_api_route(
            route.template, answered, methods=[route.method], include_in_schema=False, response_model=None
        )
        is_page = route.method == "GET"
        return Policy(
            method=route.method,
            template=route.template,
            scope=None,
            body=BodyKind.NONE if is_page else BodyKind.FORM,
            lean=None if route.is_streamed else route.answer,
            is_streamed=route.is_streamed,
            is_page=is_page,
        )


async def _nothing(_: Call) -> HttpAnswer:
    raise NotFound("There is nothing at this address.")


_patterns: dict[str, re.Pattern[str]] = {}


def path_of(template: str) -> re.Pattern[str]:
    """The named parts of an address, whose segments were told apart before: an encoded slash in one is a slash here."""
    if template not in _patterns:
        text = re.sub(r"\\{(\w+):path\\}", r"(?P<\1>.+)", re.escape(f"{ROOT}{template}"))
        text = re.sub(r"\\{ledger\\}", "(?P<ledger>[^/]+)", text)
        _patterns[template] = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", text))
    return _patterns[template]
