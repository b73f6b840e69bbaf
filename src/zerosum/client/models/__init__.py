"""What the service tells: one dataclass for each kind of answer, and for what is asked in bulk."""
