"""The tables as they are now. `alembic/versions` tells how they came to be; a test holds both against each other.

Every table carries `ledger_id`, first in its primary key and in every unique index, so that the schema can be
distributed by ledger unchanged. The hot tables have no foreign keys, which would double PostgreSQL's cost a payment;
`guards.py` checks whole statements instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import UserDefinedType

from zerosum.db.schema.entry_times import is_apart
from zerosum.domain.payments.payment import PaymentTexts

metadata = MetaData()


class SingleChar(UserDefinedType[str]):
    """PostgreSQL's one-byte "char": side and layer lie on every posting, so their width counts."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return '"char"'

    def bind_processor(self, _: Any) -> Callable[[str | None], bytes | None]:
        """The driver takes and gives single bytes."""
        return lambda value: None if value is None else value.encode("ascii")

    def literal_processor(self, _: Any) -> Callable[[str], str]:
        """For plans that are looked at: it is one letter of ours."""
        return lambda value: f"'{value}'"

    def result_processor(self, _: Any, __: Any) -> Callable[[bytes | None], str | None]:
        return lambda value: None if value is None else value.decode("ascii")


class Xid8(UserDefinedType[int]):
    """A transaction id that never wraps around: readers of events stop below the oldest one still running."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def _moment(name: str, **options: Any) -> Column[Any]:
    return Column(name, TIMESTAMP(timezone=True), **options)


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=False, **options)


ledgers = Table(
    "ledgers",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _moment("created_at", nullable=False),
    _required("time_zone", Text, server_default=text("'UTC'")),  # of its days and months
    _required("late_entries", Text, server_default=text("'refuse'")),  # what is dated into a closed period
    PrimaryKeyConstraint("ledger_id", name="ledgers_pkey"),
    CheckConstraint("late_entries in ('refuse', 'roll_forward')", name="ledgers_late_entries_known"),
)

currencies = Table(
    "currencies",
    metadata,
    _required("ledger_id", Uuid),
    _required("code", Text),
    _required("exponent", SmallInteger),
    _required("name", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "code", name="currencies_pkey"),
    CheckConstraint("exponent between 0 and 18", name="currencies_exponent_in_range"),
)

charts = Table(
    "charts",
    metadata,
    _required("ledger_id", Uuid),
    _required("version", Integer),
    _required("rules", JSONB),
    _required("actor", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "version", name="charts_pkey"),
    CheckConstraint("version > 0", name="charts_counted_from_one"),
)
"""Which accounts their first use may open. The newest counts; the others tell what counted before."""

house_rules = Table(
    "house_rules",
    metadata,
    _required("ledger_id", Uuid),
    _required("version", Integer),
    _required("id", Uuid),  # of the command, and so of its event
    _required("content", JSONB),
    _required("actor", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "version", name="house_rules_pkey"),
    CheckConstraint("version > 0", name="house_rules_counted_from_one"),
)
"""What holds and disputes are made under. The newest counts; the others tell what was made under them."""

ledger_routes = Table(
    "ledger_routes",
    metadata,
    _required("ledger_id", Uuid),
    _required("version", Integer),
    Column("routes", JSONB),  # None: those of the file count
    _required("why", Text),
    _required("actor", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "version", name="ledger_routes_pkey"),
    CheckConstraint("version > 0", name="ledger_routes_counted_from_one"),
)
"""By which processors payments go that leave it to us. The newest counts; the others have decided what they did."""

POSTED = """(case when type in ('asset', 'expense') then posted_debits - posted_credits
 else posted_credits - posted_debits end)"""

accounts = Table(
    "accounts",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("version", BigInteger),
    _required("code", Text),
    Column("name", Text),
    _required("currency", Text),
    _required("type", Text),
    _required("status", Text),
    _required("overdrawn", Boolean, server_default=text("false")),
    _required("posted_debits", Numeric),
    _required("posted_credits", Numeric),
    _required("held", Numeric),
    Column("min_available", Numeric),
    Column("max_available", Numeric),
    _required("head", LargeBinary),
    _moment("created_at", nullable=False),
    Column("metadata", JSONB),
    _moment("last_posted_at"),  # of its newest posting
    Column("velocity_limits", JSONB),  # None: it has none, as nearly every account
    Column("limited_groups", ARRAY(Text)),  # with limits, that it is in. None: in none
    PrimaryKeyConstraint("ledger_id", "id", name="accounts_pkey"),
    UniqueConstraint("ledger_id", "code", name="accounts_code_unique"),
    CheckConstraint("type in ('asset', 'liability', 'equity', 'revenue', 'expense')", name="accounts_type_known"),
    CheckConstraint("status in ('open', 'frozen', 'closed')", name="accounts_status_known"),
    CheckConstraint("version >= 0", name="accounts_version_not_negative"),
    CheckConstraint("posted_debits >= 0 and posted_credits >= 0 and held >= 0", name="accounts_totals_not_negative"),
    CheckConstraint(
        f"min_available is null or overdrawn or {POSTED} - held >= min_available", name="accounts_available_above_floor"
    ),
    CheckConstraint("min_available <= max_available", name="accounts_limits_ordered"),
    Index("accounts_by_code_prefix", "ledger_id", "code", postgresql_ops={"code": "text_pattern_ops"}),
    Index("accounts_by_type", "ledger_id", "type", "id"),
    Index("accounts_by_currency", "ledger_id", "currency", "id"),
    Index("accounts_in_limited_groups", "ledger_id", "id", postgresql_where=text("limited_groups is not null")),
    Index("accounts_overdrawn", "ledger_id", "id", postgresql_where=text("overdrawn")),
    Index("accounts_not_open", "ledger_id", "status", "id", postgresql_where=text("status <> 'open'")),
    # Room for updates on the same page: balances change all the time, and of what is indexed only the status, rarely.
    postgresql_with={"fillfactor": 70},
)

journal_entries = Table(
    "journal_entries",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _moment("effective_at", nullable=False),
    _moment("posted_at", nullable=False),
    Column("idempotency_key", Text),  # None: a further entry of a command, whose first bears the key
    _required("fingerprint", LargeBinary),
    _required("resource_type", Text),
    Column("resource_id", Text),
    _required("reason", Text),
    _required("actor", Text),
    Column("reverses", Uuid),
    Column("metadata", JSONB),
    Column("traceparent", Text),  # of which trace its request was a part, if of any; no hash covers it
    PrimaryKeyConstraint("ledger_id", "id", name="journal_entries_pkey"),
    # For ever: a key can never post twice, however late its retry.
    UniqueConstraint("ledger_id", "idempotency_key", name="journal_entries_idempotency_key_unique"),
    Index(
        "journal_entries_reverses_unique",
        "ledger_id",
        "reverses",
        unique=True,
        postgresql_where=text("reverses is not null"),
    ),
    # Of all others the id, which is by time, tells when they happened.
    Index(
        "journal_entries_dated",
        "ledger_id",
        "effective_at",
        "id",
        postgresql_where=text("effective_at <> posted_at"),
    ),
    # Of all others the id also tells when they were posted, to two seconds.
    Index("journal_entries_apart", "ledger_id", "posted_at", postgresql_where=text(is_apart())),
)

postings = Table(
    "postings",
    metadata,
    _required("ledger_id", Uuid),
    _required("account_id", Uuid),
    _required("account_version", BigInteger),
    _required("entry_id", Uuid),
    _moment("effective_at", nullable=False),
    _moment("posted_at", nullable=False),
    _required("place", SmallInteger),  # in its entry, from 0
    _required("side", SingleChar),
    _required("layer", SingleChar),
    _required("releases", Boolean),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("balance_after", Numeric),
    _required("held_after", Numeric),
    _required("hash", LargeBinary),
    Column("hold_id", Uuid),  # that a pending posting places or releases
    # Gap-free per account: a statement is a range scan, and a lost update cannot even be stored.
    PrimaryKeyConstraint("ledger_id", "account_id", "account_version", name="postings_pkey"),
    Index("postings_entry", "ledger_id", "entry_id"),
    Index("postings_of_hold", "ledger_id", "hold_id", postgresql_where=text("hold_id is not null")),
    # By what happened in the world: statements, and lists that are bounded by time.
    Index("postings_by_time", "ledger_id", "account_id", "effective_at", "account_version"),
    # What must be added up for a balance at an instant: all others happened when they were written.
    Index(
        "postings_dated",
        "ledger_id",
        "account_id",
        "account_version",
        postgresql_where=text("effective_at <> posted_at"),
    ),
    CheckConstraint("amount > 0", name="postings_amount_positive"),
    CheckConstraint("held_after >= 0", name="postings_held_not_negative"),
    CheckConstraint("side in ('d', 'c')", name="postings_side_known"),  # debit, credit
    CheckConstraint("layer in ('p', 'h')", name="postings_layer_known"),  # posted, pending (held)
)

account_checkpoints = Table(
    "account_checkpoints",
    metadata,
    _required("ledger_id", Uuid),
    _required("account_id", Uuid),
    _required("account_version", BigInteger),  # a multiple of 256
    _required("currency", Text),
    # Of all postings up to that version, and of the dated ones among them. The rest the posting of that version says.
    _required("debits", Numeric),
    _required("dated_debits", Numeric),
    _required("dated_credits", Numeric),
    _required("dated_held", Numeric),
    _required("undated_version", BigInteger),  # the last that was not dated, or 0
    PrimaryKeyConstraint("ledger_id", "account_id", "account_version", name="account_checkpoints_pkey"),
    CheckConstraint(
        "debits >= 0 and dated_debits >= 0 and dated_credits >= 0", name="account_checkpoints_totals_not_negative"
    ),
)

dated_checkpoints = Table(
    "dated_checkpoints",
    metadata,
    _required("ledger_id", Uuid),
    _required("account_id", Uuid),
    _required("level", SmallInteger),  # of 0 to 3: a block has 256 * 16 ** level postings
    _required("block", BigInteger),  # from 0
    _moment("first_effective_at", nullable=False),
    _required("place", BigInteger),  # of these up to 256 among the block's, from 0
    # Of a block's dated postings, in the order in which they happened: what they come to with each of them.
    _required("effective_ats", ARRAY(TIMESTAMP(timezone=True))),
    _required("versions", ARRAY(BigInteger)),  # the highest so far
    _required("debits", ARRAY(Numeric)),
    _required("credits", ARRAY(Numeric)),
    _required("held", ARRAY(Numeric)),
    PrimaryKeyConstraint(
        "ledger_id", "account_id", "level", "block", "first_effective_at", "place", name="dated_checkpoints_pkey"
    ),
    CheckConstraint("level between 0 and 3", name="dated_checkpoints_level_known"),
)

total_seals = Table(
    "total_seals",
    metadata,
    _required("ledger_id", Uuid),
    _moment("sealed_at", nullable=False),  # all that was posted up to it is in the totals
    _moment("accounts_until", nullable=False),  # all accounts made up to it are counted in them
    PrimaryKeyConstraint("ledger_id", "sealed_at", name="total_seals_pkey"),
)

total_branches = Table(
    "total_branches",
    metadata,
    _required("ledger_id", Uuid),
    _required("branch", Text),  # empty: the whole chart
    _required("type", Text),
    _required("currency", Text),
    _moment("since", nullable=False),  # the seal behind which it has none; -infinity: from the beginning
    PrimaryKeyConstraint("ledger_id", "branch", "type", "currency", name="total_branches_pkey"),
)
"""Which branches have totals, of what and from when on."""

branch_totals = Table(
    "branch_totals",
    metadata,
    _required("ledger_id", Uuid),
    _required("branch", Text),
    _required("type", Text),
    _required("currency", Text),
    _moment("sealed_at", nullable=False),  # of a seal at which something had changed
    # Of all accounts and postings up to it, and of the dated postings among them.
    _required("accounts", BigInteger),
    _required("lines", BigInteger),
    _required("debits", Numeric),
    _required("credits", Numeric),
    _required("dated_lines", BigInteger),
    _required("dated_debits", Numeric),
    _required("dated_credits", Numeric),
    PrimaryKeyConstraint("ledger_id", "branch", "type", "currency", "sealed_at", name="branch_totals_pkey"),
    CheckConstraint(
        "debits >= 0 and credits >= 0 and dated_debits >= 0 and dated_credits >= 0",
        name="branch_totals_totals_not_negative",
    ),
)

dated_branch_totals = Table(
    "dated_branch_totals",
    metadata,
    _required("ledger_id", Uuid),
    _required("branch", Text),
    _required("type", Text),
    _required("currency", Text),
    _required("grain", Text),
    _moment("starts_at", nullable=False),
    # Of the dated postings up to the newest seal that happened within this hour or day.
    _required("lines", BigInteger),
    _required("debits", Numeric),
    _required("credits", Numeric),
    PrimaryKeyConstraint(
        "ledger_id", "branch", "type", "currency", "grain", "starts_at", name="dated_branch_totals_pkey"
    ),
    CheckConstraint("grain in ('day', 'hour')", name="dated_branch_totals_grain_known"),
    CheckConstraint("debits >= 0 and credits >= 0", name="dated_branch_totals_totals_not_negative"),
)

payments = Table(
    "payments",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("type", Text),
    _required("status", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("processor", Text),
    *(Column(name, Text) for name in PaymentTexts._fields),
    Column("refunded", Numeric),  # in all; None: nothing
    Column("disputed", Numeric),  # by disputes that are not decided
    Column("charged_back", Numeric),  # by those that were lost
    Column("approved", Numeric),  # by its processor; None: all of it
    Column("refunding", Numeric),  # by refunds that its processor has not answered yet
    PrimaryKeyConstraint("ledger_id", "id", name="payments_pkey"),
    Index("payments_by_type", "ledger_id", "type", "id"),
    Index("payments_by_currency", "ledger_id", "currency", "id"),
    Index("payments_by_reference", "ledger_id", "reference", "id", postgresql_where=text("reference is not null")),
    Index("payments_not_succeeded", "ledger_id", "status", "id", postgresql_where=text("status <> 'succeeded'")),
    CheckConstraint("amount > 0", name="payments_amount_positive"),
    CheckConstraint("refunded > 0 and refunded <= amount", name="payments_refunded_within"),
    CheckConstraint(
        "coalesce(disputed > 0, true) and coalesce(charged_back > 0, true)", name="payments_disputed_positive"
    ),
    CheckConstraint("refunding > 0", name="payments_refunding_positive"),
    CheckConstraint(
        "coalesce(refunded, 0) + coalesce(refunding, 0) + coalesce(disputed, 0) + coalesce(charged_back, 0)"
        " <= coalesce(approved, amount)",
        name="payments_gone_within",
    ),
    CheckConstraint("approved > 0 and approved < amount", name="payments_approved_within"),
    CheckConstraint("payer_id <> payee_id", name="payments_two_accounts"),
)

payment_splits = Table(
    "payment_splits",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # that of its payment, and so much more
    _required("payment_id", Uuid),
    _required("place", SmallInteger),  # among those of its payment, from 0
    _required("account_id", Uuid),
    _required("called", Text),  # how the order has named the account
    _required("rule", Text),
    Column("value", Text),  # the percentage, or the fixed part; None: what the others leave
    _required("currency", Text),
    _required("amount", Numeric),  # may be nothing
    Column("refunded", Numeric),  # in all; None: nothing
    Column("approved", Numeric),  # what he got, where a processor has carried out a part and that makes it another
    Column("refunding", Numeric),  # what a processor was asked to give back and has not answered; None: nothing
    Column("pending", Boolean),  # its processor has not said yet what becomes of the payment; None: nothing is pending
    PrimaryKeyConstraint("ledger_id", "id", name="payment_splits_pkey"),
    Index("payment_splits_of_payment", "ledger_id", "payment_id", "place", unique=True),
    # Whoever closes an account asks of which payments it gets, or gives back, a part that is pending.
    Index(
        "payment_splits_pending",
        "ledger_id",
        "account_id",
        "payment_id",
        postgresql_where=text("pending or refunding is not null"),
    ),
    CheckConstraint("amount >= 0", name="payment_splits_amount_not_negative"),
    CheckConstraint("approved >= 0 and refunding > 0", name="payment_splits_outside_not_negative"),
    CheckConstraint(
        "refunded > 0 and coalesce(refunded, 0) + coalesce(refunding, 0) <= coalesce(approved, amount)",
        name="payment_splits_refunded_within",
    ),
    CheckConstraint(
        "rule in ('rest', 'remainder', 'percent', 'amount') and (value is null) = (rule in ('remainder', 'rest'))",
        name="payment_splits_rule_known",
    ),
)

entry_conditions = Table(
    "entry_conditions",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that was posted under them
    _required("ordered", LargeBinary),  # the fingerprint of the order without them
    _required("content", JSONB),
    PrimaryKeyConstraint("ledger_id", "id", name="entry_conditions_pkey"),
)

refunds = Table(
    "refunds",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that gave the money back
    _required("payment_id", Uuid),
    _required("currency", Text),
    _required("amount", Numeric),
    Column("reason", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="refunds_pkey"),
    Index("refunds_of_payment", "ledger_id", "payment_id", "id"),
    CheckConstraint("amount > 0", name="refunds_amount_positive"),
)

UNDECIDED = text("status in ('open', 'under_review')")

disputes = Table(
    "disputes",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that opened it
    _required("payment_id", Uuid),
    _required("status", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("reason", Text),
    Column("network_reason_code", Text),
    Column("provider_case_id", Text),
    Column("respond_by", Text),  # as it was given
    Column("note", Text),
    _required("evidence", JSONB),
    _required("entry_ids", ARRAY(Uuid)),  # the oldest first; only ever added to
    _moment("created_at", nullable=False),
    _required("last_change_id", Uuid),
    _required("changes", Integer),
    _required("stage", Text, server_default=text("'first'")),
    Column("fee", Numeric),  # what losing it has cost the payee besides, and who got it
    Column("fee_account_id", Uuid),
    Column("fee_house_rules", Integer),  # the version by which it cost that; None: the request's own word
    PrimaryKeyConstraint("ledger_id", "id", name="disputes_pkey"),
    Index("disputes_of_payment", "ledger_id", "payment_id", "id"),
    Index("disputes_by_status", "ledger_id", "status", "id"),
    Index("disputes_open_by_payer", "ledger_id", "payer_id", postgresql_where=UNDECIDED),
    Index("disputes_open_by_payee", "ledger_id", "payee_id", postgresql_where=UNDECIDED),
    Index(
        "disputes_case_unique",
        "ledger_id",
        "provider_case_id",
        unique=True,
        postgresql_where=text("provider_case_id is not null"),
    ),
    CheckConstraint("status in ('open', 'under_review', 'won', 'lost')", name="disputes_status_known"),
    CheckConstraint("amount > 0", name="disputes_amount_positive"),
    CheckConstraint("stage in ('first', 'pre_arbitration', 'arbitration')", name="disputes_stage_known"),
    CheckConstraint(
        "(fee is null) = (fee_account_id is null) and coalesce(fee > 0, true)", name="disputes_fee_positive"
    ),
)

dispute_changes = Table(
    "dispute_changes",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the command, and so of what it posted
    _required("dispute_id", Uuid),
    _required("number", Integer),  # of the dispute's changes, from 1
    _required("verb", Text),
    _moment("changed_at", nullable=False),
    # The dispute as it was left.
    _required("status", Text),
    Column("note", Text),
    _required("evidence", JSONB),
    _required("entries", Integer),  # so many of the dispute's
    _required("stage", Text, server_default=text("'first'")),
    Column("respond_by", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="dispute_changes_pkey"),
    Index("dispute_changes_of_dispute", "ledger_id", "dispute_id", "number", unique=True),
    CheckConstraint("number > 0 and entries > 0", name="dispute_changes_counted_from_one"),
)

exchanges = Table(
    "exchanges",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that made it
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("currency", Text),  # that was sold
    _required("amount", Numeric),
    _required("bought_currency", Text),
    _required("bought", Numeric),
    _required("margin", Numeric),  # in the bought currency; may be nothing
    Column("margin_percent", Numeric),  # of all that was bought; None: nothing was asked
    _required("rate", Numeric),
    _required("rate_source", Text),
    _moment("rate_at", nullable=False),
    _required("rounding", Text),
    _required("exact", Numeric),  # amount times rate, with all its places
    _required("difference", Numeric),  # what was posted, less that
    *(Column(name, Text) for name in PaymentTexts._fields),
    Column("gain", Numeric),  # of rounding up what is sold; None: it was said what is sold
    PrimaryKeyConstraint("ledger_id", "id", name="exchanges_pkey"),
    CheckConstraint("amount > 0 and bought > 0 and rate > 0 and margin >= 0", name="exchanges_amounts_positive"),
    CheckConstraint("margin_percent > 0 and margin_percent <= 100", name="exchanges_margin_percent_within"),
    CheckConstraint("exact = amount * rate", name="exchanges_exact_is_product"),
    CheckConstraint("bought + margin + coalesce(gain, 0) = exact + difference", name="exchanges_nothing_is_lost"),
    CheckConstraint("gain >= 0", name="exchanges_gain_not_negative"),
    CheckConstraint("currency <> bought_currency", name="exchanges_two_currencies"),
    CheckConstraint("rounding in ('half_even', 'half_up', 'half_down', 'down', 'up')", name="exchanges_rounding_known"),
)

processor_calls = Table(
    "processor_calls",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the payment, or of the refund
    _required("processor", Text),
    _required("type", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("state", Text),
    _moment("created_at", nullable=False),
    _moment("next_at"),  # when it is due, or a claim of it lapses; None: nobody asks any more
    _required("attempts", Integer),
    _moment("sent_at"),  # for the first time
    Column("last_error", Text),
    Column("processor_payment_id", Text),
    Column("reason", Text),
    Column("approved", Numeric),
    Column("entry_id", Uuid),  # of what settled it
    _moment("settled_at"),
    Column("route", Text),  # that has chosen the processor
    Column("refunded_payment_id", Uuid),  # of a call for a refund
    Column("routing", JSONB),  # by which version of the routes, and who was passed over
    _required("number", Integer, server_default=text("1")),  # each move to another processor begins the next
    _moment("effective_at"),  # what its entries are dated to; None: each to when it is posted
    Column("parts", JSONB),  # of a refund of what went to several: what each is to give back
    PrimaryKeyConstraint("ledger_id", "id", name="processor_calls_pkey"),
    Index(
        "processor_calls_of_refunds",
        "ledger_id",
        "refunded_payment_id",
        "id",
        postgresql_where=text("refunded_payment_id is not null"),
    ),
    # Whoever makes the calls looks over all ledgers.
    Index(
        "processor_calls_due", "processor", "next_at", "ledger_id", "id", postgresql_where=text("next_at is not null")
    ),
    # Whoever closes an account asks what still waits for it.
    Index("processor_calls_of_payer", "ledger_id", "payer_id", "id", postgresql_where=text("entry_id is null")),
    Index("processor_calls_of_payee", "ledger_id", "payee_id", "id", postgresql_where=text("entry_id is null")),
    Index("processor_calls_by_state", "ledger_id", "state", "id"),
    Index("processor_calls_by_processor", "ledger_id", "processor", "id"),
    Index(
        "processor_calls_by_outside_id",
        "ledger_id",
        "processor_payment_id",
        "id",
        postgresql_where=text("processor_payment_id is not null"),
    ),
    CheckConstraint(
        "state in ('proposed', 'sent', 'unknown', 'parked', 'approved', 'declined')",
        name="processor_calls_state_known",
    ),
    CheckConstraint("amount > 0 and approved > 0 and approved <= amount", name="processor_calls_approved_within"),
    CheckConstraint("payer_id <> payee_id", name="processor_calls_two_accounts"),
    CheckConstraint(
        "(state = 'approved') = (approved is not null)"
        " and (state in ('approved', 'declined')) = (entry_id is not null and settled_at is not null)"
        " and (state in ('proposed', 'sent', 'unknown')) = (next_at is not null)",
        name="processor_calls_settled_whole",
    ),
)
"""What is to be asked of a processor for a payment, and how far that has come: recovery stands on nothing else."""

processor_call_moves = Table(
    "processor_call_moves",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that moved it
    _required("payment_id", Uuid),
    _required("number", Integer),  # of the call that was left
    _required("processor", Text),
    _required("to_processor", Text),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("to_payer_id", Uuid),
    _required("to_payee_id", Uuid),
    _required("why", Text),
    Column("told", Text),  # in the processor's own words, or what went wrong
    _required("attempts", Integer),  # at the processor that was left
    _moment("sent_at"),
    Column("processor_payment_id", Text),
    _moment("moved_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "id", name="processor_call_moves_pkey"),
    UniqueConstraint("ledger_id", "payment_id", "number", name="processor_call_moves_number"),
    CheckConstraint("why in ('declined', 'not_sent', 'absent')", name="processor_call_moves_why_known"),
    CheckConstraint("processor <> to_processor", name="processor_call_moves_two_processors"),
)
"""Which processors a payment has left for the next one of its route, and how far it had come there.

