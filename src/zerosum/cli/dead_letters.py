"""`zerosum dead-letters`: messages that could not be carried out, by whoever runs the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.cli.installation import chosen_data_dir, is_embedded, reachable_settings
from zerosum.cli.talk import USAGE, CommandFailed, put, told_plainly
from zerosum.config import load_settings
from zerosum.domain.errors import DomainError, InvalidId
from zerosum.domain.identifiers import Prefix, parse_id

if TYPE_CHECKING:
    # The service takes a second to load.
    from zerosum.api.services import Services
    from zerosum.services.requests.caller import Caller

ACTOR = "zerosum dead-letters"
SHOWN_MAX = 200

Act = Callable[["Services", "Caller"], Awaitable[Any]]


@told_plainly
def list_letters(data_dir: Path | None, ledger: str | None, status: str | None) -> int:
    """A line of JSON each, newest first."""

    async def act(services: Services, caller: Caller) -> None:
        from zerosum.api.schemas.dead_letters import dead_letter_body  # noqa: PLC0415
        from zerosum.services.requests.paging import PageRequest  # noqa: PLC0415

        filters = {} if status is None else {"status": status}
        cursor: str | None = None
        while True:
            request = PageRequest(list_name="dead letters", limit=SHOWN_MAX, cursor=cursor, filters=filters)
            page = await services.dead_letters.list(caller, request)
            put("".join(f"{json.dumps(dead_letter_body(record))}\n" for record in page.items))
            cursor = page.next_cursor
            if cursor is None:
                return

    return _run(data_dir, ledger, act)


@told_plainly
def show_letter(data_dir: Path | None, ledger: str | None, text: str) -> int:
    async def act(services: Services, caller: Caller) -> None:
        from zerosum.api.schemas.dead_letters import dead_letter_detail  # noqa: PLC0415

        put(json.dumps(dead_letter_detail(await services.dead_letters.get(caller, _id(text))), indent=2) + "\n")

    return _run(data_dir, ledger, act)


@told_plainly
def replay_letter(data_dir: Path | None, ledger: str | None, text: str) -> int:
    async def act(services: Services, caller: Caller) -> None:
        from zerosum.api.dead_letters import replay  # noqa: PLC0415

        put(json.dumps(await replay(services, caller, _id(text)), indent=2) + "\n")

    return _run(data_dir, ledger, act)


@told_plainly
def drop_letter(data_dir: Path | None, ledger: str | None, text: str) -> int:
    async def act(services: Services, caller: Caller) -> None:
        from zerosum.api.schemas.dead_letters import dead_letter_body  # noqa: PLC0415

        put(json.dumps(dead_letter_body(await services.dead_letters.drop(caller, _id(text))), indent=2) + "\n")

    return _run(data_dir, ledger, act)


def _id(text: str) -> Any:
    """Raises CommandFailed."""
    try:
        return parse_id(Prefix.DEAD_LETTER, text)
    except InvalidId as error:
        raise CommandFailed(error.detail, USAGE) from None


def _run(data_dir: Path | None, ledger: str | None, act: Act) -> int:
    settings = reachable_settings(data_dir).model_copy(update={"metrics": False, "workers": 1})
    embedded = is_embedded(data_dir, load_settings())
    folder = chosen_data_dir(data_dir) if embedded and ledger is None else None
    from zerosum.cli.ledger_target import opened_service  # noqa: PLC0415

    async def run() -> None:
        async with opened_service(settings, ledger, folder, ACTOR) as (service, caller):
            await act(service.services, caller)

    try:
        asyncio.run(run())
    except DomainError as error:
        raise CommandFailed(error.detail) from None
    return 0
