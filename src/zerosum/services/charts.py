"""Use cases about a ledger's chart, and the accounts that it lets a first use open."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Database
from zerosum.db.queries.charts import ChartChange, find_chart, insert_chart
from zerosum.db.queries.charts import rule_content as rule_content  # shown by the routes
from zerosum.domain.audit import AuditType
from zerosum.domain.errors import (
    AccountNotFound,
    DomainError,
    InvalidCurrency,
    InvalidState,
    RecordUnreadable,
    ValidationFailed,
)
from zerosum.domain.identifiers import Prefix, is_account_code, render_id
from zerosum.domain.ledger.account import Account
from zerosum.domain.ledger.chart import Chart, ChartRule
from zerosum.domain.money import Currency, parse_signed_amount
from zerosum.services.accounts import Accounts
from zerosum.services.audit import audit_record, audited
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined
from zerosum.services.requests.account_directory import AccountDirectory, AccountName
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.velocity_limits import velocity_limits, velocity_order

Wanted = Iterable[tuple[str, str]]
"""Accounts that a request names, each with the currency that is posted to it. The first posting counts."""

NO_CURRENCY = Currency("XXX", 0, "No currency")
"""In which a rule without one is looked at: its limits name no amounts but nothing."""

PATTERNS_TOLD = 10
"""Of a chart, to who names an account that it does not let anybody open."""


class FirstUses(dict[str, Account]):
    """Accounts that are not there and would be opened by their first use, by code."""

    patterns: Sequence[str] = ()
    """Of the chart, where it was asked."""


def known_or_imagined(directory: AccountDirectory, imagined: Imagined) -> Callable[..., AccountName]:
    """How a command finds what it names: among the accounts that there are, or those that it would open."""
    if imagined is NOTHING_IMAGINED or not (imagined or _patterns(imagined)):
        return directory.known

    def known(ledger_id: UUID, reference: str, *, is_prepared: bool, pointer: str) -> AccountName:
        account = imagined.get(reference)
        if account is not None:
            return AccountName(account)
        try:
            return directory.known(ledger_id, reference, is_prepared=is_prepared, pointer=pointer)
        except AccountNotFound as missing:
            missing.detail += _hint(imagined)
            raise

    return known


def _patterns(imagined: Imagined) -> Sequence[str]:
    return imagined.patterns if isinstance(imagined, FirstUses) else ()


def _hint(imagined: Imagined) -> str:
    patterns = _patterns(imagined)
    if not patterns:
        return ""
    more = ", …" if len(patterns) > PATTERNS_TOLD else ""
    return f" Its first payment would open one whose code matches {', '.join(patterns[:PATTERNS_TOLD])}{more}."


def opened_by(called: Sequence[str], imagined: Mapping[str, Account]) -> Sequence[Account]:
    """What a command opens of the accounts that are only imagined yet."""
    if not imagined:
        return ()
    return tuple(imagined[code] for code in dict.fromkeys(called) if code in imagined)


class Charts:
    def __init__(
        self,
        database: Database,
        accounts: Accounts,
        directory: AccountDirectory,
        currencies: Currencies,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._directory = directory
        self._currencies = currencies
        self._now = now

    async def get(self, caller: Caller) -> Chart:
        async with self._database.work(caller.ledger_id) as connection:
            return await find_chart(connection, caller.ledger_id)

    async def put(self, caller: Caller, rules: Sequence[ChartRule]) -> Chart:
        """The ledger's chart from now on; the same again changes nothing. Raises what is wrong with its limits."""
        for index, rule in enumerate(rules):
            await self._check(caller, rule, f"/rules/{index}")
        async with self._database.work(caller.ledger_id) as connection:
            before = await find_chart(connection, caller.ledger_id)
            if list(before.rules) == list(rules):
                return before
            chart, now = Chart(tuple(rules), before.version + 1), self._now()
            if not await insert_chart(
                connection, caller.ledger_id, chart, ChartChange(actor=caller.actor, created_at=now)
            ):
                raise InvalidState("Another request has changed the chart at the same time.")
            facts = {"version": chart.version, "rules": [rule_content(rule) for rule in rules]}
            resource = render_id(Prefix.LEDGER, caller.ledger_id)
            await audited(
                connection, audit_record(AuditType.CHART_CHANGED, caller, now, resource=resource, facts=facts)
            )
        return chart

    async def _check(self, caller: Caller, rule: ChartRule, pointer: str) -> None:
        if rule.currency is None:
            amounts = {rule.min_available, rule.max_available, *(limit["amount"] for limit in rule.velocity_limits)}
            if not amounts <= {None, "0"}:
                raise ValidationFailed('A limit other than "0" needs a currency.', pointer=f"{pointer}/currency")
        try:
            currency = (
                NO_CURRENCY if rule.currency is None else await self._currencies.get(caller.ledger_id, rule.currency)
            )
            self._draft(caller, "x", rule, currency)
        except DomainError as refusal:
            raise refusal.at(pointer + (refusal.pointer or "")) from None

    async def imagined(self, caller: Caller, wanted: Wanted, *, may_write: bool) -> FirstUses:
        """Those that are not there and may be opened by their first use, as they would be.

        Raises QuotaExceeded, but not in a rehearsal, which must not use up the quota. The database is asked only where
        one is not there.
        """
        ledger_id = caller.ledger_id
        drafts, missing = FirstUses(), dict[str, str]()
        for code, currency_code in wanted:
            if self._directory.find_known(ledger_id, code) is None and is_account_code(code):
                missing.setdefault(code, currency_code)
        if not missing:
            return drafts
        chart = await self.get(caller)
        drafts.patterns = [rule.pattern for rule in chart.rules]
        for code, currency_code in missing.items():
            rule = chart.rule_for(code)
            if rule is None:
                continue
            # In the rule's own currency, whatever is paid: the Book explains that it holds another.
            with contextlib.suppress(InvalidCurrency):
                currency = await self._currencies.get(ledger_id, rule.currency or currency_code)
                drafts[code] = self._draft_stored(caller, code, rule, currency)
        if drafts and may_write:
            await self._accounts.check_quota(ledger_id, len(drafts))
        return drafts

    def _draft_stored(self, caller: Caller, code: str, rule: ChartRule, currency: Currency) -> Account:
        """The rule was right when it was put, so whoever pays is not the one to be told what is wrong with it."""
        try:
            return self._draft(caller, code, rule, currency)
        except (DomainError, LookupError, TypeError, ValueError) as error:
            raise RecordUnreadable("The ledger's chart cannot be read.") from error

    def _draft(self, caller: Caller, code: str, rule: ChartRule, currency: Currency) -> Account:
        floor, ceiling = (
            None if text is None else parse_signed_amount(text, currency, pointer=pointer)
            for text, pointer in ((rule.min_available, "/min_available"), (rule.max_available, "/max_available"))
        )
        velocity = velocity_limits([velocity_order(limit) for limit in rule.velocity_limits], currency)
        return self._accounts.draft(caller, code, currency, rule.type, None, floor, ceiling, velocity)