A trigger on it alone changes whom the payment and its call are between.
"""

processor_health = Table(
    "processor_health",
    metadata,
    _required("ledger_id", Uuid),  # of the service itself
    _required("processor", Text),
    _required("consecutive_failures", Integer),
    _moment("paused_until"),
    _moment("window_at", nullable=False),
    _required("approved", Integer),
    _required("attempts", Integer),
    _required("approved_before", Integer),  # in the window before it
    _required("attempts_before", Integer),
    PrimaryKeyConstraint("ledger_id", "processor", name="processor_health_pkey"),
    CheckConstraint(
        "consecutive_failures >= 0 and approved >= 0 and approved <= attempts", name="processor_health_counted"
    ),
)
"""How well each processor answers, for all processes: nothing of it moves money."""

processor_callbacks = Table(
    "processor_callbacks",
    metadata,
    _required("ledger_id", Uuid),
    _required("processor", Text),
    _required("event_id", Text),  # the processor's own
    _required("payment_id", Uuid),
    _required("told", Text),
    _required("effect", Text),
    _moment("received_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "processor", "event_id", name="processor_callbacks_pkey"),
    Index("processor_callbacks_of_payment", "ledger_id", "payment_id", "received_at"),
    CheckConstraint(
        "effect in ('settled', 'confirms', 'contradicts', 'noted', 'disputed')", name="processor_callbacks_effect_known"
    ),
)
"""What a processor has told by itself, once for each of its events."""

holds = Table(
    "holds",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that placed it
    _required("status", Text),
    _required("currency", Text),
    _required("amount", Numeric),  # with its increments
    _required("captured", Numeric),
    Column("capture_max", Numeric),  # None: no more than is held
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _moment("expires_at", nullable=False),
    _moment("created_at", nullable=False),
    *(Column(name, Text) for name in PaymentTexts._fields),
    Column("metadata", JSONB),
    _required("entry_ids", ARRAY(Uuid)),  # the oldest first; only ever added to
    _required("payment_ids", ARRAY(Uuid)),  # those of its captures
    _required("changes", Integer),
    Column("house_rules", Integer),  # the version by which more may be captured; None: the request's own word, or none
    PrimaryKeyConstraint("ledger_id", "id", name="holds_pkey"),
    # Whoever releases what has expired looks over all ledgers.
    Index("holds_due", "expires_at", "ledger_id", "id", postgresql_where=text("status = 'open'")),
    Index("holds_by_status", "ledger_id", "status", "id"),
    Index("holds_by_payer", "ledger_id", "payer_id", "id"),
    Index("holds_by_payee", "ledger_id", "payee_id", "id"),
    # Whoever closes an account asks whether it is still named, with its lock held.
    Index("holds_open_by_payer", "ledger_id", "payer_id", postgresql_where=text("status = 'open'")),
    Index("holds_open_by_payee", "ledger_id", "payee_id", postgresql_where=text("status = 'open'")),
    Index("holds_by_reference", "ledger_id", "reference", "id", postgresql_where=text("reference is not null")),
    CheckConstraint("status in ('open', 'captured', 'voided', 'expired')", name="holds_status_known"),
    CheckConstraint("amount > 0", name="holds_amount_positive"),
    CheckConstraint("captured between 0 and greatest(amount, capture_max)", name="holds_captured_within"),
    CheckConstraint("payer_id <> payee_id", name="holds_two_accounts"),
)

hold_changes = Table(
    "hold_changes",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the command, and so of what it posted
    _required("hold_id", Uuid),
    _required("number", Integer),  # of the hold's changes, from 1
    _required("verb", Text),
    _moment("changed_at", nullable=False),
    # The hold as it was left.
    _required("status", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("captured", Numeric),
    Column("capture_max", Numeric),
    _moment("expires_at", nullable=False),
    _required("entries", Integer),  # so many of the hold's
    PrimaryKeyConstraint("ledger_id", "id", name="hold_changes_pkey"),
    Index("hold_changes_of_hold", "ledger_id", "hold_id", "number", unique=True),
    CheckConstraint("number > 0 and entries > 0", name="hold_changes_counted_from_one"),
    CheckConstraint("amount > 0", name="hold_changes_amount_positive"),
    CheckConstraint("captured between 0 and greatest(amount, capture_max)", name="hold_changes_captured_within"),
)

scheduled_payments = Table(
    "scheduled_payments",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    # What was ordered, and by whom.
    _required("type", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _moment("execute_at", nullable=False),  # when the first occurrence is due
    Column("rule", Text),  # None: it does not recur
    Column("time_zone", Text),
    _required("occurrences", Integer),
    _required("on_refusal", Text),
    _required("attempts_max", Integer),
    _required("retry_seconds", Integer),
    _required("actor", Text),
    _required("fingerprint", LargeBinary),  # of the payment
    _required("idempotency_key", Text),  # of the order
    _moment("created_at", nullable=False),
    *(Column(name, Text) for name in PaymentTexts._fields),
    Column("metadata", JSONB),
    # How far it has come.
    _required("status", Text),
    _required("occurrence", Integer),
    _required("attempt", Integer),
    _moment("due_at", nullable=False),
    _moment("attempt_at", nullable=False),
    _required("runs", Integer),
    _required("payments", Integer),
    _moment("ended_at"),
    Column("cancellation_id", Uuid),
    PrimaryKeyConstraint("ledger_id", "id", name="scheduled_payments_pkey"),
    # Whoever runs what is due looks over all ledgers.
    Index("scheduled_payments_due", "attempt_at", "ledger_id", "id", postgresql_where=text("status = 'scheduled'")),
    Index("scheduled_payments_by_status", "ledger_id", "status", "id"),
    Index("scheduled_payments_by_payer", "ledger_id", "payer_id", "id"),
    Index("scheduled_payments_by_payee", "ledger_id", "payee_id", "id"),
    Index(
        "scheduled_payments_by_reference",
        "ledger_id",
        "reference",
        "id",
        postgresql_where=text("reference is not null"),
    ),
    Index(
        "scheduled_payments_waiting_by_payer",
        "ledger_id",
        "payer_id",
        postgresql_where=text("status = 'scheduled'"),
    ),
    Index(
        "scheduled_payments_waiting_by_payee",
        "ledger_id",
        "payee_id",
        postgresql_where=text("status = 'scheduled'"),
    ),
    CheckConstraint(
        "status in ('scheduled', 'completed', 'failed', 'cancelled')", name="scheduled_payments_status_known"
    ),
    CheckConstraint("amount > 0", name="scheduled_payments_amount_positive"),
    CheckConstraint("payer_id <> payee_id", name="scheduled_payments_two_accounts"),
    CheckConstraint(
        "occurrence between 1 and occurrences and attempt between 1 and attempts_max and payments <= runs",
        name="scheduled_payments_counted",
    ),
)

scheduled_runs = Table(
    "scheduled_runs",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("scheduled_payment_id", Uuid),
    _required("number", Integer),  # of its runs, from 1
    _required("occurrence", Integer),
    _required("attempt", Integer),
    _moment("due_at", nullable=False),
    _moment("ran_at", nullable=False),
    _required("outcome", Text),
    Column("payment_id", Uuid),  # None: it was refused
    Column("refusal", JSONB),
    _moment("retry_at"),
    _required("completes", Boolean),
    PrimaryKeyConstraint("ledger_id", "id", name="scheduled_runs_pkey"),
    Index("scheduled_runs_in_order", "ledger_id", "scheduled_payment_id", "number", unique=True),
    Index(
        "scheduled_runs_paid_once",
        "ledger_id",
        "scheduled_payment_id",
        "occurrence",
        unique=True,
        postgresql_where=text("outcome = 'executed'"),
    ),
    CheckConstraint(
        "outcome in ('executed', 'failed', 'skipped') and (outcome = 'executed') = (payment_id is not null) "
        "and (outcome = 'executed') = (refusal is null)",
        name="scheduled_runs_outcome_told",
    ),
)

reviews = Table(
    "reviews",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("type", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("payer_id", Uuid),
    _required("payee_id", Uuid),
    _required("ordered", JSONB),  # all that was ordered, as the fingerprint has it
    _required("fingerprint", LargeBinary),
    _required("idempotency_key", Text),  # of the order
    _required("actor", Text),  # who has made it, and does not approve it
    _moment("created_at", nullable=False),
    _required("rule", Text),  # that has held it
    _required("rules_version", Text),
    _required("detail", Text),
    _required("approvals_needed", Integer),
    _required("status", Text),
    # The first of two approvals.
    Column("first_id", Uuid),
    Column("first_by", Text),
    Column("first_reason", Text),
    _moment("first_at"),
    # What has decided it; of an approval it is the id of the payment, too.
    Column("last_id", Uuid),
    Column("last_by", Text),
    Column("last_reason", Text),
    _moment("last_at"),
    # Who stands behind the credentials of its maker and of those who have approved it.
    Column("maker_person", Text),
    Column("first_person", Text),
    Column("last_person", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="reviews_pkey"),
    Index("reviews_by_status", "ledger_id", "status", "id"),
    Index("reviews_by_rule", "ledger_id", "rule", "id"),
    Index("reviews_due", "created_at", "ledger_id", "id", postgresql_where=text("status = 'in_review'")),
    Index(
        "reviews_open_between",
        "ledger_id",
        "payer_id",
        "payee_id",
        "amount",
        postgresql_where=text("status = 'in_review'"),
    ),
    Index("reviews_by_first", "ledger_id", "first_id", unique=True, postgresql_where=text("first_id is not null")),
    Index("reviews_by_last", "ledger_id", "last_id", unique=True, postgresql_where=text("last_id is not null")),
    CheckConstraint("status in ('in_review', 'approved', 'refused')", name="reviews_status_known"),
    CheckConstraint("amount > 0", name="reviews_amount_positive"),
    CheckConstraint("payer_id <> payee_id", name="reviews_two_accounts"),
    CheckConstraint("approvals_needed in (1, 2)", name="reviews_approvals_needed_known"),
    CheckConstraint(
        "num_nulls(first_id, first_by, first_reason, first_at) in (0, 4)"
        " and num_nulls(last_id, last_by, last_reason, last_at) in (0, 4)"
        " and (status = 'in_review') = (last_id is null)"
        " and (first_id is null or approvals_needed = 2)",
        name="reviews_said_whole",
    ),
    CheckConstraint(
        "coalesce(first_by <> actor, true)"
        " and (status <> 'approved' or (last_by <> actor and (first_id is not null) = (approvals_needed = 2)"
        " and coalesce(first_by <> last_by, true)))",
        name="reviews_four_eyes",
    ),
    CheckConstraint(
        "coalesce(first_person <> maker_person, true) and (status <> 'approved' or"
        " (coalesce(last_person <> maker_person, true) and coalesce(first_person <> last_person, true)))",
        name="reviews_different_people",
    ),
)
"""Payments that a rule has held. Nothing of them is in the books."""

client_transactions = Table(
    "client_transactions",
    metadata,
    _required("ledger_id", Uuid),
    _required("tx", BigInteger),
    _required("client", Integer),
    _required("type", Text),
    _required("status", Text),
    _required("currency", Text),
    _required("amount", Numeric),
    _required("entry_id", Uuid),  # that carried it out
    PrimaryKeyConstraint("ledger_id", "tx", name="client_transactions_pkey"),
    Index("client_transactions_by_client", "ledger_id", "client", "entry_id", unique=True),
    CheckConstraint("tx between 0 and 4294967295", name="client_transactions_tx_in_range"),
    CheckConstraint("client between 0 and 65535", name="client_transactions_client_in_range"),
    CheckConstraint("type in ('deposit', 'withdrawal')", name="client_transactions_type_known"),
    CheckConstraint(
        "status in ('carried_out', 'disputed', 'resolved', 'charged_back')", name="client_transactions_status_known"
    ),
    CheckConstraint("amount > 0", name="client_transactions_amount_positive"),
)

statements = Table(
    "statements",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("account_id", Uuid),
    _required("number", BigInteger),  # of the account's, gap-free from 1
    _moment("from_at", nullable=False),
    _moment("to_at", nullable=False),
    _required("currency", Text),
    _required("opening", Numeric),
    _required("closing", Numeric),
    _required("lines", Integer),
    _required("account_version", BigInteger),  # that the account had; nothing later is on it
    _required("head", LargeBinary),  # of the account's chain at that version
    _moment("issued_at", nullable=False),
    _required("hash", LargeBinary),  # over all of this and the account's statement before it
    PrimaryKeyConstraint("ledger_id", "id", name="statements_pkey"),
    Index("statements_of_account", "ledger_id", "account_id", "number", unique=True),
    CheckConstraint("number > 0 and lines >= 0 and account_version >= 0", name="statements_counted_from_one"),
    CheckConstraint("from_at <= to_at", name="statements_span_ordered"),
    CheckConstraint("lines > 0 or opening = closing", name="statements_balances_add_up"),
)

account_groups = Table(
    "account_groups",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("version", Integer),  # gap-free from 1
    _required("id", Uuid),  # of the command that made it, and of its event
    Column("content", JSONB),  # None: the group is gone
    _moment("created_at", nullable=False),
    _required("actor", Text),
    PrimaryKeyConstraint("ledger_id", "name", "version", name="account_groups_pkey"),
    CheckConstraint("version > 0", name="account_groups_counted_from_one"),
)

limited_groups = Table(
    "limited_groups",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("version", Integer),  # of the group, as it is now
    _required("expression", Text),  # which codes are in it
    _required("limits", JSONB),
    PrimaryKeyConstraint("ledger_id", "name", name="limited_groups_pkey"),
)
"""Account groups that have limits, as a trigger derives them: the lock of whoever posts to one of their accounts."""

templates = Table(
    "templates",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("version", Integer),  # gap-free from 1
    _required("content", Text),  # JSON, exactly as it was hashed
    _moment("created_at", nullable=False),
    _required("actor", Text),
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "name", "version", name="templates_pkey"),
    CheckConstraint("version > 0", name="templates_counted_from_one"),
)

template_uses = Table(
    "template_uses",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry that was posted by it
    _required("name", Text),
    _required("version", Integer),
    _required("parameters", JSONB),
    PrimaryKeyConstraint("ledger_id", "id", name="template_uses_pkey"),
)

imports = Table(
    "imports",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("content_sha256", LargeBinary),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "name", name="imports_pkey"),
)

ingest_positions = Table(
    "ingest_positions",
    metadata,
    _required("ledger_id", Uuid),
    _required("input", Text),
    _required("topic", Text),
    _required("partition", Text),
    Column("next_offset", BigInteger),  # None: the input counts nothing, or nothing was settled yet
    Column("last_place", Text),  # of the message that was settled last
    _required("epoch", BigInteger),  # of whoever has taken it: who comes with an older one is a zombie
    _required("holder", Text),
    _moment("held_until"),  # None: it may be taken at once
    Column("head", Text),  # of the batch that was begun and not settled
    _required("begun", Integer),  # how many messages it has
    _required("tries", Integer),  # how often its head was begun
    _required("suspects", Integer),  # how many messages are to be tried one by one
    _moment("updated_at", nullable=False),
    Column("made", Text),  # when the stream was made, by its own word: of another one no offset is the same
    PrimaryKeyConstraint("ledger_id", "input", "topic", "partition", name="ingest_positions_pkey"),
    CheckConstraint("begun >= 0 and tries >= 0 and suspects >= 0", name="ingest_positions_counts_not_negative"),
)
"""How far the messages of a partition are settled, and the fence against whoever held it before."""

dead_letters = Table(
    "dead_letters",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("input", Text),
    _required("topic", Text),
    _required("partition", Text),
    _required("place", Text),
    Column("ordering_key", Text),
    Column("derived_key", Text),  # the idempotency key of a message that brings none; None: it has no lasting name
    _required("body", LargeBinary),  # its beginning, where it is too large
    _required("body_bytes", BigInteger),  # of the whole
    _required("headers", JSONB),
    _required("status", Text),
    _required("reason", Text),
    _required("problem", JSONB),
    _required("attempts", Integer),
    _moment("first_at", nullable=False),
    _moment("last_at", nullable=False),
    _moment("next_at"),  # of what is tried again
    Column("actor", Text),  # who has replayed or dropped it
    Column("sender", Text),  # whose credential writes to its input; None: nobody has told
    PrimaryKeyConstraint("ledger_id", "id", name="dead_letters_pkey"),
    Index(
        "dead_letters_message_unique",
        "ledger_id",
        "input",
        "topic",
        "partition",
        "place",
        text("sha256(body)"),  # places are used again, by other messages
        unique=True,
    ),
    Index("dead_letters_by_status", "ledger_id", "status", "id"),
    CheckConstraint(
        "status in ('dead', 'retrying', 'waiting', 'replayed', 'dropped')", name="dead_letters_status_known"
    ),
    CheckConstraint("(status in ('retrying', 'waiting')) = (next_at is not null)", name="dead_letters_next_at_fits"),
    CheckConstraint("attempts >= 0", name="dead_letters_attempts_not_negative"),
)
"""Messages that could not be carried out, with why; and those behind one of their key that is still tried."""

refusals = Table(
    "refusals",
    metadata,
    _required("ledger_id", Uuid),
    _required("idempotency_key", Text),
    _required("fingerprint", LargeBinary),
    _required("problem", JSONB),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "idempotency_key", name="refusals_pkey"),
    Index("refusals_by_age", "ledger_id", "created_at"),
)

answers = Table(
    "answers",
    metadata,
    _required("ledger_id", Uuid),
    _required("idempotency_key", Text),
    _required("fingerprint", LargeBinary),
    _required("resource_type", Text),
    _required("resource_id", Uuid),
    _required("content", JSONB),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "idempotency_key", name="answers_pkey"),
    Index(
        "answers_of_scheduled_payment",
        "ledger_id",
        "resource_id",
        postgresql_where=text("resource_type = 'scheduled_payment'"),
    ),
    Index("answers_of_review", "ledger_id", "resource_id", postgresql_where=text("resource_type = 'review'")),
)
"""What was answered to commands that post nothing: an entry bears its key itself."""

events = Table(
    "events",
    metadata,
    _required("ledger_id", Uuid),
    _required("xid", Xid8, server_default=text("zerosum_feed_place()")),
    _required("id", Uuid),
    _moment("created_at", nullable=False),
    _required("type", Text),
    _required("resource_type", Text),
    Column("resource_id", Uuid),  # None: the resource bears the event's own UUID.
    Column("data", JSONB),  # None: the resource is immutable and speaks for itself.
    Column("traceparent", Text),  # of which trace what has happened was a part, if of any
    PrimaryKeyConstraint("ledger_id", "xid", "id", name="events_pkey"),
    # A reader names the last event it has: where that lies is looked for near the time in its id. Coarse, for it costs
    # every payment next to nothing.
    Index(
        "events_by_time",
        "created_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 16, "autosummarize": True},
    ),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("url", Text),
    Column("description", Text),
    Column("event_types", ARRAY(Text)),  # None: all
    _required("header_names", ARRAY(Text)),
    Column("sealed_headers", Text),
    Column("sealed_secret", Text),  # None: deleted
    Column("sealed_previous_secret", Text),
    _moment("previous_secret_until"),
    _required("status", Text),
    Column("disabled_reason", Text),
    _moment("disabled_at"),
    _moment("created_at", nullable=False),
    _required("created_by", Text),
    _required("feed_xid", Xid8),  # behind which event its deliveries go on
    _required("feed_id", Uuid),
    _required("parked_xid", Xid8, server_default=text("'0'")),  # events below are not sent by themselves
    _required("consecutive_failures", Integer, server_default=text("0")),
    _moment("paused_until"),
    _moment("failing_since"),
    _required("failing_told", Boolean, server_default=text("false")),
    PrimaryKeyConstraint("ledger_id", "id", name="webhook_endpoints_pkey"),
    CheckConstraint("status in ('enabled', 'disabled', 'deleted')", name="webhook_endpoints_status_known"),
    CheckConstraint("consecutive_failures >= 0", name="webhook_endpoints_failures_not_negative"),
)

publications = Table(
    "publications",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("target", Text),  # the broker, without a password
    _required("topic", Text),
    _required("key", Text),
    _required("types", ARRAY(Text)),  # none: all
    _required("feed_xid", Xid8),  # behind which event publishing goes on
    _required("feed_id", Uuid),
    _moment("moved_at"),  # when that was last moved by publishing
    _required("published", BigInteger),  # how many events were, repeated ones too
    Column("obstacle", Text),  # what stands in the way of the next one
    _required("epoch", BigInteger),  # of whoever has taken it: who comes with an older one is a zombie
    Column("holder", Text),
    _moment("held_until"),  # None: it may be taken at once
    PrimaryKeyConstraint("ledger_id", "name", name="publications_pkey"),
    CheckConstraint("key in ('account', 'ledger', 'resource')", name="publications_key_known"),
    CheckConstraint("published >= 0", name="publications_published_not_negative"),
)
"""How far a ledger's events are published to a broker, and the fence against whoever did so before."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    _required("ledger_id", Uuid),
    _required("endpoint_id", Uuid),
    _required("event_id", Uuid),
    _required("event_xid", Xid8),  # 0: of a ping, which is in no feed
    _required("type", Text),
    _required("resource_type", Text),
    _required("resource_id", Uuid),
    _required("status", Text),
    _required("attempts", SmallInteger, server_default=text("0")),
    _moment("next_at"),  # None: behind another of its resource, or ended
    _moment("claimed_until"),  # a dispatcher is sending it, or has died
    _moment("attempted_at"),
    Column("status_code", SmallInteger),
    Column("error", Text),
    PrimaryKeyConstraint("ledger_id", "endpoint_id", "event_id", name="webhook_deliveries_pkey"),
    Index(
        "webhook_deliveries_due",
        "ledger_id",
        "endpoint_id",
        "next_at",
        postgresql_where=text("status = 'pending' and next_at is not null"),
    ),
    Index(
        "webhook_deliveries_in_order",
        "ledger_id",
        "endpoint_id",
        "resource_id",
        "event_xid",
        "event_id",
        postgresql_where=text("status = 'pending'"),
    ),
    Index(
        "webhook_deliveries_not_sent",
        "ledger_id",
        "endpoint_id",
        "event_id",
        postgresql_where=text("status in ('failed', 'parked')"),
    ),
    CheckConstraint("status in ('pending', 'delivered', 'failed', 'parked')", name="webhook_deliveries_status_known"),
    CheckConstraint("attempts >= 0", name="webhook_deliveries_attempts_not_negative"),
    # Room for updates on the same page: what is claimed changes nothing that is indexed.
    postgresql_with={"fillfactor": 50},
)
"""Of each event to each endpoint that wants it. What is sent is read from the event when it is."""

