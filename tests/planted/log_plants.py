"""The bugs in the proof log: what seals it, what keeps it, and what checks it."""

from __future__ import annotations

from tests.planted.plant import plant

LOG = "the proof log"
MIRRORED = "the log of others"
PUBLISHED = "tests/services/test_published_logs.py::"
MIRROR = "tests/cli/test_mirror.py::"
SERVICES = "tests/services/test_signed_checkpoints.py::"
API = "tests/api/test_checkpoints.py::"
TREE = "tests/domain/test_proof_log_tree.py::"
LEAVES = "src/zerosum/db/queries/proof_log_leaves.py"
SEALING = "src/zerosum/services/proof_log/sealing.py"
PROOF = "src/zerosum/services/proofs/of_signed_checkpoints.py"
VERIFIER = "src/zerosum/verifier/standalone.py"
TAMPERED = f"{SERVICES}test_what_is_tampered_with_is_found"

LOG_PLANTS = (
    plant(
        "what is sealed may still get something before it",
        LOG,
        LEAVES,
        'bound="xid < zerosum_feed_horizon()"',
        'bound="true"',
        f"{SERVICES}test_nothing_is_sealed_behind_a_transaction_that_still_runs",
    ),
    plant(
        "two sealers carry on one log",
        LOG,
        SEALING,
        'if not await try_lock_until_commit(connection, f"proof log of {ledger_id}"):',
        "if False:",
        f"{SERVICES}test_two_sealers_at_once_carry_the_log_on_once",
    ),
    plant(
        "a node is hashed as a leaf is",
        LOG,
        "src/zerosum/domain/proof_log/tree.py",
        'return sha256(b"\\x01" + left + right).digest()',
        'return sha256(b"\\x00" + left + right).digest()',
        f"{TREE}test_a_tree_that_grew_has_the_root_of_the_naive_one",
    ),
    plant(
        "a checkpoint is signed without its root",
        LOG,
        "src/zerosum/services/proof_log/sealing.py",
        "signature=key.sign(statement.text)",
        'signature=key.sign(f"{statement.size}")',
        f"{API}test_a_payment_has_a_receipt_that_is_checked_offline",
    ),
    plant(
        "verify believes every signature",
        LOG,
        PROOF,
        "if key is None or not is_signed(key, one.statement.text, one.signature):",
        "if key is None:",
        TAMPERED,
    ),
    plant(
        "verify does not look for what was left out",
        LOG,
        PROOF,
        "if dropped is None or dropped.last < self._until:",
        "if False:",
        TAMPERED,
    ),
    plant(
        "verify does not compare leaves with the books",
        LOG,
        PROOF,
        "if hash_ != leaf.hash:",
        "if hash_ is None:",
        TAMPERED,
    ),
    plant(
        "a log that was rewritten is kept on",
        LOG,
        "src/zerosum/services/proof_log/outside.py",
        "if found is not None:\n            return found.number",
        "if True:\n            return 0 if found is None else found.number",
        f"{SERVICES}test_a_tail_that_was_cut_off_is_found_by_what_was_kept",
    ),
    plant(
        "a note that was cut off stays in the file",
        LOG,
        "src/zerosum/services/proof_log/kept_file.py",
        "if whole < length:",
        "if False:",
        f"{SERVICES}test_a_note_that_was_cut_off_by_a_crash_is_taken_off",
    ),
    plant(
        "the verifier does not compare the root",
        LOG,
        VERIFIER,
        'told["place"], checkpoint.size, proof) != checkpoint.root:',
        'told["place"], checkpoint.size, proof) == b"":',
        f"{API}test_a_payment_has_a_receipt_that_is_checked_offline",
    ),
    plant(
        "the verifier believes the hash of a posting",
        LOG,
        VERIFIER,
        'if posting_hash(previous, digest, place, posting).hex() != posting["hash"]:',
        "if False:",
        f"{API}test_a_payment_has_a_receipt_that_is_checked_offline",
    ),
    plant(
        "the verifier takes what has settled another payment",
        LOG,
        VERIFIER,
        'is_of_it = (last["resource_type"], last["resource_id"]) == (kind, own)',
        "is_of_it, freed = True, []",
        f"{API}test_a_receipt_says_what_has_become_of_what_a_processor_was_asked_for",
    ),
    plant(
        "the verifier takes any endorsement",
        LOG,
        VERIFIER,
        """raise Wrong(f"the endorsement of the key {key['id']} is forged") from None""",
        "pass",
        f"{API}test_keys_are_followed_from_the_one_that_is_held",
    ),
    plant(
        "what does not lead to the signed root is published",
        MIRRORED,
        "src/zerosum/services/proof_log/publishing.py",
        "if await asyncio.to_thread(root_of_tiles, tiles, checkpoint.size) != checkpoint.root:",
        "if False:",
        f"{PUBLISHED}test_nothing_of_a_log_that_was_rewritten_is_published",
    ),
    plant(
        "what does not continue what is published is published",
        MIRRORED,
        "src/zerosum/services/proof_log/publishing.py",
        "if old and not await asyncio.to_thread(_continues, tiles, old, log.checkpoint):",
        "if False:",
        f"{PUBLISHED}test_a_log_that_does_not_continue_what_is_published_is_not",
    ),
    plant(
        "a folder is another worker's while its checkpoint is still being written",
        MIRRORED,
        "src/zerosum/services/proof_log/tile_places.py",
        "await to_its_end(write_whole, self._folder / CHECKPOINT, note.encode(), mode=MODE)",
        "await asyncio.to_thread(write_whole, self._folder / CHECKPOINT, note.encode(), mode=MODE)",
        f"{PUBLISHED}test_a_folder_is_not_another_workers_until_what_was_begun_is_written",
    ),
    plant(
        "a worker that has slept puts an older checkpoint over a newer one",
        MIRRORED,
        "src/zerosum/adapters/object_store.py",
        'else {"if-match": over}',
        "else {}",
        f"{PUBLISHED}test_in_an_object_store_it_is_the_same_and_never_goes_back",
    ),
    plant(
        "a mirror does not hold the log against what it has",
        MIRRORED,
        VERIFIER,
        "if root_from_edge(edge) != self.old.root:",
        "if False:",
        f"{MIRROR}test_a_fork_is_refused_and_kept_as_evidence",
    ),
    plant(
        "a mirror believes what stands at the edge",
        MIRRORED,
        VERIFIER,
        "if root_from_edge(edge) != self.new.root:",
        "if False:",
        f"{MIRROR}test_a_tile_that_is_another_is_found",
    ),
    plant(
        "a mirror believes a full tile",
        MIRRORED,
        VERIFIER,
        "if root_of_full(hashes_in(found)) != told:",
        "if False:",
        f"{MIRROR}test_a_tile_that_is_another_is_found",
    ),
    plant(
        "a mirror believes what a run that was cut short has left",
        MIRRORED,
        VERIFIER,
        "if here is not None and root_of_full(hashes_in(here)) == told:",
        "if here is not None:",
        f"{MIRROR}test_a_run_that_was_cut_short_is_gone_on_with",
    ),
    plant(
        "a mirror has the checkpoint before it has the tiles",
        MIRRORED,
        VERIFIER,
        "copied: list[Tile] = []",
        'copied: list[Tile] = []\n        self.write("checkpoint", self.new.note.encode())',
        f"{MIRROR}test_a_run_that_was_cut_short_is_gone_on_with",
    ),
)
