"""What a ledger should do, told in the plainest way: dictionaries, whole numbers of the smallest unit, one rule a line.

It shares no code with the service and is slow and naive on purpose. Each verb is a method: it returns nothing where the
order is accepted, and raises `Refused` with the code that the caller should be told otherwise. `at` is always now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

PLACES = {"USD": 2, "EUR": 2, "XTS": 4}
DEBIT_NORMAL = {"asset", "expense"}
STAGES = ["first", "pre_arbitration", "arbitration"]


class Refused(Exception):
    @property
    def code(self) -> str:
        return str(self.args[0])


def refuse_if(is_so: bool, code: str) -> None:
    if is_so:
        raise Refused(code)


class Line(NamedTuple):
    account: str
    side: str
    amount: int
    currency: str
    layer: str = "posted"  # or "held", or "freed"


class Velocity(NamedTuple):
    direction: str
    window: str  # "hour", "day" or "rolling"
    seconds: int | None
    amount: int | None
    number: int | None

    def counts(self, then: datetime, now: datetime) -> bool:
        if self.window == "rolling":
            return then > now - timedelta(seconds=self.seconds or 0)
        length = len("2024-03-04T05") if self.window == "hour" else len("2024-03-04")
        return then.isoformat()[:length] == now.isoformat()[:length]


class Condition(NamedTuple):
    account: str
    at_least: int | None = None
    at_most: int | None = None
    version: int | None = None


class Late(NamedTuple):
    """What was dated into closed time: by which way it was taken, and its date."""

    way: str
    asked: datetime


class Fee(NamedTuple):
    amount: int
    earner: str
    is_forced: bool


@dataclass
class HouseRules:
    percent: Fraction = Fraction(0)
    amount: int = 0
    fee: Fee | None = None

    def most(self, held: int) -> int | None:
        extra = int(held * self.percent / 100) + self.amount
        return held + extra if extra else None


@dataclass
class Account:
    code: str
    currency: str
    type: str
    floor: int | None
    ceiling: int | None
    status: str = "open"
    posted: int = 0
    held: int = 0
    version: int = 0
    velocity: list[Velocity] = field(default_factory=list)
    moves: list[tuple[datetime, int, int]] = field(default_factory=list)  # when, how much out, how much in
    was_charged_back: bool = False
    debts: list[tuple[str, int]] = field(default_factory=list)  # "fell" or "left", and what was available then

    @property
    def available(self) -> int:
        return self.posted - self.held

    @property
    def is_in_debt(self) -> bool:
        """What merely lacks to a minimum balance is no debt."""
        return self.floor is not None and self.available < min(self.floor, 0)

    @contextmanager
    def watched(self) -> Iterator[None]:
        was_in_debt = self.is_in_debt
        yield
        if self.is_in_debt != was_in_debt:
            self.debts.append(("fell" if self.is_in_debt else "left", self.available))

    def effect(self, lines: Iterable[Line]) -> tuple[int, int]:
        """What they do to what is posted, and to what is held."""
        normal = "debit" if self.type in DEBIT_NORMAL else "credit"
        posted = held = 0
        for line in lines:
            if line.account == self.code and line.layer == "posted":
                posted += line.amount if line.side == normal else -line.amount
            elif line.account == self.code and line.side != normal:
                held += line.amount if line.layer == "held" else -line.amount
        return posted, held


@dataclass
class Payment:
    type: str
    payer: str
    payee: str
    currency: str
    amount: int
    parts: list[list[Any]]  # receiver, amount, given back, whether he takes the rest; none where there is one receiver
    refunded: int = 0
    disputed: int = 0
    charged_back: int = 0
    late: Late | None = None
    id: Any = None

    @property
    def left(self) -> int:
        return self.amount - self.refunded - self.disputed - self.charged_back


@dataclass
class Hold:
    payer: str
    payee: str
    currency: str
    amount: int
    most: int | None
    expires_at: datetime
    captured: int = 0
    status: str = "open"
    id: Any = None

    @property
    def left(self) -> int:
        return self.amount - self.captured if self.status == "open" else 0


@dataclass
class Dispute:
    payment: Payment
    amount: int
    status: str = "open"
    stage: str = "first"
    id: Any = None


@dataclass
class Entry:
    lines: list[Line]
    is_reversed: bool = False
    late: Late | None = None
    id: Any = None


@dataclass
class Transaction:
    client: str
    type: str
    amount: int
    status: str = "carried_out"


@dataclass
class Schedule:
    number: int
    type: str
    payer: str
    payee: str
    currency: str
    amount: int
    due_at: list[datetime]  # of the occurrences that are left
    attempt_at: datetime
    attempts_max: int
    retry_seconds: int
    attempt: int = 1
    paid: int = 0
    runs: int = 0
    status: str = "scheduled"
    id: Any = None


def shared_out(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """In proportion; what is left goes unit by unit to the largest fractions, of equal ones to the first."""
    whole = sum(weights)
    exact = [Fraction(total) * weight / whole if whole else Fraction(0) for weight in weights]
    shares = [int(one) for one in exact]
    for place in sorted(range(len(exact)), key=lambda one: shares[one] - exact[one])[: total - sum(shares)]:
        shares[place] += 1
    return shares


def half_even(exact: Fraction) -> int:
    return round(exact)


def half_up(exact: Fraction) -> int:
    return int(exact + Fraction(1, 2))


class Model:
    def __init__(self, *, rolls_forward: bool) -> None:
        self.rolls_forward = rolls_forward
        self.closed_until: datetime | None = None
        self.accounts: dict[str, Account] = {}
        self.payments: list[Payment] = []
        self.holds: list[Hold] = []
        self.disputes: list[Dispute] = []
        self.entries: list[Entry] = []
        self.transactions: dict[int, Transaction] = {}
        self.schedules: list[Schedule] = []
        self.template_versions = 0
        self.house_rules = HouseRules()
        self.journal: list[tuple[datetime, str, int, int]] = []  # effective, account, change of posted and of held

    # What everything stands on: an entry is judged, and then written.

    def post(
        self,
        at: datetime,
        lines: list[Line],
        *,
        is_fact: bool = False,
        is_new: bool = True,
        effective: datetime | None = None,
        override: bool = False,
        conditions: Sequence[Condition] = (),
        room: Line | None = None,
    ) -> Late | None:
        """Of what is not new no limit of velocity is asked. For `room` there must be some, though nothing comes yet."""
        effective, late = self.dated(at, effective, override=override)
        for line in lines:
            self.check_account(line.account, line.currency, is_fact=is_fact)
        touched = {line.account: self.accounts[line.account].effect(lines) for line in lines}
        for one in conditions:
            account = self.accounts[one.account]
            posted, held = touched.get(one.account, (0, 0))
            after = account.available + posted - held
            refuse_if(one.version is not None and one.version != account.version, "version_conflict")
            refuse_if(one.at_least is not None and after < one.at_least, "condition_failed")
            refuse_if(one.at_most is not None and after > one.at_most, "condition_failed")
        for code, (posted, held) in touched.items():
            if not is_fact:
                self.check_limits(at, self.accounts[code], posted, held, has_velocity=is_new)
        if room is not None:
            payee = self.accounts[room.account]
            is_full = payee.ceiling is not None and payee.available + room.amount > payee.ceiling
            refuse_if(is_full and payee.type not in DEBIT_NORMAL, "limit_exceeded")
        for code, (posted, held) in touched.items():
            account = self.accounts[code]
            with account.watched():
                account.posted += posted
                account.held += held
            account.version += sum(line.account == code for line in lines)
            account.moves.append((at, max(held - posted, 0), max(posted - max(held, 0), 0)))
            self.journal.append((effective or at, code, posted, held))
        return late

    def dated(self, at: datetime, effective: datetime | None, *, override: bool) -> tuple[datetime | None, Late | None]:
        """The date that it gets, and whether that was late."""
        if effective is None:
            return None, None
        refuse_if(effective > at + timedelta(minutes=5), "effective_in_future")
        if self.closed_until is None or effective >= self.closed_until:
            refuse_if(override, "invalid_state")
        elif not override:
            refuse_if(not self.rolls_forward, "period_closed")
            return self.closed_until, Late("rolled_forward", effective)
        else:
            return effective, Late("overridden", effective)
        return effective, None

    def check_account(self, code: str, currency: str, *, is_fact: bool = False) -> None:
        account = self.accounts.get(code)
        if account is None:
            raise Refused("account_not_found")
        refuse_if(account.status == "closed" and not is_fact, "account_closed")
        refuse_if(account.status == "frozen" and not is_fact, "account_frozen")
        refuse_if(account.currency != currency, "currency_mismatch")

    def check_limits(self, at: datetime, account: Account, posted: int, held: int, *, has_velocity: bool) -> None:
        after = account.available + posted - held
        out, into = held - posted, posted - max(held, 0)  # what is only set free comes in from nowhere
        refuse_if(out > 0 and account.floor is not None and after < account.floor, "insufficient_funds")
        refuse_if(into > 0 and account.ceiling is not None and after > account.ceiling, "limit_exceeded")
        for limit in account.velocity if has_velocity else ():
            asked = out if limit.direction == "out" else into
            moves = [(gone, come) for then, gone, come in account.moves if limit.counts(then, at)]
            used = [one for one in (gone if limit.direction == "out" else come for gone, come in moves) if one > 0]
            if asked > 0:
                too_much = limit.amount is not None and sum(used) + asked > limit.amount
                too_often = limit.number is not None and len(used) + 1 > limit.number
                refuse_if(too_much or too_often, "velocity_limit_exceeded")

    @contextmanager
    def opening(self) -> Iterator[None]:
        """What is refused leaves no account behind."""
        known = set(self.accounts)
        try:
            yield
        except Refused:
            for code in set(self.accounts) - known:
                del self.accounts[code]
            raise

    def own_account(self, code: str, currency: str, type_: str, floor: int | None = None) -> None:
        """The ledger's own, which are opened by their first use."""
        self.accounts.setdefault(code, Account(code, currency, type_, floor, None))

    def clearing(self, currency: str) -> str:
        code = f"clearing:internal:{currency}"
        self.own_account(code, currency, "asset")
        return code

    # Accounts.

    def open_account(self, code: str, currency: str, type_: str, floor: int | None, ceiling: int | None) -> None:
        refuse_if(floor is not None and ceiling is not None and floor > ceiling, "validation_error")
        refuse_if(code in self.accounts, "account_exists")
        self.accounts[code] = Account(code, currency, type_, floor, ceiling)

    def change_limits(self, code: str, floor: int | None, ceiling: int | None) -> None:
        account = self.accounts[code]
        refuse_if(account.status == "closed", "invalid_state")
        refuse_if(floor is not None and ceiling is not None and floor > ceiling, "validation_error")
        with account.watched():
            account.floor, account.ceiling = floor, ceiling

    def change_velocity(self, code: str, limits: list[Velocity]) -> None:
        refuse_if(self.accounts[code].status == "closed", "invalid_state")
        self.accounts[code].velocity = limits

    def freeze(self, code: str) -> None:
        refuse_if(self.accounts[code].status == "closed", "invalid_state")
        self.accounts[code].status = "frozen"

    def unfreeze(self, code: str, *, reopens: bool) -> None:
        account = self.accounts[code]
        refuse_if(account.status == "closed", "invalid_state")
        refuse_if(account.status == "frozen" and account.was_charged_back and not reopens, "invalid_state")
        account.status = "open"

    def close(self, code: str) -> None:
        account = self.accounts[code]
        refuse_if(bool(account.posted or account.held), "invalid_state")
        refuse_if(account.status != "closed" and self.is_named(code), "invalid_state")
        account.status = "closed"

    def is_named(self, code: str) -> bool:
        """By anything that has not ended."""
        named: list[Hold | Schedule | Payment] = [one for one in self.holds if one.status == "open"]
        named += [one for one in self.schedules if one.status == "scheduled"]
        named += [one.payment for one in self.disputes if one.status not in ("won", "lost")]
        return any(code in (one.payer, one.payee) for one in named)

    # Payments, and what becomes of them.

    def parts(self, total: int, payee: str, splits: Sequence[tuple[str, str, Fraction | int]]) -> list[list[Any]]:
        """Who gets what: fixed amounts as they are, percentages of the whole and the rest rounded together."""
        left = Fraction(total)
        exact: list[Fraction] = []
        for _, kind, value in splits:
            exact.append(Fraction(value) if kind == "amount" else Fraction(value) * total / 100)
            left -= exact[-1]
            refuse_if(left < 0, "splits_exceed_amount")
        floating = [place for place, (_, kind, _) in enumerate(splits) if kind == "percent"]
        fixed = sum(int(value) for _, kind, value in splits if kind == "amount")
        *shares, rest = shared_out(total - fixed, [*(exact[place] for place in floating), left])
        by_place = dict(zip(floating, shares, strict=True))
        got = [[to, by_place.get(place, int(exact[place])), 0, False] for place, (to, _, _) in enumerate(splits)]
        return [*got, [payee, rest, 0, True]]

    def pay(
        self,
        at: datetime,
        type_: str,
        payer: str,
        payee: str,
        currency: str,
        amount: int,
        splits: Sequence[tuple[str, str, Fraction | int]] = (),
        **dating: Any,
    ) -> Payment:
        refuse_if(payer == payee, "same_account")
        for code in (payer, payee):
            refuse_if(code not in self.accounts, "account_not_found")
        parts = self.parts(amount, payee, splits) if splits else []
        for receiver, part, *_ in parts:
            if not part:
                self.check_account(receiver, currency)
        received = [Line(to, "credit", part, currency) for to, part, *_ in parts if part]
        lines = [Line(payer, "debit", amount, currency), *(received or [Line(payee, "credit", amount, currency)])]
        late = self.post(at, lines, **dating)
        self.payments.append(Payment(type_, payer, payee, currency, amount, parts, late=late))
        return self.payments[-1]

    def refund(self, at: datetime, payment: Payment, amount: int | None) -> None:
        left = payment.left
        refuse_if(not left or (amount is not None and amount > left), "amount_exceeds_payment")
        amount = amount or left
        back = Line(payment.payer, "credit", amount, payment.currency)
        if not payment.parts:
            self.post(at, [Line(payment.payee, "debit", amount, payment.currency), back], is_new=False)
        else:
            questioned = payment.disputed + payment.charged_back
            lefts = [max(got - gave - questioned * is_rest, 0) for _, got, gave, is_rest in payment.parts]
            shares = shared_out(amount, lefts)
            gives = zip(payment.parts, shares, strict=True)
            debits = [Line(part[0], "debit", share, payment.currency) for part, share in gives if share]
            self.post(at, [back, *debits], is_new=False)
            for part, share in zip(payment.parts, shares, strict=True):
                part[2] += share
        payment.refunded += amount

    # Holds.

    def hold(
        self, at: datetime, payer: str, payee: str, currency: str, amount: int, most: int | None, expires_at: datetime
    ) -> Hold:
        refuse_if(most is not None and most < amount, "validation_error")
        refuse_if(payer == payee, "same_account")
        lines = self.promise(payer, payee, currency, amount, "held")
        self.post(at, lines, room=Line(payee, "credit", amount, currency))
        most = self.house_rules.most(amount) if most is None else most
        self.holds.append(Hold(payer, payee, currency, amount, most, expires_at))
        return self.holds[-1]

    @staticmethod
    def promise(payer: str, payee: str, currency: str, amount: int, layer: str) -> list[Line]:
        sides = (payer, "debit"), (payee, "credit")
        return [Line(account, side, amount, currency, layer) for account, side in sides]

    @staticmethod
    def check_open(at: datetime, hold: Hold) -> None:
        refuse_if(hold.status != "open" or at >= hold.expires_at, "invalid_state")

    def capture(
        self,
        at: datetime,
        hold: Hold,
        amount: int | None,
        *,
        is_final: bool,
        splits: Sequence[tuple[str, str, Fraction | int]] = (),
    ) -> Payment:
        for receiver in [*(to for to, _, _ in splits), hold.payee] if splits else ():
            self.check_account(receiver, hold.currency)
        self.check_open(at, hold)
        taken = hold.left if amount is None else amount
        refuse_if(taken > max(hold.amount, hold.most or 0) - hold.captured, "amount_exceeds_hold")
        ends = is_final or amount is None or taken >= hold.left
        parts = self.parts(taken, hold.payee, splits) if splits else []
        received = [Line(to, "credit", part, hold.currency) for to, part, *_ in parts if part]
        freed = hold.left if ends else taken
        promised = self.promise(hold.payer, hold.payee, hold.currency, freed, "freed")
        paid = Line(hold.payer, "debit", taken, hold.currency)
        lines = [*promised, paid, *(received or [Line(hold.payee, "credit", taken, hold.currency)])]
        self.post(at, lines, is_new=taken > freed)
        hold.captured += taken
        hold.status = "captured" if ends else "open"
        self.payments.append(Payment("transfer", hold.payer, hold.payee, hold.currency, taken, parts))
        return self.payments[-1]

    def increment(self, at: datetime, hold: Hold, amount: int) -> None:
        self.check_open(at, hold)
        lines = self.promise(hold.payer, hold.payee, hold.currency, amount, "held")
        self.post(at, lines, room=Line(hold.payee, "credit", hold.left + amount, hold.currency))
        hold.amount += amount
        hold.most = None if hold.most is None else hold.most + amount

    def extend(self, at: datetime, hold: Hold, expires_at: datetime) -> None:
        self.check_open(at, hold)
        refuse_if(expires_at < at + timedelta(seconds=1), "validation_error")
        refuse_if(expires_at < hold.expires_at, "invalid_state")
        hold.expires_at = expires_at

    def void(self, at: datetime, hold: Hold) -> None:
        self.check_open(at, hold)
        self.end(at, hold, "voided")

    def end(self, at: datetime, hold: Hold, status: str) -> None:
        self.post(at, self.promise(hold.payer, hold.payee, hold.currency, hold.left, "freed"), is_fact=True)
        hold.status = status

    def expire_holds(self, at: datetime) -> None:
        for hold in self.holds:
            if hold.status == "open" and hold.expires_at <= at:
                self.end(at, hold, "expired")

    # Journal entries.

    def enter(self, at: datetime, lines: list[Line], **dating: Any) -> Entry:
        for line in lines:
            refuse_if(line.account not in self.accounts, "account_not_found")
        for currency in {line.currency for line in lines}:
            both = [sum(one.amount for one in lines if one[1::2] == (side, currency)) for side in ("debit", "credit")]
            refuse_if(both[0] != both[1], "unbalanced")
        late = self.post(at, lines, **dating)
        self.entries.append(Entry(lines, late=late))
        return self.entries[-1]

    def reverse(self, at: datetime, entry: Entry, *, is_forced: bool) -> Entry:
        refuse_if(entry.is_reversed, "already_reversed")
        other = {"debit": "credit", "credit": "debit"}
        lines = [line._replace(side=other[line.side]) for line in entry.lines]
        self.post(at, lines, is_fact=is_forced, is_new=False)
        entry.is_reversed = True
        self.entries.append(Entry(lines))
        return self.entries[-1]

    def post_template(
        self, at: datetime, buyer: str, seller: str, fees: str, price: int, percent: Fraction | None
    ) -> Entry:
        """`percent` None: it is written as none is."""
        if percent is None:
            raise Refused("validation_error")
        fee = half_up(price * percent / 100 + 30)
        lines = [(buyer, "debit", price), (fees, "credit", fee), (seller, "credit", price - fee)]
        return self.enter(at, [Line(*line, "USD") for line in lines])

    def exchange(
        self, at: datetime, payer: str, payee: str, amount: int, rate: Fraction, margin_percent: Fraction | None
    ) -> None:
        """US dollars for euros."""
        whole = half_even(amount * rate)
        margin = half_even(whole * margin_percent / 100) if margin_percent is not None else 0
        refuse_if(whole - margin <= 0, "amount_too_small")
        for currency in ("USD", "EUR"):
            self.own_account(f"zerosum:exchange:{currency}", currency, "equity")
        self.own_account("zerosum:exchange-margin:EUR", "EUR", "revenue")
        lines = [
            Line(payer, "debit", amount, "USD"),
            Line("zerosum:exchange:USD", "credit", amount, "USD"),
            Line("zerosum:exchange:EUR", "debit", whole, "EUR"),
            Line(payee, "credit", whole - margin, "EUR"),
        ]
        if margin:
            lines.append(Line("zerosum:exchange-margin:EUR", "credit", margin, "EUR"))
        self.post(at, lines)

    # Disputes: facts from outside, but for the fee.

    def dispute(self, at: datetime, payment: Payment, amount: int | None) -> Dispute:
        refuse_if(payment.type == "withdrawal", "not_disputable")
        refuse_if(not payment.left or (amount or 0) > payment.left, "amount_exceeds_payment")
        amount = amount or payment.left
        self.question(at, payment, amount, "held")
        payment.disputed += amount
        self.disputes.append(Dispute(payment, amount))
        return self.disputes[-1]

    def question(self, at: datetime, payment: Payment, amount: int, layer: str, *further: Line) -> None:
        """Who was paid has promised it back."""
        promised = self.promise(payment.payee, payment.payer, payment.currency, amount, layer)
        self.post(at, [*promised, *further], is_fact=True)

    def win(self, at: datetime, dispute: Dispute) -> None:
        refuse_if(dispute.status in ("won", "lost"), "invalid_state")
        self.question(at, dispute.payment, dispute.amount, "freed")
        dispute.payment.disputed -= dispute.amount
        dispute.status = "won"

    def escalate(self, at: datetime, dispute: Dispute, stage: str) -> None:
        refuse_if(dispute.status == "lost", "invalid_state")
        refuse_if(STAGES.index(stage) <= STAGES.index(dispute.stage), "invalid_state")
        if dispute.status == "won":
            refuse_if(dispute.amount > dispute.payment.left, "amount_exceeds_payment")
            self.question(at, dispute.payment, dispute.amount, "held")
            dispute.payment.disputed += dispute.amount
        dispute.status, dispute.stage = "open", stage

    def lose(self, at: datetime, dispute: Dispute, fee: int | None, earner: str | None, *, is_forced: bool) -> None:
        payment = dispute.payment
        currency = payment.currency
        rule = self.house_rules.fee if currency == "USD" else None
        if fee and earner:
            refuse_if(earner == payment.payee, "same_account")
            refuse_if(self.accounts[earner].currency != currency, "currency_mismatch")
        elif rule is not None and rule.earner != payment.payee:
            fee, earner, is_forced = rule
            try:
                self.check_fee(at, payment.payee, fee, earner, currency, is_forced=is_forced)
            except Refused:
                fee = earner = None
        refuse_if(dispute.status in ("won", "lost"), "invalid_state")
        further = [Line(payment.payee, "debit", dispute.amount, currency)]
        further.append(Line(payment.payer, "credit", dispute.amount, currency))
        if fee and earner:
            further += self.check_fee(at, payment.payee, fee, earner, currency, is_forced=is_forced)
        self.question(at, payment, dispute.amount, "freed", *further)
        payment.disputed -= dispute.amount
        payment.charged_back += dispute.amount
        dispute.status = "lost"

    def check_fee(
        self, at: datetime, payee: str, fee: int, earner: str, currency: str, *, is_forced: bool
    ) -> list[Line]:
        self.check_account(earner, currency)
        costs = [Line(payee, "debit", fee, currency), Line(earner, "credit", fee, currency)]
        for line in costs[is_forced:]:
            account = self.accounts[line.account]
            self.check_limits(at, account, *account.effect([line]), has_velocity=False)
        return costs

    # Clients.

    def client(self, at: datetime, type_: str, client: int, tx: int, amount: int, *, refuse_negative: bool) -> None:
        code, clearing = f"clients:{client}", self.clearing("XTS")
        self.own_account(code, "XTS", "liability", 0)
        account = self.accounts[code]
        refuse_if(account.status == "frozen", "client_locked")
        found = self.transactions.get(tx)
        if type_ in ("deposit", "withdrawal"):
            refuse_if(found is not None, "tx_exists")
            payer, payee = (clearing, code) if type_ == "deposit" else (code, clearing)
            self.post(at, [Line(payer, "debit", amount, "XTS"), Line(payee, "credit", amount, "XTS")])
            self.transactions[tx] = Transaction(code, type_, amount)
            return
        if found is None:
            raise Refused("tx_not_found")
        refuse_if(found.client != code, "wrong_client")
        refuse_if(found.type != "deposit", "not_disputable")
        if type_ == "dispute":
            refuse_if(found.status == "disputed", "already_disputed")
            refuse_if(found.status == "charged_back", "not_disputable")
            self.post(at, self.promise(code, clearing, "XTS", found.amount, "held"), is_fact=True)
            found.status = "disputed"
            return
        refuse_if(found.status != "disputed", "not_disputed")
        lines = self.promise(code, clearing, "XTS", found.amount, "freed")
        if type_ == "chargeback":
            refuse_if(refuse_negative and account.posted < found.amount, "negative_total")
            lines += [Line(code, "debit", found.amount, "XTS"), Line(clearing, "credit", found.amount, "XTS")]
        self.post(at, lines, is_fact=True)
        found.status = "resolved" if type_ == "resolve" else "charged_back"
        if type_ == "chargeback":
            account.status, account.was_charged_back = "frozen", True

    # What falls due.

    def schedule(self, at: datetime, schedule: Schedule) -> None:
        refuse_if(schedule.payer == schedule.payee, "same_account")
        refuse_if(schedule.attempt_at <= at, "validation_error")
        for code in (schedule.payer, schedule.payee):
            account = self.accounts[code]
            refuse_if(account.status == "closed", "account_closed")
            refuse_if(account.status == "open" and account.currency != schedule.currency, "currency_mismatch")
        self.schedules.append(schedule)

    @staticmethod
    def cancel(schedule: Schedule) -> None:
        refuse_if(schedule.status != "scheduled", "invalid_state")
        schedule.status = "cancelled"

    def run_schedules(self, at: datetime) -> None:
        due = [one for one in self.schedules if one.status == "scheduled" and one.attempt_at <= at]
        for one in sorted(due, key=lambda schedule: (schedule.attempt_at, schedule.number)):
            one.runs += 1
            try:
                lines = [Line(one.payer, "debit", one.amount, one.currency)]
                self.post(at, [*lines, Line(one.payee, "credit", one.amount, one.currency)])
            except Refused:
                if one.attempt < one.attempts_max:
                    one.attempt += 1
                    one.attempt_at = at + timedelta(seconds=one.retry_seconds)
                    continue
            else:
                one.paid += 1
            one.due_at.pop(0)
            one.attempt = 1
            if one.due_at:
                one.attempt_at = one.due_at[0]
            else:
                one.status = "completed" if one.paid else "failed"

    # Periods.

    def close_period(self, at: datetime, ends_at: datetime) -> None:
        refuse_if(self.closed_until is not None and ends_at <= self.closed_until, "period_closed")
        refuse_if(ends_at + timedelta(seconds=2) > at, "period_not_over")
        self.closed_until = ends_at

    # What must hold whatever happens.

    def promised(self) -> dict[str, int]:
        """What open holds and disputes keep back, by account; a dispute keeps it back at who was paid."""
        kept: dict[str, int] = {}
        lines: list[Line] = []
        for hold in self.holds:
            lines += self.promise(hold.payer, hold.payee, hold.currency, hold.left, "held")
        for dispute in self.disputes:
            left = dispute.amount if dispute.status not in ("won", "lost") else 0
            lines += self.promise(dispute.payment.payee, dispute.payment.payer, "", left, "held")
        for one in self.transactions.values():
            left = one.amount if one.status == "disputed" else 0
            lines += self.promise(one.client, "clearing:internal:XTS", "XTS", left, "held")
        for code in {line.account for line in lines}:
            kept[code] = self.accounts[code].effect(lines)[1]
        return kept
