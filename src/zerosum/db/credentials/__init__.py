"""API keys, signing keys, data keys, and what is sealed with them."""