notifications = Table(
    "notifications",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("name", Text),
    _required("event_types", ARRAY(Text)),
    Column("account_id", Uuid),  # only what moves it or speaks of it
    _required("recipients", ARRAY(Text)),
    _required("subject", Text),
    _required("body", Text),
    _required("mails_per_hour", SmallInteger),
    _required("status", Text),
    _moment("created_at", nullable=False),
    _required("created_by", Text),
    _required("feed_xid", Xid8),  # behind which event its mails go on
    _required("feed_id", Uuid),
    Column("held_types", JSONB),  # how many events of each type wait for the digest
    _moment("held_since"),
    PrimaryKeyConstraint("ledger_id", "id", name="notifications_pkey"),
    CheckConstraint("status in ('enabled', 'disabled', 'deleted')", name="notifications_status_known"),
    CheckConstraint("(held_types is null) = (held_since is null)", name="notifications_held_together"),
)

notification_mails = Table(
    "notification_mails",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("notification_id", Uuid),
    _required("event_id", Uuid),  # of a digest or a test: its own
    _required("recipient", Text),
    _required("kind", Text),
    _required("event_xid", Xid8, server_default=text("'0'")),  # 0: no event of the feed
    Column("type", Text),
    Column("digest", JSONB),  # what a digest tells
    _moment("created_at", nullable=False),
    _required("status", Text),
    _required("attempts", SmallInteger, server_default=text("0")),
    _moment("next_at"),  # None: ended
    _moment("claimed_until"),  # a worker is sending it, or has died
    _moment("attempted_at"),
    Column("answer_code", SmallInteger),
    Column("answer", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="notification_mails_pkey"),
    Index("notification_mails_once", "ledger_id", "notification_id", "event_id", "recipient", unique=True),
    Index("notification_mails_listed", "ledger_id", "notification_id", "id"),
    Index("notification_mails_by_time", "ledger_id", "created_at"),
    Index("notification_mails_due", "ledger_id", "next_at", postgresql_where=text("status = 'pending'")),
    CheckConstraint("kind in ('event', 'digest', 'test')", name="notification_mails_kind_known"),
    CheckConstraint("status in ('pending', 'sent', 'failed')", name="notification_mails_status_known"),
    CheckConstraint("attempts >= 0", name="notification_mails_attempts_not_negative"),
)
"""A mail to one recipient. What is in it is read from event and notification when it is sent."""

