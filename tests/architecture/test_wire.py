"""What stands on the wire as a fixed word is what the code knows, no more and no less."""

from __future__ import annotations

import ast
from dataclasses import fields
from enum import StrEnum

import pytest
from pydantic import BaseModel

from tests.architecture.sources import Module, modules
from zerosum.api import openapi_document
from zerosum.api.schemas.payments import PaymentRequest, PaymentResponse
from zerosum.domain.payments.payment import PaymentTexts
from zerosum.gateway.identity.principal import Scope
from zerosum.services.payments import PaymentOrder

ENUMS = [cls for cls in StrEnum.__subclasses__() if cls.__module__.startswith("zerosum.")]


@pytest.mark.parametrize("module", modules("api"), ids=lambda module: module.name)
def test_no_schema_spells_out_words_that_the_code_knows(module: Module) -> None:
    """Written twice, a new word would have to be remembered twice."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
            spelled = {word.value for word in ast.walk(node.slice) if isinstance(word, ast.Constant)}
            known = [cls.__name__ for cls in ENUMS if len(spelled) > 1 and spelled <= {word.value for word in cls}]
            assert not known, f"{module.place(node)}: write Annotated[str, OneOf({known[0]})]."


@pytest.mark.parametrize("model", [PaymentRequest, PaymentResponse])
def test_every_text_of_a_payment_is_asked_for_and_answered(model: type[BaseModel]) -> None:
    shown = [name for name in model.model_fields if name in PaymentTexts._fields]
    assert shown == list(PaymentTexts._fields), (
        f"{set(PaymentTexts._fields) - set(shown) or shown}: {model.__name__} has no member for it in its place. "
        "See api/schemas/payments.py."
    )


def test_every_member_of_a_payment_request_is_ordered() -> None:
    """One that no order has would be taken and dropped in silence."""
    ordered = {field.name for field in fields(PaymentOrder)} - {"idempotency_key", "payer", "payee", "texts"}
    ordered |= {"from_", "to", *PaymentTexts._fields}
    dropped = PaymentRequest.model_fields.keys() - ordered
    assert not dropped, f"{dropped}: add it to PaymentTexts in domain/payments/payment.py, or to PaymentOrder."


def test_every_scope_is_offered_in_the_manual() -> None:
    assert set(openapi_document._SCOPES) == set(Scope), (
        "Say in _SCOPES in api/openapi_document.py what the scope allows."
    )
