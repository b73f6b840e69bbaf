"""Who stands at the door: the session's cookie, and whether a form was sent from one of our own pages.

The cookie is Strict: no other site's link brings it along. So whoever comes back from an issuer is shown a page that
goes on by itself, for the first request after that is our own again.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from zerosum.api.static_content import header
from zerosum.domain.errors import InvalidRequest, WriteRefused
from zerosum.gateway.guards.json_guard import checked_text
from zerosum.gateway.routing import Call
from zerosum.services.credentials.console_sessions import csrf_token

FIELDS_MAX = 60
COOKIE_NAME = "zerosum_console"


@dataclass(frozen=True, slots=True)
class Door:
    """`url` is how browsers reach the service."""

    url: str

    @property
    def is_https(self) -> bool:
        return self.url.startswith("https:")

    @property
    def cookie_name(self) -> str:
        """With the prefix no other host of the domain can set it, and it never goes without TLS (RFC 6265bis)."""
        return f"__Host-{COOKIE_NAME}" if self.is_https else COOKIE_NAME

    def token(self, call: Call) -> str | None:
        return self.cookie(call, self.cookie_name)

    def cookie(self, call: Call, name: str) -> str | None:
        """None where there is none, or more than one: two of a name are somebody's trick."""
        sent = (part.strip().partition("=") for part in header(call, b"cookie").split(";"))
        found = [value for given, _, value in sent if given == name]
        return found[0] if len(found) == 1 else None

    def set_cookie(
        self, token: str, *, name: str | None = None, site: str = "Strict", seconds: int | None = None
    ) -> str:
        """An empty token takes it away."""
        secure = "; Secure" if self.is_https else ""
        age = "; Max-Age=0" if not token else f"; Max-Age={seconds}" if seconds is not None else ""
        return f"{name or self.cookie_name}={token}; Path=/; HttpOnly; SameSite={site}{secure}{age}"

    def check_own_page(self, call: Call) -> None:
        """Raises WriteRefused unless the browser says that one of our own pages sent this."""
        site = header(call, b"sec-fetch-site")
        origin = _host_of(header(call, b"origin"))
        is_own = origin in (header(call, b"host"), _host_of(self.url))
        if site != "same-origin" if site else not (origin and is_own):
            raise WriteRefused("The form was sent from another site, or the browser does not say from where.")

    def check_form(self, call: Call, token: str, form: Mapping[str, str]) -> None:
        """Raises WriteRefused."""
        self.check_own_page(call)
        if not hmac.compare_digest(form.get("csrf", "").encode(), csrf_token(token).encode()):
            raise WriteRefused("The page is of an older session: open it again.")


def _host_of(address: str) -> str:
    """With its port; empty where it is no address."""
    try:
        return urlsplit(address).netloc
    except ValueError:
        return ""


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form that are not empty. Raises InvalidRequest, InvalidString."""
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise InvalidRequest("The form cannot be read.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest("The form has a field twice.")
        found[checked_text(name, "")] = checked_text(value.replace("\r\n", "\n"), f"/{name[:64]}")
    return {name: value.strip() for name, value in found.items() if value.strip()}
