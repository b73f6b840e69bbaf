"""Coming and going: the link of the terminal, and signing out."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

from zerosum.api.endpoints import check_parameters
from zerosum.console.console import Console
from zerosum.console.door import read_form
from zerosum.console.navigation import ROOT
from zerosum.console.openid import GOING_SECONDS, OpenIdSignIn
from zerosum.console.view import PAGE_TYPE, View, see_other
from zerosum.domain.errors import InvalidParameter, StepUpNeeded
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.gateway.routing import Call, HttpAnswer
from zerosum.services.requests.caller import Caller

STRANGER = "console"
"""Who signs in, until that is known."""

_OWN_PATH = re.compile(rf"{ROOT}(/[A-Za-z0-9_.:@%~+,/-]*)?")


def own_path(text: str | None) -> str:
    """Where to go on after signing in: within the console, and nowhere else. Raises InvalidParameter."""
    if not text:
        return ROOT
    # Browsers take such segments for the way up, encoded or not: behind a proxy other things may lie there.
    if not _OWN_PATH.fullmatch(text) or not {".", ".."}.isdisjoint(unquote(text).split("/")):
        raise InvalidParameter("This is no address of the console.", pointer="to")
    return text


def signing_in_pages(console: Console) -> None:
    async def sign_in(call: Call) -> HttpAnswer:
        given = parameters(call, "link", "to")
        name = None if console.issuer is None else console.issuer.name
        return shown(console, "sign_in.html", link=given.get("link"), to=own_path(given.get("to")), issuer=name)

    async def by_link(call: Call) -> HttpAnswer:
        console.door.check_own_page(call)
        form = read_form(call.body)
        location = f"{console.path_prefix}{own_path(form.get('to'))}"
        token = await console.sessions.open_by_link(link_in(form.get("link", "")), stranger(call))
        return see_other(location, (b"set-cookie", console.door.set_cookie(token).encode("ascii")))

    async def sign_out(call: Call) -> HttpAnswer:
        session, token = await console.session(call)
        console.door.check_form(call, token, read_form(call.body))
        await console.sessions.end(session, stranger(call))
        return see_other(console.href("sign-in"), (b"set-cookie", console.door.set_cookie("").encode("ascii")))

    async def step_up(view: View) -> HttpAnswer:
        to = own_path(view.query(("to",)).get("to"))
        return view.show("step_up.html", to=to)

    async def stepped_up(call: Call) -> HttpAnswer:
        session, token = await console.session(call)
        form = read_form(call.body)
        console.door.check_form(call, token, form)
        if session.way != "link":
            raise StepUpNeeded("You have come by an issuer: sign in there again.")
        await console.sessions.step_up_by_link(session, link_in(form.get("link", "")), stranger(call))
        return see_other(f"{console.path_prefix}{own_path(form.get('to'))}")

    console.open("GET", "/static/{name}", console.files.answer)
    console.open("GET", "/sign-in", sign_in)
    console.open("POST", "/sign-in/link", by_link)
    console.open("POST", "/sign-out", sign_out)
    if console.issuer is not None:
        issuer_pages(console, console.issuer)
    console.page("/step-up", step_up, needs=None)
    console.open("POST", "/step-up", stepped_up)


def issuer_pages(console: Console, issuer: OpenIdSignIn) -> None:
    """Off to the issuer, and back."""
    door = console.door
    cookie_name = f"{door.cookie_name}_going"

    async def off(call: Call) -> HttpAnswer:
        given = parameters(call, "to", "again")
        location, sealed = await issuer.begin(own_path(given.get("to")), is_again="again" in given)
        # Lax: the issuer's redirect must bring it back.
        cookie = door.set_cookie(sealed, name=cookie_name, site="Lax", seconds=GOING_SECONDS)
        return see_other(location, (b"set-cookie", cookie.encode("ascii")))

    async def back(call: Call) -> HttpAnswer:
        given = parameters(call, "code", "state", "iss", "session_state", "error", "error_description", "error_uri")
        person, going = await issuer.end(door.cookie(call, cookie_name), given)
        token = await console.sessions.open_by_issuer(
            person.actor,
            person.role,
            person.ledgers,
            stranger(call),
            may_write=person.is_fresh,
            claimed=person.claimed,
        )
        # No redirect: the first request after one that another site began would bring no Strict cookie.
        answer = shown(console, "onwards.html", location=f"{console.path_prefix}{going.to}")
        cookies = (door.set_cookie(token), door.set_cookie("", name=cookie_name, site="Lax"))
        return replace(
            answer, headers=(*answer.headers, *((b"set-cookie", cookie.encode("ascii")) for cookie in cookies))
        )

    console.open("GET", "/sign-in/issuer", off)
    console.open("GET", "/sign-in/return", back)


def parameters(call: Call, *known: str) -> dict[str, str]:
    return {name: value for name, value in check_parameters(call.query_string, frozenset(known)).items() if value}


def link_in(text: str) -> str:
    """The token of a link that was pasted whole, or by itself."""
    return text.strip().rpartition("link=")[2].partition("&")[0]


def stranger(call: Call) -> Caller:
    return Caller(SERVICE_LEDGER, STRANGER, call.address, call.request_id)


def shown(console: Console, template: str, **values: object) -> HttpAnswer:
    """A page for whoever has not signed in."""
    return HttpAnswer(200, console.templates.render(template, values).encode(), (PAGE_TYPE,))
