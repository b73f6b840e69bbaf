"""Use cases about reviews: payments that a rule has held are read, approved and refused."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from zerosum.db.credentials.api_keys import people_behind
from zerosum.db.engine import Connection, Database
from zerosum.db.identifiers import new_uuid
from zerosum.db.queries.reviews import RecordedReview as RecordedReview  # shown by the routes
from zerosum.db.queries.reviews import ReviewFilter, find_reviews, list_reviews, reviews_as_decided, shown_review
from zerosum.domain.errors import DomainError, ReviewNotFound
from zerosum.domain.identifiers import AccountId, ReviewId
from zerosum.domain.ledger.outcome import Posted
from zerosum.domain.payments.pay import Pay
from zerosum.domain.payments.review_commands import ApproveReview, RefuseReview
from zerosum.domain.payments.reviews import approval_key
from zerosum.services.committing.committer import Committer
from zerosum.services.committing.fingerprint import fingerprint
from zerosum.services.committing.submission import NOTHING_IMAGINED, Imagined, Names, Prepared, Submission
from zerosum.services.requests.account_directory import NotPrepared
from zerosum.services.requests.caller import Caller
from zerosum.services.requests.paging import Cursors, Page, PageRequest
from zerosum.services.requests.payment_orders import PaymentOrder, order_again

REMEMBERED_MAX = 1_000
"""Orders of reviews, and who stands behind credentials, in each process: they never change."""

Key = TypeVar("Key")
Found = TypeVar("Found")


@dataclass(slots=True, kw_only=True)
class DecisionOrder:
    idempotency_key: str
    review_id: UUID
    reason: str


class PaymentsMade(Protocol):
    """How orders become payments."""

    def command(
        self, caller: Caller, order: PaymentOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared: ...

    async def prepare(self, caller: Caller, orders: Sequence[PaymentOrder], *, may_write: bool) -> Imagined: ...


class Reviews:
    """`approvals` and `refusals` take what people say; the rest reads."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        payments: PaymentsMade,
        cursors: Cursors,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cursors = cursors
        held = self._held = _HeldOrders(database)
        self.approvals: Submission[DecisionOrder, RecordedReview] = Submission(
            ApprovingKind(held, payments), committer, database, now
        )
        self.refusals: Submission[DecisionOrder, RecordedReview] = Submission(
            RefusingKind(held), committer, database, now
        )

    async def get(self, caller: Caller, review_id: UUID) -> RecordedReview:
        async with self._database.work(caller.ledger_id) as connection:
            found = await find_reviews(connection, caller.ledger_id, [review_id])
        if review_id not in found:
            raise _no_such_review()
        return found[review_id]

    async def list(self, caller: Caller, request: PageRequest) -> Page[RecordedReview]:
        """Raises InvalidParameter."""
        position = self._cursors.position(caller.ledger_id, request)
        wanted = ReviewFilter(status=position.filters.get("status"), rule=position.filters.get("rule"))
        async with self._database.work(caller.ledger_id) as connection:
            found = await list_reviews(
                connection,
                caller.ledger_id,
                wanted,
                after=position.after_as(UUID),
                limit=request.limit + 1,
                is_ascending=position.is_ascending,
            )
        return self._cursors.page(caller.ledger_id, request, position, found, lambda review: review.id)

    async def people_behind(self, caller: Caller, actors: Collection[str]) -> Mapping[str, str]:
        """Who stands behind each of these credentials."""
        await self._held.load_people(caller.ledger_id, actors)
        return {actor: self._held.person(caller.ledger_id, actor) for actor in actors}


class _Fixed(Generic[Key, Found]):
    """What never changes, by its ledger and key: it is read once, and forgotten when it was longest not asked for."""

    def __init__(
        self,
        database: Database,
        read: Callable[[Connection, UUID, Collection[Key]], Awaitable[Mapping[Key, Found]]],
    ) -> None:
        self._database = database
        self._read = read
        self._known: OrderedDict[tuple[UUID, Key], Found] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, ledger_id: UUID, key: Key) -> Found | None:
        return self._known.get((ledger_id, key))

    async def load(self, ledger_id: UUID, keys: Collection[Key]) -> None:
        """All that there are of these are known afterwards, however many others are."""
        wanted = {key for key in keys if (ledger_id, key) not in self._known}
        for key in set(keys) - wanted:
            self._known.move_to_end((ledger_id, key))  # Or it had to make room for the others.
        if wanted:
            async with self._database.work(ledger_id) as connection:
                for key, found in (await self._read(connection, ledger_id, wanted)).items():
                    self._known[ledger_id, key] = found
            while len(self._known) > max(REMEMBERED_MAX, len(keys)):
                self._known.popitem(last=False)


