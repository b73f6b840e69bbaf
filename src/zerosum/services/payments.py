"""Use cases about payments. Those of the internal processor settle at once, in the books themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from uuid import UUID

from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.payments import Line as Line  # shown by the routes
from zerosum.db.queries.payments import PaymentFilter, find_payments, list_payments, payments_as_made
from zerosum.db.queries.payments import RecordedPayment as RecordedPayment  # shown by the routes
from zerosum.db.queries.payments import RecordedSettlement as RecordedSettlement  # shown by the routes
from zerosum.db.queries.payments import RecordedSplit as RecordedSplit  # shown by the routes
from zerosum.db.queries.reviews import RecordedReview as RecordedReview  # shown by the routes
from zerosum.db.queries.reviews import reviews_as_made, shown_review
from zerosum.domain.errors import (
    AccountNotFound,
    DomainError,
    NoRoute,
    PaymentNotFound,
    ProcessorNotFound,
    SameAccount,
    Unavailable,
)
from zerosum.domain.identifiers import LedgerId
from zerosum.domain.ledger.account import AccountType
from zerosum.domain.ledger.entry import PostedPosting
from zerosum.domain.ledger.outcome import Posted, PostedLine, PostedPair
from zerosum.domain.ledger.periods import LateEntry
from zerosum.domain.money import Money
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.payment import INTERNAL_PROCESSOR, Payment, clearing_code
from zerosum.domain.payments.processor_commands import ProposePayment
from zerosum.domain.payments.routing import AUTOMATIC, Routed
from zerosum.domain.payments.splits import Split, SplitPayment
from zerosum.services.accounts import Accounts, metadata_filters
from zerosum.services.charts import Charts, known_or_imagined, opened_by
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.express_submission import ExpressSubmission
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared
from zerosum.services.judging import PaymentJudge, PaymentRules
from zerosum.services.ledger_routes import LedgerRoutesBook
from zerosum.services.payment_splits import check_splits, in_parts, payee_of
from zerosum.services.requests.account_directory import AccountDirectory
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.closed_periods import ClosedPeriods
from zerosum.services.requests.conditions import ConditionReader, fingerprint_with
from zerosum.services.requests.currencies import Currencies
from zerosum.services.requests.known_parties import KnownParties, paid_between
from zerosum.services.requests.outside_processors import (
    INTERNALLY,
    NO_PROCESSORS,
    Choosing,
    Chosen,
    check_outside,
)
from zerosum.services.requests.paging import Cursors, Page, PageRequest, timed_key
from zerosum.services.requests.payment_orders import PaymentOrder as PaymentOrder
from zerosum.services.requests.payment_orders import named_by, ordered_content
from zerosum.services.requests.payment_parties import check_parties
from zerosum.services.requests.personal import sealed_members
from zerosum.services.requests.splits import remainder_place
from zerosum.services.requests.times import parse_filter_time
from zerosum.services.straight_payments import StraightPayments
from zerosum.services.subjects import Subjects


class Payments:
    """`desk` takes orders; the rest reads. `straight` makes commands of the plainest of them, past the orders."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        accounts: Accounts,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        cursors: Cursors,
        closed_periods: ClosedPeriods,
        now: Callable[[], datetime],
        outside: Choosing = NO_PROCESSORS,
        rules: PaymentRules | None = None,
        own_routes: LedgerRoutesBook | None = None,
        subjects: Subjects | None = None,
        paid: KnownParties | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._cursors = cursors
        self.kind = PaymentKind(
            accounts, charts, directory, currencies, closed_periods, now, outside, own_routes, subjects, paid
        )
        self.straight = StraightPayments(directory, currencies)
        judge = None if rules is None else PaymentJudge(rules)
        self.desk: ExpressSubmission[PaymentOrder, RecordedPayment | RecordedReview] = ExpressSubmission(
            self.kind, committer, database, now, judge
        )

    async def get(self, caller: Caller, payment_id: UUID) -> RecordedPayment:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_payments(connection, caller.ledger_id, [payment_id])
        if payment_id not in found:
            raise PaymentNotFound("This ledger has no such payment.")
        return found[payment_id]

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedPayment]:
        """Raises InvalidParameter, AccountNotFound for an account that is named and not there."""
        position = self._cursors.position(caller.ledger_id, request)
        filters = position.filters
        account = await self._directory.find_filter(caller.ledger_id, filters)
        wanted = PaymentFilter(
            account_id=None if account is None else account.id,
            reference=filters.get("reference"),
            type=filters.get("type"),
            currency=filters.get("currency"),
            status=filters.get("status"),
            effective_from=parse_filter_time(filters, "effective_from"),
            effective_to=parse_filter_time(filters, "effective_to"),
            metadata=metadata_filters(filters),
        )

        def key(payment: RecordedPayment) -> object:
            number = payment.id if account is None else payment.account_versions[account.id]
            return timed_key(payment.effective_at, number) if wanted.is_by_time else number

        async with self._database.work(caller.ledger_id) as connection:
            found = await list_payments(
                connection,
                caller.ledger_id,
                wanted,
                after=position.key(UUID if account is None else int, is_timed=wanted.is_by_time),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, key)


