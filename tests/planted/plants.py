"""The bugs. Each is one that somebody could make on a Friday, and that once went through the whole suite unseen.

A plant whose text is gone is lost: find where the rule lives now, and plant it there.
"""

from __future__ import annotations

from tests.planted.client_plants import CLIENT_PLANTS
from tests.planted.console_plants import SECOND_PERSON_PLANTS
from tests.planted.log_plants import LOG_PLANTS
from tests.planted.model_plants import MODEL_PLANTS
from tests.planted.overload_plants import OVERLOAD_PLANTS
from tests.planted.plant import Edit, Plant, in_database, plant
from tests.planted.proof_plants import (
    CHAINS,
    CHECKPOINTS,
    INSTANT_PLANTS,
    JUDGED_PLANTS,
    LANE,
    PARTS_PLANTS,
    TOTALS,
    VERIFY_PLANTS,
)
from tests.planted.restore_plants import RESTORE_PLANTS

LOADING = "src/zerosum/db/batch/loading.py"
RECORD_SETS = "src/zerosum/db/batch/record_sets.py"
BALANCES = "src/zerosum/db/queries/balances.py"
COMMITTER = "src/zerosum/services/committing/committer.py"
LEDGERS = "tests/committer/test_several_ledgers.py::"
HELD = "tests/api/test_held_amounts.py::"
INSTANT = "tests/api/test_one_instant.py::"
PRINTS = "tests/api/test_fingerprints.py::"
MODEL = "tests/model/test_against_model.py::"
ORDER = "tests/committer/test_order.py::"
LOST = "tests/cli/test_lost_commits.py::"
UPGRADE = "tests/upgrade/test_upgrade.py::"

SEVERAL_LEDGERS = "several ledgers in one batch"
SEVERAL_LEDGERS_PLANTS = (
    plant(
        "what a key stood for is told of whatever ledger",
        SEVERAL_LEDGERS,
        LOADING,
        "join journal_entries entry using (ledger_id, idempotency_key)",
        "join journal_entries entry using (idempotency_key)",
        f"{LEDGERS}test_a_key_used_before_in_one_ledger_is_free_in_the_other",
    ),
    plant(
        "a refusal is that of whatever ledger",
        SEVERAL_LEDGERS,
        LOADING,
        "join refusals refusal using (ledger_id, idempotency_key)",
        "join refusals refusal using (idempotency_key)",
        f"{LEDGERS}test_a_key_refused_before_in_one_ledger_is_free_in_the_other",
    ),
    plant(
        "a batch remembers a key without its ledger",
        SEVERAL_LEDGERS,
        "src/zerosum/services/committing/idempotent_book.py",
        "key = (command.ledger_id, command.idempotency_key)\n        answered = self._answered.get(key)",
        "key = (command.ledger_id, command.idempotency_key)\n        answered = next((one for (_, known), one in "
        "self._answered.items() if known == command.idempotency_key), None)",
        f"{LEDGERS}test_one_key_in_two_ledgers_is_two_keys",
    ),
    plant(
        "a tx is that of whatever ledger",
        SEVERAL_LEDGERS,
        RECORD_SETS,
        "where found.ledger_id = changed.ledger_id and found.{key.name} = changed.id{_cast(key)}",
        "where found.{key.name} = changed.id{_cast(key)}",
        f"{LEDGERS}test_one_tx_in_two_ledgers_is_two_transactions",
    ),
    plant(
        "an entry was reversed in whatever ledger",
        SEVERAL_LEDGERS,
        RECORD_SETS,
        "where ledger_id = wanted.ledger_id and {key.name} = wanted.id limit 1{lock}",
        "where {key.name} = wanted.id limit 1{lock}",
        f"{LEDGERS}test_an_entry_reversed_in_one_ledger_is_not_reversed_in_the_other",
    ),
)

