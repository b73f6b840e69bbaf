"""The console in this process, as a browser sees it: cookies are kept, redirects are not followed by themselves."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import client, framework_service, service, service_port, stranger
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

__all__ = ["client", "framework_service", "service", "service_port", "stranger"]

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Person:
    """Somebody with a browser. `ledger` is the one whose pages are asked for by short addresses."""

    http: httpx.AsyncClient
    ledger: str

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(self._whole(path), **options)

    async def page(self, path: str, **options: Any) -> str:
        """The text of a page that is there."""
        answer = await self.get(path, **options)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.text

    async def post(self, path: str, form: dict[str, str], *, headers: dict[str, str] | None = None) -> httpx.Response:
        sent = OWN_PAGE if headers is None else headers
        return await self.http.post(self._whole(path), data=form, headers=sent)

    async def csrf(self) -> str:
        found = _CSRF.search((await self.http.get("/console/ledgers")).text)
        assert found is not None
        return found[1]

    async def act(self, path: str, **form: str) -> httpx.Response:
        """A form as the page would send it."""
        return await self.post(path, {"csrf": await self.csrf(), "reason": "a test", **form})

    def _whole(self, path: str) -> str:
        return path if path.startswith("/console") else f"/console/{self.ledger}{path}"


def shown(text: str) -> str:
    """As it stands in a page."""
    return html.escape(text, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


async def browser(service: Service, ledger: LedgerId) -> Person:
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)  # type: ignore[arg-type]
    http = httpx.AsyncClient(transport=transport, base_url="http://zerosum.test")
    return Person(http, f"led_{ledger}")


async def signed_in(
    service: Service, ledger: LedgerId, role: Role = Role.ADMIN, *, ledgers: tuple[UUID, ...] | None = None
) -> Person:
    """By a link, as the terminal prints it; for this ledger alone unless others are named."""
    person = await browser(service, ledger)
    link = await service.console.sessions.make_link(f"console|{role.value}", role, ledgers or (ledger,))
    answer = await person.post("/console/sign-in/link", {"link": link})
    assert answer.status_code == 303, answer.text
    return person


async def operator_in(service: Service, ledger: LedgerId, name: str = "console|operator") -> Person:
    """An administrator who may open every ledger."""
    person = await browser(service, ledger)
    link = await service.console.sessions.make_link(name, Role.ADMIN, None)
    answer = await person.post("/console/sign-in/link", {"link": link})
    assert answer.status_code == 303, answer.text
    return person


@pytest.fixture
async def admin(service: Service, ledger_id: LedgerId) -> AsyncIterator[Person]:
    person = await signed_in(service, ledger_id)
    yield person
    await person.http.aclose()
