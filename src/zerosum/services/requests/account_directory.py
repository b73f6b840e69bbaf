"""Which account an id or a code in a request names. Both are fixed for ever, so they are remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.accounts import find_account, find_accounts
from zerosum.domain.errors import AccountNotFound, InvalidId, InvalidParameter
from zerosum.domain.identifiers import AccountId, Prefix, is_account_code, parse_id, render_id
from zerosum.domain.ledger.account import Account

REMEMBERED_MAX = 200_000
"""Names kept in memory; about 60 MB when full, then the oldest are forgotten."""


class AccountName:
    """The unchanging part of an account: how it is called and in what it counts."""

    __slots__ = ("code", "currency", "id", "wire_id")

    def __init__(self, account: Account) -> None:
        self.id: AccountId = account.state.id
        self.wire_id = render_id(Prefix.ACCOUNT, account.state.id)
        self.code = account.code
        self.currency = account.state.currency


def parse_account_reference(text: str) -> tuple[UUID | None, str | None]:
    """An id or a code, told apart by the prefix. Raises InvalidId."""
    if text.startswith(Prefix.ACCOUNT.value):
        return parse_id(Prefix.ACCOUNT, text), None
    if not is_account_code(text):
        raise InvalidId("An account is named by its id (acc_…) or by its code.")
    return None, text


class NotPrepared(Exception):
    """What a request names is not in memory yet: load it first."""


class AccountDirectory:
    def __init__(self, database: Database, remembered_max: int = REMEMBERED_MAX) -> None:
        self._database = database
        self._remembered_max = remembered_max
        self._names: OrderedDict[tuple[UUID, str], AccountName] = OrderedDict()
        """The least lately loaded first: they are forgotten first."""

    def find_known(self, ledger_id: UUID, reference: str) -> AccountName | None:
        """Without asking the database."""
        return self._names.get((ledger_id, reference))

    def known(self, ledger_id: UUID, reference: str, *, is_prepared: bool, pointer: str) -> AccountName:
        """What a request names, once it was loaded. Raises NotPrepared before that, then InvalidId, AccountNotFound."""
        name = self._names.get((ledger_id, reference))
        if name is not None:
            return name
        if not is_prepared:
            raise NotPrepared
        try:
            id_, _ = parse_account_reference(reference)
        except InvalidId as refusal:
            raise refusal.at(pointer) from None
        # An id may be written in capitals; it is remembered as we write it.
        name = None if id_ is None else self._names.get((ledger_id, render_id(Prefix.ACCOUNT, id_)))
        if name is not None:
            return name
        raise AccountNotFound(f"This ledger has no account {reference}.", pointer=pointer, account=reference)

    def all_missing(
        self,
        ledger_id: UUID,
        first: AccountNotFound,
        rest: Iterable[tuple[str, str]],
        imagined: Container[str] = (),
    ) -> AccountNotFound:
        """A request may name several accounts that are not there: all are told at once. `rest` is (name, pointer).

        Those that it would open are not missing.
        """
        for reference, pointer in rest:
            if reference in imagined:
                continue
            try:
                self.known(ledger_id, reference, is_prepared=True, pointer=pointer)
            except (AccountNotFound, InvalidId) as another:
                first.others.append(another)
        return first

    async def get(self, ledger_id: UUID, reference: str) -> AccountName:
        """Raises InvalidId for what can name no account, AccountNotFound for what names none of this ledger."""
        known = self._names.get((ledger_id, reference))
        if known is not None:
            return known
        id_, code = parse_account_reference(reference)
        async with self._database.work(ledger_id) as connection:
            account = await find_account(connection, ledger_id, id_=id_, code=code)
        if account is None:
            raise AccountNotFound("This ledger has no such account.")
        return self.remember(ledger_id, account, reference)

    async def find_filter(
        self, ledger_id: UUID, filters: Mapping[str, str], name: str = "account"
    ) -> AccountName | None:
        """The account a list is narrowed to, where one is. Raises InvalidParameter, AccountNotFound."""
        reference = filters.get(name)
        if reference is None:
            return None
        try:
            return await self.get(ledger_id, reference)
        except InvalidId as refusal:
            raise InvalidParameter(refusal.detail, pointer=name) from None
        except AccountNotFound as refusal:
            raise refusal.at(name) from None

    async def load(self, ledger_id: UUID, references: Iterable[str]) -> None:
        """Remember what these name, in one statement. What names nothing is left out."""
        ids: set[UUID] = set()
        codes: set[str] = set()
        for reference in references:
            if (ledger_id, reference) in self._names:
                # About to be asked for: what makes room for the others must be something else.
                self._names.move_to_end((ledger_id, reference))
                continue
            try:
                id_, code = parse_account_reference(reference)
            except InvalidId:
                continue
            if id_ is not None:
                ids.add(id_)
            if code is not None:
                codes.add(code)
        if ids or codes:
            async with self._database.work(ledger_id) as connection:
                for account in await find_accounts(connection, ledger_id, ids=ids, codes=codes):
                    self.remember(ledger_id, account)

    def remember(self, ledger_id: UUID, account: Account, reference: str | None = None) -> AccountName:
        name = AccountName(account)
        for text in (name.wire_id, name.code, reference):
            if text is not None:
                self._names[ledger_id, text] = name
                self._names.move_to_end((ledger_id, text))
        while len(self._names) > self._remembered_max:
            self._names.popitem(last=False)
        return name
