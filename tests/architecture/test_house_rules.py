"""House rules that no import graph can see. Each message names the cure."""

from __future__ import annotations

import ast
from uuid import UUID

import pytest
from sqlalchemy import CheckConstraint, Column, Float, Numeric, Table, UniqueConstraint

from tests.architecture import accounting
from tests.architecture.sources import PACKAGE, Module, modules
from zerosum.api import problems
from zerosum.api.problems import STATUSES
from zerosum.db.schema import guards
from zerosum.db.schema.tables import GRANTS, JOURNAL, metadata
from zerosum.domain.errors import OF_BOOKS, AccountNotFound, DomainError
from zerosum.domain.identifiers import AccountId
from zerosum.domain.payments import posting_rules
from zerosum.domain.payments.client_commands import CLIENT_COMMANDS
from zerosum.domain.payments.clients import ClientCommandType
from zerosum.domain.payments.payment import PaymentType

# --- 1. No float near an amount --------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", modules("domain"), ids=lambda module: module.name)
def test_the_domain_knows_no_float(module: Module) -> None:
    found = [
        module.place(node)
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Name) and node.id in ("float", "complex"))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]
    assert not found, f"{found}: a float or a division loses digits. Use Decimal through zerosum.domain.money."


def test_no_table_has_a_float() -> None:
    # SQLAlchemy's Float covers REAL and DOUBLE; a Numeric that gives floats to Python is one in disguise.
    found = [
        str(column)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Float) or (isinstance(column.type, Numeric) and not column.type.asdecimal)
    ]
    assert not found, f"{found}: a float loses digits. Use Numeric."


# --- 2. Time and ids come in as arguments ----------------------------------------------------------------------------

MAKERS = {"utcnow", "utcfromtimestamp", "uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"}
CLOCKS = {("datetime", "now"), ("datetime", "today"), ("date", "today"), ("time", "time"), ("time", "time_ns")}
MAY = {
    "adapters/clock.py": "the one place that reads the wall clock",
    "db/identifiers.py": "the one place that makes ids",
    "client/webhooks.py": "the client stands alone, and can take nothing from adapters/clock.py",
}


def test_nobody_reads_the_clock_or_makes_ids_on_his_own() -> None:
    found = []
    for module in modules():
        for node in ast.walk(module.tree):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
            owner = node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else None
            if (name in MAKERS or (owner, name) in CLOCKS) and module.name not in MAY:
                found.append(f"{module.place(node)} {name}")
    assert not found, (
        f"{found}: take the time from zerosum.adapters.clock and ids from zerosum.db.identifiers, as arguments."
    )


