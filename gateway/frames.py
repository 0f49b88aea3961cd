"""The frames of `/v1/ws`: what each holds, and how it stands on the wire as JSON and as msgpack."""

from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from gateway import framing
from gateway.outbox import Frame
from holdfast import Name
from holdfast.wire import utc_now

Id = int | str | None


class Malformed(Exception):
    """A frame that is not of the documented form; the message says what is wrong."""


class _Op(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    pass


class Hello(_Op, tag="hello", frozen=True, kw_only=True):
    """The first frame, unless the upgrade carried an Authorization header."""

    token: str


class Watch(_Op, tag="watch", frozen=True, kw_only=True):
    """Follow an entity: from its state now, or with `after` from the event after that seq."""

    name: str
    after: int | None = None
    id: Id = None


class Unwatch(_Op, tag="unwatch", frozen=True, kw_only=True):
    """Follow an entity no longer."""

    name: str
    id: Id = None


class Send(_Op, tag="send", frozen=True, kw_only=True):
    """Send a command; `command_id` makes it safe to repeat."""

    name: str
    command: str
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    command_id: str | None = None
    expected_seq: int | None = None
    id: Id = None


class Presence(_Op, tag="presence", frozen=True, kw_only=True):
    """Show something to the other watchers, never stored; null leaves."""

    name: str
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    id: Id = None


class Ping(_Op, tag="ping", frozen=True, kw_only=True):
    """Ask for a sign of life and the server's time."""

    id: Id = None


Op = Hello | Watch | Unwatch | Send | Presence | Ping


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="op"):
    pass


class Welcome(_Answer, tag="welcome", frozen=True, kw_only=True):
    """The credential was accepted."""

    tenant: str
    user: str
    roles: tuple[str, ...]
    connection: str
    server_now: datetime


class StateFrame(_Answer, tag="state", frozen=True, kw_only=True):
    """The entity as this viewer may see it after event `seq`."""

    id: Id
    name: str
    seq: int
    state: msgspec.Raw
    server_now: datetime


class Watching(_Answer, tag="watching", frozen=True, kw_only=True):
    """Everything up to `seq` has been replayed; what follows is live."""

    id: Id
    name: str
    seq: int


class Ok(_Answer, tag="ok", frozen=True, kw_only=True):
    """Done."""

    id: Id


class Sent(_Answer, tag="ok", frozen=True, kw_only=True):
    """The command was carried out; `seq` is that of its last event."""

    id: Id
    name: str
    seq: int
    events: tuple[msgspec.Raw, ...]
    deduplicated: bool


class Failed(_Answer, tag="error", frozen=True, kw_only=True):
    """The operation was refused; the socket goes on."""

    id: Id
    code: str
    message: str
    retryable: bool
    details: dict[str, Any]
    name: str | None = None


class PresenceFrame(_Answer, tag="presence", frozen=True, kw_only=True):
    """What another watcher shows; null when it has left."""

    name: str
    connection: str
    user: str
    data: msgspec.Raw
    last_seen: datetime


class Pong(_Answer, tag="pong", frozen=True, kw_only=True):
    """The answer to `ping`."""

    id: Id
    server_now: datetime


class Lagging(_Answer, tag="lagging", frozen=True, kw_only=True):
    """The watch was dropped because its viewer was too slow; resume with `after: seq`."""

    name: str
    seq: int


class Draining(_Answer, tag="draining", frozen=True, kw_only=True):
    """The server is about to close with 1012."""

    retry_after_ms: int


Answer = Welcome | StateFrame | Watching | Ok | Sent | Failed | PresenceFrame | Pong | Lagging | Draining

_op: Final = msgspec.json.Decoder(Op)
_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()


class Codec(Protocol):
    """One subprotocol. Functions of it serve as keys, so there is one instance of each."""

    subprotocol: str

    def read(self, frame: str | bytes) -> Op:
        """Decode a client's frame, or `Malformed`."""
        ...

    def write(self, answer: Answer) -> Frame:
        """Encode a frame of the server, ready for the wire."""
        ...

    def event(self, name: Name, seq: int, rendered: bytes) -> Frame:
        """Make the `event` frame from an event that is rendered as JSON."""
        ...


class JsonCodec:
    """One JSON object per text frame."""

    subprotocol: str = "holdfast.v1"

    def read(self, frame: str | bytes) -> Op:
        """Decode a client's frame, or `Malformed`."""
        if not isinstance(frame, str):
            raise Malformed("holdfast.v1 takes text frames")
        return _read(frame.encode())

    def write(self, answer: Answer) -> Frame:
        """Encode a frame of the server."""
        return framing.text(_json.encode(answer))

    def event(self, name: Name, seq: int, rendered: bytes) -> Frame:
        """Make the `event` frame from an event that is rendered as JSON."""
        return framing.text(_event(name, seq, rendered))


class MsgpackCodec:
    """The same objects as msgpack in binary frames."""

    subprotocol: str = "holdfast.v1.msgpack"

    def read(self, frame: str | bytes) -> Op:
        """Decode a client's frame, or `Malformed`."""
        if not isinstance(frame, bytes):
            raise Malformed("holdfast.v1.msgpack takes binary frames")
        try:
            content = _json.encode(msgspec.msgpack.decode(frame))
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, OverflowError) as error:
            raise Malformed(f"not msgpack: {error}") from None
        except RecursionError:
            raise Malformed("nested too deeply") from None
        return _read(content)

    def write(self, answer: Answer) -> Frame:
        """Encode a frame of the server."""
        return framing.binary(_transcode(_json.encode(answer)))

    def event(self, name: Name, seq: int, rendered: bytes) -> Frame:
        """Make the `event` frame from an event that is rendered as JSON."""
        return framing.binary(_transcode(_event(name, seq, rendered)))


JSON: Final = JsonCodec()
MSGPACK: Final = MsgpackCodec()
CODECS: Final[dict[str, Codec]] = {codec.subprotocol: codec for codec in (JSON, MSGPACK)}


def sse_event(name: Name, seq: int, rendered: bytes) -> Frame:  # noqa: ARG001 - the form that all event frames share
    """Make the server-sent event from an event that is rendered as JSON."""
    return b"id: %d\ndata: %s\n\n" % (seq, rendered)


def _read(content: bytes) -> Op:
    try:
        return _op.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    except RecursionError:
        raise Malformed("nested too deeply") from None


def _event(name: Name, seq: int, rendered: bytes) -> bytes:  # noqa: ARG001 - the form that all event frames share
    return b'{"op":"event","name":"%s","server_now":%s,%s' % (str(name).encode(), _json.encode(utc_now()), rendered[1:])


def _transcode(content: bytes) -> bytes:
    return _msgpack.encode(msgspec.json.decode(content))
