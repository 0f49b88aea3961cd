"""Erase all entities of a tenant, each by its owner and in the order of its commands."""

import asyncio
from collections.abc import Sequence
from typing import Final

from holdfast._errors import NotFound
from holdfast._messages import Actor
from holdfast._names import Name
from holdfast._program.discovery import load_service
from holdfast.client import Client
from holdfast.jetstream._names import written_names
from holdfast.jetstream._work import erase_work

AT_ONCE: Final = 16
DELETE_SECONDS: Final = 30.0
OPERATOR: Final = Actor(user="_operator", roles=("admin",))


async def erase_tenant(services: Sequence[str], *, tenant: str, nats: str) -> int:
    """Delete every entity of the tenant and return how many; the services have to be served meanwhile.

    Its jobs and dead letters go too. Entities that are created meanwhile are deleted as well, until none is left.
    After a failure it may be run again.
    """
    Name.of("any", tenant, "any")
    purposes = [entity.purpose for service in services for entity in load_service(service).entities]
    erased = 0
    async with await Client.connect(nats, name="holdfast erase") as client:
        for purpose in purposes:
            while names := await written_names(client.bus, purpose, tenant):
                erased += await _delete_all(client, names)
            await erase_work(client.bus, purpose, tenant)
    return erased


async def _delete_all(client: Client, names: Sequence[Name]) -> int:
    turns = asyncio.Semaphore(AT_ONCE)

    async def delete(name: Name) -> bool:
        async with turns:
            try:
                await client.delete(name, by=OPERATOR, timeout=DELETE_SECONDS)
            except NotFound:
                return False  # someone else deleted it
        return True

    return sum(await asyncio.gather(*map(delete, names)))
