"""A limit on how often something may be done, the same for all processes that ask, and for all their restarts.

The state is one moment: when the bucket will be full again (the generic cell rate algorithm). Every request that is
let through moves it on by the time of one token. `python -m examples.rate_limiter` shows it.
"""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast import Actor, Command, Context, Entity, Event, Name, Rejected, Service, State
from holdfast.client import Client
from holdfast.testing.serving import standalone

BURST = 3
ONE_TOKEN = timedelta(milliseconds=200)


class TooOften(Rejected):
    """The bucket is empty."""

    code = "TOO_OFTEN"
    status = 429


class Bucket(State):
    full_at: datetime | None = None


class Take(Command, tag="take"):
    """Ask to be let through once."""

    creates = True
    raises = (TooOften,)


class Taken(Event, tag="taken"):
    full_at: datetime


class BucketRules(Entity[Bucket, Take, Taken]):
    """One bucket of `BURST` tokens, which gets one back in every `ONE_TOKEN`."""

    purpose = "bucket"
    initial = Bucket()

    def decide(self, bucket: Bucket, command: Take, ctx: Context, /) -> Sequence[Taken]:
        """Let through what finds a token."""
        full_at = max(bucket.full_at or ctx.now, ctx.now) + ONE_TOKEN
        wait = full_at - ctx.now - BURST * ONE_TOKEN
        if wait > timedelta():
            milliseconds = math.ceil(wait / timedelta(milliseconds=1))
            raise TooOften(f"come again in {milliseconds} ms", retry_after_ms=milliseconds)
        return [Taken(full_at=full_at)]

    def evolve(self, bucket: Bucket, event: Taken, /) -> Bucket:
        """Obey."""
        return Bucket(full_at=event.full_at)


service = Service(name="bucket", entities=(BucketRules(),))

ANN = Actor(user="ann", roles=())


async def take(client: Client) -> bool:
    """Whether Ann's mail may go out now."""
    try:
        await client.send(Name.of("bucket", "acme", "mails-of-ann"), "take", by=ANN)
    except Rejected as refused:
        print(f"{refused.code}: {refused.message}")
        await asyncio.sleep(refused.details["retry_after_ms"] / 1000)
        return False
    return True


async def main(client: Client) -> None:
    """Send five mails as fast as they are let out."""
    sent = 0
    while sent < BURST + 2:
        if await take(client):
            sent += 1
            print(f"mail {sent} is out")


if __name__ == "__main__":
    standalone(service, main)
