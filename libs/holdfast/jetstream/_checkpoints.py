"""Where each member keeps how far it has answered, for whoever takes its partitions over."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from holdfast._bus import Bus
from holdfast.jetstream import _api
from holdfast.jetstream._streams import checkpoint_stream, command_stream

log = structlog.get_logger(__name__)


class _Checkpoint(msgspec.Struct, frozen=True):
    """Of one member: in which life of the commands stream, and the answered sequence of each of its partitions."""

    stream: str
    positions: dict[int, int]


_decoder: Final = msgspec.json.Decoder(_Checkpoint)
_encoder: Final = msgspec.json.Encoder()


class Checkpoints:
    """The checkpoints of one purpose's members, in memory as the commands are."""

    def __init__(self, bus: Bus, purpose: str) -> None:
        self._bus = bus
        self._purpose = purpose

    async def save(self, member: str, stream: str, positions: Mapping[int, int]) -> None:
        """Replace the member's checkpoint. One that is lost makes a successor read more, and judge nothing twice."""
        body = _encoder.encode(_Checkpoint(stream, dict(positions)))
        await self._bus.publish(f"ckpt.{self._purpose}.{member}", body)

    async def load(self, stream: str) -> dict[int, int]:
        """The furthest answered sequence of every partition in this life of the commands stream.

        On a cluster, a stream that began anew keeps its date: a sequence that it has not reached is of its past.
        """
        info = await _api.call(self._bus, f"STREAM.INFO.{command_stream(self._purpose)}")
        reached = int(info["state"]["last_seq"])
        furthest: dict[int, int] = {}
        query = {"multi_last": [f"ckpt.{self._purpose}.*"], "batch": 1000}
        operation = f"$JS.API.DIRECT.GET.{checkpoint_stream(self._purpose)}"
        async for message in self._bus.request_many(operation, _encoder.encode(query), timeout=_api.API_SECONDS):
            if "Status" in message.headers:
                continue
            try:
                checkpoint = _decoder.decode(message.data)
            except msgspec.MsgspecError as error:
                log.warning("checkpoint.unreadable", purpose=self._purpose, error=str(error))
                continue
            if checkpoint.stream == stream:
                for number, sequence in checkpoint.positions.items():
                    if sequence > reached:
                        continue
                    furthest[number] = max(sequence, furthest.get(number, 0))
        return furthest
