"""From a command to its committed answer: submission, committer, batch runner, idempotent book, dry run."""
