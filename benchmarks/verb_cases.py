"""What is done beside plain payments, over HTTP: holds, captures of holds, refunds of payments."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import uvloop

from benchmarks.http_cases import SEED, Acknowledgements, HttpCase, HttpGround, LoadWasRefused
from benchmarks.readings import Reading
from zerosum.cli.load import run_load
from zerosum.cli.load.payments import Target, scattered, single_payments
from zerosum.cli.load.plan import one_if_successful

PER_SECOND_MAX = 2500
"""So many things are made beforehand for each second in which something is done with them."""

ID = re.compile(rb'"id":"((?:hold|pay)_[0-9a-f-]{36})"')

Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True, kw_only=True)
class UponCase:
    """Something is done with each of what was made beforehand, which is not measured."""

    part: str
    name: str
    case: HttpCase
    making: HttpCase
    target: Target
    path: str
    """With `{id}` for that of what was made."""

    def run(self) -> Reading:
        ids: list[str] = []

        def learn(status: int, body: bytes) -> int:
            found = ID.search(body) if status == 201 else None
            if found is None:
                return 0
            ids.append(found[1].decode())
            return 1

        plan = self.case.plan
        seconds = (plan.seconds or 1.0) + plan.warm_up_seconds
        number = int(seconds * PER_SECOND_MAX)
        making = replace(plan, seconds=None, requests=number, warm_up_seconds=0.0)
        report = uvloop.run(run_load(making, self.making.requests(secrets.token_hex(5)), acknowledged=learn))
        self.making.acknowledgements.payments += report.acknowledged
        if report.acknowledged != number:
            raise LoadWasRefused(f"{self.part}, {self.name}: {dict(report.statuses)} {dict(report.failures)}")
        self.case.requests = lambda prefix: upon(replace(self.target, key_prefix=prefix), self.path, ids)
        return self.case.run()


def holds(target: Target, pairs: Pairs, expires_at: str | None = None) -> Iterator[bytes]:
    """Without end, each of 1.00 and under a key of its own."""
    head = target.head("POST", "/v1/holds") + "Content-Type: application/json\r\n"
    until = "" if expires_at is None else f', "expires_at": "{expires_at}"'
    number = 0
    while True:
        for payer, payee in pairs:
            number += 1
            body = f'{{"amount": "1.00", "currency": "{target.currency}", "from": "{payer}", "to": "{payee}"{until}}}'
            key = f"Idempotency-Key: {target.key_prefix}-{scattered(number):016x}"
            yield f"{head}Content-Length: {len(body)}\r\n{key}\r\n\r\n{body}".encode()


def upon(target: Target, path: str, ids: Sequence[str]) -> Iterator[bytes]:
    """The whole of each, once."""
    for number, id_ in enumerate(ids):
        head = target.head("POST", path.replace("{id}", id_)) + "Content-Type: application/json\r\n"
        key = f"Idempotency-Key: {target.key_prefix}-{scattered(number):016x}"
        yield f"{head}Content-Length: 2\r\n{key}\r\n\r\n{{}}".encode()


def verb_cases(ground: HttpGround, connections: int) -> list[HttpCase | UponCase]:
    """Captures are payments, so they are looked for in the books; holds and refunds are not."""
    plan = replace(ground.plan, connections=connections)

    def case(verb: str, acknowledgements: Acknowledgements) -> HttpCase:
        return HttpCase(
            part="verbs",
            name=f"{verb} @{connections}",
            plan=plan,
            requests=lambda prefix: holds(replace(ground.target, key_prefix=prefix), ground.uniform),
            acknowledged=one_if_successful,
            trees=ground.service.trees,
            settle=ground.service.settle,
            acknowledgements=acknowledgements,
        )

    paying = replace(
        case("paid", ground.acknowledgements),
        requests=lambda prefix: single_payments(replace(ground.target, key_prefix=prefix), ground.uniform, SEED),
    )
    nowhere = Acknowledgements()
    held, capture, refund = case("hold", nowhere), case("capture", ground.acknowledgements), case("refund", nowhere)
    return [
        held,
        UponCase(
            part="verbs",
            name=capture.name,
            case=capture,
            making=held,
            path="/v1/holds/{id}/capture",
            target=ground.target,
        ),
        UponCase(
            part="verbs",
            name=refund.name,
            case=refund,
            making=paying,
            path="/v1/payments/{id}/refund",
            target=ground.target,
        ),
    ]
