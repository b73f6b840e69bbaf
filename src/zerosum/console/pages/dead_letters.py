"""Dead letters: messages that could not be carried out, and what a person does with each."""

from __future__ import annotations

from zerosum.api.dead_letters import moves_of_message
from zerosum.api.dead_letters import replay as carry_out
from zerosum.console.console import Console
from zerosum.console.lists import next_page, page_request
from zerosum.console.navigation import Nav
from zerosum.console.second_person import Weight
from zerosum.console.view import View
from zerosum.domain.identifiers import Prefix
from zerosum.domain.messages import DeadLetterStatus
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import HttpAnswer

FILTERS = ("status", "input")
WORDS = {"status": DeadLetterStatus}


def dead_letter_pages(console: Console) -> None:
    letters = console.services.dead_letters

    async def listed(view: View) -> HttpAnswer:
        request = page_request(view, "dead letters", FILTERS, words=WORDS)
        page = await letters.list(view.caller, request)
        return view.show(
            "dead_letters.html",
            letters=page.items,
            next=next_page(view, request, page, "dead-letters"),
            given=request.filters,
            statuses=list(DeadLetterStatus),
        )

    async def shown(view: View) -> HttpAnswer:
        letter = await letters.get(view.caller, view.id(Prefix.DEAD_LETTER, "dead_letter"))
        text = letter.message.body.decode("utf-8", "backslashreplace")
        return view.show("dead_letter.html", letter=letter, body=text)

    async def replay(view: View) -> HttpAnswer:
        await carry_out(console.services, view.caller, view.id(Prefix.DEAD_LETTER, "dead_letter"))
        return view.go_to("dead-letters", view.path["dead_letter"])

    async def weighed(view: View) -> Weight:
        letter = await letters.get(view.caller, view.id(Prefix.DEAD_LETTER, "dead_letter"))
        if letter.status not in (DeadLetterStatus.DEAD, DeadLetterStatus.REPLAYED):
            return Weight(moves={})  # It is not carried out.
        return Weight(moves=await moves_of_message(console.services, view.caller, letter.message))

    async def drop(view: View) -> HttpAnswer:
        await letters.drop(view.caller, view.id(Prefix.DEAD_LETTER, "dead_letter"))
        return view.go_to("dead-letters", view.path["dead_letter"])

    nav = Nav(group="Messages", title="Dead letters", key="x")
    console.page("/{ledger}/dead-letters", listed, needs=Scope.ADMIN, nav=nav)
    console.page("/{ledger}/dead-letters/{dead_letter}", shown, needs=Scope.ADMIN, is_personal=True)
    for name, act, weigh in (("replay", replay, weighed), ("drop", drop, None)):
        template = f"/{{ledger}}/dead-letters/{{dead_letter}}/{name}"
        console.act(template, act, needs=Scope.ADMIN, name=f"{name} a dead letter", weigh=weigh)
