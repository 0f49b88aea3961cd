"""Counters of which those named `from-…` pass on what they get; served in processes that tests kill."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast import Name, Service
from holdfast._bus import Message
from holdfast._projection import StoredEvent
from holdfast.jetstream import NatsBus
from holdfast.testing.counter import Add, Added, CounterEntity, CounterEvent
from holdfast.worker import Effect, Reactor, Send

DIES = "HOLDFAST_TEST_DIES_BEFORE_ACK"


class PassOn(Reactor[CounterEvent]):
    name = "pass-on"
    purpose = "counter"

    def react(self, stored: StoredEvent[CounterEvent], /) -> Sequence[Effect]:
        source = stored.name
        match stored.event:
            case Added(amount=amount) if source.id.startswith("from-"):
                target = Name.of("counter", source.tenant, source.id.replace("from-", "to-", 1))
                return [Send(name=target, command=Add(amount=amount))]
            case _:
                return []


service = Service(name="counter", entities=(CounterEntity(),), reactors=(PassOn(),))


def _dying(request: Any) -> Any:
    """End the process as a crash does, between the answer to an effect and the acknowledgement of its event."""

    async def requesting(
        bus: NatsBus, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Message:
        if subject.startswith("$JS.ACK."):
            os.kill(os.getpid(), signal.SIGKILL)
        return await request(bus, subject, data, headers=headers, timeout=timeout)

    return requesting


if DIES in os.environ:
    NatsBus.request = _dying(NatsBus.request)
