"""Notifications: events told to people by mail, and who makes and sends these mails."""