def test_only_the_settings_read_the_environment() -> None:
    may = {
        "config.py": "the settings",
    }
    found = [
        module.place(node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb") and module.name not in may
    ]
    assert not found, f"{found}: add a field to zerosum.config.Settings and pass its value in."


# --- 3. Refusals -----------------------------------------------------------------------------------------------------


KINDS = {cls for cls in DomainError.__subclasses__() if "code" not in vars(cls)}


def _refusals() -> list[type[DomainError]]:
    """All that is derived from DomainError, but for the kinds."""
    found: list[type[DomainError]] = []
    waiting: list[type[DomainError]] = [DomainError]
    while waiting:
        below = [cls for cls in waiting.pop().__subclasses__() if cls.__module__.startswith("zerosum.")]
        found += below
        waiting += below
    return [cls for cls in found if cls not in KINDS or not cls.__subclasses__()]


def test_every_refusal_has_a_code_of_its_own_and_a_status() -> None:
    codes: dict[str, str] = {}
    for cls in _refusals():
        assert "code" in vars(cls), f"{cls.__name__} inherits its code: give it a stable one of its own."
        assert cls.code not in codes, (
            f"{cls.__name__} and {codes[cls.code]} share the code {cls.code}: rename the newer."
        )
        codes[cls.code] = cls.__name__
        assert cls in STATUSES, f"{cls.__name__} has no HTTP status: derive it from its kind in domain/errors.py."


def test_no_refusal_has_two_statuses() -> None:
    twice = [cls.__name__ for cls in problems._OF_NO_KIND if not KINDS.isdisjoint(cls.__mro__)]
    assert not twice, f"{twice}: it is of a kind, so take its row out of _OF_NO_KIND in api/problems.py."


def test_refusals_are_defined_in_one_place() -> None:
    elsewhere = [cls.__qualname__ for cls in _refusals() if cls.__module__ != "zerosum.domain.errors"]
    assert not elsewhere, f"{elsewhere}: move these classes to domain/errors.py, where their readers look for them."


def test_what_the_book_refuses_is_said_of_every_call_that_moves_money() -> None:
    [book] = [module for module in modules("domain") if module.name == "domain/ledger/book.py"]
    named = {node.id for node in ast.walk(book.tree) if isinstance(node, ast.Name)}
    refused = {cls for cls in _refusals() if cls.__name__ in named} - {AccountNotFound}  # an account is named somewhere
    missing = [cls.__name__ for cls in refused - set(OF_BOOKS)]
    assert not missing, f"{missing}: add it to OF_BOOKS in domain/errors.py, from where the manual takes it."


# --- 4. Constraints --------------------------------------------------------------------------------------------------

ANSWERED = {
    "accounts_code_unique": ("db/queries/accounts.py", 'constraint="accounts_code_unique"', "account_exists"),
    "ledger_routes_pkey": (
        "db/queries/ledger_routes.py",
        'constraint="ledger_routes_pkey"',
        "invalid_state: another has changed it",
    ),
    "charts_pkey": ("db/queries/charts.py", 'constraint="charts_pkey"', "invalid_state: another has changed it"),
    "currencies_pkey": ("db/queries/ledgers.py", 'constraint="currencies_pkey"', "currency_exists, or the same again"),
    "journal_entries_idempotency_key_unique": ("db/errors.py", '"23505"', "the batch runs again, and replays"),
    "answers_pkey": ("db/errors.py", '"23505"', "the batch runs again, and replays"),
    "refusals_pkey": ("db/errors.py", '"23505"', "the batch runs again, and replays"),
}
"""By constraint: the file and the text in it that answers its violation, and what the caller gets."""

MEANS_A_BUG = {
    "account_checkpoints_pkey": "one at a time seals an account",
    "account_checkpoints_totals_not_negative": "sums of amounts",
    "dated_checkpoints_pkey": "one at a time seals an account",
    "total_seals_pkey": "one at a time seals a ledger",
    "total_branches_pkey": "one at a time seals a ledger",
    "branch_totals_pkey": "one at a time seals a ledger",
    "branch_totals_totals_not_negative": "sums of amounts",
    "dated_branch_totals_pkey": "one at a time seals a ledger",
    "dated_branch_totals_grain_known": "the function has both words",
    "dated_branch_totals_totals_not_negative": "sums of amounts",
    "dated_checkpoints_level_known": "the function has a loop over four",
    "ledgers_pkey": "two equal random ids",
    "notifications_pkey": "two equal random ids",
    "notifications_status_known": "a word of the domain",
    "notifications_held_together": "both are written from one value",
    "notification_mails_pkey": "two equal random ids",
    "notification_mails_once": "the place in the feed is moved with it, under a lock",
    "notification_mails_kind_known": "a word of the domain",
    "notification_mails_status_known": "a word of the domain",
    "notification_mails_attempts_not_negative": "they are counted up, and back by one that was counted",
    "webhook_endpoints_pkey": "two equal random ids",
    "webhook_endpoints_status_known": "a word of the domain",
    "webhook_endpoints_failures_not_negative": "they are counted up",
    "webhook_deliveries_pkey": "what is there already is left as it is",
    "webhook_deliveries_status_known": "a word of the domain",
    "webhook_deliveries_attempts_not_negative": "they are counted up",
    "accounts_pkey": "two equal random ids",
    "journal_entries_pkey": "two equal random ids",
    "payments_pkey": "two equal random ids",
    "payment_splits_pkey": "two equal random ids of payments",
    "payment_splits_of_payment": "a payment has its splits from the beginning",
    "payment_splits_amount_not_negative": "divide has refused before",
    "payment_splits_outside_not_negative": "divide_less and given_back give no less than nothing",
    "payment_splits_refunded_within": "given_back takes from nobody more than he has left",
    "payment_splits_rule_known": "SplitRule knows no other",
    "entry_conditions_pkey": "two equal random ids",
    "refunds_pkey": "two equal random ids",
    "refunds_amount_positive": "Money cannot exist otherwise",
    "payments_refunded_within": "RefundPayment has refused before",
    "payments_disputed_positive": "Money cannot exist otherwise",
    "payments_gone_within": "RefundPayment and OpenDispute have refused before",
    "payments_refunding_positive": "SettleRefund keeps none that is nothing",
    "processor_health_pkey": "inserted with on conflict",
    "processor_health_counted": "ProcessorHealth only counts",
    "payments_approved_within": "SettlePayment has refused before, and keeps none that is all of it",
    "processor_calls_pkey": "two equal random ids",
    "processor_calls_state_known": "CallState knows no other",
    "processor_calls_approved_within": "SettlePayment has refused before",
    "processor_calls_two_accounts": "Pay has refused before",
    "processor_calls_settled_whole": "SettlePayment settles it whole",
    "processor_call_moves_pkey": "two equal random ids",
    "processor_call_moves_number": "MovePayment holds the call, which says its number",
    "processor_call_moves_why_known": "MoveReason knows no other",
    "processor_call_moves_two_processors": "a route names a processor once",
    "processor_callbacks_pkey": "inserted with on conflict",
    "processor_callbacks_effect_known": "Effect knows no other that is kept",
    "reviews_pkey": "two equal random ids",
    "reviews_by_first": "two equal random ids",
    "reviews_by_last": "two equal random ids",
    "reviews_status_known": "ReviewStatus knows no other",
    "reviews_amount_positive": "Money cannot exist otherwise",
    "reviews_two_accounts": "Pay has refused before",
    "reviews_approvals_needed_known": "Rule.caught knows one and two",
    "reviews_said_whole": "a Decision is whole, and a review with a last one is decided",
    "reviews_four_eyes": "ApproveReview has refused before",
    "reviews_different_people": "ApproveReview has refused before",
    "scheduled_payments_pkey": "two equal random ids",
    "scheduled_payments_status_known": "ScheduleStatus knows no other",
    "scheduled_payments_amount_positive": "Money cannot exist otherwise",
    "scheduled_payments_two_accounts": "Pay has refused before",
    "scheduled_payments_counted": "after_run counts no further than was ordered",
    "scheduled_runs_pkey": "two equal random ids",
    "scheduled_runs_in_order": "runs are numbered under the lock of the schedule",
    "scheduled_runs_paid_once": "the key of the occurrence has posted before",
    "scheduled_runs_outcome_told": "after_run tells a payment or a refusal",
    "statements_pkey": "two equal random ids",
    "statements_of_account": "statements are numbered under the lock of the account",
    "statements_counted_from_one": "numbers are counted from one",
    "statements_span_ordered": "a span that is none is refused before",
    "statements_balances_add_up": "they are added up",
    "disputes_pkey": "two equal random ids",
    "dispute_changes_pkey": "two equal random ids",
    "dispute_changes_of_dispute": "steps are numbered under the lock of the dispute",
    "disputes_case_unique": "a case is looked up before; told of two payments at once, one finds it at its second try",
    "disputes_status_known": "DisputeStatus knows no other",
    "disputes_stage_known": "DisputeStage knows no other",
    "disputes_fee_positive": "amounts of requests are positive, and a fee goes to somebody",
    "disputes_amount_positive": "Money cannot exist otherwise",
    "dispute_changes_counted_from_one": "the first step has opened it, by an entry",
    "exchanges_pkey": "two equal random ids",
    "exchanges_amounts_positive": "convert has refused before",
    "exchanges_margin_percent_within": "parse_percent has refused before",
    "exchanges_exact_is_product": "convert multiplies exactly",
    "exchanges_nothing_is_lost": "convert gives what it says",
    "exchanges_gain_not_negative": "convert_back rounds up what is sold",
    "exchanges_two_currencies": "ExchangeKind has refused before",
    "exchanges_rounding_known": "RoundingMode knows no other",
    "ledgers_late_entries_known": "LatePolicy knows no other",
    "period_closings_pkey": "closings are numbered under a lock of the ledger's own",
    "period_closings_period_unique": "a period that was closed before has ended before: it is refused under that lock",
    "period_closings_times_ordered": "a period that has not ended is refused",
    "period_seals_pkey": "whether there is a seal is looked at under that lock",
    "period_seals_accounts_not_negative": "counted from nothing",
    "late_entries_pkey": "two equal random ids",
    "late_entries_way_known": "LateWay knows no other, and an override is its reason",
    "holds_pkey": "two equal random ids",
    "hold_changes_pkey": "two equal random ids",
    "subjects_pkey": "who makes one that is there finds it",
    "subjects_key_or_erasure": "EraseSubject takes the key and puts the erasure in its place",
    "subjects_erasure_whole": "an Erasure is whole",
    "personal_members_pkey": "two equal random ids",
    "account_groups_pkey": "the one that loses is tried again, and finds the version of the other",
    "limited_groups_pkey": "a trigger replaces what is there",
    "account_groups_counted_from_one": "versions are counted on from the newest",
    "house_rules_pkey": "the one that loses is tried again, and finds the version of the other",
    "house_rules_counted_from_one": "versions are counted on from the newest",
    "templates_pkey": "the one that loses is tried again, and finds the version of the other",
    "templates_counted_from_one": "versions are counted on from the newest",
    "template_uses_pkey": "two equal random ids",
    "hold_changes_of_hold": "steps are numbered under the lock of the hold",
    "holds_status_known": "HoldStatus knows no other",
    "holds_amount_positive": "Money cannot exist otherwise",
    "holds_captured_within": "CaptureHold has refused before",
    "holds_two_accounts": "PlaceHold cannot exist otherwise",
    "hold_changes_counted_from_one": "the first step has placed it, by an entry",
    "hold_changes_amount_positive": "Money cannot exist otherwise",
    "hold_changes_captured_within": "CaptureHold has refused before",
    "client_transactions_pkey": "the Book has seen it is free, under the lock of the clearing account",
    "client_transactions_by_client": "two equal random ids",
    "imports_pkey": "inserted with on conflict",
    "ingest_positions_pkey": "inserted with on conflict",
    "ingest_positions_counts_not_negative": "counts of messages",
    "publications_pkey": "inserted with on conflict",
    "publications_key_known": "an enum of ours",
    "publications_published_not_negative": "a count",
    "reconciliation_sources_pkey": "inserted with on conflict: the one that loses is refused",
    "reconciliation_sources_counted_from_one": "a count",
    "reconciliation_files_pkey": "two equal random ids",
    "reconciliation_files_content_unique": "inserted with on conflict",
    "reconciliation_files_sums_not_negative": "sums of amounts without their signs",
    "reconciliation_files_balances_fit": "what reads a file has refused before",
    "reconciliation_files_days_ordered": "what reads a file has refused before",
    "reconciliation_lines_pkey": "inserted with on conflict",
    "reconciliation_lines_amount_not_zero": "lines of nothing are left out",
    "reconciliation_runs_pkey": "two equal random ids",
    "reconciliation_runs_open": "inserted with on conflict",
    "reconciliation_matches_pkey": "two equal random ids",
    "reconciliation_matches_within_tolerance": "Matching keeps within it",
    "reconciliation_matches_of_two": "Matching matches two or more",
    "reconciliation_matches_rule_known": "an enum of ours",
    "reconciliation_matched_pkey": "inserted with on conflict, and counted",
    "reconciliation_matched_kind_known": "an enum of ours",
    "reconciliation_matched_amount_not_zero": "no item is of nothing",
    "reconciliation_breaks_pkey": "two equal random ids",
    "reconciliation_breaks_item_unique": "inserted with on conflict",
    "reconciliation_breaks_kind_known": "an enum of ours",
    "reconciliation_breaks_amount_not_zero": "no item is of nothing",
    "reconciliation_breaks_state_known": "an enum of ours",
    "reconciliation_breaks_closed": "both are set together",
    "reconciliation_break_changes_pkey": "counted under the lock of the break",
    "reconciliation_break_changes_counted_from_one": "a count",
    "dead_letters_pkey": "two equal random ids",
    "dead_letters_message_unique": "inserted with on conflict",
    "dead_letters_status_known": "an enum of ours",
    "dead_letters_next_at_fits": "what is tried again has a time, and nothing else",
    "dead_letters_attempts_not_negative": "a count",
    "events_pkey": "two equal random ids",
    "api_keys_pkey": "two equal random ids",
    "data_keys_pkey": "two equal random ids",
    "signing_keys_pkey": "made under a lock, with a random id",
    "event_seals_counted_from_one": "each is one more than the one before, and seals what there is",
    "ledger_routes_counted_from_one": "each is one more than the one before",
    "charts_counted_from_one": "each is one more than the one before",
    "audit_log_pkey": "inserted with on conflict",
    "audit_log_occurrences_positive": "counted from one",
    "audit_seals_pkey": "inserted with on conflict",
    "audit_seals_not_empty": "a seal is made of records that were found",
    "console_links_pkey": "a fresh id",
    "console_links_role_known": "an enum of ours",
    "console_sessions_pkey": "a fresh id",
    "console_sessions_role_known": "an enum of ours",
    "console_sessions_way_known": "one of our two words",
    "console_proposals_pkey": "two equal random ids",
    "console_proposals_form_unique": "looked for under a lock of the form",
    "console_proposals_open_at": "looked for under a lock of the address",
    "console_proposals_status_known": "ProposalStatus knows no other",
    "console_proposals_role_known": "an enum of ours",
    "console_proposals_times_ordered": "it waits for WAITS_FOR",
    "console_proposals_bounded": "Proposals has refused before",
    "console_proposals_decided": "who decides says when and why",
    "console_proposals_four_eyes": "check_other has refused before",
    "console_proposals_ended": "both are set together",
    "console_views_pkey": "names are compared under a lock",
    "console_views_page_known": "the pages know no other list",
    "console_views_bounded": "ConsoleViews has refused before",
    "secret_checks_pkey": "inserted with on conflict",
    "postings_pkey": "accounts are locked: no version is given twice",
    "journal_entries_reverses_unique": "a reversal is judged under a lock",
    "currencies_exponent_in_range": "Currency cannot exist with another",
    "accounts_type_known": "AccountType knows no other",
    "accounts_status_known": "AccountStatus knows no other",
    "accounts_version_not_negative": "versions only grow",
    "accounts_totals_not_negative": "totals only grow, and releases match placements",
    "accounts_available_above_floor": "the Book has refused before",
    "accounts_limits_ordered": "with_limits has refused before",
    "postings_amount_positive": "Money cannot exist otherwise",
    "postings_held_not_negative": "releases match placements",
    "postings_side_known": "Side knows no other",
    "postings_layer_known": "Layer knows no other",
    "payments_amount_positive": "Money cannot exist otherwise",
    "client_transactions_amount_positive": "Money cannot exist otherwise",
    "client_transactions_tx_in_range": "TransactionRequest and read_row let nothing else through",
    "client_transactions_client_in_range": "TransactionRequest and read_row let nothing else through",
    "client_transactions_type_known": "ClientTransactionType knows no other",
    "client_transactions_status_known": "ClientTransactionStatus knows no other",
    "payments_two_accounts": "Pay cannot exist otherwise",
    "postings_balance": "JournalEntry cannot exist otherwise",
    "postings_fit_account": "the Book has numbered them under a lock",
    "accounts_begin_empty": "Account is opened with nothing in it",
    "account_changes_pkey": "the trigger numbers them under the lock of the account's row",
    "account_changes_origin_known": "the trigger writes no other",
    "account_changes_limits_ordered": "the account's own row has been checked",
    "refusal_seals_pkey": "inserted with on conflict",
    "event_seals_pkey": "made under a lock of its own",
    "signed_checkpoints_pkey": "made under a lock of its own",
    "signed_checkpoints_size_unique": "each adds a leaf at least",
    "signed_checkpoints_whole": "made of leaves that are there",
    "proof_log_nodes_pkey": "made with its checkpoint, under the same lock",
    "checkpoint_keys_pkey": "two equal random keys",
    "checkpoint_keys_endorsed_by_one": "an endorsement is made with its endorser",
    "proof_positions_pkey": "inserted with on conflict",
    "refusal_seals_span_ordered": "a seal begins where the one before ended, and refusals lie behind it",
}
"""By constraint: why its violation is a fault of ours, which is answered with internal_error and an alarm."""


def _constraint_names() -> set[str]:
    names = {"postings_balance", "postings_fit_account"}
    assert all(name in guards.CARRY_POSTINGS for name in names)
    assert "accounts_begin_empty" in guards.CHECK_NEW_ACCOUNTS
    names.add("accounts_begin_empty")
    for table in metadata.sorted_tables:
        names |= {str(constraint.name) for constraint in table.constraints if constraint.name is not None}
        names |= {str(index.name) for index in table.indexes if index.unique}
    return names


def test_every_constraint_is_answered_or_means_a_bug() -> None:
    assert not set(ANSWERED) & set(MEANS_A_BUG)
    unknown = _constraint_names() - set(ANSWERED) - set(MEANS_A_BUG)
    assert not unknown, f"{unknown}: translate it where it enters, or list it in this test as meaning a bug, with why."
    gone = (set(ANSWERED) | set(MEANS_A_BUG)) - _constraint_names()
    assert not gone, f"{gone}: no table has this constraint any more, take it out of this test."


@pytest.mark.parametrize("name", ANSWERED)
def test_the_answer_to_a_constraint_is_where_this_test_says(name: str) -> None:
    file, text, _ = ANSWERED[name]
    assert text in (PACKAGE / file).read_text(), f"{file} does not answer {name} any more: say here who does."


def test_every_constraint_has_a_name() -> None:
    found = [
        f"{table.name}: {constraint}"
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint | UniqueConstraint) and constraint.name is None
    ]
    assert not found, f"{found}: name it after table and rule, so that its violation can be recognised."