api_keys = Table(
    "api_keys",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("name", Text),
    _required("scopes", ARRAY(Text)),
    _required("secret_hash", LargeBinary),
    _moment("created_at", nullable=False),
    _moment("expires_at"),
    _moment("revoked_at"),
    Column("created_by", Text),  # None: made before this was written down
    _moment("last_used_at"),
    Column("networks", ARRAY(Text)),
    Column("certificate_subject", Text),
    Column("person", Text),  # who stands behind it, for four eyes; None: itself
    PrimaryKeyConstraint("ledger_id", "id", name="api_keys_pkey"),
)

data_keys = Table(
    "data_keys",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("master_key_id", Text),
    _required("wrapped_key", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "id", name="data_keys_pkey"),
)

subjects = Table(
    "subjects",
    metadata,
    _required("ledger_id", Uuid),
    _required("reference", Text),
    Column("sealed_key", Text),  # None: destroyed
    _moment("created_at", nullable=False),
    Column("erasure_id", Uuid),  # of the command, and of its event
    _moment("erased_at"),
    Column("erased_by", Text),
    Column("reason", Text),
    PrimaryKeyConstraint("ledger_id", "reference", name="subjects_pkey"),
    CheckConstraint("(sealed_key is null) = (erased_at is not null)", name="subjects_key_or_erasure"),
    CheckConstraint("num_nulls(erasure_id, erased_at, erased_by, reason) in (0, 4)", name="subjects_erasure_whole"),
)
"""People, by the references that callers have for them. Each has a key of its own until it is erased."""

