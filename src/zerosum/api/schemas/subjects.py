"""Subjects on the wire, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from zerosum.api.render import render_time
from zerosum.api.schemas.fields import Metadata, Reason, Request, Response, Time
from zerosum.domain.ledger.subjects import REFERENCE_PATTERN_TEXT
from zerosum.services.requests.personal import PersonalOrder
from zerosum.services.subjects import ErasureOrder, ShownMembers, SubjectReport

REFERENCE_PATTERN = f"^{REFERENCE_PATTERN_TEXT}$"

SubjectReference = Annotated[
    str,
    Field(
        description="Your own reference for a person: letters, digits and `_.:-`. It stays in the clear for ever, so "
        "it must say nothing by itself.",
        examples=["person-7f3a"],
        pattern=REFERENCE_PATTERN,
    ),
]


class PersonalRequest(Request):
    """What is said about one person. It is kept sealed, shown to whoever may read it, and gone once he is erased."""

    subject: SubjectReference
    members: Annotated[
        Metadata,
        Field(
            description="Members of your own, as in `metadata`, and never shown there.",
            min_length=1,
            examples=[{"name": "Ada Lovelace", "email": "ada@example.com"}],
        ),
    ]


GivenPersonal = Annotated[
    PersonalRequest | None,
    Field(description="What of it is about a person. `metadata` of the answer names the subject and commits to it."),
]


def personal_order(given: PersonalRequest | None) -> PersonalOrder | None:
    return None if given is None else PersonalOrder(subject=given.subject, members=given.members)


class PersonalResponse(Response):
    """What was said about a person; once he is erased, when he was, and nothing more."""

    subject: SubjectReference
    members: Annotated[
        dict[str, str] | None,
        Field(description="What was said, as it was given.", examples=[{"name": "Ada Lovelace"}]),
    ] = None
    erased_at: Annotated[Time | None, Field(description="When the subject was erased.")] = None


class SubjectResponse(Response):
    """What there is of a subject."""

    subject: SubjectReference
    entries: Annotated[int, Field(description="With how many journal entries something was said about it.", ge=0)]
    created_at: Annotated[Time, Field(description="When something was said about it first.")]
    erased_at: Annotated[Time | None, Field(description="When it was erased; null: it was not.")]


class ErasureRequest(Request):
    """Why a subject is to be erased. The security log keeps it, so it should not say who that was."""

    reason: Annotated[Reason, Field(description="Why.", examples=["Asked for on 2026-11-30, ticket 4711"])]

    def order(self, subject: str, idempotency_key: str) -> ErasureOrder:
        return ErasureOrder(idempotency_key=idempotency_key, subject=subject, reason=self.reason)


class ErasedResponse(Response):
    """A subject that was erased, by this call or by one before it."""

    subject: SubjectReference
    created_at: Annotated[Time, Field(description="When something was said about it first.")]
    erased_at: Annotated[Time, Field(description="When it was erased.")]


def erased_body(told: Mapping[str, Any]) -> dict[str, Any]:
    """In the order of the members, which what is read back has lost."""
    return {name: told[name] for name in ErasedResponse.model_fields}


def personal_body(shown: ShownMembers) -> dict[str, Any]:
    body: dict[str, Any] = {"subject": shown.subject.reference}
    if shown.members is not None:
        return body | {"members": dict(shown.members)}
    erasure = shown.subject.erasure
    return body if erasure is None else body | {"erased_at": render_time(erasure.erased_at)}


def subject_body(report: SubjectReport) -> dict[str, Any]:
    subject = report.subject
    erasure = subject.erasure
    return {
        "subject": subject.reference,
        "entries": report.entries,
        "created_at": render_time(subject.created_at),
        "erased_at": None if erasure is None else render_time(erasure.erased_at),
    }
