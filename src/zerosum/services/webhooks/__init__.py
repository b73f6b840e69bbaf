"""Webhooks: endpoints, what is delivered to them, and who delivers it."""
