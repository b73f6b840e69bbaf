"""The bugs in what proves the books, in what judges an entry, and in what tells of an instant."""

from __future__ import annotations

from tests.planted.plant import in_database, plant

LANE = "src/zerosum/services/committing/batch_runner.py"
CHAINS = "src/zerosum/services/proofs/of_chains.py"
CHECKPOINTS = ("src/zerosum/db/schema/checkpoint_functions.py", "alembic/versions/0011_checkpoints.py")
VERSIONS_BY_TIME = (CHECKPOINTS[0], "alembic/versions/0061_version_by_time.py")
GUARD = ("src/zerosum/db/schema/guards.py", "alembic/versions/0009_commands.py")
TOTALS = "tests/db/test_totals_at.py::"

VERIFY = "verify looks away"
PROVED = "tests/api/test_verify.py::test_what_was_changed_past_the_service_is_found"
CHECKPOINTS_PROVED = "tests/api/test_verify.py::test_what_was_changed_of_checkpoints_is_found"
ENTRIES_PROOF = "src/zerosum/services/proofs/of_entries.py"
HISTORIES_PROOF = "src/zerosum/services/proofs/of_histories.py"
CHECKPOINTS_PROOF = "src/zerosum/services/proofs/of_checkpoints.py"
EVENTS_PROOF = "src/zerosum/services/proofs/of_events.py"
HEADS = "src/zerosum/services/proofs/exported_heads.py"
AUDIT = "tests/services/test_self_audit.py::"
PARTS = "money in parts"
PARTS_PLANTS = (
    plant(
        "the units that are left go to who is named first",
        PARTS,
        "src/zerosum/domain/money/allotting.py",
        "key=lambda place: (-shares[place][1], place)",
        "key=lambda place: place",
        "tests/domain/test_allotting.py::test_fixed_parts_percentages_and_the_rest",
    ),
    plant(
        "a refund takes from the payee what a dispute has taken",
        PARTS,
        "src/zerosum/domain/payments/splits.py",
        "left = max(subtract(left, questioned), Decimal(0))",
        "left = max(left, Decimal(0))",
        "tests/api/test_splits.py::test_the_payee_answers_for_disputes",
    ),
    plant(
        "what a receiver gave back is not written",
        PARTS,
        "src/zerosum/db/batch/split_records.py",
        'Column("refunded", "text", lambda split: optional_text(split.refunded), "numeric"),',
        'Column("refunded", "text", lambda split: None, "numeric"),',
        "tests/api/test_splits.py::test_after_all_its_refunds_each_has_given_back_exactly_its_part",
    ),
    plant(
        "a receiver may have given back something else",
        PARTS,
        "src/zerosum/services/proofs/of_splits.py",
        "!= (Decimal(split.given_back or 0), Decimal(split.asked_back or 0))",
        "!= (Decimal(split.refunded or 0), Decimal(split.refunding or 0))",
        PROVED,
    ),
    plant(
        "what a processor has carried out in part is divided as if it were all",
        PARTS,
        "src/zerosum/domain/payments/processor_splits.py",
        "return divide_less(splits, paid)",
        "return tuple(split.amount for split in splits)",
        "tests/domain/test_processor_splits.py::test_the_total_is_kept_and_nobody_gives_back_more_than_he_got",
    ),
    plant(
        "what comes behind a closing is dated as it was asked for",
        PARTS,
        "src/zerosum/services/processor_answers.py",
        '"dating": None if call.effective_at is None else UnrefusedDating(),',
        '"dating": None,',
        "tests/processors/test_splits.py::test_a_period_that_closes_in_between_neither_loses_nor_holds_up_anything",
    ),
    plant(
        "what rounding did is told with the other sign",
        PARTS,
        "src/zerosum/domain/payments/exchanges.py",
        "return Conversion(exact, subtract(whole, exact), margin, bought)",
        "return Conversion(exact, subtract(exact, whole), margin, bought)",
        "tests/domain/test_exchanges.py::test_what_is_bought_and_kept_is_the_exact_product_to_the_last_digit",
    ),
)
VERIFY_PLANTS = (
    plant(
        "a payment may have another amount than its entry",
        VERIFY,
        ENTRIES_PROOF,
        '"amount": Decimal(row.payment_amount) == Decimal(row.amount) and row.lines == 1 + receivers_of(row),',
        '"amount": row.lines == 1 + receivers_of(row),',
        PROVED,
    ),
    plant(
        "a payment may be another than was ordered",
        VERIFY,
        ENTRIES_PROOF,
        "if not is_payment_of(row, payer_code, payee_code):",
        "if False:",
        PROVED,
    ),
    plant(
        "a payment may stand on no entry",
        VERIFY,
        ENTRIES_PROOF,
        "for row in orphans:",
        "for row in orphans[:0]:",
        PROVED,
    ),
    plant(
        "codes may be swapped",
        VERIFY,
        HISTORIES_PROOF,
        'for name in (*_CONTENT, "velocity_limits"): if not _is_same',
        'for name in (*_CONTENT[1:], "velocity_limits"):\n            if not _is_same',
        PROVED,
    ),
    plant(
        "limits may be changed",
        VERIFY,
        HISTORIES_PROOF,
        "return Decimal(one) == Decimal(other)",
        "return True",
        PROVED,
    ),
    plant(
        "a history may be written anew",
        VERIFY,
        HISTORIES_PROOF,
        "elif _link(self.head, row) != row.hash:",
        "elif False:",
        PROVED,
    ),
    plant(
        "who may be overdrawn is not looked at",
        VERIFY,
        CHAINS,
        "if account.overdrawn and not is_below:",
        "if False:",
        PROVED,
    ),
    plant(
        "a client transaction may have another amount than its entry",
        VERIFY,
        ENTRIES_PROOF,
        '"amount": Decimal(made.amount) == Decimal(row.amount),',
        "",
        PROVED,
    ),
    plant(
        "a dispute may be forgotten",
        VERIFY,
        "src/zerosum/services/proofs/of_accounts.py",
        "for tx in sorted(found[client].items() ^ walk.client_transactions.items()):",
        "for tx in sorted(found[client].items() - walk.client_transactions.items()):",
        PROVED,
    ),
    plant(
        "a refusal may be gone",
        VERIFY,
        "src/zerosum/services/proofs/refusal_seals.py",
        "if found != (seal.refusals, seal.digest):",
        "if found[0] > seal.refusals:",
        PROVED,
    ),
    plant(
        "a checkpoint may say anything",
        VERIFY,
        CHECKPOINTS_PROOF,
        "if [getattr(mark, name) for name in _SUMS] != sums or mark.undated_version != undated:",
        "if False:",
        CHECKPOINTS_PROVED,
    ),
    plant(
        "a checkpoint in the middle may be gone",
        VERIFY,
        CHECKPOINTS_PROOF,
        'report.note(f"the checkpoint does not follow the one at version {version}", *here)',
        "",
        CHECKPOINTS_PROVED,
    ),
    plant(
        "dated postings may be sealed otherwise",
        VERIFY,
        CHECKPOINTS_PROOF,
        "for block in wrong:",
        "for block in wrong[:0]:",
        CHECKPOINTS_PROVED,
        "tests/services/test_checkpointing.py::test_blocks_of_blocks_are_proved_too",
    ),
    plant(
        "an event of an entry may be gone",
        VERIFY,
        EVENTS_PROOF,
        "self._differing = [bucket for bucket in range(BUCKETS) if self._sums[bucket] != self._found[bucket]]",
        "self._differing = []",
        PROVED,
    ),
    plant(
        "an event of an account may be gone",
        VERIFY,
        HISTORIES_PROOF,
        'if row.origin == "set" and not row.is_dropped and self._event(row) not in row.events:',
        "if False:",
        PROVED,
    ),
    plant(
        "a tail may be cut off",
        VERIFY,
        HEADS,
        "elif version > 0 and (row.head is None or row.head.hex() != head):",
        "elif row.head is not None and row.head.hex() != head:",
        f"{AUDIT}test_a_tail_that_was_cut_off_is_found_by_heads_of_before",
    ),
    plant(
        "a history may be other than its exported head",
        VERIFY,
        HEADS,
        "if revision > 0 and (row.hash is None or row.hash.hex() != digest):",
        "if revision > 0 and row.hash is None:",
        f"{AUDIT}test_a_history_that_was_written_anew_is_found_by_heads_of_before",
    ),
)

