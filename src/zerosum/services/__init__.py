"""Use cases, the committer, and background work."""