personal_members = Table(
    "personal_members",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the journal entry
    _required("subject", Text),
    _required("sealed", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="personal_members_pkey"),
    Index("personal_members_of_subject", "ledger_id", "subject", "id"),
)
"""What was said about a subject with an entry, under the subject's key. The entry's metadata commits to it."""

signing_keys = Table(
    "signing_keys",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Text),
    _required("algorithm", Text),
    _required("public_jwk", JSONB),
    _required("sealed_private_key", Text),
    _moment("created_at", nullable=False),
    _moment("activates_at", nullable=False),
    _moment("expires_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "id", name="signing_keys_pkey"),
)

audit_log = Table(
    "audit_log",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _moment("recorded_at", nullable=False),
    _required("type", Text),
    Column("actor", Text),  # None: nobody knows
    Column("address", Text),  # None: a command on the machine
    Column("request_id", Text),
    Column("resource", Text),
    Column("reason", Text),
    _required("occurrences", Integer),
    Column("facts", JSONB),
    _required("xid", Xid8, server_default=text("zerosum_feed_place()")),  # 0: written before there was one
    PrimaryKeyConstraint("ledger_id", "id", name="audit_log_pkey"),
    Index("audit_log_by_type", "ledger_id", "type", "id"),
    Index("audit_log_by_place", "ledger_id", "xid", "id"),
    CheckConstraint("occurrences > 0", name="audit_log_occurrences_positive"),
)

