"""Subjects: people about whom something was said, what that was, and their erasure."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path, Response

from zerosum.api.endpoints import Routes, TheCall, as_response, json_answer
from zerosum.api.schemas.fields import id_path
from zerosum.api.schemas.subjects import (
    REFERENCE_PATTERN,
    ErasedResponse,
    ErasureRequest,
    PersonalResponse,
    SubjectResponse,
    erased_body,
    personal_body,
    subject_body,
)
from zerosum.api.services import Services
from zerosum.api.validation import validated
from zerosum.domain import errors
from zerosum.domain.identifiers import Prefix, parse_id
from zerosum.domain.ledger.subjects import REFERENCE_PATTERN_TEXT
from zerosum.gateway.identity.principal import Scope
from zerosum.gateway.routing import BodyKind

SubjectPath = Annotated[
    str,
    Path(
        description="Your reference for the person.",
        examples=["person-7f3a"],
        json_schema_extra={"pattern": REFERENCE_PATTERN},
    ),
]


def subject_routes(services: Services) -> Routes:
    routes = Routes("Subjects")
    subjects = services.subjects

    async def get_payment_personal(
        call: TheCall, payment: Annotated[str, id_path(Prefix.PAYMENT, "The payment's id.")]
    ) -> dict[str, Any]:
        return personal_body(await subjects.shown(call.caller, parse_id(Prefix.PAYMENT, payment)))

    async def get_entry_personal(
        call: TheCall, entry: Annotated[str, id_path(Prefix.JOURNAL_ENTRY, "The entry's id.")]
    ) -> dict[str, Any]:
        return personal_body(await subjects.shown(call.caller, parse_id(Prefix.JOURNAL_ENTRY, entry)))

    async def get_subject(call: TheCall, subject: SubjectPath) -> dict[str, Any]:
        return subject_body(await subjects.get(call.caller, _reference(subject)))

    async def erase_subject(call: TheCall, subject: SubjectPath) -> Response:
        order = validated(ErasureRequest, call.content).order(_reference(subject), call.idempotency_key or "")
        done = await subjects.erase(call.caller, order)
        return as_response(json_answer(200, erased_body(done.view), is_replay=done.is_replay))

    for noun, path, endpoint, summary in (
        ("Payment", "/v1/payments/{payment}/personal", get_payment_personal, "with a payment"),
        ("Entry", "/v1/journal-entries/{entry}/personal", get_entry_personal, "with a journal entry"),
    ):
        routes.add(
            "GET",
            path,
            endpoint,
            operation_id=f"get{noun}Personal",
            scope=Scope.PERSONAL_READ,
            refusals=(errors.InvalidId, errors.PersonalMembersNotFound, errors.RecordUnreadable),
            summary=f"Read what was said about a person {summary}",
            answer=PersonalResponse,
            description="Once the person is erased the answer says when, and nothing more.",
        )
    routes.add(
        "GET",
        "/v1/subjects/{subject}",
        get_subject,
        operation_id="getSubject",
        scope=Scope.PERSONAL_READ,
        refusals=(errors.InvalidParameter, errors.SubjectNotFound),
        summary="Read what there is of a subject",
        answer=SubjectResponse,
        description="`GET /v1/payments?metadata[zerosum.subject]=…` lists the payments.",
    )
    routes.add(
        "POST",
        "/v1/subjects/{subject}/erase",
        erase_subject,
        operation_id="eraseSubject",
        scope=Scope.PERSONAL_ERASE,
        body=BodyKind.JSON,
        needs_key=True,
        reads=ErasureRequest,
        refusals=(errors.InvalidParameter, errors.SubjectNotFound),
        summary="Erase a subject",
        answer=ErasedResponse,
        description="Its key is destroyed: what was said about it can be opened by nobody any more, and nothing more "
        "can be said about it. All else stays, and proves what it did. Again, it is answered as it was erased first.",
    )
    return routes


def _reference(text: str) -> str:
    if not re.fullmatch(REFERENCE_PATTERN_TEXT, text, re.ASCII):
        raise errors.InvalidParameter("A reference is of letters, digits and `_.:-`.", pointer="subject")
    return text
