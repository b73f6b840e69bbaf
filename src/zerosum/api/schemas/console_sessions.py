"""Sessions of the console on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Name, OneOf, Reason, Request, Response, Time, id_field
from zerosum.domain.console_roles import Role
from zerosum.domain.identifiers import Prefix, render_id
from zerosum.services.credentials.console_sessions import SessionRecord
from zerosum.services.credentials.open_sessions import Ended, Reach

_WHY = Field(description="Stands in the security log.", examples=["has left the company"])
_SUBJECT = Field(description="The person, as the audit log names them.", examples=["console|ann"])


class EndSessionRequest(Request):
    """Why it is ended."""

    reason: Annotated[Reason, _WHY]


class EndSessionsRequest(Request):
    """Whose sessions are ended, and why."""

    subject: Annotated[Name, _SUBJECT]
    reason: Annotated[Reason, _WHY]


class ConsoleSessionResponse(Response):
    """Somebody who has signed in to the console."""

    id: Annotated[str, id_field(Prefix.CONSOLE_SESSION, "The session. It is no credential.")]
    subject: Annotated[str, _SUBJECT]
    role: Annotated[str, OneOf(Role), Field(description="What they may do.")]
    ledgers: Annotated[
        list[str] | None, Field(description="The ledgers they may open, of those that you administer; null: all.")
    ]
    way: Annotated[
        str, Field(description="How they have signed in: by a `link` or by the `issuer`.", examples=["link"])
    ]
    created_at: Annotated[Time, Field(description="When they have signed in.")]
    last_used_at: Annotated[Time, Field(description="When they last asked for a page, to a minute.")]


class EndedSessionsResponse(Response):
    """What became of a person's sessions."""

    ended: Annotated[int, Field(description="So many have ended.", examples=[1])]
    left: Annotated[int, Field(description="So many may open other ledgers, too: an operator ends them.", examples=[0])]


def console_session_body(session: SessionRecord, reach: Reach) -> dict[str, Any]:
    """For who administers those: in which others a person works is no business of his."""
    ledgers = session.ledgers
    if ledgers is not None and reach is not None:
        ledgers = tuple(one for one in ledgers if one in reach)
    return {
        "id": render_id(Prefix.CONSOLE_SESSION, session.id),
        "subject": session.subject,
        "role": session.role,
        "ledgers": None if ledgers is None else [render_id(Prefix.LEDGER, one) for one in ledgers],
        "way": session.way,
        "created_at": render_time(session.made_at),
        "last_used_at": render_time(session.used_at),
    }


def ended_sessions_body(ended: Ended) -> dict[str, Any]:
    return {"ended": ended.ended, "left": ended.left}
