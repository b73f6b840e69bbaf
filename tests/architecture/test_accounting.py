"""The page about accounting says what the posting rules do."""

from __future__ import annotations

from tests.architecture.accounting import rendered
from tests.architecture.sources import TOP


def test_the_page_about_accounting_is_what_the_posting_rules_render() -> None:
    page = (TOP / "docs" / "ACCOUNTING.md").read_text(encoding="utf-8")
    assert page == rendered(), "Run: python -m tests.architecture.accounting > docs/ACCOUNTING.md"
