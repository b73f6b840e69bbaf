"""API keys, signing keys, and the secrets that seal them."""
