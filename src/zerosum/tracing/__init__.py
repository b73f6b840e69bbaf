"""Traces, sent to a collector. Imported only where one is named."""
