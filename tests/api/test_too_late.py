"""A time that is up somewhere inside an endpoint is no failure of ours: what is told is what is known."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request

from zerosum.api.app import add_problem_handlers
from zerosum.gateway.routing import Call


@pytest.mark.parametrize(("method", "status", "code"), [("GET", 503, "unavailable"), ("POST", 504, "outcome_unknown")])
async def test_what_ran_out_of_time_is_told_as_such(
    method: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    add_problem_handlers(app)

    @app.api_route("/slow", methods=[method])
    async def slow(request: Request) -> None:
        request.state.call = Call("request", "/slow", b"")
        raise TimeoutError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://zerosum.test") as client:
        answer = await client.request(method, "/slow")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["a request ran out of time"]
