"""Periodic tasks of the worker."""