class PaymentKind:
    """How a payment order becomes a command: names to accounts, text to money."""

    def __init__(
        self,
        accounts: Accounts,
        charts: Charts,
        directory: AccountDirectory,
        currencies: Currencies,
        closed_periods: ClosedPeriods,
        now: Callable[[], datetime],
        outside: Choosing = NO_PROCESSORS,
        own_routes: LedgerRoutesBook | None = None,
        subjects: Subjects | None = None,
        paid: KnownParties | None = None,
    ) -> None:
        self._now = now
        self._subjects = subjects
        self._paid = paid
        self._outside = outside
        self._own_routes = own_routes
        self._accounts = accounts
        self._charts = charts
        self._directory = directory
        self._currencies = currencies
        self._closed_periods = closed_periods
        self._conditions = ConditionReader(directory, currencies)

    def command(
        self,
        caller: Caller,
        order: PaymentOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,
        is_recalled: bool = False,
    ) -> Prepared:
        """`is_recalled`: to be compared with what its key was used for, and nothing else."""
        if order.splits:
            return self._in_parts(caller, order, is_prepared=is_prepared, imagined=imagined, is_recalled=is_recalled)
        check_parties(order.type, order.payer, order.payee)
        personal = sealed_members(order.personal)
        ledger_id = caller.ledger_id
        currency = self._currencies.known(ledger_id, order.currency, is_prepared=is_prepared)
        money = Money.parse(order.amount, currency)
        known = known_or_imagined(self._directory, imagined)
        chosen, gone = INTERNALLY, None
        if order.processor != INTERNAL_PROCESSOR:
            named, pointer = (order.payer, "/from") if order.payer else (order.payee or "", "/to")
            account = known(ledger_id, named, is_prepared=is_prepared, pointer=pointer)
            try:
                chosen = self._chosen(ledger_id, order, money, account.code, is_prepared=is_prepared)
            except (NoRoute, ProcessorNotFound) as refusal:
                if not is_recalled:
                    raise
                chosen, gone = Chosen(order.processor), refusal
        clearing = clearing_code(chosen.processor, currency.code)
        if chosen is not INTERNALLY:
            try:
                known(ledger_id, clearing, is_prepared=is_prepared, pointer="")
            except AccountNotFound:
                # It was prepared for the one that was chosen then: the file, or their health, has changed since.
                raise Unavailable("The processor was chosen anew; nothing was done.", retry_after=1) from None
        called = order.payer or clearing, order.payee or clearing
        try:
            payer = known(ledger_id, called[0], is_prepared=is_prepared, pointer="/from")
        except AccountNotFound as missing:
            raise self._directory.all_missing(ledger_id, missing, [(called[1], "/to")], imagined) from None
        payee = known(ledger_id, called[1], is_prepared=is_prepared, pointer="/to")
        codes: dict[UUID, str] = {payer.id: payer.code, payee.id: payee.code}
        ordered, conditions = _fingerprint(order, money), None
        if order.conditions:
            conditions = self._conditions.read(ledger_id, order.conditions, ordered, is_prepared=is_prepared)
            ordered = fingerprint_with(conditions)
        command = Pay(
            id=new_uuid(),
            ledger_id=ledger_id,
            idempotency_key=order.idempotency_key,
            fingerprint=ordered,
            actor=caller.actor,
            metadata=order.metadata,
            codes=codes,
            opens=opened_by(called, imagined),
            called=called,
            type=order.type,
            money=money,
            payer_id=payer.id,
            payee_id=payee.id,
            texts=order.texts,
            effective_at=order.effective_at,
            dating=self._closed_periods.dating(
                ledger_id, order.effective_at, order.override_closed_period, is_prepared=is_prepared
            ),
            conditions=conditions,
            personal=personal,
        )
        if chosen is not INTERNALLY:
            members = {member.name: getattr(command, member.name) for member in fields(command)}
            command = ProposePayment(**members, **chosen._asdict(), gone=gone)
        return Prepared(command, codes)

    def recalled(self, caller: Caller, order: PaymentOrder) -> Prepared:
        """Though its processor is not in the file any more. Raises NotPrepared, DomainError."""
        currency = self._currencies.known(caller.ledger_id, order.currency, is_prepared=True)
        code = clearing_code(order.processor, currency.code)
        # Through whom it went is not part of what was asked: any account may stand for that one's.
        stand_in = self._accounts.draft(caller, code, currency, AccountType.ASSET, code)
        return self.command(caller, order, is_prepared=True, imagined={code: stand_in}, is_recalled=True)

    def _chosen(
        self, ledger_id: LedgerId, order: PaymentOrder, money: Money, code: str, *, is_prepared: bool
    ) -> Chosen:
        """By whom it is carried out; routes go by the account's code. Raises what stands against a processor."""
        check_outside(order.type, overrides_period=order.override_closed_period is not None)
        payment = Routed(
            type=order.type,
            amount=money.amount,
            currency=order.currency,
            account=code,
            key=order.idempotency_key,
            at=self._now(),
            metadata=order.metadata,
        )
        own = None
        if order.processor == AUTOMATIC and self._own_routes is not None:
            own = self._own_routes.own(ledger_id, is_prepared=is_prepared)
        return self._outside.chosen(order.processor, payment, own)

    def _clearing_of(self, ledger_id: LedgerId, order: PaymentOrder) -> str | None:
        """The code of the account on its other side. None: it has none, or will be refused."""
        currency = self._currencies.find_known(ledger_id, order.currency)
        if currency is None or (order.payer is not None and order.payee is not None):
            return None
        try:
            if order.processor == INTERNAL_PROCESSOR:
                return clearing_code(INTERNAL_PROCESSOR, order.currency)
            code = self._code_of(ledger_id, order.payer or payee_of(order) or "")
            money = Money.parse(order.amount, currency)
            return clearing_code(
                self._chosen(ledger_id, order, money, code, is_prepared=True).processor, order.currency
            )
        except DomainError:
            return None

    def _code_of(self, ledger_id: LedgerId, reference: str) -> str:
        """What is not there yet may be opened by this payment, under the code it is named by."""
        try:
            return self._directory.known(ledger_id, reference, is_prepared=True, pointer="").code
        except AccountNotFound:
            return reference

    def _in_parts(
        self, caller: Caller, order: PaymentOrder, *, is_prepared: bool, imagined: Imagined, is_recalled: bool
    ) -> Prepared:
        check_splits(order)
        place = remainder_place(order.splits)
        whole = replace(order, payee=payee_of(order), splits=())
        try:
            prepared = self.command(caller, whole, is_prepared=is_prepared, imagined=imagined, is_recalled=is_recalled)
        except SameAccount as refusal:
            raise refusal.at("/to" if place is None or order.payee else f"/splits/{place}/to") from None
        except AccountNotFound as refusal:
            is_split = refusal.pointer == "/to" and order.payee is None
            raise (refusal.at(f"/splits/{place}/to") if is_split else refusal) from None
        known = known_or_imagined(self._directory, imagined)
        return in_parts(
            order,
            prepared,
            lambda name, pointer: known(caller.ledger_id, name, is_prepared=is_prepared, pointer=pointer),
            imagined,
        )

    async def prepare(self, caller: Caller, orders: Sequence[PaymentOrder], *, may_write: bool) -> Imagined:
        """Load what is named. The clearing account of a currency is opened by its first use, as the chart's are."""
        ledger_id = caller.ledger_id
        await self._currencies.load(ledger_id, {order.currency for order in orders})
        await self._directory.load(ledger_id, {name for order in orders for name in named_by(order)})
        if self._own_routes is not None and any(order.processor == AUTOMATIC for order in orders):
            await self._own_routes.load(ledger_id)
        clearing = {code: order for order in orders if (code := self._clearing_of(ledger_id, order)) is not None}
        await self._directory.load(ledger_id, clearing.keys())
        await self._closed_periods.load(ledger_id, [order.effective_at for order in orders])
        await self._conditions.load(ledger_id, [one for order in orders for one in order.conditions])
        wanted = [(name, order.currency) for order in orders for name in named_by(order)]
        imagined = await self._charts.imagined(caller, wanted, may_write=may_write)
        if self._subjects is not None:
            await self._subjects.seal(ledger_id, orders, may_write=may_write)
        for code, order in clearing.items():
            currency = self._currencies.find_known(ledger_id, order.currency)
            if currency is None or self._directory.find_known(ledger_id, code) is not None:
                continue
            name = f"Clearing of the processor {code.split(':')[1]}"
            imagined[code] = self._accounts.draft(caller, code, currency, AccountType.ASSET, name)
            if may_write:
                await self._accounts.check_quota(ledger_id, 1)
        return imagined

    def view(self, posted: Posted, names: Names) -> RecordedPayment | RecordedReview:
        if posted.remembered is not None:
            return shown_review(posted.resource, names)
        payment: Payment
        lines: Sequence[PostedLine | PostedPosting]
        splits: Sequence[RecordedSplit] = ()
        late: LateEntry | None = None
        if isinstance(posted, PostedPair):
            # Nearly every payment is shown so, without being made out.
            self.remember(posted, names)
            payment, metadata = posted.resource, posted.command.metadata
            effective_at, posted_at = posted.pair.effective_at or posted.posted_at, posted.posted_at
            lines = posted.debit, posted.credit
        else:
            made, entry = posted.resource, posted.entry
            payment = made.payment if isinstance(made, SplitPayment) else made
            if isinstance(made, SplitPayment):
                splits = [_shown_split(split, names) for split in made.splits]
            metadata, effective_at, posted_at = entry.metadata, entry.effective_at, entry.posted_at
            lines, late = entry.postings, entry.late
        return RecordedPayment(
            id=payment.id,
            type=payment.type,
            status=payment.status,
            amount=payment.money.amount,
            currency=payment.money.currency.code,
            payer_id=payment.payer_id,
            payer_code=names[payment.payer_id],
            payee_id=payment.payee_id,
            payee_code=names[payment.payee_id],
            processor=payment.processor,
            texts=payment.texts,
            effective_at=effective_at,
            created_at=posted_at,
            metadata=metadata,
            account_versions={line.account_id: line.account_version for line in lines},
            lines=lines,
            splits=splits,
            late=late,
        )

    def remember(self, posted: PostedPair, codes: Mapping[UUID, str]) -> None:
        """Whom it is between: nobody looks that up to give it back."""
        if self._paid is not None:
            self._paid.remember(posted.ledger_id, posted.first_id, paid_between(posted, codes))

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedPayment | RecordedReview]:
        made = await payments_as_made(connection, ledger_id, ids)
        held = [id_ for id_ in ids if id_ not in made]
        return {**made, **(await reviews_as_made(connection, ledger_id, held) if held else {})}


def _shown_split(split: Split, names: Names) -> RecordedSplit:
    asked = split.asked
    return RecordedSplit(asked.account_id, names[asked.account_id], asked.rule, asked.value_text, split.amount)


def _fingerprint(order: PaymentOrder, money: Money) -> bytes:
    return fingerprint("payment", ordered_content(order, money))
