"""The log, the commands and the alarms on NATS JetStream."""

from holdfast.jetstream._alarms import JetStreamAlarms
from holdfast.jetstream._bus import NatsBus
from holdfast.jetstream._commands import H_REPLY, commands, rings
from holdfast.jetstream._consumer import OrderedConsumer, ReceivedMessage
from holdfast.jetstream._log import JetStreamLog, decode_live
from holdfast.jetstream._streams import ensure_streams

__all__ = [
    "H_REPLY",
    "JetStreamAlarms",
    "JetStreamLog",
    "NatsBus",
    "OrderedConsumer",
    "ReceivedMessage",
    "commands",
    "decode_live",
    "ensure_streams",
    "rings",
]
