"""The log, the commands and the alarms on NATS JetStream."""

from holdfast.jetstream._alarms import JetStreamAlarms
from holdfast.jetstream._api import ApiError
from holdfast.jetstream._bus import NatsBus
from holdfast.jetstream._checkpoints import Checkpoints
from holdfast.jetstream._commands import H_REPLY, command_subjects, commands, ring_subjects, rings
from holdfast.jetstream._consumer import OrderedConsumer, ReceivedMessage
from holdfast.jetstream._log import JetStreamLog, decode_live
from holdfast.jetstream._newest import NEWEST_AT_ONCE, Newest, Reach, newest, reach
from holdfast.jetstream._revocations import (
    Revocation,
    ensure_revocations,
    key_of_token,
    key_of_user,
    revocations,
    revoke,
)
from holdfast.jetstream._streams import ensure_streams
from holdfast.jetstream._watching import watch_nats

__all__ = [
    "H_REPLY",
    "NEWEST_AT_ONCE",
    "ApiError",
    "Checkpoints",
    "JetStreamAlarms",
    "JetStreamLog",
    "NatsBus",
    "Newest",
    "OrderedConsumer",
    "Reach",
    "ReceivedMessage",
    "Revocation",
    "command_subjects",
    "commands",
    "decode_live",
    "ensure_revocations",
    "ensure_streams",
    "key_of_token",
    "key_of_user",
    "newest",
    "reach",
    "revocations",
    "revoke",
    "ring_subjects",
    "rings",
    "watch_nats",
]
