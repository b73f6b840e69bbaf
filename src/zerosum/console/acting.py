"""What the console writes into the audit log beside what the services write themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zerosum.services.requests.caller import Caller

if TYPE_CHECKING:
    from zerosum.console.view import View


class Viewings(Protocol):
    """Who has looked at whose data, and who has done what for which reason."""

    async def note(self, caller: Caller, resource: str) -> None:
        """Once an hour for each person and thing."""

    async def acted(self, caller: Caller, action: str, resource: str, reason: str) -> None:
        """Before it is done: nothing happens of which nobody can say why."""


async def written_down(view: View, action: str, path: str) -> None:
    """Raises ValidationFailed where no reason was given."""
    await view.console.viewings.acted(view.caller, action, path, view.reason)
