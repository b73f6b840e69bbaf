"""A Book over a long life, beside its plain model: accounts opened, paid, held, disputed, limited, frozen, closed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from tests.domain.builders import NOON, account_id, photograph
from tests.domain.chain_verifier import breaks
from tests.domain.model import Line, ModelAccount, written
from tests.domain.scenarios import ACCOUNTS, Run, balanced_lines, command_of, state_of
from zerosum.domain.ledger.outcome import Refused

PLACES = {"USD": 2, "JPY": 0, "ETH": 18}
AMOUNTS = st.integers(1, 12)
LIMITS = st.none() | st.integers(-20, 40)


class BookMachine(RuleBasedStateMachine):
    """Every rule is done to both; `Run` compares the outcomes, the invariants the states."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self.run = Run.of({})

    @initialize(target=names, drawn=st.lists(ACCOUNTS, min_size=4, max_size=4))
    def open_the_first(self, drawn: list[ModelAccount]) -> MultipleResults[str]:
        """Three of one currency, so that there is always something to move."""
        for account in drawn[1:3]:
            account.currency, account.places = drawn[0].currency, drawn[0].places
        return multiple(*[self._open(account) for account in drawn])

    @rule(target=names, drawn=ACCOUNTS)
    def open(self, drawn: ModelAccount) -> str:
        return self._open(drawn)

    def _open(self, drawn: ModelAccount) -> str:
        name = f"account{len(self.run.model.accounts)}"
        self.run.model.accounts[name] = drawn
        self.run.book.accounts[account_id(name)] = state_of(name, drawn)
        return name

    @rule(payer=names, payee=names, units=AMOUNTS)
    def pay(self, payer: str, payee: str, units: int) -> None:
        self.run.post(self._pair(payer, payee, units))

    @rule(payer=names, payee=names, units=AMOUNTS)
    def hold(self, payer: str, payee: str, units: int) -> None:
        self.run.post(self._pair(payer, payee, units, pending=True))

    @rule(receiver=names, other=names, units=AMOUNTS)
    def dispute(self, receiver: str, other: str, units: int) -> None:
        first, second = self._pair(receiver, other, units, pending=True)
        self.run.post([Line(**{**vars(first), "outside": True}), second])

    @rule(number=st.integers(0, 20))
    def release(self, number: int) -> None:
        self.run.release(number)

    @rule(number=st.integers(0, 20))
    def capture(self, number: int) -> None:
        """Release a placement and post it, in one entry."""
        if self.run.open_placements:
            index = number % len(self.run.open_placements)
            placed = self.run.open_placements[index]
            released = [Line(one.account, one.side, one.units, one.currency, True, True) for one in placed]
            taken = [Line(one.account, one.side, one.units, one.currency) for one in placed]
            if self.run.post(released + taken):
                del self.run.open_placements[index]

    @rule(data=st.data(), _=names)
    def post_anything(self, data: st.DataObject, _: str) -> None:
        self.run.post(data.draw(balanced_lines(self.run.model.accounts)))

    @rule(data=st.data(), _=names)
    def try_several_together(self, data: st.DataObject, _: str) -> None:
        """All or nothing; what was done is undone again, so that model and book stay side by side."""
        several = data.draw(st.lists(balanced_lines(self.run.model.accounts), min_size=1, max_size=3))
        commands = [command_of(lines, key=f"together-{number}") for number, lines in enumerate(several)]
        states = {id_: state.copy() for id_, state in self.run.book.accounts.items()}
        result = self.run.book.apply_together(commands, NOON)
        if isinstance(result, tuple):
            assert isinstance(result[1], Refused)
            assert photograph(self.run.book.accounts.values()) == photograph(states.values())
        else:
            assert len(result) == len(commands)
        self.run.book.accounts.update(states)

    @rule(name=names, floor=LIMITS, ceiling=LIMITS)
    def change_limits(self, name: str, floor: int | None, ceiling: int | None) -> None:
        self.run.change_limits(name, floor, ceiling)

    @rule(name=names, verb=st.sampled_from(["unfreeze"] * 8 + ["freeze", "close"]))
    def change_status(self, name: str, verb: str) -> None:
        self.run.change_status(verb, name)

    @invariant()
    def balances_agree(self) -> None:
        for name, account in self.run.model.accounts.items():
            state = self.run.book.accounts[account_id(name)]
            assert f"{state.posted:f}" == written(account.posted, account.places)
            assert f"{state.held:f}" == written(account.held, account.places)
            assert (state.version, state.overdrawn) == (account.version, account.overdrawn)

    @invariant()
    def limits_hold(self) -> None:
        for state in self.run.book.accounts.values():
            assert state.held >= 0
            assert state.overdrawn == state.is_below_floor

    def teardown(self) -> None:
        heads: dict[UUID, bytes] = {state.id: state.head for state in self.run.book.accounts.values()}
        assert breaks(self.run.entries, heads) == []

    def _pair(self, debited: str, credited: str, units: int, **options: Any) -> list[Line]:
        currency = self.run.model.accounts[debited].currency
        return [
            Line(debited, "debit", units, currency, **options),
            Line(credited, "credit", units, currency, **options),
        ]


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
