"""Runs sequences against the service and the model: many at once, all at the same step, so that they share batches."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg

from tests.api.conftest import service_settings
from tests.conftest import Servers, TestDatabase
from tests.model.plain_model import DEBIT_NORMAL, PLACES, Entry, Model, Payment, Refused
from tests.model.verbs import OFTEN_REPEATED, VERBS
from tests.model.world import BEGIN, BOOK_REFUSES, ROUND, Ask, Clock, Told, World, pairs, text
from zerosum.adapters.balance_cache import BalanceCache
from zerosum.adapters.redis import RedisLink
from zerosum.api.services import Services
from zerosum.db.batch import BatchConnection
from zerosum.db.engine import Database, make_engine
from zerosum.domain.errors import DomainError
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.periods import LatePolicy
from zerosum.domain.money import CurrencyTable
from zerosum.domain.payments.payment import PaymentType
from zerosum.services.background.hold_expiry import HoldExpiry
from zerosum.services.background.scheduled_runs import ScheduledRuns
from zerosum.services.committing.batch_runner import BatchRunner
from zerosum.services.committing.committer import Committer, CommitterOptions
from zerosum.services.committing.lane_loop import CommitterStats
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.payments import PaymentOrder
from zerosum.services.periods import Periods
from zerosum.services.proofs.whole_ledger import verify_ledger
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.paging import Cursors, PageRequest
from zerosum.services.requests.settled_time import SettledTime
from zerosum.use_cases import use_cases

STEPS = 50
AT_ONCE = 250
CALLS_AT_ONCE = 24
CONNECT_SECONDS_MAX = 60
"""On a busy machine 24 connections at once take their time."""

TRIES_MAX = 10
BUSY = ("unavailable", "overloaded", "outcome_unknown", "idempotency_in_progress")
NOTED = (12, 25, 37)
"""After these steps it is noted what lies in the accounts: looking back must show the same for ever."""


UNTIL_ALL_HAS_ENDED = (*[timedelta(hours=10)] * 6, timedelta(days=20))
"""So long that all falls due, and so short that of one schedule no two occurrences fall due together."""

ACCOUNTS_AT_FIRST = (
    ("a", "USD", "liability", 0, None),
    ("b", "USD", "liability", 0, None),
    ("c", "USD", "liability", 0, 60_000),
    ("d", "USD", "liability", None, None),
    ("cash", "USD", "asset", None, None),
    ("fees", "USD", "revenue", None, None),
    ("x", "EUR", "liability", 0, None),
    ("y", "EUR", "asset", -2_000, None),
)

ISO = CurrencyTable()

Did = TypeVar("Did")


class Step(NamedTuple):
    """`number` is all that is drawn of it. A `wait` does nothing, and takes as long."""

    verb: str
    number: int

    def __str__(self) -> str:
        return f"{self.verb}:{self.number}"


Sequence_ = tuple[Step, ...]


def drawn(seed: int) -> Sequence_:
    draw = Random(seed)
    weights = {name: weight for name, (weight, _) in VERBS.items()} | {"again": OFTEN_REPEATED}
    names = draw.choices(list(weights), list(weights.values()), k=STEPS)
    return tuple(Step(name, draw.randrange(1_000_000)) for name in names)


def read(line: str) -> Sequence_:
    """What `" ".join(map(str, sequence))` has written."""
    return tuple(Step(verb, int(number)) for verb, _, number in (word.partition(":") for word in line.split()))


class Starved(Exception):
    """The machine was too busy to carry something out, however often it was asked: that tells nothing of the books."""


@dataclass
class Run:
    sequence: Sequence_
    world: World
    difference: str | None = None
    steps: int = 0
    """So many were done before anything differed."""
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    def differs(self, what: str) -> None:
        self.difference = self.difference or what


@dataclass
class Ground:
    """The use cases on a database of their own, with a clock that only this one turns."""

    database: Database
    services: Services
    clock: Clock
    superuser: asyncpg.Connection[asyncpg.Record]
    expiry: HoldExpiry
    schedules: ScheduledRuns
    stats: CommitterStats

    @property
    def has_starved(self) -> bool:
        """Works were given up because they were not carried out in time, or nobody knows whether they were."""
        return self.stats.unknown + self.stats.shed + self.stats.expired + self.stats.lanes_lost > 0

    async def run(self, sequences: Sequence[Sequence_]) -> list[Run]:
        """From the same moment on, step by step together, and then until all that was pending has ended."""
        self.clock.at = BEGIN
        runs = await together(self._begun(place, one) for place, one in enumerate(sequences))
        for number in range(max(map(len, sequences))):
            self.clock.at = BEGIN + (number + 1) * ROUND - timedelta(minutes=1)
            await self._let_fall_due(runs)
            self.clock.at = BEGIN + (number + 1) * ROUND
            going = [run for run in runs if number < len(run.sequence) and run.difference is None]
            await together(_step(run, run.sequence[number]) for run in going)
            await self._compare(going)
            for run in going:
                run.steps = number + 1
            if number in NOTED:
                for run in going:
                    run.world.notes.append((self.clock.at, run.world.balances()))
        for wait in UNTIL_ALL_HAS_ENDED:
            self.clock.at += wait
            await self._let_fall_due(runs)
        await self._compare(runs)
        await self._compare_resources(runs)
        await self._compare_debts(runs)
        await together(patiently(partial(self._look_back, run)) for run in runs if run.difference is None)
        return runs

    async def _begun(self, place: int, sequence: Sequence_) -> Run:
        """A ledger of its own with some accounts, two of which have money."""
        closings = [step.number for step in sequence if step.verb == "close_period"]
        policy = LatePolicy.ROLL_FORWARD if closings and closings[0] % 2 else LatePolicy.REFUSE
        ledger = await self.services.ledgers.create(f"model {place}", late_entries=policy)
        model = Model(rolls_forward=policy is LatePolicy.ROLL_FORWARD)
        world = World(self.services, Caller(LedgerId(ledger.id), "key_model"), self.clock, model)
        usd, eur = ISO["USD"], ISO["EUR"]
        drafts = []
        for code, currency, type_, floor, ceiling in ACCOUNTS_AT_FIRST:
            least, most = (None if one is None else Decimal(text(one, currency) or "") for one in (floor, ceiling))
            known = usd if currency == "USD" else eur
            drafts.append(
                self.services.accounts.draft(world.caller, code, known, AccountType(type_), None, least, most)
            )
            model.open_account(code, currency, type_, floor, ceiling)
        await self.services.accounts.ensure(world.caller, drafts)
        for code, amount in (("a", 50_000), ("b", 10_000)):
            order = PaymentOrder(
                idempotency_key=world.key(),
                type=PaymentType.DEPOSIT,
                amount=text(amount, "USD") or "",
                currency="USD",
                payee=code,
            )
            await self.services.payments.desk.one(world.caller, order)
            model.post(self.clock.at, pairs(model.clearing("USD"), code, amount, "USD"))
        return Run(sequence, world)

    async def _let_fall_due(self, runs: Sequence[Run]) -> None:
        await patiently(self.expiry.run_once)
        await patiently(self.schedules.run_once)
        for run in runs:
            run.world.model.expire_holds(self.clock.at)
            run.world.model.run_schedules(self.clock.at)

    async def _compare(self, runs: Sequence[Run]) -> None:
        """Every account, and what is held against what holds and disputes say; all at once, for it is done often."""
        rows = await self.superuser.fetch(ACCOUNTS, [run.world.caller.ledger_id for run in runs])
        stored: dict[UUID, dict[str, Any]] = {run.world.caller.ledger_id: {} for run in runs}
        for row in rows:
            stored[row["ledger_id"]][row["code"]] = row
        for run in runs:
            for what in _differences(run.world.model, stored[run.world.caller.ledger_id]):
                run.differs(what)

    async def _compare_debts(self, runs: Sequence[Run]) -> None:
        """Who has got into debt and out of it, in this order, as it was announced."""
        rows = await self.superuser.fetch(DEBTS, [run.world.caller.ledger_id for run in runs])
        announced: defaultdict[tuple[UUID, str], list[tuple[str, str]]] = defaultdict(list)
        for ledger_id, code, *what in rows:
            announced[ledger_id, code].append((what[0], what[1]))
        for run in runs:
            for code, account in run.world.model.accounts.items():
                mine = announced[run.world.caller.ledger_id, code]
                told = [(what, _unit(available, account.currency)) for what, available in mine]
                if told != account.debts:
                    run.differs(f"of the debts of {code} is told {told}, and to be told {account.debts}")

    async def _compare_resources(self, runs: Sequence[Run]) -> None:
        for name, query in RESOURCES.items():
            rows = await self.superuser.fetch(query, [run.world.caller.ledger_id for run in runs])
            stored: dict[UUID, dict[Any, tuple[Any, ...]]] = {run.world.caller.ledger_id: {} for run in runs}
            for ledger_id, id_, *members in rows:
                stored[ledger_id][id_] = tuple(members)
            for run in runs:
                for id_, expected in _resources(run.world.model, name):
                    found = stored[run.world.caller.ledger_id].get(id_)
                    if found != expected:
                        run.differs(f"{name} {id_}: the model has {expected}, the service {found}")

    async def _look_back(self, run: Run) -> None:
        """At what was noted, at the trial balance, and at the books with the proofs of `zerosum verify`."""
        world, balances = run.world, self.services.balances
        draw = Random(len(world.told))
        if world.notes:
            at, noted = draw.choice(world.notes)
            code = draw.choice(sorted(noted))
            currency = world.model.accounts[code].currency
            found = await balances.at(world.caller, code, effective=None, recorded=at)
            if (_unit(found.posted, currency), _unit(found.held, currency), found.version) != noted[code]:
                run.differs(f"{code} as recorded at {at}: noted {noted[code]}, now {found}")
            past = await balances.at(world.caller, code, effective=at, recorded=None)
            lines = [one for one in world.model.journal if one[0] <= at and one[1] == code]
            expected = sum(one[2] for one in lines), sum(one[3] for one in lines)
            if (_unit(past.posted, currency), _unit(past.held, currency)) != expected:
                run.differs(f"{code} as of {at}: the model has {expected}, the service {past}")
        code = draw.choice(sorted(world.model.accounts))
        shown, account = await balances.now(world.caller, code, min_version=0), world.model.accounts[code]
        if tuple(_unit(one, account.currency) for one in (shown.posted, shown.held)) != (account.posted, account.held):
            run.differs(f"{code} is shown with {shown}")
        request = PageRequest(list_name="trial_balance", filters={}, limit=1_000)
        totals = (await balances.trial_balance(world.caller, request)).currencies
        if any(total.difference for total in totals):
            run.differs(f"the trial balance is {totals}")
        report = await verify_ledger(self.database, world.caller.ledger_id, lambda *_: None)
        if report.breaks:
            run.differs(f"verify finds {report.breaks}")


async def together(calls: Iterable[Coroutine[Any, Any, Did]]) -> list[Did]:
    """As many as there are connections, so that nobody waits for one."""
    places = asyncio.Semaphore(CALLS_AT_ONCE)

    async def placed(call: Coroutine[Any, Any, Did]) -> Did:
        async with places:
            return await call

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(placed(call)) for call in calls]
    except ExceptionGroup as several:  # by then the others have ended, too
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]


async def patiently(call: Callable[[], Awaitable[Did]]) -> Did:
    """Where the machine is too busy it is asked again, as any caller would: nothing can be done twice by that."""
    for _ in range(TRIES_MAX):
        try:
            return await call()
        except DomainError as refusal:
            if refusal.code not in BUSY:
                raise
            busy = refusal
            await asyncio.sleep(0.5)
    raise Starved(busy.code) from busy


@asynccontextmanager
async def ground(test_database: TestDatabase, servers: Servers) -> AsyncIterator[Ground]:
    """Put together as `Service` does it, with the clock for all of them."""
    settings, clock, stats = service_settings(test_database, servers), Clock(), CommitterStats()
    dsn = f"{test_database.service_dsn}?connect_timeout={CONNECT_SECONDS_MAX}"
    database = Database(make_engine(dsn, pool_size=CALLS_AT_ONCE))
    link = RedisLink(servers.redis_url)
    cache = BalanceCache(link)
    await link.start()

    def connect() -> Any:
        return BatchConnection.open(dsn, 5.0)

    def carrier() -> BatchRunner:
        return BatchRunner(connect, clock.now, cache, stats, remembers=True)

    committer = Committer(carrier, CommitterOptions(lanes=1, is_alone=True, deadline_seconds=60.0), stats)
    committer.start()
    sealer = Sealer(database, MasterKeys(*settings.master_key_pairs()), clock.now)
    services = use_cases(settings, database, committer, cache, sealer, clock.now)
    settled = SettledTime(database, clock.now, pause=lambda seconds: asyncio.sleep(min(seconds, 0.01)))
    currencies, cursors = Currencies(database, clock.now), Cursors(settings.cursor_key())
    services = replace(services, periods=Periods(database, currencies, cursors, settled, clock.now))
    superuser = await asyncpg.connect(test_database.superuser_dsn)
    try:
        expiry = HoldExpiry(database, committer, clock.now)
        schedules = ScheduledRuns(database, committer, clock.now)
        yield Ground(database, services, clock, superuser, expiry, schedules, stats)
    finally:
        await superuser.close()
        await committer.stop()
        await link.close()
        await database.close()


async def _step(run: Run, step: Step) -> None:
    world, draw = run.world, Random(step.number)
    if step.verb == "wait":
        return
    if step.verb == "again":
        await _repeat(run, draw)
        return
    ask = VERBS[step.verb][1](world, draw)
    if ask is None:
        return
    made, expected = None, None
    try:
        made = ask.expect()
    except Refused as refusal:
        expected = refusal.code
    refused, done = await _answer(ask)
    run.outcomes.append((step.verb, expected or "accepted"))
    if refused != expected:
        run.differs(f"{step} is {refused or 'accepted'}, and to be {expected or 'accepted'}")
        return
    if made is not None and done is not None and hasattr(made, "id"):
        made.id = done.view.payment_ids[-1] if _is_capture(made, done.view) else done.view.id
        late = getattr(done.view, "late", None)
        told = None if late is None else (late.way, late.requested_at)
        if told != getattr(made, "late", None):
            run.differs(f"{step} tells {late} late, and is to tell {made.late}")
    world.told.append(Told(ask, refused, None if done is None else done.view))


def _is_capture(made: Any, view: Any) -> bool:
    return isinstance(made, Payment) and hasattr(view, "payment_ids")


async def _answer(ask: Ask) -> tuple[str | None, Any]:
    try:
        return None, await patiently(ask.send)
    except DomainError as refusal:
        return refusal.code, None


async def _repeat(run: Run, draw: Random) -> None:
    """The same order is answered as it was the first time; another one under its key is refused."""
    known = [told for told in run.world.told if told.refusal is None or told.refusal in BOOK_REFUSES]
    if not known:
        return
    ask, refusal, view = draw.choice(known)
    if draw.random() < 0.6:
        refused, done = await _answer(ask)
        if refused != refusal:
            run.differs(f"{ask.key} is answered {refused} again instead of {refusal}")
        elif done is not None and not (done.is_replay and _as_told(done.view) == _as_told(view)):
            run.differs(f"{ask.key} is answered\n{done}\nagain instead of\n{view}")
        run.outcomes.append(("again", refusal or "the same"))
        return
    other = PaymentOrder(
        idempotency_key=ask.key or "",
        type=PaymentType.TRANSFER,
        amount="0.77",
        currency="USD",
        payer="fees",
        payee="cash",
        metadata={"another": "order"},
    )
    refused, _ = await _answer(Ask(lambda: run.world.services.payments.desk.one(run.world.caller, other), lambda: None))
    run.outcomes.append(("another under the key", refused or "accepted"))
    if refused != "idempotency_key_reused":
        run.differs(f"another order under {ask.key} is {refused or 'accepted'}")


def _as_told(view: Any) -> Any:
    """Of an account its own members: what the Book keeps beside them to decide is told to nobody."""
    if hasattr(view, "state"):
        state = view.state
        return view.code, state.status, state.posted, state.held, state.version, state.min_available, state.velocity
    if hasattr(view, "over_percent"):
        return view.version, view.content
    return {
        name: getattr(view, name)
        for name in ("late", "id", "status", "amount", "captured", "tx", "stage", "version")
        if hasattr(view, name)
    }


def _unit(amount: str | Decimal, currency: str) -> int:
    return int(Decimal(amount).scaleb(PLACES[currency]))


ACCOUNTS = """
    select ledger_id, code, currency, type, status, posted_debits, posted_credits, held, version, overdrawn
    from accounts where ledger_id = any($1::uuid[])"""

DEBTS = """
    select e.ledger_id, a.code, split_part(substr(e.type, length('account.') + 1), '_', 1) as what,
      e.data ->> 'available' as available
    from events e join accounts a on a.ledger_id = e.ledger_id and a.id = e.resource_id
    where e.ledger_id = any($1::uuid[]) and e.type in ('account.fell_into_debt', 'account.left_debt')
    order by e.xid, e.id"""

RESOURCES = {
    "payment": "select ledger_id, id, coalesce(refunded, 0), coalesce(disputed, 0), coalesce(charged_back, 0) "
    "from payments where ledger_id = any($1::uuid[])",
    "hold": "select ledger_id, id, status, amount, captured from holds where ledger_id = any($1::uuid[])",
    "dispute": "select ledger_id, id, status, stage, amount from disputes where ledger_id = any($1::uuid[])",
    "late date": "select ledger_id, id, way, requested_at from late_entries where ledger_id = any($1::uuid[])",
    "schedule": "select ledger_id, id, status, runs, payments from scheduled_payments "
    "where ledger_id = any($1::uuid[])",
}


def _differences(model: Model, stored: dict[str, Any]) -> list[str]:
    found = []
    kept = model.promised()
    for code, account in model.accounts.items():
        if account.held != kept.get(code, 0):
            found.append(f"{code}: {account.held} is held, and {kept.get(code, 0)} promised")
        row = stored.get(code)
        if row is None:
            found.append(f"{code} is not there")
            continue
        posted = row["posted_debits"] - row["posted_credits"]
        posted = posted if account.type in DEBIT_NORMAL else -posted
        currency = account.currency
        there = _unit(posted, currency), _unit(row["held"], currency), row["version"], row["status"], row["overdrawn"]
        is_overdrawn = account.floor is not None and account.available < account.floor
        expected = account.posted, account.held, account.version, account.status, is_overdrawn
        if there != expected:
            found.append(f"{code}: posted, held, version, status, overdrawn are {there}, and to be {expected}")
    found += [f"{code} was moved" for code, row in stored.items() if code not in model.accounts and row["version"]]
    for payment in model.payments:
        if not 0 <= payment.left <= payment.amount:
            found.append(f"of {payment} more was given back than it was")
    return found


def _resources(model: Model, name: str) -> list[tuple[Any, tuple[Any, ...] | None]]:
    """By id. None: there is to be no such row."""

    def money(amount: int, currency: str) -> Decimal:
        return Decimal(amount).scaleb(-PLACES[currency])

    if name == "payment":
        gone = {one.id: (one.currency, (one.refunded, one.disputed, one.charged_back)) for one in model.payments}
        return [(id_, tuple(money(one, currency) for one in all_)) for id_, (currency, all_) in gone.items()]
    if name == "hold":
        return [(one.id, (one.status, money(one.amount, "USD"), money(one.captured, "USD"))) for one in model.holds]
    if name == "dispute":
        return [(one.id, (one.status, one.stage, money(one.amount, one.payment.currency))) for one in model.disputes]
    if name == "late date":
        dated: list[Payment | Entry] = [*model.payments, *model.entries]
        return [(one.id, one.late) for one in dated]
    return [(one.id, (one.status, one.runs, one.paid)) for one in model.schedules]
