"""`zerosum keys`: what signs tokens, what seals secrets, and which secrets the installation goes by."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from zerosum.adapters.clock import now
from zerosum.api.render import render_time
from zerosum.cli.administration import administered, the_machine
from zerosum.cli.talk import USAGE, CommandFailed, say, told_plainly
from zerosum.config import Settings
from zerosum.db.engine import Database
from zerosum.domain.audit import AuditType
from zerosum.domain.identifiers import SERVICE_LEDGER
from zerosum.services.audit import audit_record, audited, write_audit
from zerosum.services.credentials.checkpoint_keys import CheckpointKeys
from zerosum.services.credentials.envelope import MasterKeys
from zerosum.services.credentials.installation_secrets import (
    MASTER_KEY,
    MASTER_KEYS_VARIABLE,
    PEPPER,
    VARIABLES,
    WrongSecret,
)
from zerosum.services.credentials.sealing import Sealer
from zerosum.services.credentials.secret_checks import SecretChecks
from zerosum.services.credentials.signing_keys import SigningKeyRecord, SigningKeys


@told_plainly
def list_signing_keys(data_dir: Path | None) -> int:
    """One line a key on stdout."""

    async def listed(settings: Settings, database: Database) -> str:
        moment = now()
        records = await _signing_keys(settings, database).living(moment)
        signing = [record.id for record in records if record.activates_at <= moment]
        return "".join(f"{record.id}  {_standing(record, signing, moment)}\n" for record in records)

    sys.stdout.write(administered(data_dir, listed))
    return 0


@told_plainly
def rotate_signing_key(data_dir: Path | None) -> int:
    async def rotate(settings: Settings, database: Database) -> str:
        kid = await _signing_keys(settings, database).rotate(now(), the_machine())
        return f"the key {kid} is published and will sign tokens soon; the present one stays valid for its tokens"

    say(f"zerosum: {administered(data_dir, rotate)}")
    return 0


@told_plainly
def withdraw_signing_key(kid: str, data_dir: Path | None) -> int:
    async def withdraw(settings: Settings, database: Database) -> str:
        signing = await _signing_keys(settings, database).withdraw(kid, now(), the_machine())
        return f"the key {kid} and every token it has signed are refused within seconds; {signing} signs from now on"

    say(f"zerosum: {administered(data_dir, withdraw)}")
    return 0


@told_plainly
def rewrap_data_keys(data_dir: Path | None) -> int:
    async def rewrap(settings: Settings, database: Database) -> str:
        count = await _sealer(settings, database).rewrap()
        facts = {"master_key": settings.master_key_pairs()[0], "data_keys": count}
        record = audit_record(AuditType.DATA_KEYS_REWRAPPED, the_machine(), now(), resource=None, facts=facts)
        await write_audit(database, record)
        return f"{count} data keys are now wrapped under the first key of {MASTER_KEYS_VARIABLE}"

    say(f"zerosum: {administered(data_dir, rewrap)}")
    return 0


@told_plainly
def rotate_data_key(data_dir: Path | None) -> int:
    async def rotate(settings: Settings, database: Database) -> str:
        count = await _sealer(settings, database).rotate_data_key(SERVICE_LEDGER)
        facts = {"sealed_anew": count}
        record = audit_record(AuditType.DATA_KEY_ROTATED, the_machine(), now(), resource=None, facts=facts)
        await write_audit(database, record)
        return f"{count} secrets are sealed anew under a new data key"

    say(f"zerosum: {administered(data_dir, rotate)}")
    return 0


@told_plainly
def accept_secrets(data_dir: Path | None, *, invalidates_api_keys: bool, has_lost_master_keys: bool) -> int:
    """From now on the installation goes by the secrets in the settings. What that ends has to be said."""

    async def accept(settings: Settings, database: Database) -> str:
        checks = SecretChecks(database, settings.installation_secrets(), now)
        changed = await checks.changed()
        if PEPPER in changed and not invalidates_api_keys:
            raise CommandFailed(
                f"{VARIABLES[PEPPER]} has changed, which makes every API key useless, also those of operators: "
                "put the old one back, or say --invalidate-api-keys",
                USAGE,
            )
        if not has_lost_master_keys:
            await _must_open(checks, changed)
        async with database.work(SERVICE_LEDGER) as connection:
            if has_lost_master_keys:
                await _signing_keys(settings, database).forget_all(connection)
                await CheckpointKeys(database, _sealer(settings, database)).end_all(connection, now())
            await checks.replace(connection)
            facts = {"changed": changed, "lost_master_keys": has_lost_master_keys}
            record = audit_record(AuditType.SECRETS_ACCEPTED, the_machine(), now(), resource=None, facts=facts)
            await audited(connection, record)
        if has_lost_master_keys:
            await _sealer(settings, database).rotate_data_key(SERVICE_LEDGER)
        return f"accepted ({', '.join(changed) or 'nothing had changed'}); restart every process that has the old ones"

    say(f"zerosum: {administered(data_dir, accept, secrets_must_fit=False)}")
    return 0


async def _must_open(checks: SecretChecks, changed: list[str]) -> None:
    """What the master keys have sealed is lost with them, and nobody accepts that by the way."""
    try:
        if any(name.startswith(MASTER_KEY) for name in changed):
            raise WrongSecret(f"{MASTER_KEYS_VARIABLE}: a key is another than the one of that name before")
        await checks.must_open_what_is_sealed()
    except WrongSecret as error:
        raise CommandFailed(
            f"{error}; if it is lost for ever, say --lost-master-keys: every token is refused, and new keys are made",
            USAGE,
        ) from None


def _standing(record: SigningKeyRecord, signing: list[str], moment: datetime) -> str:
    if record.activates_at > moment:
        return f"signs from {render_time(record.activates_at)}"
    if signing and record.id == signing[-1]:
        return f"signs since {render_time(record.activates_at)}"
    return f"verifies until {render_time(record.expires_at)}"


def _signing_keys(settings: Settings, database: Database) -> SigningKeys:
    return SigningKeys(database, _sealer(settings, database))


def _sealer(settings: Settings, database: Database) -> Sealer:
    current_id, keys = settings.master_key_pairs()
    return Sealer(database, MasterKeys(current_id, keys), now)
