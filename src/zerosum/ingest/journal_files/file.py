"""A journal file as text, and what it says."""

from __future__ import annotations

from collections.abc import Callable

from zerosum.ingest.journal_files.assertions import check_assertions
from zerosum.ingest.journal_files.balancing import balance
from zerosum.ingest.journal_files.beancount import read_beancount
from zerosum.ingest.journal_files.choices import JournalFormat
from zerosum.ingest.journal_files.exported import ExportedEntry, exported_by_beancount, exported_by_hledger
from zerosum.ingest.journal_files.hledger import read_hledger
from zerosum.ingest.journal_files.read import CurrencyOf, JournalFault, JournalRefused, ReadEntry, ReadJournal

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Of one file, which is in memory as a whole. What is longer is imported in pieces, by days."""


EXPORTED: dict[JournalFormat, Callable[[ReadEntry], ExportedEntry | None]] = {
    JournalFormat.HLEDGER: exported_by_hledger,
    JournalFormat.BEANCOUNT: exported_by_beancount,
}


def read_journal(
    content: bytes, program: JournalFormat, currency_of: CurrencyOf, decimal_mark: str | None
) -> ReadJournal:
    """Balanced, with its assertions checked. Raises JournalRefused."""
    text = _text(content)
    if program is JournalFormat.HLEDGER:
        journal = read_hledger(text, currency_of, decimal_mark)
    else:
        journal = read_beancount(text, currency_of)
    balance(journal)
    journal.check()
    check_assertions(journal)
    journal.check()
    return journal


def _text(content: bytes) -> str:
    """Raises JournalRefused."""
    if len(content) > FILE_BYTES_MAX:
        raise JournalRefused([JournalFault(1, f"a file has at most {FILE_BYTES_MAX} bytes: import it in pieces")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise JournalRefused([JournalFault(line, "this is not UTF-8")]) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise JournalRefused([JournalFault(line, "no text holds the character NUL")])
    return text
