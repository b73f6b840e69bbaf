"""The three ways to a desk: one order, many orders, and a rehearsal. Payments and journal entries share them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from zerosum.api.endpoints import check_parameters, json_answer
from zerosum.api.express_orders import CREATED, as_text, begun
from zerosum.api.problems import problem, render, status_of
from zerosum.api.schemas.accounts import state_body
from zerosum.api.schemas.bulk import balances_after
from zerosum.api.validation import validated
from zerosum.domain.errors import DomainError, InvalidParameter, TooManyItems, UnknownField, ValidationFailed
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.gateway.json_structure import pointer_step
from zerosum.gateway.routing import Begun, Call, HttpAnswer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.submission import BULK_ITEMS_MAX, Done, DryRunResult, Submission
from zerosum.services.payments import Line

Input = TypeVar("Input", bound=Any)
View = TypeVar("View")


class DeskRoutes(Generic[Input, View]):
    """`order_of` turns a body and a key into an order, `item_order_of` an item of a bulk call."""

    def __init__(
        self,
        desk: ExpressSubmission[Input, View],
        *,
        order_of: Callable[[Any, str], Input],
        item_order_of: Callable[[Any], Input],
        body_of: Callable[[View], dict[str, Any]],
        text_of: Callable[[View], bytes] | None = None,
        lines_of: Callable[[View], Iterable[Line]] | None = None,
        status: int = CREATED,
        status_of: Callable[[View], int] | None = None,
    ) -> None:
        """`text_of` is what `body_of` comes to when it is written, where there is a faster way to that.

        `lines_of` gives the postings of what is shown, where answers may carry the balances after them. `status` is
        that of an item of a bulk call that was carried out, unless `status_of` says it of each.
        """
        self._desk = desk
        self._order_of = order_of
        self._item_order_of = item_order_of
        self._body_of = body_of
        self._text_of = text_of or as_text(body_of)
        self._lines_of = lines_of
        self._status = status
        self._status_of = status_of
        self._parameters = frozenset({"dry_run"} if lines_of is None else {"dry_run", "include"})

    async def single(self, call: Call) -> HttpAnswer:
        parameters = check_parameters(call.query_string, self._parameters)
        is_rehearsal, body_of = flag(parameters, "dry_run"), body_with(parameters, self._body_of, self._lines_of)
        order = self._order_of(call.content, call.idempotency_key or "")
        return await answer_of(call, self._desk, order, body_of, is_rehearsal=is_rehearsal, status_of=self._status_of)

    def express(self, call: Call) -> Begun:
        """`single`, of a call without parameters. Raises what is wrong with the order."""
        order = self._order_of(call.content, call.idempotency_key or "")
        return begun(self._desk, call, order, self._text_of, status_of=self._status_of)

    async def bulk(self, call: Call, *, is_always_atomic: bool = False) -> HttpAnswer:
        """Each item judged by itself, or all or nothing; or a rehearsal of either."""
        known = self._parameters if is_always_atomic else self._parameters | {"mode"}
        parameters = check_parameters(call.query_string, known)
        body_of = body_with(parameters, self._body_of, self._lines_of)
        mode = parameters.get("mode", "independent")
        if mode not in ("atomic", "independent"):
            raise InvalidParameter("The mode is `atomic` or `independent`.", pointer="mode")
        is_rehearsal, is_atomic = flag(parameters, "dry_run"), is_always_atomic or mode == "atomic"
        orders = [self._item(item) for item in _items(call.content)]
        if is_rehearsal:
            answered: Any = await self._desk.rehearse(call.caller, orders, is_atomic=is_atomic)
        elif is_atomic:
            answered = await self._desk.together(call.caller, orders)
        else:
            answered = await self._desk.each(call.caller, orders)
        if isinstance(answered, tuple):
            index, refusal = answered
            refusal.facts["index"] = index
            return render(refusal, call.request_id, call.path, _place(index))
        results = answered.results if isinstance(answered, DryRunResult) else answered
        content = self._results(call, results, body_of)
        return json_answer(200, content | (_shown(answered) if isinstance(answered, DryRunResult) else {}))

    def answer_each(self, call: Call, results: Sequence[Done[View] | DomainError]) -> HttpAnswer:
        """Of a bulk call without parameters, whose items were carried out each by itself."""
        return json_answer(200, self._results(call, results, self._body_of))

    def _results(
        self, call: Call, results: Sequence[Done[View] | DomainError], body_of: Callable[[View], dict[str, Any]]
    ) -> dict[str, Any]:
        return {"results": [self._result(call, index, item, body_of) for index, item in enumerate(results)]}

    def _item(self, item: Any) -> Input | DomainError:
        try:
            return self._item_order_of(item)
        except DomainError as refusal:
            return refusal

    def _result(
        self, call: Call, index: int, result: Done[View] | DomainError, body_of: Callable[[View], dict[str, Any]]
    ) -> dict[str, Any]:
        if isinstance(result, DomainError):
            content = {
                "index": index,
                "status": status_of(result),
                "problem": problem(result, call.request_id, call.path, _place(index)),
            }
            is_replay = result.is_replay
        else:
            status = self._status if self._status_of is None else self._status_of(result.view)
            content = {"index": index, "status": status, "data": body_of(result.view)}
            is_replay = result.is_replay
        if is_replay:
            content["replayed"] = True
        return content


async def answer_of(
    call: Call,
    desk: Submission[Input, View],
    order: Input,
    body_of: Callable[[View], dict[str, Any]],
    *,
    is_rehearsal: bool,
    status: int = CREATED,
    status_of: Callable[[View], int] | None = None,
) -> HttpAnswer:
    """`status`, or by `status_of`, with what was made; the first answer for a key used before; 200 for a rehearsal."""
    if not is_rehearsal:
        done = await desk.one(call.caller, order)
        told = status if status_of is None else status_of(done.view)
        return json_answer(told, body_of(done.view), is_replay=done.is_replay)
    rehearsed = await desk.rehearse(call.caller, [order])
    if isinstance(rehearsed, tuple):
        raise rehearsed[1]
    result = rehearsed.results[0]
    if isinstance(result, DomainError):
        raise result
    return json_answer(200, body_of(result.view) | _shown(rehearsed), is_replay=result.is_replay)


def body_with(
    parameters: Mapping[str, str],
    body_of: Callable[[View], dict[str, Any]],
    lines_of: Callable[[View], Iterable[Line]] | None,
) -> Callable[[View], dict[str, Any]]:
    """What is shown, with what `include` asks for beside it."""
    wanted = parameters.get("include")
    if wanted is None or lines_of is None:
        return body_of
    if wanted != "balances":
        raise InvalidParameter("What can be included are `balances`.", pointer="include")
    return lambda view: body_of(view) | {"balances": balances_after(lines_of(view))}


def _shown(rehearsed: DryRunResult[Any]) -> dict[str, Any]:
    """What a rehearsal adds to the shape of the real answer."""
    return {
        "dry_run": True,
        "balances": [
            {"account_id": render_id(Prefix.ACCOUNT, state.id), **state_body(state)} for state in rehearsed.states
        ],
    }


def model_order(model: Any) -> Callable[[Any, str], Any]:
    """Orders from bodies of this model, which knows how to become one."""

    def order_of(content: Any, key: str) -> Any:
        return validated(model, content).order(key)

    return order_of


def model_item_order(model: Any) -> Callable[[Any], Any]:
    """The same for items, which carry their own key."""

    def order_of(content: Any) -> Any:
        item = validated(model, content)
        return item.order(item.idempotency_key)

    return order_of


def _items(content: Any) -> list[Any]:
    for name in content:
        if name != "items":
            raise UnknownField("There is no such member here.", pointer=f"/{pointer_step(name)}")
    items = content.get("items")
    if not isinstance(items, list) or not items:
        raise ValidationFailed("`items` is a list of at least one item.", pointer="/items")
    if len(items) > BULK_ITEMS_MAX:
        raise TooManyItems(f"A bulk call has at most {BULK_ITEMS_MAX} items.", pointer="/items")
    return items


def _place(index: int) -> str:
    """The pointers of a bulk call are those of its body."""
    return f"/items/{index}"


def rehearses(call: Call) -> bool:
    """Of a call that knows no other parameter."""
    return flag(check_parameters(call.query_string, frozenset({"dry_run"})), "dry_run")


def includes_balances(call: Call) -> tuple[bool, bool]:
    """Whether the call rehearses, and whether it wants to be told the balances; it knows no other parameter."""
    parameters = check_parameters(call.query_string, frozenset({"dry_run", "include"}))
    if parameters.get("include", "balances") != "balances":
        raise InvalidParameter("What can be included are `balances`.", pointer="include")
    return flag(parameters, "dry_run"), "include" in parameters


def shown_as(
    call: Call, body_of: Callable[[View], dict[str, Any]], lines_of: Callable[[View], Iterable[Line]]
) -> tuple[bool, Callable[[View], dict[str, Any]]]:
    """Whether the call rehearses, and what it is answered with what was made, of one that knows `include` too."""
    parameters = check_parameters(call.query_string, frozenset({"dry_run", "include"}))
    return flag(parameters, "dry_run"), body_with(parameters, body_of, lines_of)


def flag(parameters: dict[str, str], name: str) -> bool:
    text = parameters.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidParameter("This is `true` or `false`.", pointer=name)
    return text == "true"
