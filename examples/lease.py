"""A lock that is lent for a time: whoever holds it may work, and a crash gives it back by itself.

Each grant has a higher token than the one before. A resource that refuses lower tokens than it has seen is safe from
a holder who slept through the end of the lease. `python -m examples.lease` shows it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from holdfast import Actor, Command, Context, Entity, Event, Name, Service, State, StateConflict
from holdfast.client import Client
from holdfast.testing.serving import standalone
from holdfast.wire import Accepted


class Lease(State):
    holder: str | None = None
    token: int = 0
    until: datetime | None = None


class Acquire(Command, tag="acquire"):
    """Get the lease, or keep it for longer."""

    creates = True
    milliseconds: int = 10_000


class Release(Command, tag="release"):
    """Give it back before its time."""


class Granted(Event, tag="granted"):
    holder: str
    token: int
    until: datetime


class Ended(Event, tag="ended"):
    holder: str
    cause: str


class LeaseRules(Entity[Lease, Acquire | Release, Granted | Ended]):
    """One lease: free, or held until its deadline."""

    purpose = "lease"
    initial = Lease()

    def decide(self, lease: Lease, command: Acquire | Release, ctx: Context, /) -> Sequence[Granted | Ended]:
        """Grant a free lease, prolong one's own, refuse another's."""
        me = ctx.actor.user
        match command:
            case Acquire(milliseconds=milliseconds):
                if lease.holder not in {None, me}:
                    raise StateConflict(f"{lease.holder} holds it: wait for the end", until=lease.until)
                token = lease.token if lease.holder == me else lease.token + 1
                return [Granted(holder=me, token=token, until=ctx.now + timedelta(milliseconds=milliseconds))]
            case Release():
                return [Ended(holder=me, cause="released")] if lease.holder == me else []
            case _:
                assert_never(command)

    def evolve(self, lease: Lease, event: Granted | Ended, /) -> Lease:
        """Obey."""
        match event:
            case Granted(holder=holder, token=token, until=until):
                return Lease(holder=holder, token=token, until=until)
            case Ended():
                return Lease(token=lease.token)
            case _:
                assert_never(event)

    def alarm_at(self, lease: Lease, /) -> datetime | None:
        """The end of the lease."""
        return lease.until

    def on_alarm(self, lease: Lease, ctx: Context, /) -> Sequence[Ended]:
        """Take it from a holder who did not come back."""
        return [Ended(holder=lease.holder or "", cause="lapsed")]


service = Service(name="lease", entities=(LeaseRules(),))

PRINTER = Name.of("lease", "acme", "printer")


async def acquire(client: Client, user: str, *, milliseconds: int) -> Accepted:
    """Ask for the printer."""
    data = msgspec.json.encode({"milliseconds": milliseconds})
    return await client.send(PRINTER, "acquire", data, by=Actor(user=user, roles=()))


async def main(client: Client) -> None:
    """Two workers, one printer; the first one asks for a little more time, and never comes back."""
    await acquire(client, "ann", milliseconds=60_000)
    print("ann holds the printer")
    try:
        await acquire(client, "bob", milliseconds=300)
    except StateConflict as refused:
        print(f"bob: {refused.message}")
    await acquire(client, "ann", milliseconds=300)
    print(f"bob holds the printer, with token {await lent_in_time(client, 'bob')}")


async def lent_in_time(client: Client, user: str) -> int:
    """Ask until whoever has the printer lets it go, or loses it; the token."""
    while True:
        try:
            granted = await acquire(client, user, milliseconds=300)
        except StateConflict:
            await asyncio.sleep(0.1)
        else:
            return msgspec.json.decode(granted.events[-1])["data"]["token"]


if __name__ == "__main__":
    standalone(service, main)
