"""The shape of every refusal."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from zerosum.api.schemas.fields import Response


class Fault(Response):
    """Where in the request something is wrong. The value itself is never repeated.

    Where several things stand in the way, each carries its facts as further members.
    """

    model_config = ConfigDict(extra="allow")

    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901) to the member, or a parameter's name.")]
    code: Annotated[str, Field(description="What is wrong there.", examples=["invalid_amount"])]
    detail: Annotated[str, Field(description="The same in words.")]


class Problem(Response):
    """`application/problem+json` (RFC 9457). A refusal of the books also carries its facts as further members."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="A URN of the code.", examples=["urn:zerosum:problem:insufficient_funds"])]
    title: Annotated[str, Field(description="What this code always means.")]
    status: Annotated[int, Field(description="The HTTP status.", examples=[422])]
    detail: Annotated[str, Field(description="What it means here.")]
    instance: Annotated[str, Field(description="The path of the request.")]
    code: Annotated[str, Field(description="Stable: programs may rely on it.", examples=["insufficient_funds"])]
    request_id: Annotated[str, Field(description="Name it when you ask us about this answer.")]
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later as it is.")]
    errors: Annotated[list[Fault] | None, Field(description="Each fault of the request.")] = None


PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
