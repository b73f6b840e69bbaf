"""What checks the books without the service: one file, to be copied to wherever nobody here can write."""
