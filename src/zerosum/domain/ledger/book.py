"""The Book: account states in memory, to which commands are applied one after another.

    outcome = book.apply(command, posted_at)      # Posted or Refused; pure, deterministic

Two shells use it. The committer fills it with rows it has locked in PostgreSQL and writes the outcomes back; the
CSV engine starts from an empty one. All that is decided about money is decided here, in `objections`: in one fixed
order, before anything is written.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from zerosum.domain.commands import Command
from zerosum.domain.errors import DomainError
from zerosum.domain.events import ResourceType
from zerosum.domain.identifiers import AccountId, JournalEntryId, Prefix, parse_id
from zerosum.domain.ledger.account import Account, AccountState
from zerosum.domain.ledger.account_change import AccountChange, account_changes, objections_to_account
from zerosum.domain.ledger.chain import entry_digest, posting_hash
from zerosum.domain.ledger.conditions import Conditions, failed, kept
from zerosum.domain.ledger.debt import debt_events
from zerosum.domain.ledger.entry import JournalEntry, Nature, PostedEntry, PostedPosting, Posting
from zerosum.domain.ledger.first_use import code_needs, open_accounts
from zerosum.domain.ledger.group_rules import LimitedGroup, LimitedGroups, count_in_groups, group_objections
from zerosum.domain.ledger.outcome import Outcome, PlainPair, Posted, PostedPair, Refused
from zerosum.domain.ledger.pair import post_pair
from zerosum.domain.ledger.periods import Dating, late_key
from zerosum.domain.ledger.records import ChangedRecords, Need, Records
from zerosum.domain.ledger.subjects import SealedMembers, check_there, kept_members
from zerosum.domain.ledger.usual import carry_usual
from zerosum.domain.ledger.velocity import Window
from zerosum.domain.ledger.velocity_rules import count, velocity_objections
from zerosum.domain.money import render_amount

_POSTING_POINTER = re.compile("/postings/([0-9]+)/account", re.ASCII)

_DECIDING = frozenset(
    {"decide", "conclude", "journal_entry", "objections", "posts_several", "ruling", "_ruling", "_entry", "wanted"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCommand(Command):
    """A command a Book can decide. It knows its rule; the Book knows the accounts.

    `codes` are those of the accounts it touches, and `called` is how its caller has named them, in the order of the
    postings: refusals tell both beside the id.
    """

    codes: Mapping[UUID, str] | None = None
    called: Sequence[str] = ()
    opens: Sequence[Account] = ()
    """Accounts of its own that are opened with it, where their codes are still free."""

    dating: Dating | None = None
    """Where its date has to be looked at: it lies in a closed period, as far as is known."""
    conditions: Conditions | None = None
    """What its caller wants to be true of accounts, or else nothing is posted."""
    personal: SealedMembers | None = None
    """What is said about a subject with its first entry, whose metadata commits to it."""

    regroups: ClassVar[bool] = False
    """Whether it changes which groups accounts are in: whoever has carried it out remembers no account."""

    stands_on: str | None = None
    """What else its fingerprint depends on than its order: it is kept with a refusal, so that a retry asks the same."""

    changes_settings: ClassVar[bool] = False
    """Whether it changes what is said about its accounts: their limits, their status, their names."""

    posts_several: ClassVar[bool] = False
    """Whether it may post more than one entry, so that what was posted before a refusal has to be undone."""

    def __init_subclass__(cls) -> None:
        """Who decides otherwise than the class it stands on goes straight only if it says itself how."""
        own = vars(cls)
        if "pair" not in own and not own.keys().isdisjoint(_DECIDING):
            cls.pair = LedgerCommand.pair  # type: ignore[method-assign]

    @property
    def new_accounts(self) -> Sequence[Account]:
        """All that it opens, where nothing stands in the way."""
        return self.opens

    @abstractmethod
    def account_ids(self) -> tuple[AccountId, ...]:
        """The accounts whose rows must be locked before this is decided."""

    def needs(self) -> tuple[Need, ...]:
        """The records that must be in the Book too, those that there are: most commands stand on accounts alone."""
        needs: tuple[Need, ...] = code_needs(self.opens) if self.opens else ()
        if self.dating is not None:
            needs = (*needs, *self.dating.needs(self.ledger_id))
        return needs if self.personal is None else (*needs, self.personal.need(self.ledger_id))

    def counted(self) -> Iterator[tuple[UUID, Window]]:
        """Of which accounts what counts in which windows is to be known besides, if it needs records at all."""
        return iter(())

    @abstractmethod
    def journal_entry(self) -> JournalEntry:
        """What it would post, where that depends on nothing but the command."""

    def with_conditioned(self, account_ids: tuple[AccountId, ...]) -> tuple[AccountId, ...]:
        """Its own accounts, and those that its conditions are about."""
        return account_ids if self.conditions is None else tuple({*account_ids, *self.conditions.account_ids})

    def conditioned(self, entry: JournalEntry) -> JournalEntry:
        """The entry, as it is judged under its conditions."""
        return entry if self.conditions is None else replace(entry, conditions=self.conditions.items)

    def objections(self, book: Book) -> Iterator[DomainError]:
        """Every reason against it, as its caller would be told them. The first becomes the refusal."""
        for objection in book.objections(self.journal_entry()):
            yield self.point(objection)

    def point(self, objection: DomainError) -> DomainError:
        """The Book speaks of postings by their place; a command may know what its caller calls them."""
        return self.named(objection)

    def named(self, objection: DomainError) -> DomainError:
        """With the account as its caller has named it, and beside that its id and code."""
        wire_id = objection.facts.get("account")
        if wire_id is None or not self.codes or "account_id" in objection.facts:
            return objection  # It names none, or names it as its caller did.
        code = self.codes.get(parse_id(Prefix.ACCOUNT, wire_id))
        if code is None:
            return objection
        place = _POSTING_POINTER.fullmatch(objection.pointer or "")
        called = self.called[int(place[1])] if place is not None and self.called else code
        objection.facts = {"account": called, "account_id": wire_id, "account_code": code} | {
            name: value for name, value in objection.facts.items() if name != "account"
        }
        return objection

    def pair(self, book: Book, posted_at: datetime) -> PlainPair | None:  # noqa: ARG002 - most stand on nothing else
        """What it posts and records, where that is a plain pair of now: then it may go straight (`pair.py`).

        None also where it would be refused, but for what its accounts say.
        """
        return None

    def entry_of(self, pair: PlainPair) -> JournalEntry:  # noqa: ARG002 - most stand on nothing else
        """What it has posted straight, at length."""
        return self.journal_entry()

    @abstractmethod
    def decide(self, book: Book, posted_at: datetime) -> Posted:
        """Post to the book, or raise a DomainError and leave the book as it was."""


class Book:
    """Account states by id. Deterministic: the same states and commands give the same outcomes and hashes.

    `records` hold what commands must remember besides balances (`records.py`): the command that changes one puts
    another in its place. The Book itself only undoes that.
    """

    __slots__ = ("accounts", "groups", "records")

    def __init__(
        self,
        accounts: Iterable[AccountState] = (),
        records: Records | None = None,
        groups: Iterable[LimitedGroup] = (),
    ) -> None:
        """`groups` are those with limits that the accounts are in."""
        self.accounts: dict[UUID, AccountState] = {account.id: account for account in accounts}
        self.records: Records = {} if records is None else records
        self.groups: LimitedGroups = {(group.ledger_id, group.name): group for group in groups}

    def apply(self, command: LedgerCommand, posted_at: datetime) -> Outcome:
        """Carry out the command, or refuse it and leave the book as it was."""
        if command.posts_several or command.opens:
            outcomes = self.apply_together((command,), posted_at)
            if not isinstance(outcomes, tuple):
                return outcomes[0]
            if command.posts_several:
                self._explain(outcomes[1].refusal, command)
            return outcomes[1]
        return self._decide(command, posted_at)

    def apply_straight(self, command: LedgerCommand, posted_at: datetime) -> PostedPair | None:
        """The same for nearly every command, at a fifth of the price. None: nothing was done, and `apply` is the way.

        What it records by its own id is not put into this book: no command of the same book may need that. What it
        changes is.
        """
        pair = None if command.posts_several or command.opens else command.pair(self, posted_at)
        posted = None if pair is None else post_pair(self.accounts, command, pair, posted_at)
        if posted is not None:
            for key, record in posted.pair.changes:
                self.records[key] = record
        return posted

    def _decide(self, command: LedgerCommand, posted_at: datetime) -> Outcome:
        try:
            opened = open_accounts(command.opens, self.accounts, self.records, posted_at) if command.opens else ()
            debtors = self._debtors(command)
            posted = command.decide(self, posted_at)
        except DomainError as refusal:
            if not command.posts_several:  # What it has posted before is not undone yet.
                self._explain(refusal, command)
            return Refused(refusal)
        if opened:
            posted.events = (*opened, *posted.events)
            posted.opened = tuple(event.id for event in opened)
        if debtors != (now := self._debtors(command)):
            posted.events = (*posted.events, *debt_events(command, self.accounts, debtors, now))
        return posted

    def _debtors(self, command: LedgerCommand) -> set[UUID]:
        """Hardly ever there is one. A debt goes or comes with an entry that is judged here, or with another floor."""
        accounts = self.accounts
        return {id_ for id_ in command.account_ids() if (found := accounts.get(id_)) is not None and found.is_in_debt}

    def _explain(self, refusal: DomainError, command: LedgerCommand) -> None:
        """Beside what stands in the way first, everything else that does: whoever mends one thing knows the next."""
        found = list(command.objections(self))
        is_first = bool(found) and found[0].code == refusal.code
        others = {other.identity: other for other in reversed(found[1:] if is_first else found)}
        others.pop(refusal.identity, None)  # An account may stand in several postings, and be named once.
        refusal.others += reversed(others.values())

    def apply_together(
        self, commands: Sequence[LedgerCommand], posted_at: datetime, *, goes_straight: bool = False
    ) -> list[Posted] | tuple[int, Refused]:
        """All or nothing: every outcome, or the index and refusal of the first that could not be carried out."""
        before: dict[UUID, AccountState] = {
            account_id: self.accounts[account_id].copy()
            for command in commands
            for account_id in command.account_ids()
            if account_id in self.accounts
        }
        used = {key: group.used for key, group in self.groups.items()}
        records, self.records = self.records, ChangedRecords(self.records)
        outcomes: list[Posted] = []
        for index, command in enumerate(commands):
            straight = self.apply_straight(command, posted_at) if goes_straight else None
            outcome = straight or self._decide(command, posted_at)
            if isinstance(outcome, Refused):
                for account in (account for one in commands for account in one.opens):
                    self.accounts.pop(account.state.id, None)
                self.accounts.update(before)
                for key, group in self.groups.items():
                    group.used = used[key]
                self.records = records
                return index, outcome
            outcomes.append(outcome)
        records.update(self.records.changed)
        self.records = records
        return outcomes

    def post(
        self,
        entry: JournalEntry,
        command: LedgerCommand,
        posted_at: datetime,
        resource_type: ResourceType,
        resource_id: str | None = None,
        *,
        number: int = 0,
    ) -> PostedEntry:
        """Judge the whole entry, then write it without further questions. Raises the first objection.

        `number` counts the entries of one command: the first bears its id and its key, further ones have no key.
        What the command's date and conditions ask for is seen to here, whatever it posts.
        """
        if number and not command.posts_several:
            raise TypeError("a command that posts several entries says so: what is refused late is undone")
        if command.personal is not None:
            check_there(command.personal, command.ledger_id, self.records)
        late = None
        if command.dating is not None:
            entry, late = command.dating.dated(entry, self.records, command.ledger_id, command.id, posted_at)
        entry.check_time(posted_at)
        posted = PostedEntry(
            id=JournalEntryId(command.id if number == 0 else command.further_id(number)),
            ledger_id=command.ledger_id,
            entry=entry,
            effective_at=entry.effective_at or posted_at,
            posted_at=posted_at,
            actor=command.actor,
            idempotency_key=command.idempotency_key if number == 0 else None,
            fingerprint=command.fingerprint,
            resource_type=resource_type,
            resource_id=resource_id,
            metadata=command.metadata,
            late=late,
        )
        digest = entry_digest(posted)
        posted.postings = carry_usual(self.accounts, entry, digest, posted_at) or self._carry(posted, digest, command)
        if late is not None:
            self.records[late_key(late)] = late
        if command.conditions is not None:
            key, record = kept(command.ledger_id, command.id, command.conditions)
            self.records[key] = record
        if command.personal is not None and number == 0:
            said_key, said = kept_members(command.ledger_id, command.id, command.personal)
            self.records[said_key] = said
        return posted

    def _carry(self, posted: PostedEntry, digest: bytes, command: LedgerCommand) -> tuple[PostedPosting, ...]:
        """Whatever may be unusual about it."""
        entry = posted.entry
        for objection in self.objections(entry):
            raise command.point(objection)
        lines = [self._write(posting, place, digest, posted.posted_at) for place, posting in enumerate(entry.postings)]
        self._settle_overdrawn(entry)
        self._count(entry)
        return tuple(lines)

    def carry(self, entry: JournalEntry, command: LedgerCommand) -> None:
        """Judge and take the entry as `post` does, but without ids, times and hashes: nobody keeps this book.

        Raises the first objection.
        """
        for objection in self.objections(entry):
            raise command.point(objection)
        for posting in entry.postings:
            self._take(posting)
        self._settle_overdrawn(entry)

    def objections(self, entry: JournalEntry) -> Iterator[DomainError]:
        """Every reason against the entry, in the order in which they are answered: accounts first, then balances.

        The entry is judged as a whole: what counts is each account's balance after its last posting.
        """
        changes: dict[UUID, AccountChange] = {}
        unknown: set[UUID] = set()
        is_intention = entry.nature is Nature.INTENTION
        for index, posting in enumerate(entry.postings):
            account = self.accounts.get(posting.account_id)
            for objection in objections_to_account(account, posting, is_intention=is_intention):
                yield objection.at(f"/postings/{index}/account")
            if account is None or account.currency != posting.money.currency.code:
                unknown.add(posting.account_id)
                continue
            if account.id not in changes:
                changes[account.id] = AccountChange(account, index)
            changes[account.id].include(posting)
        if unknown:  # What would be in them nobody knows. Of the others all is told.
            changes = {id_: change for id_, change in changes.items() if id_ not in unknown}
        if entry.conditions:
            growth = {id_: change.growth for id_, change in changes.items()}
            yield from failed(entry.conditions, self.accounts, growth, unknown)
        is_further = entry.reverses is not None or entry.gives_back or entry.keeps_a_promise
        has_velocity = is_intention and not is_further
        for change in changes.values():
            yield from change.objections(is_intention=is_intention)
            if has_velocity and change.account.velocity:
                yield from velocity_objections(change.account, change.moved, change.pointer)
        if has_velocity and self.groups:
            yield from group_objections(self.groups, changes.values())

    def _write(self, posting: Posting, place: int, digest: bytes, posted_at: datetime) -> PostedPosting:
        account = self._take(posting)
        account.last_posted_at = posted_at
        balance, held = account.posted, account.held
        account.head = posting_hash(
            account.head,
            digest,
            posting,
            place=place,
            account_version=account.version,
            balance_after=render_amount(balance),
            held_after=render_amount(held),
        )
        return PostedPosting(posting, place, account.version, balance, held, account.head)

    def _take(self, posting: Posting) -> AccountState:
        account = self.accounts[posting.account_id]
        account.take(posting.side, posting.money.amount, posting.layer, releases=posting.releases)
        return account

    def _count(self, entry: JournalEntry) -> None:
        """What of it counts in the windows of its accounts."""
        counted = {posting.account_id for posting in entry.postings if self.accounts[posting.account_id].used}
        for account_id in counted:
            change = AccountChange(self.accounts[account_id], 0)
            for posting in entry.postings:
                if posting.account_id == account_id:
                    change.include(posting)
            count(change.account, change.moved)
        if self.groups:
            count_in_groups(self.groups, account_changes(entry, self.accounts))

    def _settle_overdrawn(self, entry: JournalEntry) -> None:
        """An entry is judged as a whole, so an account is looked at after its last posting."""
        for posting in entry.postings:
            account = self.accounts[posting.account_id]
            if account.overdrawn or entry.nature is not Nature.INTENTION:
                account.overdrawn = account.is_below_floor
