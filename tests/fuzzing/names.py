"""What the targets are called, told without loading what they read."""

NAMES = (
    "amount",
    "body",
    "cursor",
    "head",
    "key",
    "message",
    "recurrence",
    "rows",
    "statement",
    "template",
    "url",
)
