"""Commands that work on one ledger as the service does, in a process of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zerosum.cli.installation import chosen_data_dir, is_embedded, reachable_settings
from zerosum.config import load_settings

if TYPE_CHECKING:
    # The service takes a second to load.
    from zerosum.api.services import Services
    from zerosum.services.requests.caller import Caller

Result = TypeVar("Result")


def on_ledger(
    data_dir: Path | None, ledger: str | None, actor: str, act: Callable[[Services, Caller], Awaitable[Result]]
) -> Result:
    """What `act` gives. Raises its refusals, CommandFailed where there is no such ledger."""
    settings = reachable_settings(data_dir).model_copy(update={"metrics": False, "workers": 1})
    embedded = is_embedded(data_dir, load_settings())
    folder = chosen_data_dir(data_dir) if embedded and ledger is None else None
    from zerosum.cli.ledger_target import opened_service  # noqa: PLC0415

    async def run() -> Result:
        async with opened_service(settings, ledger, folder, actor) as (service, caller):
            return await act(service.services, caller)

    return asyncio.run(run())
