"""What may be said: heads and bodies."""
