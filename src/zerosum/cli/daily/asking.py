"""Asks a running service by the client, and tells what it says: results to stdout, all else to stderr.

0  done, or there it is       1  refused, or the service is away      2  the command line is not right
3  nobody can say yet         4  held for review: nothing is paid
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from zerosum.cli.daily.showing import Columns, Screen
from zerosum.cli.daily.words import Connection
from zerosum.cli.running_service import running_service
from zerosum.cli.talk import FAILED, USAGE, CommandFailed, told_plainly
from zerosum.client import Client, OutcomeUnknown, PaymentInReview, Refused, Retries, ZerosumError
from zerosum.client.errors import Unreachable
from zerosum.client.models.model import Model

UNKNOWN = 3
IN_REVIEW = 4
FAULTS_SHOWN_MAX = 3
PATIENCE = Retries(attempts_max=6, seconds_max=30.0)
"""Somebody waits for the answer."""


@told_plainly
def ask_one(connection: Connection, columns: Columns, story: Callable[[Client], Model], *, is_json: bool) -> int:
    """One thing."""
    screen = Screen(columns, is_json=is_json)

    def run(client: Client) -> int:
        screen.put_one(story(client))
        return 0

    return asked(connection, screen, run)


@told_plainly
def ask_list(
    connection: Connection,
    columns: Columns,
    story: Callable[[Client], Iterator[Model]],
    *,
    limit: int | None,
    is_json: bool,
) -> int:
    """Several, up to a limit."""
    screen = Screen(columns, is_json=is_json)

    def run(client: Client) -> int:
        screen.put_all(islice(story(client), limit))
        return 0

    return asked(connection, screen, run)


def asked(connection: Connection, screen: Screen, run: Callable[[Client], int]) -> int:
    with _client(connection) as client:
        try:
            return run(client)
        except PaymentInReview as error:
            screen.put_odd(error.review)
            raise CommandFailed(str(error), IN_REVIEW) from None
        except OutcomeUnknown as error:
            raise CommandFailed(f"{error} (--key {error.idempotency_key})", UNKNOWN) from None
        except Unreachable as error:
            raise CommandFailed(f"{error} at {client.url}", FAILED) from None
        except Refused as error:
            raise CommandFailed(_in_a_line(error), FAILED) from None
        except ZerosumError as error:
            raise CommandFailed(str(error), FAILED) from None
        except (TypeError, ValueError) as error:  # of what was given, before anything was sent
            raise CommandFailed(str(error), USAGE) from None


def _client(connection: Connection) -> Client:
    """Raises CommandFailed, EmbeddedError."""
    service = running_service(connection.data_dir, connection.url, connection.token)
    try:
        return Client(service.url, service.token, tls=service.tls, retries=PATIENCE)
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None


def _in_a_line(refused: Refused) -> str:
    """With where the faults are, as far as that says more."""
    faults = [f"{fault.pointer}: {fault.detail}" for fault in refused.faults if fault.detail != refused.detail]
    return "; ".join([str(refused), *faults[:FAULTS_SHOWN_MAX]])
