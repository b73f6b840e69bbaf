"""Client files made up for trying things out: any number of rows, the same for the same seed, written in chunks.

One draw of 64 random bits makes a row: slices of it choose type, client and amount. Disputes speak of recent deposits,
resolves and chargebacks of open disputes, so most of them are carried out; what is remembered for that is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

CHUNK_ROWS = 10_000
REMEMBERED = 4096
"""So many recent deposits, and so many open disputes."""
SHARE_BITS = 20

HEADER = "type,client,tx,amount\n"
BAD_ROWS = (
    "refund,{client},{tx},1.0\n",
    "deposit,{client},{tx},\n",
    "deposit,{client},{tx},-1.0\n",
    "deposit,{client},{tx},0.00001\n",
    "deposit,{client},{tx},1e3\n",
    "withdrawal,65536,{tx},1.0\n",
    "deposit,{client},x{tx},1.0\n",
    '"deposit,{client},{tx},1.0\n',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """Shares are of all rows; what they leave over is deposits."""

    rows: int
    clients: int
    withdrawals: float
    disputes: float
    resolves: float
    chargebacks: float
    bad: float
    seed: int

    @property
    def shares(self) -> tuple[float, ...]:
        return (self.bad, self.withdrawals, self.disputes, self.resolves, self.chargebacks)


def sample_file(plan: SamplePlan) -> Iterator[str]:
    """The file in chunks. Tx ids are counted from 1; amounts go up to 104.8576."""
    yield HEADER
    rows = _Rows(plan)
    for done in range(0, plan.rows, CHUNK_ROWS):
        yield rows.chunk(min(CHUNK_ROWS, plan.rows - done))


class _Rows:
    def __init__(self, plan: SamplePlan) -> None:
        self._draw = Random(plan.seed).getrandbits  # noqa: S311  (made-up files need the same draws again)
        self._clients = plan.clients
        bounds, so_far = [], 0.0
        for share in plan.shares:
            so_far += share
            bounds.append(round(so_far * (1 << SHARE_BITS)))
        self._bounds = bounds
        self._tx = 0
        self._deposits: list[tuple[int, int]] = []
        self._disputes: list[tuple[int, int]] = []

    def chunk(self, count: int) -> str:
        bad, withdrawals, disputes, resolves, chargebacks = self._bounds
        draw, clients, deposits = self._draw, self._clients, self._deposits
        lines = []
        for _ in range(count):
            bits = draw(64)
            share, units = bits & ((1 << SHARE_BITS) - 1), ((bits >> 20) & 0xFFFFF) + 1
            client = ((bits >> 40) * clients) >> 24
            if share >= chargebacks or not deposits:
                self._tx += 1
                if len(deposits) < REMEMBERED:
                    deposits.append((client, self._tx))
                else:
                    deposits[self._tx % REMEMBERED] = (client, self._tx)
                lines.append(f"deposit,{client},{self._tx},{units // 10_000}.{units % 10_000:04}\n")
            elif share < bad:
                lines.append(BAD_ROWS[units % len(BAD_ROWS)].format(client=client, tx=units))
            elif share < withdrawals:
                self._tx += 1
                lines.append(f"withdrawal,{client},{self._tx},{units // 10_000}.{units % 10_000:04}\n")
            elif share < disputes:
                lines.append(self._dispute(units))
            else:
                lines.append(self._ending(units, "resolve" if share < resolves else "chargeback"))
        return "".join(lines)

    def _dispute(self, number: int) -> str:
        client, tx = self._deposits[number % len(self._deposits)]
        if len(self._disputes) < REMEMBERED:
            self._disputes.append((client, tx))
        else:
            self._disputes[number % REMEMBERED] = (client, tx)
        return f"dispute,{client},{tx},\n"

    def _ending(self, number: int, name: str) -> str:
        """Of an open dispute; while there is none, of a deposit that is not disputed, which will be refused."""
        if not self._disputes:
            client, tx = self._deposits[number % len(self._deposits)]
            return f"{name},{client},{tx},\n"
        place = number % len(self._disputes)
        self._disputes[place], self._disputes[-1] = self._disputes[-1], self._disputes[place]
        client, tx = self._disputes.pop()
        return f"{name},{client},{tx},\n"
