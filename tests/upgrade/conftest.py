"""The service, in any revision, from its own tests."""

from tests.api.conftest import service as service