audit_seals = Table(
    "audit_seals",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # gap-free from 1
    _required("until_xid", Xid8),  # the place of its last record
    _required("until_id", Uuid),
    _required("records", BigInteger),
    _required("digest", LargeBinary),
    _moment("sealed_at", nullable=False),
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "number", name="audit_seals_pkey"),
    CheckConstraint("records > 0", name="audit_seals_not_empty"),
)

secret_checks = Table(
    "secret_checks",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("check_value", LargeBinary),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "name", name="secret_checks_pkey"),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("digest", LargeBinary),
    _required("subject", Text),
    _required("role", Text),
    Column("ledgers", ARRAY(Uuid)),  # None: all
    _required("way", Text),
    _moment("made_at", nullable=False),
    _moment("used_at", nullable=False),
    _moment("stepped_up_at", nullable=False),
    _moment("ended_at"),
    Column("claimed", Text),  # what the issuer calls the role
    PrimaryKeyConstraint("ledger_id", "id", name="console_sessions_pkey"),
    CheckConstraint("role in ('viewer', 'operator', 'approver', 'admin')", name="console_sessions_role_known"),
    CheckConstraint("way in ('link', 'issuer')", name="console_sessions_way_known"),
)

console_links = Table(
    "console_links",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("digest", LargeBinary),
    _required("subject", Text),
    _required("role", Text),
    Column("ledgers", ARRAY(Uuid)),  # None: all
    _moment("made_at", nullable=False),
    _moment("expires_at", nullable=False),
    _moment("used_at"),
    PrimaryKeyConstraint("ledger_id", "id", name="console_links_pkey"),
    CheckConstraint("role in ('viewer', 'operator', 'approver', 'admin')", name="console_links_role_known"),
)

console_views = Table(
    "console_views",
    metadata,
    _required("ledger_id", Uuid),
    _required("subject", Text),
    _required("page", Text),
    _required("name", Text),
    _required("query", Text),
    _moment("saved_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "subject", "page", "name", name="console_views_pkey"),
    CheckConstraint("page in ('payments', 'journal')", name="console_views_page_known"),
    CheckConstraint("length(name) between 1 and 60 and length(query) <= 4000", name="console_views_bounded"),
)

console_proposals = Table(
    "console_proposals",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("action", Text),
    _required("place", Text),
    _required("parts", JSONB),
    _required("form", JSONB),
    _required("fixed", JSONB),
    Column("form_key", Text),
    Column("moves", JSONB(none_as_null=True)),  # None: nobody can tell
    _required("proposed_by", Text),
    _required("proposer", Text),
    _required("role", Text),
    _required("reason", Text),
    _moment("proposed_at", nullable=False),
    _moment("expires_at", nullable=False),
    _required("status", Text),
    Column("decided_by", Text),
    _moment("decided_at"),
    Column("decision_reason", Text),
    _moment("ended_at"),
    Column("outcome", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="console_proposals_pkey"),
    UniqueConstraint("ledger_id", "form_key", name="console_proposals_form_unique"),
    CheckConstraint(
        "status in ('waiting', 'confirmed', 'carried_out', 'refused', 'declined', 'withdrawn', 'lapsed')",
        name="console_proposals_status_known",
    ),
    CheckConstraint("role in ('viewer', 'operator', 'approver', 'admin')", name="console_proposals_role_known"),
    CheckConstraint("expires_at > proposed_at", name="console_proposals_times_ordered"),
    CheckConstraint(
        "length(place) <= 500 and length(form::text) <= 40000 and length(reason) <= 500",
        name="console_proposals_bounded",
    ),
    CheckConstraint(
        "num_nulls(decided_by, decided_at, decision_reason) = "
        "case when status in ('waiting', 'lapsed') then 3 else 0 end",
        name="console_proposals_decided",
    ),
    CheckConstraint(
        "status not in ('confirmed', 'carried_out', 'refused') or decided_by not in (proposed_by, proposer)",
        name="console_proposals_four_eyes",
    ),
    CheckConstraint(
        "num_nulls(ended_at, outcome) = case status when 'waiting' then 2 when 'confirmed' then 2 "
        "when 'declined' then 1 when 'withdrawn' then 1 else 0 end",
        name="console_proposals_ended",
    ),
    Index("console_proposals_by_status", "ledger_id", "status", "id"),
    Index(
        "console_proposals_open_at",
        "ledger_id",
        "place",
        unique=True,
        postgresql_where=text("status in ('waiting', 'confirmed')"),
    ),
)
"""Acts of the console that wait for a second person, and what has become of them."""

account_changes = Table(
    "account_changes",
    metadata,
    _required("ledger_id", Uuid),
    _required("account_id", Uuid),
    _required("revision", BigInteger),  # gap-free from 1
    _required("origin", Text),
    _required("xid", Xid8),
    _moment("changed_at", nullable=False),
    Column("actor", Text),  # None: a batch, or somebody who has not said who he is
    _required("code", Text),
    Column("name", Text),
    _required("type", Text),
    _required("currency", Text),
    _required("status", Text),
    Column("min_available", Numeric),
    Column("max_available", Numeric),
    Column("metadata", JSONB),
    _required("hash", LargeBinary),
    Column("velocity_limits", JSONB),
    PrimaryKeyConstraint("ledger_id", "account_id", "revision", name="account_changes_pkey"),
    # Set by a statement; found there before the first revision; found to be other than the revision before says.
    CheckConstraint("origin in ('set', 'adopted', 'found')", name="account_changes_origin_known"),
    CheckConstraint("min_available <= max_available", name="account_changes_limits_ordered"),
)

refusal_seals = Table(
    "refusal_seals",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # gap-free from 1
    _moment("from_at", nullable=False),
    _moment("until_at", nullable=False),
    _required("refusals", BigInteger),
    _required("digest", LargeBinary),
    _moment("sealed_at", nullable=False),
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "number", name="refusal_seals_pkey"),
    CheckConstraint("from_at <= until_at", name="refusal_seals_span_ordered"),
)