HELD_AMOUNTS = "held amounts outside the Book"
HELD_PLANTS = (
    in_database(
        "a dated release holds once more, at an instant",
        HELD_AMOUNTS,
        CHECKPOINTS,
        "case when layer = 'p' or side <> outgoing then 0 when releases then -amount else amount end, account_version",
        # As it stands there: revision 0015 looks for what follows it by its very blanks.
        "case when layer = 'p' or side <> outgoing then 0 else amount end,\n               account_version",
        f"{TOTALS}test_any_history_at_any_instant",
    ),
    in_database(
        "a dated hold is posted, at an instant",
        HELD_AMOUNTS,
        CHECKPOINTS,
        "select case when layer = 'p' and side = 'd' then amount else 0 end, "
        "case when layer = 'p' and side = 'c' then amount else 0 end, "
        "case when layer = 'p' or side <> outgoing then 0",
        "select case when side = 'd' then amount else 0 end, case when side = 'c' then amount else 0 end, "
        "case when layer = 'p' or side <> outgoing then 0",
        f"{TOTALS}test_any_history_at_any_instant",
    ),
    plant(
        "a hold is posted, in a trial balance of then",
        HELD_AMOUNTS,
        BALANCES,
        'func.sum(case((and_(postings.c.layer == "p", postings.c.side == side), postings.c.amount), else_=0))',
        "func.sum(case((postings.c.side == side, postings.c.amount), else_=0))",
        f"{HELD}test_a_trial_balance_counts_what_is_posted_and_no_hold",
    ),
    plant(
        "verify takes a release for a hold",
        HELD_AMOUNTS,
        CHAINS,
        "amount.copy_negate() if row.releases else amount",
        "amount",
        f"{HELD}test_integrity_finds_books_with_holds_right",
    ),
    plant(
        "verify does not look at what an account holds",
        HELD_AMOUNTS,
        CHAINS,
        "if stored != (self.debits, self.credits, self.held):",
        "if stored[:2] != (self.debits, self.credits):",
        f"{HELD}test_a_hold_that_somebody_has_touched_is_found",
    ),
)

CONCURRENT = "concurrent readers and creators"
CONCURRENT_PLANTS = (
    plant(
        "a snapshot is none",
        CONCURRENT,
        "src/zerosum/db/engine.py",
        'isolation_level="REPEATABLE READ", postgresql_readonly=True',
        'isolation_level="READ COMMITTED", postgresql_readonly=True',
        f"{INSTANT}test_a_report_holds_nothing_that_came_while_it_was_made",
        f"{INSTANT}test_books_that_are_written_meanwhile_are_found_right",
    ),
    plant(
        "the trial balance takes no snapshot",
        CONCURRENT,
        "src/zerosum/services/balances.py",
        "async with self._database.snapshot(caller.ledger_id) as connection:",
        "async with self._database.work(caller.ledger_id) as connection:",
        f"{INSTANT}test_a_report_holds_nothing_that_came_while_it_was_made",
    ),
    plant(
        "accounts are made in any order",
        CONCURRENT,
        "src/zerosum/db/queries/accounts.py",
        "for account in sorted(new, key=lambda account: account.code)",
        "for account in new",
        "tests/db/test_creators.py::test_accounts_are_made_in_the_order_of_their_codes",
    ),
    Plant(
        "keys are looked up before the locks",
        CONCURRENT,
        (
            Edit(
                LANE,
                "locked = await connection.loader.accounts(waited_for) if waited_for else []",
                "self._early = await connection.loader.used_keys(  # type: ignore[attr-defined]\n"
                "                list({(c.ledger_id, c.idempotency_key) for work in works for c in work.commands})\n"
                "            )\n"
                "            locked = await connection.loader.accounts(waited_for) if waited_for else []",
            ),
            Edit(
                LANE,
                "used = await connection.loader.used_keys(keys_of(works), is_impatient=is_impatient)",
                "used = self._early",
            ),
        ),
        (
            "tests/committer/test_concurrency.py::"
            "test_who_waited_for_the_accounts_knows_what_became_of_the_key_meanwhile",
        ),
    ),
)

FINGERPRINTS = "fingerprints beyond payments"
FINGERPRINT_PLANTS = (
    plant(
        "the time of an entry is no part of it",
        FINGERPRINTS,
        "src/zerosum/services/journal.py",
        '"reason": order.reason,\n            "effective_at": order.effective_at,',
        '"reason": order.reason,',
        f"{PRINTS}test_another_entry_is_not_replayed",
    ),
    plant(
        "the side of a line is no part of it",
        FINGERPRINTS,
        "src/zerosum/services/journal.py",
        "[line.account, line.side, render_amount(posting.money.amount), line.currency]",
        "[line.account, render_amount(posting.money.amount), line.currency]",
        f"{PRINTS}test_an_entry_with_another_line_is_not_replayed",
    ),
    plant(
        "the reason of a reversal is no part of it",
        FINGERPRINTS,
        "src/zerosum/services/journal.py",
        '"reason": order.reason,\n                    "force":',
        '"force":',
        f"{PRINTS}test_another_reversal_is_not_replayed",
    ),
    plant(
        "a chargeback that may refuse is the one that may not",
        FINGERPRINTS,
        "src/zerosum/services/clients.py",
        'content["refuse_negative_total"] = "true"',
        "pass",
        f"{PRINTS}test_another_client_transaction_is_not_replayed",
    ),
    plant(
        "an import's content is not compared",
        FINGERPRINTS,
        "src/zerosum/services/imports.py",
        "if found.content_sha256 != content_sha256:",
        "if not found.content_sha256:",
        f"{PRINTS}test_an_import_s_name_stands_for_one_content",
    ),
    plant(
        "a field that somebody adds is in no fingerprint",
        FINGERPRINTS,
        "src/zerosum/services/clients.py",
        "refuse_negative_total: bool = False",
        "refuse_negative_total: bool = False\n    comment: str | None = None",
        f"{PRINTS}test_every_field_of_every_order_has_a_change_here",
    ),
)