class _HeldOrders:
    """What is fixed of reviews: what was ordered, by whom, between whom; and of credentials: who stands behind each."""

    def __init__(self, database: Database) -> None:
        self._held: _Fixed[UUID, RecordedReview] = _Fixed(database, find_reviews)
        self._people: _Fixed[str, str] = _Fixed(database, people_behind)

    def known(self, ledger_id: UUID, review_id: UUID, *, is_prepared: bool) -> RecordedReview:
        """Raises NotPrepared, and ReviewNotFound once it was looked for."""
        found = self._held.get(ledger_id, review_id)
        if found is None:
            raise _no_such_review() if is_prepared else NotPrepared
        return found

    async def load(self, ledger_id: UUID, ids: Collection[UUID]) -> list[RecordedReview]:
        await self._held.load(ledger_id, ids)
        return [review for id_ in ids if (review := self._held.get(ledger_id, id_)) is not None]

    def person(self, ledger_id: UUID, actor: str) -> str:
        """Raises NotPrepared."""
        found = self._people.get(ledger_id, actor)
        if found is None:
            raise NotPrepared
        return found

    async def load_people(self, ledger_id: UUID, actors: Collection[str]) -> None:
        await self._people.load(ledger_id, actors)


class _DecidingKind:
    """What is shown after something was said of a review."""

    def __init__(self, held: _HeldOrders) -> None:
        self._held = held

    def view(self, posted: Posted, names: Names) -> RecordedReview:
        return shown_review(posted.resource, names)

    async def recorded(
        self, connection: Connection, ledger_id: UUID, ids: Collection[UUID]
    ) -> Mapping[UUID, RecordedReview]:
        return await reviews_as_decided(connection, ledger_id, ids)


class RefusingKind(_DecidingKind):
    """How a refusal becomes a command."""

    def command(
        self,
        caller: Caller,
        order: DecisionOrder,
        *,
        is_prepared: bool,
        imagined: Imagined = NOTHING_IMAGINED,  # noqa: ARG002 - this opens no account
    ) -> Prepared:
        held = self._held.known(caller.ledger_id, order.review_id, is_prepared=is_prepared)
        members = _members(caller, order, held, "review refusal")
        return Prepared(RefuseReview(id=new_uuid(), **members), members["codes"])

    async def prepare(
        self,
        caller: Caller,
        orders: Sequence[DecisionOrder],
        *,
        may_write: bool,  # noqa: ARG002 - it never writes
    ) -> Imagined:
        await self._held.load(caller.ledger_id, {order.review_id for order in orders})
        return NOTHING_IMAGINED


class ApprovingKind(_DecidingKind):
    """How an approval becomes a command: what was ordered becomes a payment as any other would, in its maker's name."""

    def __init__(self, held: _HeldOrders, payments: PaymentsMade) -> None:
        super().__init__(held)
        self._payments = payments

    def command(
        self, caller: Caller, order: DecisionOrder, *, is_prepared: bool, imagined: Imagined = NOTHING_IMAGINED
    ) -> Prepared:
        held = self._held.known(caller.ledger_id, order.review_id, is_prepared=is_prepared)
        maker = Caller(caller.ledger_id, held.actor)
        try:
            prepared = self._payments.command(maker, _order_of(held), is_prepared=is_prepared, imagined=imagined)
        except DomainError as refusal:
            raise refusal.at("") from None
        payment = prepared.command
        if not isinstance(payment, Pay):
            raise TypeError("what is reviewed is a payment")
        members = _members(caller, order, held, "review approval")
        members |= {"codes": payment.codes, "called": payment.called, "opens": payment.opens}
        person, maker_person = (self._held.person(caller.ledger_id, actor) for actor in (caller.actor, held.actor))
        command = ApproveReview(id=payment.id, **members, payment=payment, person=person, maker_person=maker_person)
        return Prepared(command, {**prepared.names, **_codes(held)})

    async def prepare(self, caller: Caller, orders: Sequence[DecisionOrder], *, may_write: bool) -> Imagined:
        held = await self._held.load(caller.ledger_id, {order.review_id for order in orders})
        await self._held.load_people(caller.ledger_id, {caller.actor, *(one.actor for one in held)})
        return await self._payments.prepare(caller, [_order_of(one) for one in held], may_write=may_write)


def _order_of(held: RecordedReview) -> PaymentOrder:
    return order_again(held.ordered, approval_key(held.id))


def _members(caller: Caller, order: DecisionOrder, held: RecordedReview, operation: str) -> dict[str, Any]:
    said = {"review": str(order.review_id), "reason": order.reason}
    return {
        "ledger_id": caller.ledger_id,
        "idempotency_key": order.idempotency_key,
        "fingerprint": fingerprint(operation, said),
        "actor": caller.actor,
        "codes": _codes(held),
        "review_id": ReviewId(held.id),
        "payer_id": AccountId(held.payer_id),
        "payee_id": AccountId(held.payee_id),
        "reason": order.reason,
        "address": caller.address,
        "request_id": caller.request_id,
    }


def _codes(held: RecordedReview) -> dict[UUID, str]:
    return {held.payer_id: held.payer_code, held.payee_id: held.payee_code}


def _no_such_review() -> ReviewNotFound:
    return ReviewNotFound("This ledger has no such review.")