event_seals = Table(
    "event_seals",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # gap-free from 1
    _required("last_xid", Xid8),  # of the last event: all up to there are gone
    _required("last_id", Uuid),
    _required("greatest_id", Uuid),  # among those of this seal
    _required("events", BigInteger),
    _moment("newest_at", nullable=False),
    _required("sums", JSONB),  # of what they said, by buckets, as the proof of events adds it up
    _moment("sealed_at", nullable=False),
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "number", name="event_seals_pkey"),
    CheckConstraint("number > 0 and events > 0", name="event_seals_counted_from_one"),
)
"""What was dropped of the feed, from its beginning on."""

signed_checkpoints = Table(
    "signed_checkpoints",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # gap-free from 1
    _required("size", BigInteger),  # leaves of the proof log, with those of this row
    _required("root", LargeBinary),
    _required("frontier", LargeBinary),  # hashes of its full subtrees, the largest first
    # The leaves that it adds, in order: a letter each, whom it is of, which of him, and the hash.
    _required("kinds", Text),
    _required("ids", ARRAY(Uuid)),
    _required("numbers", ARRAY(BigInteger)),
    _required("hashes", LargeBinary),
    _required("chains", ARRAY(BigInteger)),  # of the chains of seals, how far each is in the log
    _required("until_xid", Xid8),  # how far in the feed its leaves were looked for
    _required("until_id", Uuid),
    _moment("posted_until", nullable=False),  # of all entries so far the newest: where to look for one
    _moment("sealed_at", nullable=False),
    _required("key_id", Text),
    _required("signature", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "number", name="signed_checkpoints_pkey"),
    UniqueConstraint("ledger_id", "size", name="signed_checkpoints_size_unique"),
    Index("signed_checkpoints_by_time", "ledger_id", "posted_until", "number"),
    CheckConstraint(
        "number > 0 and size >= number and cardinality(ids) > 0 and cardinality(numbers) = cardinality(ids) "
        "and length(kinds) = cardinality(ids) and octet_length(hashes) = 32 * cardinality(ids)",
        name="signed_checkpoints_whole",
    ),
)

proof_log_nodes = Table(
    "proof_log_nodes",
    metadata,
    _required("ledger_id", Uuid),
    _required("level", SmallInteger),  # a multiple of 8: a node has 2 ** level leaves
    _required("place", BigInteger),  # from 0, on its level
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "level", "place", name="proof_log_nodes_pkey"),
)

checkpoint_keys = Table(
    "checkpoint_keys",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Text),
    _required("algorithm", SmallInteger),  # as C2SP numbers them: 1 is Ed25519
    _required("public_key", LargeBinary),
    _required("sealed_private_key", Text),
    _moment("created_at", nullable=False),
    _moment("ended_at"),  # None: it signs
    Column("endorser_id", Text),  # the key before it, and its signature over this one
    Column("endorsement", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "id", name="checkpoint_keys_pkey"),
    CheckConstraint("(endorser_id is null) = (endorsement is null)", name="checkpoint_keys_endorsed_by_one"),
)

period_closings = Table(
    "period_closings",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # gap-free from 1
    _required("id", Uuid),
    _required("period", Text),  # a month or a day
    _required("time_zone", Text),
    _moment("starts_at", nullable=False),
    _moment("ends_at", nullable=False),  # everything before it is closed
    _moment("begun_at", nullable=False),
    _required("actor", Text),
    PrimaryKeyConstraint("ledger_id", "number", name="period_closings_pkey"),
    UniqueConstraint("ledger_id", "period", name="period_closings_period_unique"),
    CheckConstraint("starts_at < ends_at and ends_at < begun_at", name="period_closings_times_ordered"),
)
"""From here on nothing is dated before its end."""

period_seals = Table(
    "period_seals",
    metadata,
    _required("ledger_id", Uuid),
    _required("number", BigInteger),  # of the closing
    _moment("recorded_until", nullable=False),  # of what was dated before the end, all that was written by then
    _moment("sealed_at", nullable=False),
    _required("accounts", BigInteger),
    _required("totals", JSONB),
    _required("digest", LargeBinary),  # of each account's debits and credits
    _required("hash", LargeBinary),
    PrimaryKeyConstraint("ledger_id", "number", name="period_seals_pkey"),
    CheckConstraint("accounts >= 0", name="period_seals_accounts_not_negative"),
)

late_entries = Table(
    "late_entries",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),  # of the entry
    _required("closing", BigInteger),  # the number of the newest, which closed what the entry was dated to
    _required("way", Text),
    _moment("requested_at", nullable=False),  # what it was dated to
    Column("reason", Text),
    PrimaryKeyConstraint("ledger_id", "id", name="late_entries_pkey"),
    Index("late_entries_of_closing", "ledger_id", "closing", "id"),
    CheckConstraint(
        "way = 'overridden' and reason is not null or way = 'rolled_forward' and reason is null",
        name="late_entries_way_known",
    ),
)

proof_positions = Table(
    "proof_positions",
    metadata,
    _required("ledger_id", Uuid),
    _required("proof", Text),
    _moment("begun_at", nullable=False),
    _moment("taken_at", nullable=False),
    Column("position", JSONB),  # None: it has ended
    PrimaryKeyConstraint("ledger_id", "proof", name="proof_positions_pkey"),
)
"""Where the self-audit goes on after a restart. Nothing but that is believed of it."""

