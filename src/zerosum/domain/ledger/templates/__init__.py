"""Posting templates: named, versioned entries whose amounts are arithmetic over parameters."""
