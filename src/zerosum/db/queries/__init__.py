"""Reads and rare writes of one noun each, in a unit of work."""
