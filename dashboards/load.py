"""A little of all that a payment service is asked for, round after round, so that every panel has something to show."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from dashboards.ground import STREAM_IN, Ground

PAUSE_SECONDS = 0.2
PEOPLE = ("alice", "bob", "carol", "dave")
CURRENCIES = ("USD", "EUR")
MAPPING = {"date": "decided_at", "amount": "amount", "direction": "type", "currency": "currency", "id": "id"}
SOURCE = {
    "name": "sandbox",
    "account": "clearing:sandbox:USD",
    "format": "csv",
    "csv": {"columns": {**MAPPING, "references": ["key"]}, "incoming": ["deposit"], "outgoing": ["withdrawal"]},
}


class Load:
    """One caller. What is refused on purpose is not looked at; what must work is."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        headers = {"Authorization": f"Bearer {ground.service.credentials.api_key}"}
        self.http = httpx.Client(base_url=ground.url, headers=headers, timeout=20.0, trust_env=False)
        self.numbers = itertools.count(1)
        self.dice = random.Random(7)

    def post(self, path: str, body: Any, key: str | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or f"load-{next(self.numbers)}"}
        answer = self.http.post(path, json=body, headers=headers)
        content: dict[str, Any] = answer.json() | {"_status": answer.status_code}
        return content

    def must(self, path: str, body: Any, key: str | None = None) -> dict[str, Any]:
        content = self.post(path, body, key)
        assert content["_status"] < 300, (path, body, content)
        return content

    def pay(self, type_: str, amount: str, currency: str = "USD", **members: Any) -> dict[str, Any]:
        return self.post("/v1/payments", {"type": type_, "amount": amount, "currency": currency, **members})

    def prepare(self) -> None:
        for currency in CURRENCIES:
            for person in PEOPLE:
                code = f"{person}:{currency.lower()}"
                self.must("/v1/accounts", {"code": code, "currency": currency, "type": "liability"})
                paid = self.pay("deposit", "5000.00", currency, to=code)
                assert paid["_status"] == 201, paid
        for place in ("taken", "refused"):
            body = {"url": f"{self.ground.receiver}/{place}", "event_types": ["payment.*", "hold.*"]}
            self.must("/v1/webhook-endpoints", body)
        self.ground.redis.xadd(STREAM_IN, {"body": "this is no JSON"})

    def round(self) -> None:
        """Some twenty calls."""
        currency = self.dice.choice(CURRENCIES)
        payer, payee = (f"{person}:{currency.lower()}" for person in self.dice.sample(PEOPLE, 2))
        paid = self.pay(
            "transfer", f"{self.dice.randint(100, 2000) / 100:.2f}", currency, **{"from": payer, "to": payee}
        )
        if "id" in paid:
            self.post(f"/v1/payments/{paid['id']}/refund", {"amount": "0.50", "reason": "Returned"})
            self.post(f"/v1/payments/{paid['id']}/dispute", {"reason": "fraudulent", "amount": "0.10"})
        self.hold(payer, payee, currency)
        self.refused(payer, payee, currency)
        self.through_processors(payer, payee, currency)
        self.messages(payee, currency)
        self.reads(payer)

    def hold(self, payer: str, payee: str, currency: str) -> None:
        held = self.post("/v1/holds", {"from": payer, "to": payee, "amount": "5.00", "currency": currency})
        if "id" in held:
            self.post(f"/v1/holds/{held['id']}/capture", {"amount": "900.00"})
        if "id" in held and self.dice.random() < 0.7:
            self.post(f"/v1/holds/{held['id']}/capture", {"amount": "3.00", "final": True})

    def refused(self, payer: str, payee: str, currency: str) -> None:
        parties = {"from": payer, "to": payee}
        self.pay("transfer", "950.00", currency, **parties)  # held for review by a rule
        self.pay("withdrawal", "99999999.00", currency, **{"from": payer})
        self.pay("transfer", "1.00", currency, **parties, metadata={"country": "XX"})
        self.pay("transfer", "not a number", currency, **parties)
        order = {"type": "transfer", "amount": "0.01", "currency": currency, **parties}
        key = f"again-{next(self.numbers)}"
        for _ in range(2):
            self.post("/v1/payments", order, key)

    def through_processors(self, payer: str, payee: str, currency: str) -> None:
        for _ in range(2):
            self.pay("withdrawal", "2.00", currency, **{"from": payer}, processor="sandbox")
        self.pay("deposit", "3.00", currency, to=payee, processor="sandbox")
        if self.dice.random() < 0.2:
            self.pay("withdrawal", "1.00", currency, **{"from": payer}, processor="lame")

    def messages(self, payee: str, currency: str) -> None:
        key = f"message-{next(self.numbers)}"
        order = {"command": "payment", "idempotency_key": key, "type": "deposit", "amount": "1.00", "to": payee}
        self.ground.redis.xadd(STREAM_IN, {"body": json.dumps({**order, "currency": currency})})
        if self.dice.random() < 0.1:
            self.ground.redis.xadd(STREAM_IN, {"body": "this is no JSON"})

    def reads(self, payer: str) -> None:
        for path in (f"/v1/accounts/{payer}/balance", "/v1/payments?limit=20", "/v1/events?limit=20", "/v1/nothing"):
            self.http.get(path)
        self.http.get("/v1/payments", headers={"Authorization": "Bearer nobody"})

    def reconcile(self) -> None:
        """A file of the processor with a line that the books know nothing of."""
        self.pay("deposit", "1.00", to="alice:usd", processor="sandbox")  # opens the account that is reconciled
        self.must("/v1/reconciliation/sources", SOURCE)
        lines = "decided_at,id,key,type,amount,currency\n2026-01-02,x1,none,deposit,7.00,USD\n"
        answer = self.http.post(
            "/v1/reconciliation/files",
            params={"source": "sandbox"},
            content=lines,
            headers={"Content-Type": "text/csv"},
        )
        assert answer.status_code < 300, answer.text


@contextmanager
def running_load(ground: Ground) -> Iterator[Load]:
    """Until the end of it. What went wrong in it is raised then."""
    load = Load(ground)
    load.prepare()
    load.round()
    load.reconcile()
    ground.restart_worker()
    is_over = threading.Event()
    wrong: list[BaseException] = []

    def go_on() -> None:
        try:
            while not is_over.wait(PAUSE_SECONDS):
                load.round()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield load
    finally:
        is_over.set()
        thread.join()
        load.http.close()
    if wrong:
        raise wrong[0]
