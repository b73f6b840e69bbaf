"""Every reason for which Zerosum refuses something, each with a stable code.

A refusal is a fact, not a failure: it carries the values that explain it (`facts`) and, where a request caused it,
a JSON pointer to the member at fault (RFC 6901). Most are of a kind, by which `api/problems.py` knows their HTTP
status; it lists the others.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar


class DomainError(Exception):
    """Base of all refusals. `facts` hold only values that may be shown to the caller."""

    code: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False
    is_kept: ClassVar[bool] = True
    """Whether what the books refuse so is refused for ever under its idempotency key. Not so what time changes."""

    def __init__(self, detail: str, /, *, pointer: str | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.facts = facts
        self.is_replay = False
        """Whether the same request met this refusal before and now gets it again."""
        self.others: list[DomainError] = []
        """What else stands in the way, where a rehearsal has looked at everything."""

    @property
    def identity(self) -> tuple[str, str | None, Any, str]:
        """What tells it from what else stands in the way: of one account several limits may."""
        return self.code, self.pointer, self.facts.get("account", self.facts.get("group")), str(self.facts.get("limit"))

    def at(self, pointer: str) -> DomainError:
        """The same refusal, pointing at a member of the request."""
        self.pointer = pointer
        return self


# --- Kinds of refusals: what stands in the way, from which their HTTP status follows ---------------------------------


class Malformed(DomainError):
    """The request cannot be read as what it wants to be."""


class Absent(DomainError):
    """There is no such thing here."""


class Conflict(DomainError):
    """The state of something stands in the way."""


class Gone(DomainError):
    """It was there, and is not any more."""


class Unprocessable(DomainError):
    """The request is readable, and what it says cannot be done."""


# --- What a request can get wrong about its values -------------------------------------------------------------------


class InvalidAmount(Unprocessable):
    code = "invalid_amount"
    title = "The amount is not a positive decimal number written as a string"


class AmountTooPrecise(Unprocessable):
    code = "amount_too_precise"
    title = "The amount is finer than its currency"


class AmountTooLarge(Unprocessable):
    code = "amount_too_large"
    title = "The amount has more than 20 integer digits"


class AmountTooSmall(Unprocessable):
    code = "amount_too_small"
    title = "Nothing would come of so little"


class InvalidCurrency(Unprocessable):
    code = "invalid_currency"
    title = "The currency is not known to this ledger"


class EffectiveInFuture(Unprocessable):
    code = "effective_in_future"
    title = "The time lies more than five minutes ahead of the service's clock"
    is_kept = False


class AccountOpenedMeanwhile(Conflict):
    code = "account_opened_meanwhile"
    title = "Another request has opened the account at the same time"
    retryable = True
    is_kept = False


class ProcessorCallMoved(Conflict):
    """Another processor has it now: what was to be settled is not there any more."""

    code = "processor_call_moved"
    title = "The payment was moved to another processor at the same time"
    retryable = True
    is_kept = False


class StatementOvertaken(Conflict):
    """Between the look at the account and its number another statement was issued, of a later version."""

    code = "statement_overtaken"
    title = "Another statement of the account was issued at the same time"
    retryable = True
    is_kept = False


class InvalidId(Unprocessable):
    code = "invalid_id"
    title = "The id is malformed"


class CodeReserved(Unprocessable):
    code = "code_reserved"
    title = "Codes that begin so belong to accounts the service opens itself"


class InvalidString(Unprocessable):
    code = "invalid_string"
    title = "The text holds characters that are not allowed"


class UnknownCommand(Unprocessable):
    code = "unknown_command"
    title = "There is no such command"


class UnsupportedVersion(Unprocessable):
    code = "unsupported_version"
    title = "The message is of a version that is not known here"


class WrongLedger(Unprocessable):
    code = "wrong_ledger"
    title = "The message is for another ledger"


class PanNotAllowed(Unprocessable):
    code = "pan_not_allowed"
    title = "The text looks like a card number"


class ValidationFailed(Unprocessable):
    """A request that does not fit its schema. `errors` lists each fault as `{pointer, code, detail}`."""

    code = "validation_error"
    title = "The request does not fit its schema"
    is_kept = False

    def __init__(
        self, detail: str, /, *, errors: list[dict[str, str]] | None = None, pointer: str | None = None
    ) -> None:
        super().__init__(detail, pointer=pointer)
        self.errors = errors or []


class UnknownField(Unprocessable):
    code = "unknown_field"
    title = "The body has a member this call does not know"


class UnknownParameter(Unprocessable):
    code = "unknown_parameter"
    title = "The query has a parameter this call does not know"


class InvalidParameter(Unprocessable):
    code = "invalid_parameter"
    title = "A query parameter has a bad value"


class EventsGone(Gone):
    """`oldest_after` is where a reader may begin: behind it everything is kept."""

    code = "events_gone"
    title = "Events behind this one are not kept any more"


class InvalidCursor(Malformed):
    code = "invalid_cursor"
    title = "The cursor is not one this list has given"


class TooManyItems(Unprocessable):
    code = "too_many_items"
    title = "The list is longer than allowed"


# --- What the books refuse -------------------------------------------------------------------------------------------


class Unbalanced(Unprocessable):
    code = "unbalanced"
    title = "Debits and credits differ"


class TemplateInvalid(Unprocessable):
    code = "template_invalid"
    title = "The template cannot be used as it is written"


class DivisionByZero(Unprocessable):
    code = "division_by_zero"
    title = "An amount of the template divides by zero"


class SameAccount(Unprocessable):
    code = "same_account"
    title = "The payer and the payee are one account"


class CurrencyMismatch(Unprocessable):
    code = "currency_mismatch"
    title = "The account holds another currency"


class InsufficientFunds(Unprocessable):
    code = "insufficient_funds"
    title = "The account has too little available"


class AmountExceedsHold(Unprocessable):
    code = "amount_exceeds_hold"
    title = "The hold has less left"


class AmountExceedsPayment(Unprocessable):
    code = "amount_exceeds_payment"
    title = "The payment has less left"


class SplitsExceedAmount(Unprocessable):
    code = "splits_exceed_amount"
    title = "The splits come to more than there is to be split"


class LimitExceeded(Unprocessable):
    code = "limit_exceeded"
    title = "The account would leave its limits"


class VelocityLimitExceeded(Unprocessable):
    """Too much, or too often, within a window of time. The facts tell when it would fit (`frees_at`)."""

    code = "velocity_limit_exceeded"
    title = "A limit of what may move within a window of time is reached"


class ConditionFailed(Unprocessable):
    """What the caller has made a condition of is not so. What it saw is in the facts."""

    code = "condition_failed"
    title = "A condition of the request is not met"


class BalanceOverflow(Unprocessable):
    code = "balance_overflow"
    title = "The balance would pass 20 integer digits"


class AccountFrozen(Conflict):
    code = "account_frozen"
    title = "The account is frozen"


class AccountClosed(Conflict):
    code = "account_closed"
    title = "The account is closed"


class AccountNotFound(Absent):
    code = "account_not_found"
    title = "No such account"


class AccountExists(Conflict):
    code = "account_exists"
    title = "The code is taken by another account"


class CurrencyExists(Conflict):
    code = "currency_exists"
    title = "The currency is already known with another exponent"


class InvalidState(Conflict):
    code = "invalid_state"
    title = "This is not possible in the present state"


class AlreadyReversed(Conflict):
    code = "already_reversed"
    title = "The journal entry has been reversed before"


class RecordUnreadable(Conflict):
    """Of what is stored, not of what was asked: nothing the service writes looks like this."""

    code = "record_unreadable"
    title = "A stored record cannot be read; an operator must look at the books"
    is_kept = False


class PeriodClosed(Conflict):
    code = "period_closed"
    title = "The period is closed"


class PeriodClosing(Conflict):
    """Its balances are not sealed yet, so nothing can be put beside them."""

    code = "period_closing"
    title = "The period is being closed"
    retryable = True
    is_kept = False


class PeriodNotOver(Conflict):
    code = "period_not_over"
    title = "The period has not ended yet"
    retryable = True
    is_kept = False


class VersionConflict(Conflict):
    code = "version_conflict"
    title = "The account has another version than the request expects"


class VersionNotReached(Conflict):
    code = "version_not_reached"
    title = "The account has not reached that version"
    retryable = True


OF_AMOUNTS: tuple[type[DomainError], ...] = (InvalidAmount, AmountTooPrecise, AmountTooLarge)
OF_BALANCES: tuple[type[DomainError], ...] = (InsufficientFunds, LimitExceeded, VelocityLimitExceeded, BalanceOverflow)
"""Why an account cannot move so much: another amount would help, where the caller names amounts and no accounts."""
OF_BOOKS: tuple[type[DomainError], ...] = (
    *OF_AMOUNTS,
    EffectiveInFuture,
    AccountOpenedMeanwhile,
    InvalidCurrency,
    InvalidId,
    CurrencyMismatch,
    *OF_BALANCES,
    AccountFrozen,
    AccountClosed,
)
"""Why money does not move: what every call that moves some can be refused with."""


OF_DATES: tuple[type[DomainError], ...] = (PeriodClosed, PeriodClosing, InvalidState)
"""What stands against the date that a caller gives, beside the books themselves."""


# --- What is refused to a client -------------------------------------------------------------------------------------


class ClientLocked(Conflict):
    code = "client_locked"
    title = "The client is locked since a chargeback and takes nothing more"


class TxExists(Conflict):
    code = "tx_exists"
    title = "The tx id was used before"


class TxNotFound(Unprocessable):
    """No deposit or withdrawal was carried out under this tx id."""

    code = "tx_not_found"
    title = "No such tx"


class WrongClient(Unprocessable):
    code = "wrong_client"
    title = "The tx belongs to another client"


class InvalidRecurrence(Unprocessable):
    code = "invalid_recurrence"
    title = "A recurrence is a rule of RFC 5545 within bounds, in a time zone"


class NotDisputable(Unprocessable):
    code = "not_disputable"
    title = "Only a deposit that was not charged back can be disputed"


class AlreadyDisputed(Unprocessable):
    code = "already_disputed"
    title = "The deposit is disputed already"


class NotDisputed(Unprocessable):
    code = "not_disputed"
    title = "The deposit has no open dispute"


class NegativeTotal(Unprocessable):
    code = "negative_total"
    title = "The chargeback would leave the client with less than nothing"


# --- What cannot be found --------------------------------------------------------------------------------------------


class LedgerNotFound(Absent):
    code = "ledger_not_found"
    title = "No such ledger"


class JournalEntryNotFound(Absent):
    code = "journal_entry_not_found"
    title = "No such journal entry"


class PaymentNotFound(Absent):
    code = "payment_not_found"
    title = "No such payment"
    is_kept = False


class ProcessorCallNotFound(Absent):
    code = "processor_call_not_found"
    title = "No such processor call"
    is_kept = False


class NoRoute(Unprocessable):
    """Not kept: routes change."""

    code = "no_route"
    title = "No route leads to a processor for this payment"
    is_kept = False


class ProcessorNotFound(Absent):
    """In a body it is 422: a processor that is named and not configured here."""

    code = "processor_not_found"
    title = "No such processor"
    is_kept = False


class RuleRefused(Unprocessable):
    """Kept as what the books refuse: the same key is not judged again."""

    code = "rule_refused"
    title = "A rule of this service does not let the payment pass"


class JudgementNeeded(Conflict):
    """A key that was looked at was used, and has become free before the payment came to its turn; or a hold that was
    judged has become another."""

    code = "judgement_needed"
    title = "The rules have not judged this payment yet"
    retryable = True
    is_kept = False


class FourEyesRequired(Conflict):
    code = "four_eyes_required"
    title = "Somebody else has to approve it"


class ReviewNotFound(Absent):
    code = "review_not_found"
    title = "No such review"
    is_kept = False


class ScheduledPaymentNotFound(Absent):
    code = "scheduled_payment_not_found"
    title = "No such scheduled payment"
    is_kept = False


class HoldNotFound(Absent):
    code = "hold_not_found"
    title = "No such hold"
    is_kept = False


class StatementNotFound(Absent):
    code = "statement_not_found"
    title = "No such statement"
    is_kept = False


class StatementNotInForm(Unprocessable):
    code = "statement_not_in_form"
    title = "The statement cannot be told in this form"


class DisputeNotFound(Absent):
    code = "dispute_not_found"
    title = "No such dispute"
    is_kept = False


class ExchangeNotFound(Absent):
    code = "exchange_not_found"
    title = "No such exchange"


class PeriodNotFound(Absent):
    code = "period_not_found"
    title = "The ledger has closed no such period"
    is_kept = False


class AccountGroupNotFound(Absent):
    code = "account_group_not_found"
    title = "The ledger has no such account group"
    is_kept = False


class SubjectNotFound(Absent):
    code = "subject_not_found"
    title = "The ledger has no such subject"
    is_kept = False


class SubjectErased(Conflict):
    code = "subject_erased"
    title = "The subject was erased"
    is_kept = False
    """A fingerprint of what was said about it cannot be made again, so nothing is kept that has one."""


class PersonalMembersNotFound(Absent):
    code = "personal_members_not_found"
    title = "Nothing was said about a subject with this"


class TemplateNotFound(Absent):
    code = "template_not_found"
    title = "The ledger has no such template"


class ClientNotFound(Absent):
    code = "client_not_found"
    title = "No such client"


class TransactionNotFound(Absent):
    code = "transaction_not_found"
    title = "No such transaction of a client"


class ImportDiffers(Conflict):
    code = "import_differs"
    title = "The name was used before, for other content"


class UrlNotAllowed(Unprocessable):
    """By the rules of where webhooks may go, or because of where its name leads. Nothing is told of what is there."""

    code = "url_not_allowed"
    title = "Webhooks are not sent to such an address"


class WebhookEndpointNotFound(Absent):
    code = "webhook_endpoint_not_found"
    title = "No such webhook endpoint"


class NotificationNotFound(Absent):
    code = "notification_not_found"
    title = "No such notification"


class UnknownPlace(Unprocessable):
    code = "unknown_place"
    title = "No event of these types has such a member"


class RecipientNotAllowed(Unprocessable):
    code = "recipient_not_allowed"
    title = "This installation sends no mail there"


class MailsNotSent(Conflict):
    """The installation has no mail server."""

    code = "mails_not_sent"
    title = "This installation sends no mails"


class WebhookDeliveryNotFound(Absent):
    code = "webhook_delivery_not_found"
    title = "There is no such event to deliver"


class DeadLetterNotFound(Absent):
    code = "dead_letter_not_found"
    title = "No such dead letter"


class DeadLetterSettled(Conflict):
    code = "dead_letter_settled"
    title = "The message was replayed or dropped, or is still tried"


class ReconciliationSourceNotFound(Absent):
    code = "reconciliation_source_not_found"
    title = "No such source of reconciliation"


class ReconciliationFileNotFound(Absent):
    code = "reconciliation_file_not_found"
    title = "No such file"


class ReconciliationFileInvalid(Unprocessable):
    """`pointer` is line and column: `/12/amount`."""

    code = "reconciliation_file_invalid"
    title = "The file is not what its source says"


class ReconciliationBreakNotFound(Absent):
    code = "reconciliation_break_not_found"
    title = "No such break"


class ReconciliationBreakClosed(Conflict):
    code = "reconciliation_break_closed"
    title = "The break was matched, adjusted or resolved"


class ReconciliationTooWide(Unprocessable):
    code = "reconciliation_too_wide"
    title = "There is more in the days around the file than one matching holds"


class ReconciliationBusy(Conflict):
    code = "reconciliation_busy"
    title = "Another request is matching the same source"
    retryable = True


class ApiKeyNotFound(Absent):
    code = "api_key_not_found"
    title = "No such API key"


class ConsoleSessionNotFound(Absent):
    code = "console_session_not_found"
    title = "No such session of the console"


class IdempotencyKeyNotFound(Absent):
    code = "idempotency_key_not_found"
    title = "Nothing is recorded under this key"


class NotFound(Absent):
    code = "not_found"
    title = "No such resource"


class NotSealedYet(Conflict):
    code = "not_sealed_yet"
    title = "No signed checkpoint has it yet"
    retryable = True


# --- Idempotency -----------------------------------------------------------------------------------------------------


class IdempotencyKeyMissing(Malformed):
    code = "idempotency_key_missing"
    title = "This call moves money and needs an Idempotency-Key header"


class IdempotencyKeyInvalid(Malformed):
    code = "idempotency_key_invalid"
    title = "The Idempotency-Key is malformed"


class IdempotencyKeyReused(Unprocessable):
    code = "idempotency_key_reused"
    title = "The key was used before for another request"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    title = "The first request with this key is still running"
    retryable = True


# --- What the gateway layer refuses ----------------------------------------------------------------------------------


class MalformedJson(Malformed):
    code = "malformed_json"
    title = "The body is not JSON"


class DuplicateKey(Malformed):
    code = "duplicate_key"
    title = "A JSON object has the same member twice"


class TooDeep(Malformed):
    code = "too_deep"
    title = "The JSON is nested too deeply"


class InvalidEncoding(Malformed):
    code = "invalid_encoding"
    title = "The body is not UTF-8"


class UnsupportedMediaType(DomainError):
    code = "unsupported_media_type"
    title = "The body is not of the media type that this call takes"


class BodyTooLarge(DomainError):
    code = "body_too_large"
    title = "The body is larger than allowed"


class UriTooLong(DomainError):
    code = "uri_too_long"
    title = "The address is longer than allowed"


class HeadersTooLarge(DomainError):
    code = "headers_too_large"
    title = "The header is larger than allowed"


class InvalidRequest(Malformed):
    code = "invalid_request"
    title = "The HTTP request is malformed"


class RequestTimeout(DomainError):
    code = "request_timeout"
    title = "The body did not arrive in time"
    retryable = True


class MethodNotAllowed(DomainError):
    code = "method_not_allowed"
    title = "The method is not allowed here"


class Unauthenticated(DomainError):
    code = "unauthenticated"
    title = "A valid access token or API key is needed"
    because = ""
    """For the security log alone: the caller is not told what was wrong."""


class Forbidden(DomainError):
    code = "forbidden"
    title = "The token lacks the scope this call needs"


class OriginNotAllowed(DomainError):
    """The credential is good, and bound to a network or a certificate that this request does not come with."""

    code = "origin_not_allowed"
    title = "The credential may not be used from here"


class SignInRefused(DomainError):
    code = "sign_in_refused"
    title = "This does not sign in"


class WriteRefused(DomainError):
    """A form of the console that did not come from a page of this session, on this service."""

    code = "write_refused"
    title = "The form was not sent from a page of your session"


class StepUpNeeded(DomainError):
    code = "step_up_needed"
    title = "Show again who you are before you write"


class QuotaExceeded(Conflict):
    """The ledger has as many of something as it may have. A retry helps when there are fewer, or more are allowed."""

    code = "quota_exceeded"
    title = "The ledger has as many of these as it may have"


class RateLimited(DomainError):
    code = "rate_limited"
    title = "Too many requests"
    retryable = True


class Overloaded(DomainError):
    """The service sheds load; nothing was done."""

    code = "overloaded"
    title = "The service is busy; nothing was done"
    retryable = True


class Unavailable(DomainError):
    """A part the request needs is away; nothing was done."""

    code = "unavailable"
    title = "The service cannot answer now; nothing was done"
    retryable = True


class OutcomeUnknown(DomainError):
    """The only answer after which the money may or may not have moved: ask again with the same key."""

    code = "outcome_unknown"
    title = "Whether this was done is not known; retry with the same key"
    retryable = True


class InternalError(DomainError):
    """A fault of ours. What the request asked for was not done, unless the problem says otherwise."""

    code = "internal_error"
    title = "Something went wrong on our side"


def refusals() -> list[type[DomainError]]:
    """All there are, in their order here. Kinds have no code: nothing is refused with them alone."""
    return [refusal for refusal in _subclasses(DomainError) if "code" in vars(refusal)]


@cache
def refusal_class(code: str) -> type[DomainError]:
    """The class with this code: how a refusal kept in the database becomes itself again."""
    for known in refusals():
        if known.code == code:
            return known
    raise LookupError(f"no refusal has the code {code}")


def _subclasses(cls: type[DomainError]) -> list[type[DomainError]]:
    return [found for direct in cls.__subclasses__() for found in (direct, *_subclasses(direct))]
