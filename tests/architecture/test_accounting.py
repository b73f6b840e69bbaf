"""The page about accounting says what the posting rules do."""

from __future__ import annotations

from tests.architecture.accounting import PAGE, rendered


def test_the_page_about_accounting_is_what_the_posting_rules_render() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "Run: make pages"
