"""What a process says of what it does: a line each, of nothing but what is listed, and never waited for."""
