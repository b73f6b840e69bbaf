"""The services and clients of the HTTP tests, for attacks on the edge."""

from tests.api.conftest import client, either_client, framework_service, service, stranger

__all__ = ["client", "either_client", "framework_service", "service", "stranger"]
