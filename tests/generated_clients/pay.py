"""Pays with a client that openapi-python-client has generated. The tests beside it run it, where that is installed."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

import zerosum_client as generated  # type: ignore[import-not-found]
from zerosum_client import models
from zerosum_client.api.accounts import (  # type: ignore[import-not-found]
    change_account,
    get_balance,
    open_account,
)
from zerosum_client.api.payments import create_payment, list_payments  # type: ignore[import-not-found]
from zerosum_client.api.service import issue_token  # type: ignore[import-not-found]

CODE = "python/wallet"


def main() -> None:
    anybody = generated.Client(base_url=os.environ["BASE_URL"])
    form = models.IssueTokenBody(
        grant_type=models.IssueTokenBodyGrantType.CLIENT_CREDENTIALS,
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
    )
    token = issue_token.sync(client=anybody, body=form)
    client = generated.AuthenticatedClient(base_url=os.environ["BASE_URL"], token=token.access_token)

    def pay(type_: str, amount: str, **party: str) -> Any:
        body = models.PaymentRequest(type_=models.PaymentRequestType(type_), amount=amount, currency="USD", **party)
        return create_payment.sync(client=client, body=body, idempotency_key=secrets.token_hex(16))

    wanted = models.OpenAccountRequest(code=CODE, currency="USD", type_=models.OpenAccountRequestType.LIABILITY)
    open_account.sync(client=client, body=wanted)
    account = change_account.sync(CODE, client=client, body=models.ChangeAccountRequest(name="Renamed"))
    paid = pay("deposit", "12.30", to=CODE)
    refused = pay("withdrawal", "12.31", from_=CODE)
    listed = list_payments.sync(client=client, type_=models.ListPaymentsType.DEPOSIT, limit=1)
    balance = get_balance.sync(CODE, client=client, min_version=paid.account_versions[account.id])
    told = {
        "name": account.name,
        "floor": account.min_available,
        "status": paid.status.value,
        "refused": refused.code,
        "listed": [one.amount for one in listed.data],
        "available": balance.available,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