MEMORY = "what is remembered of accounts"
MEMORY_TESTS = "tests/committer/test_remembered.py::"
FLIGHTS = "src/zerosum/services/committing/flights.py"
FLIGHT_TESTS = "tests/committer/test_flights.py::"
MEMORY_PLANTS = (
    plant(
        "rows are not compared with what is remembered",
        MEMORY,
        "alembic/versions/0049_behind_another_batch.py",
        "where account.xmin = wanted.row_version or wanted.row_version = '0'",
        "where account.xmin = wanted.row_version or true",
        f"{MEMORY_TESTS}test_what_was_changed_by_others_is_not_decided_by_memory",
    ),
    plant(
        "keys are not looked up where accounts are remembered",
        MEMORY,
        "alembic/versions/0049_behind_another_batch.py",
        ")) then return 'changed'; end if; if exists (",
        ")) then return 'changed'; end if; if false and exists (",
        f"{MEMORY_TESTS}test_a_key_that_was_used_is_found_though_its_accounts_are_remembered",
    ),
    plant(
        "whoever has left an account is taken for the batch before",
        MEMORY,
        "alembic/versions/0049_behind_another_batch.py",
        "if first_writer is not null and (",
        "if first_writer is not null and first_writer <> last_writer and (",
        f"{FLIGHT_TESTS}test_what_somebody_changes_between_the_two_is_seen",
    ),
    plant(
        "who falls does not wait for the batch behind",
        MEMORY,
        "src/zerosum/services/committing/batch_runner.py",
        "if flight.follower is not None:",
        "if False:",
        f"{FLIGHT_TESTS}test_who_falls_writes_nothing_before_the_one_behind_has_heard",
    ),
    plant(
        "nobody asks whether there are newer house rules than those that are remembered",
        MEMORY,
        "src/zerosum/db/batch/house_rules_records.py",
        "next.version = known.number + 1",
        "next.version = known.number",
        "tests/committer/test_remembered_rules.py::test_rules_that_others_have_changed_hold_for_the_very_next_hold",
    ),
    plant(
        "rules that are no more are remembered for ever",
        MEMORY,
        FLIGHTS,
        "if told == OTHER_RECORDS:",
        "if False:",
        "tests/committer/test_remembered_rules.py::test_rules_that_others_have_changed_hold_for_the_very_next_hold",
    ),
    plant(
        "works of one order are in two batches at once",
        MEMORY,
        "src/zerosum/services/committing/lane_loop.py",
        "if orders and any(work.order_key in orders for work in works):",
        "if False:",
        f"{FLIGHT_TESTS}test_works_of_one_order_are_never_in_two_batches_at_once",
    ),
    plant(
        "time goes back on an account with the clock",
        MEMORY,
        FLIGHTS,
        "return max((now, self._earliest, *posted_before))",
        "return now",
        f"{MEMORY_TESTS}test_time_never_goes_back_on_an_account",
    ),
    plant(
        "a batch that was never heard of may fit upon a later attempt of the one before it",
        MEMORY,
        FLIGHTS,
        "return max((now, self._earliest, *posted_before))",
        "return max((now, *posted_before))",
        "tests/committer/test_flights_left_behind.py::"
        "test_it_is_not_written_upon_another_attempt_of_the_one_before_it_though_the_clock_goes_back",
    ),
    plant(
        "a batch that was written is called undone when its lane is lost",
        MEMORY,
        "src/zerosum/services/committing/batch_runner.py",
        "with committing(flight.works):",
        "if True:",
        "tests/committer/test_flights_that_fail.py::"
        "test_what_was_written_and_not_told_when_its_lane_was_lost_is_unknown",
    ),
    plant(
        "a limit judges a fact from outside",
        "the nature of facts",
        "src/zerosum/domain/ledger/account_change.py",
        "floor, ceiling = (account.min_available, account.max_available) if is_intention else (None, None)",
        "floor, ceiling = account.min_available, account.max_available",
        "tests/domain/test_book.py::test_a_fact_from_outside_is_judged_by_no_limit_on_any_of_its_accounts",
    ),
    plant(
        "the hash does not cover the hold",
        "the nature of facts",
        "src/zerosum/domain/ledger/chain.py",
        "if posting.hold is not None:",
        "if False:",
        "tests/domain/test_chain.py::test_every_member_of_a_posting_enters_the_hash",
    ),
    plant(
        "what was posted before a refusal stays",
        "several entries",
        "src/zerosum/domain/ledger/book.py",
        "if command.posts_several or command.opens:\n            outcomes",
        "if command.opens:\n            outcomes",
        "tests/domain/test_compound.py::test_what_was_posted_before_a_refusal_is_undone",
    ),
    plant(
        "a refused payment leaves the accounts it has opened",
        "first use",
        "src/zerosum/domain/ledger/book.py",
        "if command.posts_several or command.opens:\n            outcomes",
        "if command.posts_several:\n            outcomes",
        "tests/api/test_first_use.py::test_a_first_payment_opens_its_account",
    ),
    plant(
        "a chart that the security log does not tell of is believed",
        "first use",
        "src/zerosum/services/proofs/of_versions.py",
        "if not row.is_told:",
        "if False:",
        "tests/api/test_verify.py::test_what_was_changed_past_the_service_is_found",
    ),
)

