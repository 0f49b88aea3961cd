"""Erase all entities of a tenant, each by its owner and in the order of its commands."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._bus import Bus
from holdfast._errors import NotFound, Unavailable
from holdfast._messages import Actor
from holdfast._names import Name
from holdfast._program.discovery import load_service
from holdfast._program.errors import CannotStart
from holdfast.client import Client
from holdfast.jetstream._durable import REACTOR
from holdfast.jetstream._names import written_names
from holdfast.jetstream._readers import acknowledged_by_all
from holdfast.jetstream._streams import has_log
from holdfast.jetstream._work import erase_work
from holdfast.sql import DatabaseProblem, open_database
from holdfast.sql._forgetting import kept_names

AT_ONCE: Final = 16
DELETE_SECONDS: Final = 30.0
REACTORS_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2
NAMES_SECONDS: Final = 60.0
"""To find the names of a tenant among all of its events."""
OPERATOR: Final = Actor(user="_operator", roles=("admin",))


class _Kept(NamedTuple):
    """A purpose, and the database of its service."""

    purpose: str
    database: AsyncEngine


async def erase_tenant(services: Sequence[str], *, tenant: str, nats: str, database: str) -> int:
    """Delete every entity of the tenant and return how many; the services have to be served meanwhile.

    What an earlier attempt left in the databases is finished, jobs and dead letters go too. Entities that are created
    meanwhile, by reactors for instance, are deleted as well, until none is left. After a failure it may be run again.
    """
    Name.of("any", tenant, "any")
    erased = 0
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await Client.connect(nats, name="holdfast erase"))
        kept: list[_Kept] = []
        for service in map(load_service, services):
            engine = open_database(database, service.name, wait=NAMES_SECONDS)
            stack.push_async_callback(engine.dispose)
            purposes = [entity.purpose for entity in service.entities]
            kept += [_Kept(each, engine) for each in purposes if await has_log(client.bus, each)]
        while True:
            for each in kept:
                await _reactors_are_past(client, each.purpose)
            found = [await _erase(client, each, tenant) for each in kept]
            for each in kept:
                await erase_work(client.bus, each.purpose, tenant)
            erased += sum(found)
            if not any(found):
                return erased


async def _erase(client: Client, kept: _Kept, tenant: str) -> int:
    """Delete what the log or the database has, until neither has anything."""
    erased = 0
    while names := await _names(client.bus, kept, tenant):
        deleted = await _delete_all(client, names)
        erased += deleted
        if not deleted and await _names(client.bus, kept, tenant) == names:
            raise CannotStart(
                f"the database still has {min(names, key=str)}, which {kept.purpose} knows nothing of: "
                "name the database that the service is served on"
            )
    return erased


async def _names(bus: Bus, kept: _Kept, tenant: str) -> set[Name]:
    try:
        return {
            *await written_names(bus, kept.purpose, tenant),
            *await kept_names(kept.database, kept.purpose, tenant),
        }
    except DatabaseProblem as problem:
        raise CannotStart(str(problem)) from problem


async def _reactors_are_past(client: Client, purpose: str) -> None:
    """Wait until no reactor has anything in hand that was deleted by now: what it causes comes before what follows."""
    end = (await client.reach(purpose)).end
    try:
        async with asyncio.timeout(REACTORS_SECONDS):
            while await _reached(client.bus, purpose) < end:  # noqa: ASYNC110 - another process moves it
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise Unavailable(
            f"reactors of {purpose} are behind, and may still do what deleted entities asked for: see to them "
            "(`reactor.waiting`, `reactor.stopped` in the log of the service), then erase again"
        ) from None


async def _reached(bus: Bus, purpose: str) -> float:
    reached = await acknowledged_by_all(bus, purpose, called=REACTOR)
    return float("inf") if reached is None else reached


async def _delete_all(client: Client, names: Collection[Name]) -> int:
    turns = asyncio.Semaphore(AT_ONCE)

    async def delete(name: Name) -> bool:
        async with turns:
            try:
                await client.delete(name, by=OPERATOR, timeout=DELETE_SECONDS)
            except NotFound:
                return False  # someone else deleted it
        return True

    return sum(await asyncio.gather(*map(delete, names)))
