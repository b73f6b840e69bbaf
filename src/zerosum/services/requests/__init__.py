"""What every use case needs to understand a request: who calls, which account and currency are meant, pages, times."""
