"""Journals kept in text by hledger or beancount, on their way into a ledger.

    bytes -> text -> accounts, entries and assertions, each with its line (`hledger`, `beancount`)
          -> elided amounts filled in, every entry balanced (`balancing`), assertions checked (`assertions`)
          -> codes of accounts, currencies, times and metadata as a ledger has them (`codes`, `planning`)
          -> sent in the order of the file, each under a key made of what it says (`sending`)

Nothing is sent of a file in which anything is not understood.
"""
