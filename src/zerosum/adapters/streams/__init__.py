"""Where messages come from, and where answers go: one file each, behind the port in `ingest/streams/port.py`."""
