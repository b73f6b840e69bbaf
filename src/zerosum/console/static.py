"""The files pages load: each under an address that names its content, so that it may be kept for ever."""

from __future__ import annotations

from importlib.resources import files

from zerosum.api.static_content import StaticContent
from zerosum.domain.errors import NotFound
from zerosum.gateway.routing import Call, HttpAnswer

KINDS = {".svg": "image/svg+xml", ".css": "text/css", ".js": "text/javascript"}


class StaticFiles:
    def __init__(self, place: str) -> None:
        folder = files("zerosum.console") / "static"
        self._place = place
        self._files = {
            file.name: StaticContent(file.read_bytes, kind)
            for file in folder.iterdir()
            for ending, kind in KINDS.items()
            if file.name.endswith(ending)
        }

    def href(self, name: str) -> str:
        """For templates: {{ static("console.css") }}."""
        return f"{self._place}/{name}?v={self._files[name].version()}"

    async def answer(self, call: Call) -> HttpAnswer:
        """Raises NotFound."""
        file = self._files.get(call.path.rpartition("/")[2])
        if file is None:
            raise NotFound("There is nothing at this address.")
        return await file.answer(call)