JUDGED = "what the books hold an entry to"
CHAIN = "tests/domain/test_chain.py::"
BOOK = "tests/domain/test_book.py::"
BOOK_FILE = "src/zerosum/domain/ledger/book.py"
CHANGE_FILE = "src/zerosum/domain/ledger/account_change.py"
POSTING_GUARD = "tests/db/test_posting_guard.py::"
JUDGED_PLANTS = (
    plant(
        "the hold of a posting is not hashed",
        JUDGED,
        "src/zerosum/domain/ledger/chain.py",
        'f"{own}|{posting.hold}".encode("ascii")',
        'own.encode("ascii")',
        f"{CHAIN}test_the_hash_of_a_posting_that_names_its_hold_is_what_it_always_was",
        f"{CHAIN}test_every_member_of_a_posting_enters_the_hash",
    ),
    plant(
        "limits judge a fact from outside",
        JUDGED,
        CHANGE_FILE,
        "(account.min_available, account.max_available) if is_intention else (None, None)",
        "(account.min_available, account.max_available)",
        f"{BOOK}test_a_fact_from_outside_is_judged_by_no_limit_on_any_of_its_accounts",
        f"{BOOK}test_a_dispute_may_take_what_is_available_below_the_floor",
    ),
    plant(
        "a frozen account takes no fact from outside",
        JUDGED,
        CHANGE_FILE,
        "if is_intention and account.status is not AccountStatus.OPEN:",
        "if account.status is not AccountStatus.OPEN:",
        f"{BOOK}test_a_fact_from_outside_is_recorded_on_an_account_that_takes_nothing_else",
    ),
    plant(
        "a fact from outside flags nobody",
        JUDGED,
        BOOK_FILE,
        "if account.overdrawn or entry.nature is not Nature.INTENTION:",
        "if account.overdrawn:",
        f"{BOOK}test_a_dispute_may_take_what_is_available_below_the_floor",
    ),
    plant(
        "time is what the clock says",
        JUDGED,
        "src/zerosum/services/committing/flights.py",
        "return max((now, self._earliest, *posted_before))",
        "return now",
        "tests/committer/test_clocks.py::test_a_clock_that_is_set_back_takes_no_account_back_with_it",
    ),
    in_database(
        "the guard lets time go back",
        JUDGED,
        GUARD,
        "and (last_posted_at is null or first_posted_at >= last_posted_at)",
        "",
        f"{POSTING_GUARD}test_time_does_not_go_back_on_an_account",
    ),
    in_database(
        "the guard lets one batch have two times",
        JUDGED,
        GUARD,
        "and first_posted_at = final_posted_at",
        "",
        f"{POSTING_GUARD}test_what_is_written_at_once_has_one_time",
    ),
    in_database(
        "the guard lets versions be left out",
        JUDGED,
        GUARD,
        "and version = first_version - 1 and last_version - first_version = number - 1 "
        "and currency = lowest_currency and currency = highest_currency -- Time",
        "and version <= first_version - 1 and currency = lowest_currency and currency = highest_currency\n-- Time",
        f"{POSTING_GUARD}test_a_version_that_skips_one_is_refused",
        f"{POSTING_GUARD}test_a_batch_leaves_no_version_out",
    ),
)

