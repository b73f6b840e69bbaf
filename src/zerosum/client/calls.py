"""How a call is declared: once, for both kinds of client.

A method of a resource only says what is to be asked. Beside a `Client` it gives the answer, beside an `AsyncClient`
something to await; type checkers know which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, overload
from urllib.parse import quote

from zerosum.client.models.model import Model

P = ParamSpec("P")
T = TypeVar("T", bound=Model)


class Blocking:
    """The way of `Client`."""


class Awaiting:
    """The way of `AsyncClient`."""


Way = TypeVar("Way", Blocking, Awaiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one call says. None as a parameter of the query says nothing."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[T]):
    """Where a call goes, and what it answers."""

    operation: str
    method: str
    path: str
    answer: type[T]
    is_keyed: bool
    """Asked again under its key it is done once. So may be what only reads, and what carries keys in its items."""
    member: str = "data"
    """Of a list: where its items are."""

    @property
    def is_repeatable(self) -> bool:
        return self.is_keyed or self.method == "GET"

    def address(self, asked: Asked) -> str:
        return self.path.format(**{name: quote(value, safe="") for name, value in asked.path.items()})


class Runner(Protocol):
    """Carries calls out, in one of the two ways."""

    def run(self, route: Route[Any], asked: Asked) -> Any: ...

    def items(self, route: Route[Any], asked: Asked) -> Any: ...

    def feed(self, route: Route[Any], asked: Any) -> Any: ...


class Calls(Generic[Way]):
    """The calls of one resource."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner


class Method(Generic[P, T]):
    """A call with one answer."""

    def __init__(self, route: Route[T], asks: Callable[Concatenate[Any, P], Asked]) -> None:
        self.route = route
        self._asks = asks
        update_wrapper(cast("Callable[..., Any]", self), asks)

    @overload
    def __get__(self, calls: Calls[Blocking], owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, calls: Calls[Awaiting], owner: Any = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, calls: Calls[Any], owner: Any = None) -> Callable[P, Any]:
        @wraps(self._asks)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return calls.runner.run(self.route, self._asks(calls, *args, **kwargs))

        return run


class Listing(Generic[P, T]):
    """A list, page after page as its items are asked for; or a feed, which may go on for ever."""

    def __init__(
        self, route: Route[Any], asks: Callable[Concatenate[Any, P], Any], runs: Literal["items", "feed"] = "items"
    ) -> None:
        self.route = route
        self._asks = asks
        self._runs = runs
        update_wrapper(cast("Callable[..., Any]", self), asks)

    @overload
    def __get__(self, calls: Calls[Blocking], owner: Any = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, calls: Calls[Awaiting], owner: Any = None) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, calls: Calls[Any], owner: Any = None) -> Callable[P, Any]:
        @wraps(self._asks)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return getattr(calls.runner, self._runs)(self.route, self._asks(calls, *args, **kwargs))

        return run


def call(
    operation: str, method: str, path: str, answer: type[T], *, is_keyed: bool = False
) -> Callable[[Callable[Concatenate[Any, P], Asked]], Method[P, T]]:
    route = Route(operation=operation, method=method, path=path, answer=answer, is_keyed=is_keyed)
    return lambda asks: Method(route, asks)


def listing(
    operation: str, path: str, answer: type[T], *, member: str = "data"
) -> Callable[[Callable[Concatenate[Any, P], Asked]], Listing[P, T]]:
    route = Route(operation=operation, method="GET", path=path, answer=answer, is_keyed=False, member=member)
    return lambda asks: Listing(route, asks)


def metadata_filters(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Parameters of a list of what has these words about it."""
    return {f"metadata[{name}]": value for name, value in (metadata or {}).items()}
