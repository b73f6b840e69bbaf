"""The proof log: leaves of what was posted and changed, signed checkpoints over them, and proofs out of both."""
