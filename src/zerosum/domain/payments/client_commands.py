"""The five commands of a client: deposit and withdrawal move money, the others speak of an earlier deposit.

They are judged in one fixed order: the client's lock, then the tx, then the money. Two shells use them: the committer
calls `decide`, which posts to chains that are kept; the engine for client files calls `carry_out`, which does the same
to a book that nobody keeps. A client's account must be in the book before; making it is the shell's part.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from zerosum.domain.errors import (
    AlreadyDisputed,
    ClientLocked,
    DomainError,
    NegativeTotal,
    NotDisputable,
    NotDisputed,
    TxExists,
    TxNotFound,
    WrongClient,
)
from zerosum.domain.events import EventType, ResourceType
from zerosum.domain.identifiers import AccountId
from zerosum.domain.ledger.account import Account, AccountStatus
from zerosum.domain.ledger.account_commands import ACCOUNT
from zerosum.domain.ledger.account_content import account_facts
from zerosum.domain.ledger.book import Book, LedgerCommand
from zerosum.domain.ledger.entry import JournalEntry
from zerosum.domain.ledger.outcome import Event, Posted
from zerosum.domain.ledger.records import Need, RecordKey
from zerosum.domain.money import Money, render_amount, subtract
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.clients import (
    CLIENT_TRANSACTION,
    ClientCommandType,
    ClientTransaction,
    ClientTransactionStatus,
    ClientTransactionType,
)

_EVENTS = {
    ClientTransactionStatus.CARRIED_OUT: EventType.CLIENT_TRANSACTION_CARRIED_OUT,
    ClientTransactionStatus.DISPUTED: EventType.CLIENT_TRANSACTION_DISPUTED,
    ClientTransactionStatus.RESOLVED: EventType.CLIENT_TRANSACTION_RESOLVED,
    ClientTransactionStatus.CHARGED_BACK: EventType.CLIENT_TRANSACTION_CHARGED_BACK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCommand(LedgerCommand):
    """`client` is the number on the wire, `client_id` its account; `clearing_id` is where the money comes from."""

    client: int
    tx: int
    client_id: AccountId
    clearing_id: AccountId
    effective_at: datetime | None = None

    def account_ids(self) -> tuple[AccountId, ...]:
        return (self.client_id, self.clearing_id)

    @property
    def record_key(self) -> RecordKey:
        return RecordKey(self.ledger_id, CLIENT_TRANSACTION, str(self.tx))

    def needs(self) -> tuple[Need, ...]:
        return (Need(self.record_key),)

    def point(self, objection: DomainError) -> DomainError:
        return self.named(objection).at("/client")

    def decide(self, book: Book, posted_at: datetime) -> Posted:
        entry, after = self._ruling(book)
        posted = book.post(entry, self, posted_at, ResourceType.CLIENT_TRANSACTION, str(self.tx))
        self._write(book, after)
        event = Event(self.id, _EVENTS[after.status], ResourceType.CLIENT_TRANSACTION)
        if after.status is not ClientTransactionStatus.CHARGED_BACK:
            return Posted(self.ledger_id, (posted,), (event,), after)
        return Posted(self.ledger_id, (posted,), (event, self._locked(book)), after, changed_account=self.client_id)

    def _locked(self, book: Book) -> Event:
        account: Account | None = book.records.get(RecordKey(self.ledger_id, ACCOUNT, self.client_id))
        state = book.accounts[self.client_id]
        facts = None if account is None else account_facts(replace(account, state=state))
        return Event(self.further_id(1), EventType.ACCOUNT_FROZEN, ResourceType.ACCOUNT, self.client_id, facts)

    def carry_out(self, book: Book) -> None:
        """`decide` for a book that nobody keeps: no id, no time, no hash. Raises the first objection."""
        entry, after = self._ruling(book)
        book.carry(entry, self)
        self._write(book, after)

    def objections(self, book: Book) -> Iterator[DomainError]:
        try:
            entry, _ = self._ruling(book)
        except DomainError as refusal:
            yield refusal
        else:
            for objection in book.objections(entry):
                yield self.point(objection)

    @abstractmethod
    def _ruling(self, book: Book) -> tuple[JournalEntry, ClientTransaction]:
        """What to post, and the client transaction as it is afterwards. Raises the first objection to lock or tx."""

    def _check_lock(self, book: Book) -> None:
        account = book.accounts.get(self.client_id)
        if account is not None and account.status is AccountStatus.FROZEN:
            raise ClientLocked("The client takes nothing more.", pointer="/client", client=self.client)

    def _write(self, book: Book, after: ClientTransaction) -> None:
        book.records[self.record_key] = after
        if after.status is ClientTransactionStatus.CHARGED_BACK:
            book.accounts[self.client_id].status = AccountStatus.FROZEN


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewTransaction(ClientCommand):
    """Deposits and withdrawals share one space of tx ids, across all clients. A refused one leaves its id free."""

    type: ClassVar[ClientTransactionType]

    money: Money

    def _ruling(self, book: Book) -> tuple[JournalEntry, ClientTransaction]:
        self._check_lock(book)
        if self.record_key in book.records:
            raise TxExists("The tx id was used before.", pointer="/tx", tx=self.tx)
        after = ClientTransaction(
            ledger_id=self.ledger_id,
            tx=self.tx,
            client=self.client,
            type=self.type,
            money=self.money,
            entry_id=self.id,
        )
        return self.journal_entry(), after


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDeposit(_NewTransaction):
    type = ClientTransactionType.DEPOSIT

    def journal_entry(self) -> JournalEntry:
        return posting_rules.deposit(self.clearing_id, self.client_id, self.money, self.effective_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWithdrawal(_NewTransaction):
    type = ClientTransactionType.WITHDRAWAL

    def journal_entry(self) -> JournalEntry:
        return posting_rules.withdrawal(self.client_id, self.clearing_id, self.money, self.effective_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AboutDeposit(ClientCommand):
    """Takes its amount from the deposit it speaks of."""

    def journal_entry(self) -> JournalEntry:
        raise LookupError("what this posts depends on the deposit: ask `objections` with a book")

    def _entry(self, rule: Callable[..., JournalEntry], deposit: ClientTransaction) -> JournalEntry:
        return rule(self.client_id, self.clearing_id, deposit.money, deposit.entry_id, self.effective_at)

    def _deposit(self, book: Book) -> ClientTransaction:
        self._check_lock(book)
        found: ClientTransaction | None = book.records.get(self.record_key)
        if found is None:
            raise TxNotFound("Nothing was carried out under this tx id.", pointer="/tx", tx=self.tx)
        if found.client != self.client:
            raise WrongClient("The tx belongs to another client.", pointer="/client", tx=self.tx)
        if found.type is not ClientTransactionType.DEPOSIT:
            raise NotDisputable("Only a deposit can be disputed.", pointer="/tx", tx=self.tx, type=found.type.value)
        return found

    def _disputed_deposit(self, book: Book) -> ClientTransaction:
        found = self._deposit(book)
        if found.status is not ClientTransactionStatus.DISPUTED:
            raise NotDisputed("The deposit has no open dispute.", pointer="/tx", tx=self.tx, status=found.status.value)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDispute(_AboutDeposit):
    def _ruling(self, book: Book) -> tuple[JournalEntry, ClientTransaction]:
        deposit = self._deposit(book)
        if deposit.status is ClientTransactionStatus.DISPUTED:
            raise AlreadyDisputed("The deposit is disputed already.", pointer="/tx", tx=self.tx)
        if deposit.status is ClientTransactionStatus.CHARGED_BACK:
            raise NotDisputable("The deposit was charged back.", pointer="/tx", tx=self.tx, status=deposit.status.value)
        entry = self._entry(posting_rules.dispute, deposit)
        return entry, replace(deposit, status=ClientTransactionStatus.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientResolve(_AboutDeposit):
    def _ruling(self, book: Book) -> tuple[JournalEntry, ClientTransaction]:
        deposit = self._disputed_deposit(book)
        entry = self._entry(posting_rules.resolve, deposit)
        return entry, replace(deposit, status=ClientTransactionStatus.RESOLVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChargeback(_AboutDeposit):
    """Locks the client. By default it is carried out even where the client ends up owing us."""

    refuse_negative_total: bool = False

    def needs(self) -> tuple[Need, ...]:
        """What is said about the account too, as whose row it is locked: the event of its freezing tells it."""
        return (Need(self.record_key), Need(RecordKey(self.ledger_id, ACCOUNT, self.client_id), is_locked=False))

    def _ruling(self, book: Book) -> tuple[JournalEntry, ClientTransaction]:
        deposit = self._disputed_deposit(book)
        account = book.accounts.get(self.client_id)
        if self.refuse_negative_total and account is not None and account.posted < deposit.money.amount:
            raise NegativeTotal(
                "The chargeback would make the client's total negative; the dispute stays open.",
                pointer="/client",
                total=render_amount(account.posted),
                total_after=render_amount(subtract(account.posted, deposit.money.amount)),
            )
        entry = self._entry(posting_rules.chargeback, deposit)
        return entry, replace(deposit, status=ClientTransactionStatus.CHARGED_BACK)


CLIENT_COMMANDS: dict[ClientCommandType, type[ClientCommand]] = {
    ClientCommandType.DEPOSIT: ClientDeposit,
    ClientCommandType.WITHDRAWAL: ClientWithdrawal,
    ClientCommandType.DISPUTE: ClientDispute,
    ClientCommandType.RESOLVE: ClientResolve,
    ClientCommandType.CHARGEBACK: ClientChargeback,
}
