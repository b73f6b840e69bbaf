"""Sockets and HTTP: listeners, connections, deadlines, what leaves."""