GROUPS = "account groups"
GROUP_PLANTS = (
    plant(
        "the row of a group with limits is looked at and not locked",
        GROUPS,
        "src/zerosum/db/batch/limited_groups.py",
        'FIND_LIMITED_GROUPS + "for no key update of limited"',
        "FIND_LIMITED_GROUPS",
        "tests/api/test_group_limits.py::test_a_payment_waits_for_whoever_has_the_row_of_its_group",
    ),
    plant(
        "an account in a group is remembered from batch to batch",
        GROUPS,
        FLIGHTS,
        "if account.velocity or account.groups:",
        "if account.velocity:",
        "tests/committer/test_several_ledgers.py::test_a_group_of_one_name_in_two_ledgers_has_the_limits_of_each",
    ),
    plant(
        "who stands under the limits of groups is believed",
        GROUPS,
        "src/zerosum/services/proofs/of_group_limits.py",
        "if (row.limited_groups or []) != found:",
        "if False:",
        "tests/api/test_verify.py::test_what_was_changed_past_the_service_is_found",
    ),
)

DUTIES = "duties that no test named"
DUTY_PLANTS = (
    plant(
        "the warning of a lost standby is not heard",
        DUTIES,
        "src/zerosum/db/sessions.py",
        "if self._has_lost_standby:",
        "if self._has_lost_standby and self.is_closed():",
        "tests/committer/test_lost_standby.py::test_a_payment_that_only_the_primary_has_is_not_acknowledged",
    ),
    plant(
        "who is busy does not say for how long",
        DUTIES,
        "src/zerosum/services/committing/held_up.py",
        'Unavailable("The accounts are busy; nothing was done.", retry_after=1)',
        'Unavailable("The accounts are busy; nothing was done.")',
        "tests/api/test_busy_answers.py::test_accounts_that_somebody_holds_are_busy_for_a_second",
    ),
    plant(
        "what expires is not counted",
        DUTIES,
        "src/zerosum/services/committing/committer.py",
        "self._stats.expired += 1",
        "pass",
        "tests/committer/test_neighbours.py::test_everything_that_befalls_a_command_is_counted",
    ),
    plant(
        "two counters are told under each other's name",
        DUTIES,
        "src/zerosum/metrics/readers.py",
        "committer.SHED: stats.shed, committer.EXPIRED: stats.expired,",
        "committer.SHED: stats.expired, committer.EXPIRED: stats.shed,",
        "tests/api/test_busy_answers.py::test_every_counter_of_the_committer_is_told_under_its_name",
    ),
    Plant(
        "an index is lost, in the tables and in its migration",
        DUTIES,
        (
            Edit("src/zerosum/db/schema/tables.py", 'Index("payments_by_type", "ledger_id", "type", "id"),', ""),
            Edit("alembic/versions/0007_lists.py", '"payments_by_type": "payments (ledger_id, type, id)",', ""),
        ),
        ("tests/db/test_indexes.py::test_each_index_is_there_for_somebody_and_nobody_s_is_missing",),
    ),
    plant(
        "a killed process is remembered for ever",
        DUTIES,
        "src/zerosum/embedded/watched_child.py",
        "if self.is_up:\n            self._has_ended()",
        "pass",
        "tests/embedded/test_watched_child.py::test_each_process_that_has_ended_is_told_once",
        "tests/cli/test_up.py::test_the_levels_of_a_killed_process_no_longer_count",
    ),
    plant(
        "each process has a budget of its own",
        DUTIES,
        "src/zerosum/gateway/limits/rate_limit.py",
        'f"{self.name}:{key}",',
        "f\"{self.name}:{key}:{__import__('os').getpid()}\",",
        "tests/cli/test_two_processes.py::test_a_caller_has_one_budget_however_many_processes_answer_him",
    ),
)

