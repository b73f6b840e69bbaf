"""The shape of every list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from zerosum.api.schemas.fields import Response, noun_of
from zerosum.services.requests.paging import Page, gently

Item = TypeVar("Item")


class ListOf(Response, Generic[Item]):
    """One page. Ask again with `cursor=next_cursor` for the next."""

    data: Annotated[list[Item], Field(description="The items of this page.")]
    has_more: Annotated[bool, Field(description="Whether there are more after it.")]
    next_cursor: Annotated[str | None, Field(description="Opaque; carries filter and order. Null on the last page.")]

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """As generated clients will call it."""
        return f"{noun_of(params[0])}List"


async def list_body(page: Page[Any], render: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    return page_body(page, await gently(render, page.items))


def page_body(page: Page[Any], data: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"data": list(data), "has_more": page.next_cursor is not None, "next_cursor": page.next_cursor}
