"""The service and a caller, as in the tests of the API."""

from tests.api.conftest import client as client  # noqa: PLC0414
from tests.api.conftest import service as service  # noqa: PLC0414