ANSWERS = "an unknown outcome, and those who leave"
LEAVES_WITH_HIS_WORK = Edit(COMMITTER, "return await asyncio.shield(answer)", "return await answer")
ANSWER_PLANTS = (
    plant(
        "nobody knows is told as nothing was done",
        ANSWERS,
        "src/zerosum/api/problems.py",
        "errors.OutcomeUnknown: 504",
        "errors.OutcomeUnknown: 503",
        "tests/api/test_busy_answers.py::test_a_commit_whose_fate_is_not_known_is_504_and_the_key_settles_it",
    ),
    Plant(
        "when patience is over nothing was done, whatever was sent",
        ANSWERS,
        (
            Edit(
                LANE,
                "if not work.may_have_committed and loop.time() >= patience_ends:",
                "if loop.time() >= patience_ends:",
            ),
            Edit(
                "src/zerosum/services/committing/work.py",
                "outcome_unknown() if self.may_have_committed or self.is_key_held else error",
                "outcome_unknown() if self.is_key_held else error",
            ),
        ),
        ("tests/committer/test_faults.py::test_an_outcome_that_stays_unknown_is_told_and_the_key_settles_it",),
    ),
    Plant(
        "an answer is lost with the caller who left",
        ANSWERS,
        (
            LEAVES_WITH_HIS_WORK,
            Edit(
                "src/zerosum/services/committing/answering.py",
                "for work, answer in zip(works, answers, strict=True):",
                "for work, answer in zip([one for one in works if not one.is_answered], answers):",
            ),
        ),
        ("tests/committer/test_neighbours.py::test_those_who_stay_get_their_own_answers_when_every_second_one_leaves",),
    ),
    Plant(
        "who leaves takes his work with him",
        ANSWERS,
        (LEAVES_WITH_HIS_WORK,),
        (
            f"{ORDER}test_a_caller_who_leaves_is_carried_out_in_his_turn",
            f"{ORDER}test_a_caller_who_leaves_is_refused_like_others_and_not_overtaken",
        ),
    ),
    plant(
        "what is shed is overtaken by less",
        ANSWERS,
        COMMITTER,
        "if is_full or order_key in self._shed_orders or (order_key is None and self.is_too_much(work.ledger_id)):",
        "if is_full or (order_key is None and self.is_too_much(work.ledger_id)):",
        f"{ORDER}test_what_is_shed_is_not_overtaken_by_less_that_was_handed_over_with_it",
    ),
    plant(
        "what expires while it is held up is overtaken",
        ANSWERS,
        COMMITTER,
        "if lane.ordered.works or lane.held_up:",
        "if lane.ordered.works:",
        f"{ORDER}test_what_has_expired_while_it_was_held_up_is_not_overtaken",
    ),
    plant(
        "each process knows its own lost commits alone",
        ANSWERS,
        "src/zerosum/cli/processes.py",
        "unknown=shared.unknown_keys",
        "unknown=UnknownKeys()",
        f"{LOST}test_a_key_whose_commit_was_lost_is_504_at_each_process_until_it_is_known",
    ),
    plant(
        "nothing was done, says the gateway of a lost commit",
        ANSWERS,
        "src/zerosum/main.py",
        "unknown_keys=self.committer.unknown_keys,",
        "",
        f"{LOST}test_a_key_whose_commit_was_lost_is_504_at_each_process_until_it_is_known",
    ),
    plant(
        "a process is ready without a lane",
        ANSWERS,
        "src/zerosum/main.py",
        "and self.committer.is_whole and",
        "and",
        "tests/api/test_system.py::test_it_is_not_ready_until_a_lane_that_has_died_is_replaced",
    ),
)

