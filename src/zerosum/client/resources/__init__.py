"""The calls of each resource, declared once for both kinds of client."""
