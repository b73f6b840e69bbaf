"""The sealer of a service's ledgers, as the worker runs it."""

from __future__ import annotations

from zerosum.adapters.clock import now
from zerosum.main import Service
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.proof_log.sealing import CheckpointSealing


def sealing_of(service: Service) -> CheckpointSealing:
    sealer = Sealer(service.database, MasterKeys(*service.settings.master_key_pairs()), now)
    return CheckpointSealing(service.database, CheckpointKeys(service.database, sealer), now)