reconciliation_sources = Table(
    "reconciliation_sources",
    metadata,
    _required("ledger_id", Uuid),
    _required("name", Text),
    _required("version", Integer),
    _required("content", JSONB),
    _required("actor", Text),
    _moment("created_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "name", "version", name="reconciliation_sources_pkey"),
    CheckConstraint("version > 0", name="reconciliation_sources_counted_from_one"),
)
"""Who tells what of which account, and by which rules that is matched. The newest version counts."""

reconciliation_files = Table(
    "reconciliation_files",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("source", Text),
    _required("source_version", Integer),
    _required("account_id", Uuid),
    _required("currency", Text),
    _required("sha256", LargeBinary),
    _required("bytes", BigInteger),
    _required("lines", Integer),
    _required("money_in", Numeric),
    _required("money_out", Numeric),
    Column("opening", Numeric),  # that it tells of itself; None: it does not
    Column("closing", Numeric),
    _required("from_on", Date),
    _required("to_on", Date),
    _required("actor", Text),
    _moment("received_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "id", name="reconciliation_files_pkey"),
    UniqueConstraint("ledger_id", "source", "sha256", name="reconciliation_files_content_unique"),
    Index("reconciliation_files_of_source", "ledger_id", "source", "id"),
    CheckConstraint("money_in >= 0 and money_out >= 0", name="reconciliation_files_sums_not_negative"),
    CheckConstraint("closing - opening = money_in - money_out", name="reconciliation_files_balances_fit"),
    CheckConstraint("from_on <= to_on", name="reconciliation_files_days_ordered"),
)

reconciliation_lines = Table(
    "reconciliation_lines",
    metadata,
    _required("ledger_id", Uuid),
    _required("file_id", Uuid),
    _required("number", Integer),  # from 1
    _required("source", Text),
    _required("place", Integer),  # the line of the text it begins in
    _required("booked_on", Date),
    Column("value_on", Date),
    _required("amount", Numeric),  # above zero what comes in for us
    _required("currency", Text),
    Column("outside_id", Text),
    _required("reference_texts", ARRAY(Text)),
    Column("description", Text),
    _required("is_repeat", Boolean),  # an earlier file has told of it
    PrimaryKeyConstraint("ledger_id", "file_id", "number", name="reconciliation_lines_pkey"),
    Index(
        "reconciliation_lines_outside_id",
        "ledger_id",
        "source",
        "outside_id",
        postgresql_where=text("outside_id is not null"),
    ),
    CheckConstraint("amount <> 0", name="reconciliation_lines_amount_not_zero"),
)

reconciliation_runs = Table(
    "reconciliation_runs",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("source", Text),
    _required("source_version", Integer),
    _required("file_id", Uuid),
    _required("actor", Text),
    _moment("begun_at", nullable=False),
    Column("stage", SmallInteger),  # how far it has come; None: it has only begun
    Column("holder_id", Uuid),
    Column("number", BigInteger),
    _moment("ended_at"),
    Column("failure", Text),  # why it has ended without having matched
    PrimaryKeyConstraint("ledger_id", "id", name="reconciliation_runs_pkey"),
    Index(
        "reconciliation_runs_open",
        "ledger_id",
        "source",
        unique=True,
        postgresql_where=text("ended_at is null"),
    ),
    Index("reconciliation_runs_of_file", "ledger_id", "file_id", "id"),
)
"""One matching of a source. What is left of one that was cut off is done first."""

reconciliation_matches = Table(
    "reconciliation_matches",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("source", Text),
    _required("source_version", Integer),
    Column("run_id", Uuid),  # None: an adjustment
    _required("rule", Text),
    _required("currency", Text),
    _required("lines", Integer),
    _required("entries", Integer),
    _required("lines_sum", Numeric),
    _required("entries_sum", Numeric),
    _required("tolerance", Numeric),
    _required("actor", Text),
    _moment("matched_at", nullable=False),
    PrimaryKeyConstraint("ledger_id", "id", name="reconciliation_matches_pkey"),
    Index("reconciliation_matches_of_source", "ledger_id", "source", "id"),
    CheckConstraint("abs(lines_sum - entries_sum) <= tolerance", name="reconciliation_matches_within_tolerance"),
    CheckConstraint("lines + entries >= 2", name="reconciliation_matches_of_two"),
    CheckConstraint(
        "rule in ('reference', 'reference_sum', 'amount', 'one_to_many', 'many_to_one', 'adjustment')",
        name="reconciliation_matches_rule_known",
    ),
)

reconciliation_matched = Table(
    "reconciliation_matched",
    metadata,
    _required("ledger_id", Uuid),
    _required("source", Text),
    _required("kind", Text),
    _required("holder_id", Uuid),  # the file of a line, the account of an entry
    _required("number", BigInteger),  # in its file, or the account's version
    _required("match_id", Uuid),
    _required("amount", Numeric),
    _required("currency", Text),
    # Nothing is matched twice.
    PrimaryKeyConstraint("ledger_id", "source", "kind", "holder_id", "number", name="reconciliation_matched_pkey"),
    Index("reconciliation_matched_of_match", "ledger_id", "match_id"),
    CheckConstraint("kind in ('line', 'entry')", name="reconciliation_matched_kind_known"),
    CheckConstraint("amount <> 0", name="reconciliation_matched_amount_not_zero"),
)

reconciliation_breaks = Table(
    "reconciliation_breaks",
    metadata,
    _required("ledger_id", Uuid),
    _required("id", Uuid),
    _required("source", Text),
    _required("run_id", Uuid),
    _required("kind", Text),  # of the item, as in reconciliation_matched
    _required("holder_id", Uuid),
    _required("number", BigInteger),
    Column("entry_id", Uuid),
    _required("is_different", Boolean),  # it is known what it belongs to, and that is not the same
    _required("amount", Numeric),
    _required("currency", Text),
    _required("day", Date),
    _moment("opened_at", nullable=False),
    _required("state", Text),
    Column("explanation", Text),
    Column("explained_until", Date),  # None with an explanation: for good
    Column("owner", Text),
    Column("note", Text),
    Column("match_id", Uuid),
    _required("changes", Integer),
    PrimaryKeyConstraint("ledger_id", "id", name="reconciliation_breaks_pkey"),
    UniqueConstraint("ledger_id", "source", "kind", "holder_id", "number", name="reconciliation_breaks_item_unique"),
    Index("reconciliation_breaks_by_state", "ledger_id", "state", "id"),
    Index("reconciliation_breaks_by_day", "ledger_id", "source", "day", "id"),
    CheckConstraint("kind in ('line', 'entry')", name="reconciliation_breaks_kind_known"),
    CheckConstraint("amount <> 0", name="reconciliation_breaks_amount_not_zero"),
    CheckConstraint(
        "state in ('open', 'adjusting', 'resolved', 'matched', 'adjusted')", name="reconciliation_breaks_state_known"
    ),
    CheckConstraint("(state in ('matched', 'adjusted')) = (match_id is not null)", name="reconciliation_breaks_closed"),
)

reconciliation_break_changes = Table(
    "reconciliation_break_changes",
    metadata,
    _required("ledger_id", Uuid),
    _required("break_id", Uuid),
    _required("number", Integer),  # gap-free from 1
    _required("step", Text),
    _required("actor", Text),
    _moment("changed_at", nullable=False),
    _required("left_as", JSONB),
    PrimaryKeyConstraint("ledger_id", "break_id", "number", name="reconciliation_break_changes_pkey"),
    CheckConstraint("number > 0", name="reconciliation_break_changes_counted_from_one"),
)

JOURNAL = (
    journal_entries,
    postings,
    refusals,
    answers,
    entry_conditions,
    refunds,
    exchanges,
    dispute_changes,
    hold_changes,
    scheduled_runs,
    processor_callbacks,
    processor_call_moves,
    audit_log,
    audit_seals,
    account_changes,
    refusal_seals,
    event_seals,
    signed_checkpoints,
    proof_log_nodes,
    period_closings,
    period_seals,
    late_entries,
    statements,
    templates,
    template_uses,
    charts,
    account_groups,
    house_rules,
    ledger_routes,
    reconciliation_sources,
    reconciliation_files,
    reconciliation_lines,
    reconciliation_matches,
    reconciliation_matched,
    reconciliation_break_changes,
    personal_members,
)
"""What is only ever added to: UPDATE, DELETE and TRUNCATE are refused even to the owner.

But for refusals older than thirty days, which a function of the owner takes away: no retry can need them any more.
"""

APPLICATION_ROLE = "zerosum_app"

# What the application role may do besides SELECT: it owns nothing, and has no right to change the journal.
GRANTS: dict[Table, str] = {
    ledgers: "insert, update (time_zone, late_entries)",
    currencies: "insert",
    charts: "insert",
    house_rules: "insert",
    ledger_routes: "insert",
    accounts: "insert, update (name, status, overdrawn, min_available, max_available, metadata, velocity_limits)",
    journal_entries: "insert",
    postings: "insert",
    account_checkpoints: "",  # a function derives them
    dated_checkpoints: "",
    total_seals: "",  # a function derives them, too
    total_branches: "",
    branch_totals: "",
    dated_branch_totals: "",
    payments: "insert, update (status, refunded, disputed, charged_back, approved, refunding)",
    processor_calls: "insert, update (state, next_at, attempts, sent_at, last_error, processor_payment_id, reason, "
    "approved, entry_id, settled_at)",
    processor_callbacks: "insert",
    processor_call_moves: "insert",
    processor_health: "insert, update (consecutive_failures, paused_until, window_at, approved, attempts, "
    "approved_before, attempts_before)",
    disputes: "insert, update (status, note, evidence, entry_ids, last_change_id, changes, stage, fee, fee_account_id, "
    "fee_house_rules, respond_by)",
    dispute_changes: "insert",
    payment_splits: "insert, update (refunded, approved, refunding, pending)",
    entry_conditions: "insert",
    refunds: "insert",
    exchanges: "insert",
    holds: "insert, update (status, amount, captured, capture_max, expires_at, entry_ids, payment_ids, changes)",
    hold_changes: "insert",
    scheduled_payments: "insert, update (status, occurrence, attempt, due_at, attempt_at, runs, payments, ended_at, "
    "cancellation_id)",
    scheduled_runs: "insert",
    reviews: "insert, update (status, first_id, first_by, first_reason, first_at, last_id, last_by, last_reason, "
    "last_at, maker_person, first_person, last_person)",
    client_transactions: "insert, update (status)",
    statements: "insert",
    imports: "insert",
    ingest_positions: "insert, update (next_offset, last_place, epoch, holder, held_until, head, begun, tries, "
    "suspects, updated_at, made)",
    dead_letters: "insert, update (status, reason, problem, attempts, last_at, next_at, actor)",
    refusals: "insert",
    answers: "insert",
    events: "insert",
    webhook_endpoints: "insert, update (url, description, event_types, header_names, sealed_headers, sealed_secret, "
    "sealed_previous_secret, previous_secret_until, status, disabled_reason, disabled_at, feed_xid, feed_id, "
    "parked_xid, consecutive_failures, paused_until, failing_since, failing_told)",
    publications: "insert, update (target, topic, key, types, feed_xid, feed_id, moved_at, published, obstacle, epoch, "
    "holder, held_until), delete",
    webhook_deliveries: "insert, update (status, attempts, next_at, claimed_until, attempted_at, status_code, error), "
    "delete",
    notifications: "insert, update (name, event_types, account_id, recipients, subject, body, mails_per_hour, status, "
    "feed_xid, feed_id, held_types, held_since), delete",
    notification_mails: "insert, update (status, attempts, next_at, claimed_until, attempted_at, answer_code, answer), "
    "delete",
    api_keys: "insert, update (revoked_at, last_used_at)",
    data_keys: "insert, update (master_key_id, wrapped_key)",
    signing_keys: "insert, update (expires_at, sealed_private_key), delete",
    audit_log: "insert",
    audit_seals: "insert",
    secret_checks: "insert, update (check_value, created_at)",
    console_sessions: "insert, update (used_at, stepped_up_at, ended_at), delete",
    console_links: "insert, update (used_at), delete",
    console_views: "insert, update (name, query, saved_at), delete",
    console_proposals: "insert, update (status, decided_by, decided_at, decision_reason, ended_at, outcome)",
    account_changes: "",  # written by the trigger on accounts alone
    refusal_seals: "insert",
    event_seals: "insert",
    signed_checkpoints: "insert",
    proof_log_nodes: "insert",
    checkpoint_keys: "insert, update (sealed_private_key, ended_at)",
    period_closings: "insert",
    period_seals: "insert",
    late_entries: "insert",
    account_groups: "insert",
    limited_groups: "update (version)",  # whoever locks a row must be allowed to change something of it
    templates: "insert",
    template_uses: "insert",
    proof_positions: "insert, update (begun_at, taken_at, position)",
    reconciliation_sources: "insert",
    reconciliation_files: "insert",
    reconciliation_lines: "insert",
    reconciliation_runs: "insert, update (stage, holder_id, number, ended_at, failure)",
    reconciliation_matches: "insert",
    reconciliation_matched: "insert",
    reconciliation_breaks: "insert, update (state, explanation, explained_until, owner, note, match_id, changes)",
    reconciliation_break_changes: "insert",
    subjects: "insert, update (sealed_key, erasure_id, erased_at, erased_by, reason)",
    personal_members: "insert",
}

SEEN_BY_OPERATOR = (
    ledgers,
    api_keys,
    audit_log,
    audit_seals,
    holds,
    scheduled_payments,
    webhook_endpoints,
    notifications,
    processor_calls,
    reviews,
)
"""Administration and the worker look across ledgers here, and only here, by an explicit setting of a transaction."""