WAY = "the way there"
WAY_PLANTS = (
    plant(
        "a migration forgets floors that were set",
        WAY,
        "alembic/versions/0007_lists.py",
        "def upgrade() -> None:",
        "def upgrade() -> None:\n    op.execute('alter table accounts no force row level security')\n"
        "    op.execute('update accounts set min_available = null')\n"
        "    op.execute('alter table accounts force row level security')",
        f"{UPGRADE}test_the_upgraded_books_are_right_and_tell_what_they_told",
    ),
    plant(
        "the form of a fingerprint changes, and old keys with it",
        WAY,
        "src/zerosum/services/committing/fingerprint.py",
        '_TAG = b"zerosum.request.v1 "',
        '_TAG = b"zerosum.request.v2 "',
        f"{UPGRADE}test_money_moves_on_from_where_it_was",
    ),
)

VERBS = "all verbs together"
VERBS_PLANTS = (
    plant(
        "a velocity limit refuses the refund of a payment in parts",
        VERBS,
        "src/zerosum/domain/payments/posting_rules.py",
        'return JournalEntry("refund", (credit(payer, money), *given), gives_back=True)',
        'return JournalEntry("refund", (credit(payer, money), *given))',
        f"{MODEL}test_what_has_differed_once_does_not_again",
    ),
    plant(
        "a full payee hides what else stands in the way of an increment",
        VERBS,
        "src/zerosum/domain/payments/hold_commands.py",
        "if next(self._against_payee(book, after), None) is not None:\n"
        "            for objection in self.objections(book):\n"
        "                raise objection",
        "for objection in self._against_payee(book, after):\n            raise self.point(objection)",
        f"{MODEL}test_what_has_differed_once_does_not_again",
        "tests/domain/test_holds.py::test_an_increment_is_refused_for_what_its_placing_would_be_refused_for",
    ),
    plant(
        "an account is closed though what waits names it",
        VERBS,
        "src/zerosum/domain/payments/closing.py",
        "if counted:",
        "if len(counted) > 3:",
        f"{MODEL}test_what_has_differed_once_does_not_again",
    ),
    plant(
        "what is disputed can be refunded besides",
        VERBS,
        "src/zerosum/domain/payments/payment.py",
        "for gone in (self.refunded, self.refunding, self.disputed, self.charged_back):",
        "for gone in (self.refunded, self.refunding, self.charged_back):",
        f"{MODEL}test_what_has_differed_once_does_not_again",
    ),
)

ORDER_PLANTS = (
    plant(
        "the cache is read between a commit and its refresh",
        "one order of all that is seen",
        "src/zerosum/adapters/balance_cache.py",
        "if self._under_way.has(account_id):",
        "if False:",
        "tests/cache/test_balance_cache.py::test_what_is_between_commit_and_cache_is_not_read_from_it",
    ),
    plant(
        "a batch that flies is under way only once it has landed",
        "one order of all that is seen",
        "src/zerosum/services/committing/batch_runner.py",
        "account_ids = [account.id for account in flight.states]",
        "account_ids: list[UUID] = []",
        "tests/cache/test_write_through.py::test_what_is_written_from_memory_is_refreshed_as_well",
    ),
    plant(
        "what a killed process had under way is forgotten at once",
        "one order of all that is seen",
        "src/zerosum/adapters/under_way.py",
        "if not self._left or monotonic() < self._left_until:",
        "if False:",
        "tests/cache/test_under_way.py::"
        "test_what_one_that_died_was_at_stays_under_way_for_as_long_as_anything_old_may_lie_in_redis",
    ),
)

PLANTS: tuple[Plant, ...] = (
    *ORDER_PLANTS,
    *SEVERAL_LEDGERS_PLANTS,
    *HELD_PLANTS,
    *CONCURRENT_PLANTS,
    *FINGERPRINT_PLANTS,
    *MEMORY_PLANTS,
    *SECOND_PERSON_PLANTS,
    *GROUP_PLANTS,
    *DUTY_PLANTS,
    *ANSWER_PLANTS,
    *WAY_PLANTS,
    *VERBS_PLANTS,
    *VERIFY_PLANTS,
    *JUDGED_PLANTS,
    *PARTS_PLANTS,
    *INSTANT_PLANTS,
    *CLIENT_PLANTS,
    *LOG_PLANTS,
    *OVERLOAD_PLANTS,
    *RESTORE_PLANTS,
    *MODEL_PLANTS,
)
