"""How a client gets in: with an API key, or with client credentials for tokens that are renewed in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zerosum.client.attempts import Answer
from zerosum.client.errors import UnexpectedAnswer
from zerosum.client.refusals import Unauthenticated

TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - an address
RENEWED_BEFORE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 (RFC 6749, 4.4). `scope` narrows what the tokens may do."""

    client_id: str
    client_secret: str
    scope: str | None = None

    def form(self) -> dict[str, str]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        return form if self.scope is None else {**form, "scope": self.scope}


class Bearer:
    """What is sent in `Authorization`. Whoever calls asks `needs_token` first, and brings what it was answered."""

    def __init__(self, credential: str | ClientCredentials, clock: Callable[[], float]) -> None:
        """Raises ValueError for a text that cannot be a credential."""
        self.credentials = None if isinstance(credential, str) else credential
        self._clock = clock
        self._text = credential if isinstance(credential, str) else None
        self._good_until: float | None = None
        if self._text is not None and not (self._text and self._text.isascii() and self._text.isprintable()):
            raise ValueError("the credential holds characters that none has")

    @property
    def needs_token(self) -> bool:
        if self.credentials is None:
            return False
        return self._text is None or (self._good_until is not None and self._clock() >= self._good_until)

    @property
    def header(self) -> dict[str, str] | None:
        """None where another thread has just thrown the token away."""
        text = self._text
        return None if text is None else {"Authorization": f"Bearer {text}"}

    def take(self, answer: Answer) -> None:
        """The answer of the token endpoint. Raises Unauthenticated, UnexpectedAnswer."""
        try:
            content = answer.json()
            if answer.status == 200:
                self._text = str(content["access_token"])
                self._good_until = self._clock() + float(content["expires_in"]) - RENEWED_BEFORE_SECONDS
                return
            detail = str(content.get("error_description") or content["error"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UnexpectedAnswer(f"{answer.status} at {TOKEN_PATH}: no answer of this service") from None
        problem = {"code": "unauthenticated", "title": "No token", "detail": detail, "retryable": False}
        raise Unauthenticated(problem, status=answer.status)

    def was_refused(self, header: Mapping[str, str]) -> bool:
        """Whether a new token may help. It is needed, where no other caller has got one meanwhile."""
        if self.credentials is None:
            return False
        if self.header == header:
            self._text = None
        return True
