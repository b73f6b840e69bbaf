"""The edge is tried out from outside, on the service of the API tests."""

from tests.api.conftest import client, either_client, framework_service, service, stranger

__all__ = ["client", "either_client", "framework_service", "service", "stranger"]
