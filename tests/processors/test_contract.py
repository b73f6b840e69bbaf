"""What is told of payments and refunds through a processor, at each step, is what the OpenAPI document says."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from tests.api.conftest import Client, fresh_key
from tests.processors.processing import completer_of
from tests.processors.test_splits import bought, with_receivers
from zerosum.main import Service


def unlike(service: Service, model: str, body: dict[str, Any]) -> list[str]:
    document = service.framework.openapi()
    schema = {"$ref": f"#/components/schemas/{model}", "components": document["components"]}
    return [
        f"{error.message} at {error.instance_path}" for error in jsonschema_rs.validator_for(schema).iter_errors(body)
    ]


@pytest.mark.parametrize("said", ["", "sandbox:partial", "sandbox:declined"])
async def test_each_answer_is_as_it_is_described(said: str, alice: Client, outside: Service) -> None:
    client = await with_receivers(alice)
    payment = await bought(client, **({"reference": said} if said else {}))
    assert unlike(outside, "PaymentResponse", payment) == []
    await completer_of(outside).run_once()
    settled = (await client.http.get(f"/v1/payments/{payment['id']}")).json()
    assert settled["status"] in ("succeeded", "failed")
    assert unlike(outside, "PaymentResponse", settled) == []
    if settled["status"] == "succeeded":
        answer = await client.post(f"/v1/payments/{payment['id']}/refund", {"amount": "5.00"}, key=fresh_key())
        assert answer.status_code == 201, answer.text
        assert answer.json()["approved"] is None
        assert unlike(outside, "RefundResponse", answer.json()) == []
        refunding = (await client.http.get(f"/v1/payments/{payment['id']}")).json()
        assert unlike(outside, "PaymentResponse", refunding) == []
