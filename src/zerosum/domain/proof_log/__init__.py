"""What a stranger can check without trusting us: a tree of hashes over a ledger, and its signed checkpoints."""
