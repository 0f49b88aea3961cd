"""End tokens before their time."""

import time
from typing import TextIO

from holdfast.client import Client
from holdfast.jetstream import Revocation, ensure_revocations, revoke


async def revoke_tokens(*, tenant: str | None, user: str | None, token: str | None, nats: str, out: TextIO) -> None:
    """Revoke one token by its id, or everything that a user of a tenant holds now, and say what was done."""
    now = time.time()
    if token is not None:
        revocation, words = Revocation.of_token(token, at=now), f"token {token}"
    else:
        revocation = Revocation.of_user(tenant or "", user or "", at=now)
        words = f"all tokens of {user} of {tenant}"
    async with await Client.connect(nats, name="holdfast revoke") as client:
        await ensure_revocations(client.bus)
        await revoke(client.bus, revocation)
    out.write(f"revoked {words}\n")