AT_AN_INSTANT = "what was at an instant"
INSTANT_PLANTS = (
    in_database(
        "what is written at the instant is not counted",
        AT_AN_INSTANT,
        VERSIONS_BY_TIME,
        "some dated ones may lie between. select account_version, posted_at <= moment into high",
        "some dated ones may lie between.\n    select account_version, posted_at < moment into high",
        f"{TOTALS}test_any_history_at_any_instant",
    ),
    in_database(
        "dated postings are counted as if they had happened when they were written",
        AT_AN_INSTANT,
        CHECKPOINTS,
        "held := held + happened.held - written.held;",
        "",
        f"{TOTALS}test_any_history_at_any_instant",
    ),
    plant(
        "a write that is still open is not waited for",
        AT_AN_INSTANT,
        "src/zerosum/services/requests/settled_time.py",
        "open_then = await self._writers(ledger_id) while",
        "open_then = set[str]()\n        while",
        "tests/services/test_settled_time.py::test_a_write_that_was_open_is_waited_for",
    ),
    plant(
        "clocks are taken to agree",
        AT_AN_INSTANT,
        "src/zerosum/services/requests/settled_time.py",
        "still_ahead = instant + CLOCKS_APART_MAX - arrived",
        "still_ahead = instant - arrived",
        "tests/services/test_settled_time.py::test_every_clock_has_passed_what_is_answered",
    ),
)