# --- 7. Posting rules ------------------------------------------------------------------------------------------------


def test_every_type_of_payment_has_a_posting_rule_and_every_rule_a_use() -> None:
    rules = {rule.__name__ for rule in accounting.rules()}
    missing = set(PaymentType) - set(posting_rules.PAYMENT_RULES)
    assert not missing, f"{missing}: write the posting rule of the new type, under @_rule_of, in posting_rules.py."
    assert set(CLIENT_COMMANDS) == set(ClientCommandType), "Write the command and add it to CLIENT_COMMANDS."
    assert {command.value for command in ClientCommandType} <= rules, "A client's command is named after its rule."
    used = {rule.__name__ for rule in posting_rules.PAYMENT_RULES.values()}
    used |= {
        node.attr
        for module in modules("domain/payments")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "posting_rules"
    }
    unused = rules - used
    assert not unused, f"{unused}: this posting rule posts nothing. Put @_rule_of its type on it, or take it out."


@pytest.mark.parametrize("type_", PaymentType)
def test_the_reason_of_a_payment_is_the_word_of_its_type(type_: PaymentType) -> None:
    rule = posting_rules.PAYMENT_RULES[type_]
    entry = rule(AccountId(UUID(int=1)), AccountId(UUID(int=2)), accounting.MONEY, None)
    assert entry.reason == type_, (
        f"{rule.__name__}: the reason of its entry is another, so verify would call it forged."
    )


