"""Accounts, journal entries and the Book that decides about them."""
