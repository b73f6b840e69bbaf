"""What people are to the console. What each may do is the console's business; these are the words."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person may do in the console, from the least."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
