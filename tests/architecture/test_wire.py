"""What stands on the wire as a fixed word is what the code knows, no more and no less."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import pytest

from zerosum.api import openapi_document
from zerosum.api.schemas.accounts import SideName, StatusName, TypeName
from zerosum.api.schemas.api_keys import ScopeName
from zerosum.api.schemas.payments import PaymentStatusName, PaymentTypeName
from zerosum.domain.ledger.account import AccountStatus, AccountType, Side
from zerosum.domain.payments.payment import PaymentStatus, PaymentType
from zerosum.gateway.principal import Scope

WORDS: dict[str, tuple[Any, Iterable[Any]]] = {
    "PaymentTypeName in api/schemas/payments.py": (PaymentTypeName, PaymentType),
    "PaymentStatusName in api/schemas/payments.py": (PaymentStatusName, PaymentStatus),
    "TypeName in api/schemas/accounts.py": (TypeName, AccountType),
    "StatusName in api/schemas/accounts.py": (StatusName, AccountStatus),
    "SideName in api/schemas/accounts.py": (SideName, Side),
    "ScopeName in api/schemas/ledgers.py": (ScopeName, Scope),
}


@pytest.mark.parametrize("name", WORDS)
def test_the_words_of_a_schema_are_those_of_the_domain(name: str) -> None:
    literal, known = WORDS[name]
    assert set(get_args(literal)) == {member.value for member in known}, f"{name}: add the new word, or take it out."


def test_every_scope_is_offered_in_the_manual() -> None:
    assert set(openapi_document._SCOPES) == set(Scope), (
        "Say in _SCOPES in api/openapi_document.py what the scope allows."
    )
