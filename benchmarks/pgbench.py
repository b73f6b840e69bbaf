"""One transaction per transfer, as pgbench does it: what an ordinary service could reach on this server at best."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cpu import OURSELVES, Meter, Spent
from benchmarks.databases import fresh_database
from benchmarks.readings import Reading
from benchmarks.service import Service
from zerosum.cli.load import Histogram
from zerosum.embedded import find_postgres

WARM_UP_SHARE = 0.25
FINISH_SECONDS_MAX = 30.0
LOG_PREFIX = "pgbench"

SCHEMA = """
create table account (id bigint primary key, balance bigint not null, version bigint not null) with (fillfactor = 70);
create table transaction (id bigint generated always as identity primary key, idempotency_key text not null unique,
                          posted_at timestamptz not null default now());
create table entry (id bigint generated always as identity primary key, transaction_id bigint not null,
                    account_id bigint not null, amount bigint not null, balance_after bigint not null);
create index on entry (account_id, id);
insert into account select number, 1000000000, 0 from generate_series(1, {accounts}) number;
create function transfer(key text, payer bigint, payee bigint, cents bigint) returns bigint language plpgsql as $$
declare
    transaction_id bigint;
    payer_balance bigint;
    payee_balance bigint;
begin
    perform from account where id in (payer, payee) order by id for update;
    insert into transaction (idempotency_key) values (key) returning id into transaction_id;
    update account set balance = balance - cents, version = version + 1 where id = payer
        returning balance into payer_balance;
    update account set balance = balance + cents, version = version + 1 where id = payee
        returning balance into payee_balance;
    insert into entry (transaction_id, account_id, amount, balance_after)
        values (transaction_id, payer, -cents, payer_balance), (transaction_id, payee, cents, payee_balance);
    return transaction_id;
end $$;
analyze
"""

CHOICE = r"""
\set payer random(1, {accounts})
\set shift random(1, {accounts} - 1)
\set payee 1 + (:payer - 1 + :shift) % {accounts}
\set cents random(1, 999)
"""

STATEMENTS = (
    CHOICE
    + r"""
begin;
select id, balance from account where id in (:payer, :payee) order by id for update;
insert into transaction (idempotency_key) values (gen_random_uuid()::text) returning id as transaction_id \gset
update account set balance = balance - :cents, version = version + 1 where id = :payer returning balance as left \gset
update account set balance = balance + :cents, version = version + 1 where id = :payee returning balance as right \gset
insert into entry (transaction_id, account_id, amount, balance_after)
    values (:transaction_id, :payer, 0 - :cents, :left);
insert into entry (transaction_id, account_id, amount, balance_after)
    values (:transaction_id, :payee, :cents, :right);
commit;
"""
)

FUNCTION = CHOICE + "select transfer(gen_random_uuid()::text, :payer, :payee, :cents);\n"

SCRIPTS = {"statements": STATEMENTS, "one function": FUNCTION}

CONSERVED = """
select (select sum(balance) from account) - 1000000000 * (select count(*) from account) as missing,
       (select count(*) from entry) - 2 * (select count(*) from transaction) as entries_missing
"""


class PgbenchFailed(Exception):
    """pgbench itself, or the sums it left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PgbenchCase:
    part: str = "pgbench"
    form: str
    clients: int
    service: Service
    folder: Path
    accounts: int
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.form} @{self.clients}"

    def run(self) -> Reading:
        with self._database() as database:
            reading = self._measure(database)
            row = self.service.sql(CONSERVED, database=database)[0]
            if any(row.values()):
                raise PgbenchFailed(f"{self.name} lost money: {dict(row)}")
        return reading

    @contextmanager
    def _database(self) -> Iterator[str]:
        with fresh_database(self.service, template="") as database:
            for statement in _statements(SCHEMA.format(accounts=self.accounts)):
                self.service.sql(statement, database=database)
            self.service.settle()
            yield database

    def _measure(self, database: str) -> Reading:
        script = self.folder / "transfer.sql"
        script.write_text(SCRIPTS[self.form].format(accounts=self.accounts))
        for old in self.folder.glob(f"{LOG_PREFIX}.*"):
            old.unlink()
        total = self.seconds * (1 + WARM_UP_SHARE)
        meter = Meter({"postgres": self.service.postgres_pids})
        meter.start()
        own = _children_seconds()
        self._pgbench(database, script, max(1, round(total)))
        spent, own = meter.stop(), _children_seconds() - own
        return self._reading(Spent({**spent.seconds, OURSELVES: own}, max(0.0, spent.foreign_seconds - own)))

    def _pgbench(self, database: str, script: Path, seconds: int) -> None:
        program = find_postgres().bin_path / "pgbench"
        command = [str(program), "--no-vacuum", "--protocol=prepared", f"--file={script}", f"--time={seconds}"]
        command += [f"--client={self.clients}", f"--jobs={min(2, self.clients)}", "--log"]
        command += [f"--log-prefix={self.folder / LOG_PREFIX}", "--host=127.0.0.1"]
        command += [f"--port={self.service.postgres_port}", "--username=postgres", database]
        done = subprocess.run(
            command,
            env={"PATH": os.defpath, "PGPASSWORD": self.service.superuser_password},
            capture_output=True,
            text=True,
            timeout=seconds + FINISH_SECONDS_MAX,
            check=False,
        )
        if done.returncode != 0:
            raise PgbenchFailed(done.stderr[-1000:])

    def _reading(self, spent: Spent) -> Reading:
        """From the log of each transaction: its time in microseconds, and when it ended."""
        ended: list[tuple[float, float]] = []
        for log in self.folder.glob(f"{LOG_PREFIX}.*"):
            for line in log.read_text().splitlines():
                fields = line.split()
                ended.append((int(fields[4]) + int(fields[5]) / 1e6, int(fields[2]) / 1e6))
        ended.sort()
        first, last = ended[0][0], ended[-1][0]
        warm = first + (last - first) * WARM_UP_SHARE / (1 + WARM_UP_SHARE)
        latencies = Histogram.of([seconds for moment, seconds in ended if moment > warm])
        reading = Reading.of(items=latencies.count, seconds=last - warm, latencies=latencies, spent=Spent({}, 0.0))
        return _with_cpu(reading, spent, len(ended), last - first)


def _with_cpu(reading: Reading, spent: Spent, transactions: int, seconds: float) -> Reading:
    """Processor time was taken over the whole run, warm-up included."""
    per_item = {name: used / transactions * 1e6 for name, used in spent.seconds.items()}
    return replace(reading, cpu_microseconds=per_item, foreign_cores=spent.foreign_seconds / seconds)


def _children_seconds() -> float:
    """Of children that have ended: pgbench takes the generator's part."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _statements(text: str) -> list[str]:
    """Cut at semicolons, but not within the body of a function."""
    before, function, after = text.partition("create function")
    body, end, rest = (function + after).partition("end $$;")
    return [part for part in before.split(";") if part.strip()] + [body + end, rest]