# --- 8. Money in tables ----------------------------------------------------------------------------------------------

UNBOUND = {
    "postings.balance_after": "may be anything; the guard holds it against the account's row",
    "account_checkpoints.dated_held": "what was held by dated postings only may have been released by others first",
}


def _money_columns() -> list[tuple[Table, Column[object]]]:
    return [
        (table, column)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Numeric) and not isinstance(column.type, Float)
    ]


@pytest.mark.parametrize(("table", "column"), _money_columns(), ids=str)
def test_every_money_column_stands_beside_a_currency(table: Table, column: Column[object]) -> None:
    assert "currency" in table.columns, f"{column}: an amount without its currency means nothing. Add `currency`."


@pytest.mark.parametrize(("table", "column"), _money_columns(), ids=str)
def test_every_money_column_has_a_check_constraint(table: Table, column: Column[object]) -> None:
    checks = " ".join(str(one.sqltext) for one in table.constraints if isinstance(one, CheckConstraint))
    is_checked = column.name in checks.replace("(", " ").replace(")", " ").split()
    assert is_checked != (str(column) in UNBOUND), (
        f"{column}: add a check constraint, or say in UNBOUND why there is none."
    )


def test_the_journal_is_only_ever_added_to() -> None:
    for table in JOURNAL:
        rights = GRANTS[table]
        assert rights in ("insert", ""), f"The service may {rights} {table.name}: a correction is a new entry."
        trigger = f"before update or delete or truncate on {table.name}"
        assert any(trigger in statement for statement in guards.statements()), f"{table.name} has no guard."


def test_no_code_changes_the_journal() -> None:
    names = {table.name for table in JOURNAL}
    words = [f"{verb} {name}" for verb in ("update", "delete from", "truncate") for name in names]
    found = [
        module.place(node)
        for module in modules()
        for node in ast.walk(module.tree)
        # One thing may go, by one way: refusals after thirty days, which triggers see to.
        if (
            isinstance(node, ast.Constant)
            and node.value != guards.PURGE_REFUSALS
            and any(word in str(node.value).lower() for word in words)
        )
        or (isinstance(node, ast.Call) and _is_change_of(names, node))
    ]
    assert not found, f"{found}: the journal is never changed. Post a reversal or an adjustment."


def _is_change_of(names: set[str], call: ast.Call) -> bool:
    """SQLAlchemy's `update(postings)` and `postings.update()`."""
    verbs = ("update", "delete")
    if isinstance(call.func, ast.Name) and call.func.id in verbs:
        return any(isinstance(argument, ast.Name) and argument.id in names for argument in call.args)
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in verbs
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in names
    )
