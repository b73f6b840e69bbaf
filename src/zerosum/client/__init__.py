"""A client of the service for programs in Python: `Client`, and `AsyncClient` for asyncio (docs/CLIENT.md).

It imports nothing else of this package, so that it can be published as one of its own.
"""

from __future__ import annotations

from zerosum.client.amounts import Amount as Amount
from zerosum.client.attempts import NO_RETRIES as NO_RETRIES
from zerosum.client.attempts import Retries as Retries
from zerosum.client.client import AsyncClient as AsyncClient
from zerosum.client.client import Client as Client
from zerosum.client.errors import OutcomeUnknown as OutcomeUnknown
from zerosum.client.errors import PaymentInReview as PaymentInReview
from zerosum.client.errors import UnexpectedAnswer as UnexpectedAnswer
from zerosum.client.errors import Unreachable as Unreachable
from zerosum.client.errors import WebhookRefused as WebhookRefused
from zerosum.client.errors import ZerosumError as ZerosumError
from zerosum.client.keys import key_of_intention as key_of_intention
from zerosum.client.keys import new_key as new_key
from zerosum.client.orders import Condition as Condition
from zerosum.client.orders import NewEntry as NewEntry
from zerosum.client.orders import NewPayment as NewPayment
from zerosum.client.orders import NewPosting as NewPosting
from zerosum.client.orders import Split as Split
from zerosum.client.orders import VelocityLimit as VelocityLimit
from zerosum.client.orders import credit as credit
from zerosum.client.orders import debit as debit
from zerosum.client.positions import Position as Position
from zerosum.client.positions import PositionFile as PositionFile
from zerosum.client.refusals import Refused as Refused
from zerosum.client.tokens import ClientCredentials as ClientCredentials
from zerosum.client.webhooks import verify_webhook as verify_webhook
