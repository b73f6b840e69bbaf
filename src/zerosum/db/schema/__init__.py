"""Tables, guards, migrations, and whether a database is fit for them."""
