"""A key gives its first answer again byte for byte, whatever has become of what was made, and from every process.

Each route that takes a key is asked once; then the world moves on, step by step, and after every step the key is tried
again at the service that answered first or at one that shares nothing but PostgreSQL and Redis with it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.api.conftest import Client, fresh_key
from tests.api.every_route import documented
from tests.api.test_idempotency import is_replay
from tests.at_length import AT_LENGTH
from tests.rules.judging import ALL_HELD, hold_for_review
from zerosum.adapters.clock import now
from zerosum.api.render import render_time
from zerosum.domain.identifiers import LedgerId
from zerosum.main import Service

METADATA = {"zebra": "1", "b": "2", "éa": "3", "ab": "4", "a": "5", "\U0001f600": "6", "Z": "7"}
"""In no order in which anything would sort it."""


@dataclass(frozen=True)
class Asked:
    """One request: `key` goes into the header, or where there is an item into that."""

    method: str
    route: str
    body: Mapping[str, Any]
    path: str | None = None
    parameters: Mapping[str, str] | None = None
    status: int = 201

    async def send(self, client: Client, key: str, **of_path: str) -> httpx.Response:
        is_bulk = self.route.endswith(("/bulk", "/holds/resolve"))
        named = {name: of_path["hold"] if value == "{hold}" else value for name, value in self.body.items()}
        body = {"items": [{**named, "idempotency_key": key}]} if is_bulk else named
        return await client.http.request(
            self.method,
            (self.path or self.route).format(**of_path),
            json=None if self.method == "DELETE" else body,
            params=self.parameters,
            headers={} if is_bulk else {"Idempotency-Key": key},
        )


def lines(amount: str, payer: str = "alice", payee: str = "bob") -> list[dict[str, str]]:
    sides = ((payer, "debit"), (payee, "credit"))
    return [{"account": account, "side": side, "amount": amount, "currency": "USD"} for account, side in sides]


PAYMENT = {
    "type": "transfer",
    "amount": "1",
    "currency": "USD",
    "from": "alice",
    "to": "bob",
    "reference": "r",
    "effective_at": "2026-01-02T03:04:05+01:00",
    "metadata": METADATA,
}
PROCESSED = {
    "type": "withdrawal",
    "amount": "2",
    "currency": "USD",
    "from": "alice",
    "processor": "away",
    "metadata": METADATA,
}
ENTRY = {"reason": "x", "postings": lines("1"), "metadata": METADATA}
SALE: dict[str, Any] = {
    "name": "sale",
    "parameters": {"zeta": {"type": "account"}, "price": {"type": "amount", "currency": "USD"}},
    "postings": [
        {"side": "debit", "account": "{zeta}", "amount": "price"},
        {"side": "credit", "account": "bob", "amount": "remainder"},
    ],
}
SOLD = {"parameters": {"zeta": "alice", "price": "1.5"}, "metadata": METADATA}
LATER = render_time(now() + timedelta(days=30))
HOLD = {**{name: PAYMENT[name] for name in ("amount", "currency", "from", "to", "reference", "metadata")}}
SPLITS = [{"to": "dave", "percent": "2.90"}]
EXCHANGED = {
    **HOLD,
    "to": "euros",
    "to_currency": "EUR",
    "rate": "0.9200",
    "rate_source": "x",
    "rate_at": "2026-01-02T03:04:05+01:00",
    "margin_percent": "0.50",
}
DISPUTED = {"type": "dispute", "client": 1, "tx": 1}
OPENED = {"code": "carol", "currency": "USD", "type": "liability", "max_available": "10.0", "metadata": METADATA}
BALANCES = {"include": "balances"}
SAID = {"personal": {"subject": "ada", "members": METADATA}}
TOO_MUCH = "999999"

REQUESTS: dict[str, Asked] = {
    "payment": Asked("POST", "/v1/payments", PAYMENT),
    "payment under conditions": Asked(
        "POST", "/v1/payments", {**PAYMENT, "conditions": [{"account": "bob", "available_at_least": "0"}]}
    ),
    "deposit": Asked("POST", "/v1/payments", {"type": "deposit", "amount": "2.5", "currency": "USD", "to": "alice"}),
    "payment through a processor": Asked("POST", "/v1/payments", PROCESSED),
    "payment through a processor with balances": Asked("POST", "/v1/payments", PROCESSED, parameters=BALANCES),
    "settled processor call": Asked(
        "POST",
        "/v1/processor-calls/{payment}/settle",
        {"outcome": "approved", "amount": "1.50", "reason": "x"},
        "/v1/processor-calls/{processing}/settle",
        status=200,
    ),
    "payment with balances": Asked("POST", "/v1/payments", PAYMENT, parameters=BALANCES),
    "payment of a bulk": Asked("POST", "/v1/payments/bulk", PAYMENT, status=200),
    "payment about a person": Asked("POST", "/v1/payments", {**PAYMENT, **SAID}),
    "payment of a bulk about a person": Asked("POST", "/v1/payments/bulk", {**PAYMENT, **SAID}, status=200),
    "entry about a person": Asked("POST", "/v1/journal-entries", {**ENTRY, **SAID}),
    "erased person": Asked(
        "POST", "/v1/subjects/{subject}/erase", {"reason": "x"}, "/v1/subjects/ben/erase", status=200
    ),
    "entry": Asked("POST", "/v1/journal-entries", ENTRY),
    "entry with balances": Asked("POST", "/v1/journal-entries", ENTRY, parameters=BALANCES),
    "entry of a bulk": Asked("POST", "/v1/journal-entries/bulk", ENTRY, status=200),
    "reversal": Asked(
        "POST", "/v1/journal-entries/{entry}/reverse", {"reason": "y"}, "/v1/journal-entries/{original}/reverse"
    ),
    "account group": Asked(
        "PUT", "/v1/account-groups/{group}", {"members": ["bob", "alice"]}, "/v1/account-groups/theirs", status=200
    ),
    "deleted account group": Asked("DELETE", "/v1/account-groups/{group}", {}, "/v1/account-groups/doomed", status=200),
    "house rules": Asked("PUT", "/v1/house-rules", {"over_capture": {"percent": "3.50"}}, status=200),
    "template": Asked("POST", "/v1/templates", {**SALE, "rounding": "up"}),
    "entry by a template": Asked("POST", "/v1/templates/{template}/post", SOLD, "/v1/templates/sale/post"),
    "entry by a template with balances": Asked(
        "POST", "/v1/templates/{template}/post", SOLD, "/v1/templates/sale/post", parameters=BALANCES
    ),
    "refund": Asked(
        "POST",
        "/v1/payments/{payment}/refund",
        {"amount": "1", "reason": "z", "metadata": METADATA},
        "/v1/payments/{paid}/refund",
    ),
    "refund with balances": Asked(
        "POST", "/v1/payments/{payment}/refund", {"amount": "1"}, "/v1/payments/{paid}/refund", BALANCES
    ),
    "dispute": Asked(
        "POST",
        "/v1/payments/{payment}/dispute",
        {"reason": "y", "amount": "1", "provider_case_id": "c", "respond_by": "2026-01-02T03:04:05+01:00"},
        "/v1/payments/{paid}/dispute",
    ),
    "dispute with balances": Asked(
        "POST",
        "/v1/payments/{payment}/dispute",
        {"reason": "y", "amount": "1"},
        "/v1/payments/{paid}/dispute",
        BALANCES,
    ),
    "lost dispute with balances": Asked("POST", "/v1/disputes/{dispute}/chargeback", {}, None, BALANCES, 200),
    "evidence": Asked("POST", "/v1/disputes/{dispute}/evidence", {"text": "x"}, status=200),
    "won dispute": Asked("POST", "/v1/disputes/{dispute}/resolve", {"note": "x"}, status=200),
    "dispute taken further": Asked(
        "POST",
        "/v1/disputes/{dispute}/escalate",
        {"stage": "arbitration", "note": "x", "respond_by": "2026-01-02T03:04:05+01:00"},
        status=200,
    ),
    "lost dispute with a fee": Asked(
        "POST",
        "/v1/disputes/{dispute}/chargeback",
        {"note": "y", "fee": {"amount": "1.50", "to": "alice", "force": True}},
        status=200,
    ),
    "lost dispute": Asked("POST", "/v1/disputes/{dispute}/chargeback", {}, status=200),
    "closed period": Asked(
        "POST", "/v1/periods/{period}/close", {"note": "x"}, "/v1/periods/2025-01/close", status=200
    ),
    "hold": Asked("POST", "/v1/holds", HOLD),
    "payment in parts": Asked("POST", "/v1/payments", {**PAYMENT, "splits": SPLITS}),
    "capture in parts": Asked("POST", "/v1/holds/{hold}/capture", {"amount": "1", "splits": SPLITS}, status=200),
    "exchange": Asked("POST", "/v1/exchanges", EXCHANGED),
    "exchange by what is bought": Asked(
        "POST", "/v1/exchanges", {**{k: v for k, v in EXCHANGED.items() if k != "amount"}, "bought": "1"}
    ),
    "exchange with balances": Asked("POST", "/v1/exchanges", EXCHANGED, parameters=BALANCES),
    "hold with balances": Asked("POST", "/v1/holds", HOLD, parameters=BALANCES),
    "capture with balances": Asked("POST", "/v1/holds/{hold}/capture", {"amount": "1"}, None, BALANCES, 200),
    "captured hold": Asked("POST", "/v1/holds/{hold}/capture", {"amount": "1"}, status=200),
    "last capture": Asked("POST", "/v1/holds/{hold}/capture", {}, status=200),
    "grown hold": Asked("POST", "/v1/holds/{hold}/increment", {"amount": "1"}, status=200),
    "extended hold": Asked("POST", "/v1/holds/{hold}/extend", {"expires_at": LATER}, status=200),
    "voided hold": Asked("POST", "/v1/holds/{hold}/void", {}, status=200),
    "hold of a group with balances": Asked(
        "POST", "/v1/holds/resolve", {"hold": "{hold}", "action": "capture"}, None, BALANCES, 200
    ),
    "hold of a group": Asked("POST", "/v1/holds/resolve", {"hold": "{hold}", "action": "capture"}, status=200),
    "refused capture": Asked("POST", "/v1/holds/{hold}/capture", {"amount": TOO_MUCH}, status=422),
    "refused refund": Asked(
        "POST", "/v1/payments/{payment}/refund", {"amount": TOO_MUCH}, "/v1/payments/{paid}/refund", status=422
    ),
    "scheduled payment": Asked("POST", "/v1/scheduled-payments", {**HOLD, "type": "transfer", "execute_at": LATER}),
    "recurring payment": Asked(
        "POST",
        "/v1/scheduled-payments",
        {
            **HOLD,
            "type": "transfer",
            "execute_at": LATER,
            "recurrence": {"rule": "FREQ=DAILY;COUNT=2", "time_zone": "Asia/Kolkata"},
            "on_refusal": "retry",
        },
    ),
    "cancelled payment": Asked("POST", "/v1/scheduled-payments/{scheduled_payment}/cancel", {}, status=200),
    "approved payment": Asked(
        "POST", "/v1/reviews/{review}/approve", {"reason": "x"}, "/v1/reviews/{held}/approve", status=200
    ),
    "first of two approvals": Asked(
        "POST", "/v1/reviews/{review}/approve", {"reason": "x"}, "/v1/reviews/{held_twice}/approve", status=200
    ),
    "payment that a review turns down": Asked(
        "POST", "/v1/reviews/{review}/refuse", {"reason": "x"}, "/v1/reviews/{held}/refuse", status=200
    ),
    "client's deposit": Asked("POST", "/v1/transactions", {"type": "deposit", "client": 1, "tx": 2, "amount": "3"}),
    "client's dispute": Asked("POST", "/v1/transactions", DISPUTED),
    "client's transaction of a bulk": Asked("POST", "/v1/transactions/bulk", DISPUTED, status=200),
    "opened account": Asked("POST", "/v1/accounts", OPENED),
    "changed account": Asked(
        "PATCH",
        "/v1/accounts/{account}",
        {"name": "Bert", "min_available": "-5.5", "max_available": "7000", "metadata": METADATA},
        "/v1/accounts/bob",
        status=200,
    ),
    "frozen account": Asked("POST", "/v1/accounts/{account}/freeze", {}, "/v1/accounts/bob/freeze", status=200),
    "unfrozen account": Asked("POST", "/v1/accounts/{account}/unfreeze", {}, "/v1/accounts/bob/unfreeze", status=200),
    "closed account": Asked("POST", "/v1/accounts/{account}/close", {}, "/v1/accounts/empty/close", status=200),
    "statement": Asked(
        "POST",
        "/v1/accounts/{account}/statements",
        {"from": "2026-01-01", "to": "2026-02-01"},
        "/v1/accounts/alice/statements",
    ),
    "refused payment": Asked("POST", "/v1/payments", {**PAYMENT, "amount": TOO_MUCH}, status=422),
    "payment refused for several reasons": Asked(
        "POST",
        "/v1/payments",
        {**PAYMENT, "amount": TOO_MUCH, "conditions": [{"account": "bob", "available_at_most": "0"}]},
        status=422,
    ),
    "refused payment of a bulk": Asked("POST", "/v1/payments/bulk", {**PAYMENT, "amount": TOO_MUCH}, status=200),
    "refused entry": Asked("POST", "/v1/journal-entries", {**ENTRY, "postings": lines(TOO_MUCH)}, status=422),
    "refused reversal": Asked(
        "POST",
        "/v1/journal-entries/{entry}/reverse",
        {"reason": "y"},
        "/v1/journal-entries/{reversed}/reverse",
        status=409,
    ),
    "refused client's withdrawal": Asked(
        "POST", "/v1/transactions", {"type": "withdrawal", "client": 1, "tx": 3, "amount": TOO_MUCH}, status=422
    ),
    "refused entry of a bulk": Asked(
        "POST", "/v1/journal-entries/bulk", {**ENTRY, "postings": lines(TOO_MUCH)}, status=200
    ),
    "refused entry by a template": Asked(
        "POST",
        "/v1/templates/{template}/post",
        {"parameters": {"zeta": "alice", "price": TOO_MUCH}},
        "/v1/templates/sale/post",
        status=422,
    ),
    "refused client's withdrawal of a bulk": Asked(
        "POST", "/v1/transactions/bulk", {"type": "withdrawal", "client": 1, "tx": 4, "amount": TOO_MUCH}, status=200
    ),
    "refused hold": Asked("POST", "/v1/holds", {**HOLD, "amount": TOO_MUCH}, status=422),
    "refused increment": Asked(
        "POST", "/v1/holds/{hold}/increment", {"amount": "1"}, "/v1/holds/{voided}/increment", status=409
    ),
    "refused extension": Asked(
        "POST", "/v1/holds/{hold}/extend", {"expires_at": LATER}, "/v1/holds/{voided}/extend", status=409
    ),
    "refused voiding": Asked("POST", "/v1/holds/{hold}/void", {}, "/v1/holds/{voided}/void", status=409),
    "refused exchange": Asked("POST", "/v1/exchanges", {**EXCHANGED, "amount": TOO_MUCH}, status=422),
    "refused scheduled payment": Asked(
        "POST",
        "/v1/scheduled-payments",
        {**HOLD, "type": "transfer", "execute_at": LATER, "to": "euros"},
        status=422,
    ),
    "refused cancellation": Asked(
        "POST",
        "/v1/scheduled-payments/{scheduled_payment}/cancel",
        {},
        "/v1/scheduled-payments/{cancelled}/cancel",
        status=409,
    ),
    "refused settlement": Asked(
        "POST",
        "/v1/processor-calls/{payment}/settle",
        {"outcome": "approved", "reason": "x"},
        "/v1/processor-calls/{settled}/settle",
        status=409,
    ),
    "refused approval": Asked(
        "POST", "/v1/reviews/{review}/approve", {"reason": "x"}, "/v1/reviews/{turned_down}/approve", status=409
    ),
    "refused refusal": Asked(
        "POST", "/v1/reviews/{review}/refuse", {"reason": "x"}, "/v1/reviews/{turned_down}/refuse", status=409
    ),
    "refused dispute": Asked(
        "POST",
        "/v1/payments/{payment}/dispute",
        {"reason": "y", "amount": TOO_MUCH},
        "/v1/payments/{paid}/dispute",
        status=422,
    ),
    "refused evidence": Asked(
        "POST", "/v1/disputes/{dispute}/evidence", {"text": "x"}, "/v1/disputes/{lost}/evidence", status=409
    ),
    "refused decision": Asked("POST", "/v1/disputes/{dispute}/resolve", {}, "/v1/disputes/{lost}/resolve", status=409),
    "refused loss": Asked(
        "POST", "/v1/disputes/{dispute}/chargeback", {}, "/v1/disputes/{lost}/chargeback", status=409
    ),
    "loss refused for the currency of a fee": Asked(
        "POST",
        "/v1/disputes/{dispute}/chargeback",
        {"fee": {"amount": "1", "to": "euros"}},
        status=422,
    ),
    "refused stage": Asked(
        "POST",
        "/v1/disputes/{dispute}/escalate",
        {"stage": "arbitration"},
        "/v1/disputes/{lost}/escalate",
        status=409,
    ),
    "refused change": Asked("PATCH", "/v1/accounts/{account}", {"name": "x"}, "/v1/accounts/shut", status=409),
    "refused freeze": Asked("POST", "/v1/accounts/{account}/freeze", {}, "/v1/accounts/shut/freeze", status=409),
    "refused unfreezing": Asked(
        "POST", "/v1/accounts/{account}/unfreeze", {}, "/v1/accounts/shut/unfreeze", status=409
    ),
    "refused opening": Asked("POST", "/v1/accounts", {**OPENED, "code": "bob"}, status=409),
    "refused closing": Asked("POST", "/v1/accounts/{account}/close", {}, "/v1/accounts/alice/close", status=409),
}

Step = Callable[["Ground"], Awaitable[object]]


@dataclass(frozen=True)
class Ground:
    """What was there before anything was asked."""

    client: Client
    of_path: Mapping[str, str]

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        answer = await self.client.post(path, body, key=fresh_key())
        assert answer.status_code in (200, 201), answer.text
        return answer

    async def change(self, account: str, **members: Any) -> None:
        answer = await self.client.http.patch(f"/v1/accounts/{account}", json=members)
        assert answer.status_code == 200, answer.text

    async def reverse_all(self) -> None:
        """Every entry that can be, the one that was made among them."""
        for entry in (await self.client.get("/v1/journal-entries", params={"limit": 100})).json()["data"]:
            await self.client.post(f"/v1/journal-entries/{entry['id']}/reverse", {"reason": "z"}, key=fresh_key())

    async def refund_all(self) -> None:
        """Every payment of which something is left."""
        for payment in (await self.client.get("/v1/payments", params={"limit": 100})).json()["data"]:
            await self.client.post(f"/v1/payments/{payment['id']}/refund", key=fresh_key())

    async def end_all(self) -> None:
        """Every hold and dispute that is open."""
        for hold in (await self.client.get("/v1/holds")).json()["data"]:
            await self.client.post(f"/v1/holds/{hold['id']}/capture", {"amount": "0.10"}, key=fresh_key())
            await self.client.post(f"/v1/holds/{hold['id']}/void", key=fresh_key())
        for dispute in (await self.client.get("/v1/disputes")).json()["data"]:
            await self.client.post(f"/v1/disputes/{dispute['id']}/evidence", {"text": "y"}, key=fresh_key())
            await self.client.post(f"/v1/disputes/{dispute['id']}/chargeback", key=fresh_key())

    async def settle_all(self) -> None:
        """Every payment that its processor has said nothing of."""
        for call in (await self.client.get("/v1/processor-calls?state=proposed")).json()["data"]:
            body = {"outcome": "approved", "reason": "y"}
            await self.client.post(f"/v1/processor-calls/{call['payment_id']}/settle", body, key=fresh_key())

    async def cancel_all(self) -> None:
        for scheduled in (await self.client.get("/v1/scheduled-payments")).json()["data"]:
            await self.client.post(f"/v1/scheduled-payments/{scheduled['id']}/cancel", key=fresh_key())

    async def charge_back(self) -> None:
        for tx in (1, 2):
            for type_ in ("dispute", "chargeback"):
                body = {"type": type_, "client": 1, "tx": tx}
                await self.client.post("/v1/transactions", body, key=fresh_key())

    async def refuse_held(self) -> None:
        """Every payment that is in review."""
        for review in (await self.client.get("/v1/reviews?status=in_review")).json()["data"]:
            await self.client.post(f"/v1/reviews/{review['id']}/refuse", {"reason": "y"}, key=fresh_key())


STEPS: dict[str, Step] = {
    "at once": lambda ground: ground.client.get("/v1/accounts"),
    "money moved": lambda ground: ground.post("/v1/payments", {**PAYMENT, "amount": "3", "to": "dave"}),
    "the entry reversed": Ground.reverse_all,
    "holds and disputes ended": Ground.end_all,
    "what waits for a processor settled": Ground.settle_all,
    "what is in review refused": Ground.refuse_held,
    "what was scheduled cancelled": Ground.cancel_all,
    "the payment refunded": Ground.refund_all,
    "the client charged back": Ground.charge_back,
    "funded": lambda ground: ground.client.deposit("alice", TOO_MUCH),
    "the groups are others": lambda ground: asyncio.gather(
        *[
            ground.client.http.put(
                f"/v1/account-groups/{name}", json={"members": ["**"]}, headers={"Idempotency-Key": fresh_key()}
            )
            for name in ("theirs", "doomed")
        ]
    ),
    "other house rules": lambda ground: ground.client.http.put(
        "/v1/house-rules", json={"over_capture": {"percent": "99"}}, headers={"Idempotency-Key": fresh_key()}
    ),
    "another template": lambda ground: ground.client.post(
        "/v1/templates", {**SALE, "parameters": {**SALE["parameters"], "note": {"type": "text"}}}, key=fresh_key()
    ),
    "people erased": lambda ground: asyncio.gather(
        *[ground.post(f"/v1/subjects/{name}/erase", {"reason": "y"}) for name in ("ada", "ben")]
    ),
    "renamed": lambda ground: ground.change("bob", name="Robert", metadata={"x": "y"}),
    "limits changed": lambda ground: ground.change("bob", min_available=None, max_available="9"),
    "frozen": lambda ground: ground.post("/v1/accounts/bob/freeze"),
    "unfrozen": lambda ground: ground.post("/v1/accounts/bob/unfreeze"),
}
"""In this order. After each the key is tried again."""


async def ended(client: Client, review: str) -> dict[str, str]:
    """Of which nothing becomes any more, so that whatever is asked of it is refused: their ids by how they ended."""

    async def made(path: str, body: Any = None) -> dict[str, Any]:
        answer = await client.post(path, body, key=fresh_key())
        assert answer.status_code in (200, 201), answer.text
        content: dict[str, Any] = answer.json()
        return content

    hold = await made("/v1/holds", {**HOLD, "amount": "3"})
    scheduled = await made("/v1/scheduled-payments", {**HOLD, "type": "transfer", "execute_at": LATER})
    processed = await made("/v1/payments", PROCESSED)
    deposited = await client.deposit("bob", "2")
    dispute = await made(f"/v1/payments/{deposited['id']}/dispute", {"reason": "x"})
    shut = await client.open_account("shut")
    await made(f"/v1/holds/{hold['id']}/void")
    await made(f"/v1/scheduled-payments/{scheduled['id']}/cancel")
    await made(f"/v1/processor-calls/{processed['id']}/settle", {"outcome": "declined", "reason": "x"})
    await made(f"/v1/disputes/{dispute['id']}/chargeback")
    await made(f"/v1/reviews/{review}/refuse", {"reason": "x"})
    await made(f"/v1/accounts/{shut['id']}/close")
    return {
        "voided": hold["id"],
        "cancelled": scheduled["id"],
        "settled": processed["id"],
        "lost": dispute["id"],
    }


@pytest.fixture
async def ground(neighbours: tuple[Client, Client], service: Service, ledger_id: LedgerId, tmp_path: Path) -> Ground:
    client = neighbours[0]
    for code in ("alice", "bob", "dave", "empty"):
        await client.open_account(code, name=code, metadata=METADATA)
    await client.open_account("euros", currency="EUR")
    await client.deposit("alice", "100")
    entries = []
    for _ in range(2):
        answer = await client.post("/v1/journal-entries", ENTRY, key=fresh_key())
        entries.append(answer.json()["id"])
    await client.post("/v1/templates", SALE, key=fresh_key())
    doomed = await client.http.put(
        "/v1/account-groups/doomed", json={"members": ["dave"]}, headers={"Idempotency-Key": fresh_key()}
    )
    assert doomed.status_code == 200, doomed.text
    hold = (await client.post("/v1/holds", {**HOLD, "amount": "3"}, key=fresh_key())).json()
    paid = (await client.transfer("alice", "bob", "4")).json()
    disputed = await client.deposit("bob", "2")
    path = f"/v1/payments/{disputed['id']}/dispute"
    dispute = (await client.post(path, {"reason": "x"}, key=fresh_key())).json()
    of_path = {"original": entries[0], "reversed": entries[1], "hold": hold["id"], "paid": paid["id"]}
    for subject in ("ada", "ben"):
        said = {"personal": {"subject": subject, "members": {"x": "y"}}}
        await client.pay({"type": "deposit", "amount": "1", "currency": "USD", "to": "alice", **said})
    later = {**HOLD, "type": "transfer", "execute_at": LATER}
    scheduled = (await client.post("/v1/scheduled-payments", later, key=fresh_key())).json()
    processing = (await client.post("/v1/payments", PROCESSED, key=fresh_key())).json()
    of_path["processing"] = processing["id"]
    of_path["held"] = await hold_for_review(service, ledger_id, tmp_path, PAYMENT)
    twice = {**ALL_HELD, "two_approvals_from": "0"}
    of_path["held_twice"] = await hold_for_review(service, ledger_id, tmp_path, PAYMENT, twice)
    of_path["turned_down"] = await hold_for_review(service, ledger_id, tmp_path, PAYMENT)
    of_path |= await ended(client, of_path["turned_down"])
    made = Ground(client, {**of_path, "dispute": dispute["id"], "scheduled_payment": scheduled["id"]})
    await made.post("/v1/transactions", {"type": "deposit", "client": 1, "tx": 1, "amount": "5"})
    await made.post(f"/v1/journal-entries/{entries[1]}/reverse", {"reason": "z"})
    return made


def bytes_of(answer: httpx.Response) -> tuple[int, bytes]:
    """Status and body; a refusal names its own request, and an item of a bulk tells of being a replay in its body."""
    body = answer.content.replace(b',"replayed":true', b"")
    return answer.status_code, re.sub(rb'"request_id":"[^"]*"', b'"request_id":""', body)


def is_told_as_replay(answer: httpx.Response) -> bool:
    return is_replay(answer) or b',"replayed":true' in answer.content


REQUESTS_A_GROUND_MAX = 16
"""What a test asks must be done in time on a slow machine, too."""

GROUND = ("original", "reversed", "hold", "paid", "dispute", "scheduled_payment", "processing", "held", "held_twice")


def changes(asked: Asked) -> str | None:
    """What of the ground this request is about, so that upon one ground there is no other about it."""
    if asked.body == DISPUTED:
        return "the client's deposit"
    path = (asked.path or asked.route) + str(asked.body.get("hold", ""))
    return next((name for name in (*(f"{{{name}}}" for name in GROUND), "/bob", "/empty") if name in path), None)


def grounds() -> list[list[str]]:
    """As few as may be, since each is a world that has to move on; those about an account come last upon theirs."""
    made: list[list[str]] = [[]]
    for name, asked in REQUESTS.items():
        what = changes(asked)
        roomy = [names for names in made if len(names) < REQUESTS_A_GROUND_MAX]
        free = (names for names in roomy if what is None or all(changes(REQUESTS[one]) != what for one in names))
        found = next(free, None)
        if found is None:
            made.append([name])
        else:
            found.append(name)
    return [sorted(names, key=lambda name: str(changes(REQUESTS[name])).startswith("/")) for names in made]


def asked_after(number: int, neighbours: tuple[Client, Client]) -> tuple[Client, ...]:
    """The services by turns, and both when all is new and when all is over."""
    return neighbours if AT_LENGTH or number in (0, len(STEPS) - 1) else (neighbours[number % 2],)


@pytest.mark.parametrize("names", grounds(), ids=lambda names: f"{names[0]} and {len(names) - 1} more")
async def test_the_first_answer_is_given_again_whatever_has_happened_since(
    neighbours: tuple[Client, Client], ground: Ground, names: list[str]
) -> None:
    keys = {name: fresh_key() for name in names}
    first: dict[str, httpx.Response] = {}
    for name in names:
        first[name] = await REQUESTS[name].send(neighbours[0], keys[name], **ground.of_path)
        made = first[name].status_code, is_told_as_replay(first[name])
        assert made == (REQUESTS[name].status, False), (name, first[name].text)
    for number, (step, move) in enumerate(STEPS.items()):
        await move(ground)
        for client in asked_after(number, neighbours):
            for name in names:
                again = await REQUESTS[name].send(client, keys[name], **ground.of_path)
                assert is_told_as_replay(again), (step, name, again.text)
                assert bytes_of(again) == bytes_of(first[name]), (step, name)


async def test_every_route_that_takes_a_key_is_asked_here(neighbours: tuple[Client, Client]) -> None:
    takes = {
        (route.method, route.path)
        for route in await documented(neighbours[0].http)
        if route.is_bulk or any(one["name"] == "Idempotency-Key" for one in route.operation.get("parameters", []))
    }
    assert takes == {(asked.method, asked.route) for asked in REQUESTS.values()}


BY_THE_BOOKS = frozenset(
    {
        "account_closed",
        "account_frozen",
        "already_reversed",
        "amount_exceeds_hold",
        "amount_exceeds_payment",
        "balance_overflow",
        "condition_failed",
        "insufficient_funds",
        "invalid_state",
        "limit_exceeded",
        "velocity_limit_exceeded",
        "version_conflict",
    }
)
"""What a refusal of the books may be called."""


def codes_in(operation: Mapping[str, Any]) -> set[str]:
    told = [one.get("description", "") for one in operation["responses"].values()]
    return set(re.findall("`([a-z_]+)`", " ".join(told)))


async def test_every_route_whose_refusals_are_kept_is_asked_for_one(neighbours: tuple[Client, Client]) -> None:
    """The replay of what was done does not say that what was refused is kept."""
    keyed = {(asked.method, asked.route) for asked in REQUESTS.values()}
    judged = {
        (route.method, route.path)
        for route in await documented(neighbours[0].http)
        if (route.method, route.path) in keyed and codes_in(route.operation) & BY_THE_BOOKS
    }
    refused = {(asked.method, asked.route) for name, asked in REQUESTS.items() if "refused " in name}
    assert refused - judged == {("POST", "/v1/accounts")}  # an account that there is already
    assert judged - refused == {("POST", "/v1/holds/resolve")}  # all or nothing: then nothing is kept


@pytest.mark.parametrize("name", ["payment of a bulk", "entry of a bulk"])
async def test_a_key_that_comes_twice_in_one_call_is_answered_twice_alike(
    neighbours: tuple[Client, Client], ground: Ground, name: str
) -> None:
    """Out of what the batch itself has just done, of which nothing is stored yet."""
    asked = REQUESTS[name]
    item = {**asked.body, "idempotency_key": fresh_key()}
    answer = await ground.client.post(asked.route, {"items": [item, item]})
    first, again = answer.json()["results"]
    assert (first.get("replayed"), again.pop("replayed")) == (None, True)
    assert orjson.dumps({**first, "index": 1}) == orjson.dumps(again)
