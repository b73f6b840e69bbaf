"""HTTP in: routes, schemas, and the one table that turns refusals into problems."""
