"""The layer in front of the payment service: authentication, scopes, rate limits, request guard, admission."""
