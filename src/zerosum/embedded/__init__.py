"""A private PostgreSQL and Redis for one machine, and the supervisor that keeps processes running."""
