"""The bus on nats-py."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple, Self, cast

import nats
import nats.errors
import structlog
from nats.aio.client import PING_PROTO, Client, Srv
from nats.aio.msg import Msg

from holdfast._bus import Hear, Message, Receive, Subscription
from holdfast._errors import NoResponders, TooLarge, Unavailable

CONNECT_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 1.0
RECONNECT_SECONDS: Final = 0.2
PING_SECONDS: Final = 1
PING_LEAVES_SECONDS: Final = 0.1
PINGS_UNANSWERED: Final = 2
"""A server that is cut off ends no connection: after so many pings another one is tried."""
PENDING_MESSAGES: Final = 131_072
PENDING_BYTES: Final = 256 * 1024 * 1024
ANSWERS_AT_ONCE: Final = 4096
OVERFLOW_SECONDS: Final = 0.2
"""An overflow drops message after message; it is told of at once, and again at most so often."""
_NO_HEADERS: Final[Mapping[str, str]] = {}

log = structlog.get_logger(__name__)


@contextmanager
def _cancellable() -> Generator[None]:
    """See that the current task ends when it is cancelled in here, whoever catches that.

    nats-py does so while it flushes, and before Python 3.12 `wait_for` does when what it waits for comes at the same time.
    """
    task = asyncio.current_task()
    cancels = 0 if task is None else task.cancelling()
    try:
        yield
    finally:
        if task is not None and task.cancelling() > cancels:
            raise asyncio.CancelledError


class _Listener(NamedTuple):
    subject: str
    hear: Hear


class _Client(Client):
    """nats-py with messages that may hold anything, and with subscriptions that cost a few hundred bytes.

    nats-py stops reading for good when a message does not decode, and anyone who may publish can send one. And each
    of its subscriptions has a task and a queue, several kilobytes that a watched entity does not need.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[int, _Listener] = {}

    async def listen(self, subject: str, hear: Hear) -> int:
        """Subscribe without a task or a queue; returns the id that ends it."""
        self._sid += 1
        sid = self._sid
        self.listeners[sid] = _Listener(subject, hear)
        await self._tell(_sub(sid, subject))
        return sid

    async def unlisten(self, sid: int) -> None:
        """End what `listen` began."""
        if self.listeners.pop(sid, None) is not None and self.is_connected:
            await self._tell(b"UNSUB %d\r\n" % sid)

    async def _tell(self, line: bytes) -> None:
        await self._send_command(line)
        await self._flush_pending()

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # noqa: FBT001, FBT002 - nats-py's own signature
        with _cancellable():  # nats-py forgets a cancellation that meets it here
            return await super()._flush_pending(force_flush)  # pyright: ignore[reportUnknownMemberType] - nats-py's own gap

    async def _send_ping(self, future: "asyncio.Future[bool] | None" = None) -> None:
        """Let a ping wait its turn: nats-py sends it at once, before what is still to be sent, so that a flush lies.

        One that nobody waits for is given up when it cannot leave: that it goes unanswered is then what it tells.
        """
        cast("list[Any]", self._pongs).append(  # pyright: ignore[reportUnknownMemberType] - nats-py's own gap
            future or asyncio.get_running_loop().create_future()
        )
        if future is not None:
            await self._tell(PING_PROTO)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(PING_LEAVES_SECONDS):
                await self._tell(PING_PROTO)

    def abort(self) -> None:
        """End the connection and forget what it still holds; closing would wait until the server has taken that."""
        writer: asyncio.StreamWriter | None = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def _attempt_reconnect(self) -> None:
        self.abort()
        await super()._attempt_reconnect()

    async def _connect_to_server(self, s: Srv) -> None:
        with _cancellable():
            await super()._connect_to_server(s)

    async def _process_connect_init(self) -> None:
        with _cancellable():
            await super()._process_connect_init()
        lines = [_sub(sid, listener.subject) for sid, listener in self.listeners.items()]
        if lines and self._transport is not None:
            self._transport.write(b"".join(lines))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        listener = self.listeners.get(sid)
        if listener is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        read = await self._process_headers(headers) if headers else None
        try:
            listener.hear(
                Message(subject.decode(errors="replace"), data, read or _NO_HEADERS, reply.decode(errors="replace"))
            )
        except Exception:  # a bug in one listener must not end the reading for all
            log.exception("nats.listener_failed", subject=listener.subject)

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)  # pyright: ignore[reportUnknownMemberType] - nats-py's own gap
        except (ValueError, IndexError):
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        return self.msg_class(
            subject=subject.decode(errors="replace"),
            reply=reply.decode(errors="replace"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )


class NatsBus:
    """One connection that never gives up reconnecting."""

    def __init__(self) -> None:
        self._nats = _Client()
        self._unreachable = False
        self._gaps: set[Callable[[], None]] = set()
        self._overflow: asyncio.TimerHandle | None = None
        self._overflowed_again = False
        self._answers: dict[str, asyncio.Queue[Message]] = {}
        self._answer_prefix = ""
        self._tokens = 0

    @classmethod
    async def connect(cls, servers: str | Sequence[str], *, name: str) -> Self:
        """Connect within five seconds or raise `Unavailable`. Credentials stand in the URLs; commas separate several."""
        bus = cls()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await bus._open(servers, name)
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await bus._nats.close()
            raise Unavailable(f"no NATS server answers at {_without_credentials(servers)}: {error}") from error
        return bus

    async def _open(self, servers: str | Sequence[str], name: str) -> None:
        urls = _urls(servers)
        await self._nats.connect(
            servers=random.sample(urls, len(urls)),
            dont_randomize=True,  # or the server that was just lost may be tried first
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,  # pyright: ignore[reportArgumentType] - it is slept, so a float will do
            ping_interval=PING_SECONDS,
            max_outstanding_pings=PINGS_UNANSWERED,
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnected,
        )
        prefix = self._nats.new_inbox()
        self._answer_prefix = prefix + "."
        await self.subscribe(prefix + ".*", self._on_answer)

    async def close(self) -> None:
        """Close the connection; what was not sent yet gets a moment in which a server can take it."""
        if self._overflow is not None:
            self._overflow.cancel()
        aborting = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._nats.abort)
        try:
            await self._nats.close()
        finally:
            aborting.cancel()

    @property
    def connected(self) -> bool:
        """Whether the connection stands now."""
        return self._nats.is_connected

    @property
    def max_payload(self) -> int:
        """The largest message in bytes that the server takes."""
        return self._nats.max_payload

    @property
    def server_version(self) -> str:
        """The version that the connected server reports."""
        version = self._nats.connected_server_version
        return f"{version.major}.{version.minor}.{version.patch}"

    @property
    def listening(self) -> int:
        """How many subjects are listened to."""
        return len(self._nats.listeners)

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Hand a message to the connection; `Unavailable` while there is none."""
        if not self._nats.is_connected:
            raise Unavailable("not connected to NATS; try again")
        try:
            await self._nats.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)
        except nats.errors.MaxPayloadError:
            raise TooLarge(f"a message holds at most {self.max_payload} bytes") from None
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS did not take the message: {error}") from error

    async def request(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, timeout: float
    ) -> Message:
        """Publish and wait for the first answer, at most `timeout` seconds."""
        if not self._nats.is_connected:
            raise Unavailable("not connected to NATS; try again")
        try:
            with _cancellable():
                answer = await self._nats.request(
                    subject, data, timeout=timeout, headers=dict(headers) if headers else None
                )
        except nats.errors.MaxPayloadError:
            raise TooLarge(f"a message holds at most {self.max_payload} bytes") from None
        except nats.errors.NoRespondersError:
            raise NoResponders(f"nobody listens on {subject}") from None
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Unavailable(f"no answer from NATS on {subject.partition('.')[0]}: {error}") from error
        return _message(answer)

    async def request_many(self, subject: str, data: bytes, *, timeout: float) -> AsyncIterator[Message]:
        """Publish and yield every answer up to one with a `Status` header."""
        self._tokens += 1
        token = str(self._tokens)
        answers = self._answers[token] = asyncio.Queue[Message](ANSWERS_AT_ONCE)
        try:
            await self.publish(subject, data, reply=self._answer_prefix + token)
            while True:
                async with asyncio.timeout(timeout):
                    answer = await answers.get()
                yield answer
                if "Status" in answer.headers:
                    return
        except TimeoutError:
            raise Unavailable("NATS stopped answering in the middle of a read; try again") from None
        finally:
            del self._answers[token]

    async def subscribe(self, subject: str, receive: Receive, *, queue: str = "") -> Subscription:
        """Call `receive` for every message, one after the other; its exceptions are logged."""

        async def callback(message: Msg) -> None:
            await receive(_message(message))

        subscription = await self._nats.subscribe(  # pyright: ignore[reportUnknownMemberType] - nats-py's own gap
            subject, queue=queue, cb=callback, pending_msgs_limit=PENDING_MESSAGES, pending_bytes_limit=PENDING_BYTES
        )
        return _NatsSubscription(subscription, self._nats)

    async def listen(self, subject: str, hear: Hear) -> Subscription:
        """Call `hear` for every message as it is read; its exceptions are logged."""
        try:
            return _Listening(await self._nats.listen(subject, hear), self._nats)
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS did not take the subscription: {error}") from error

    async def flush(self, *, timeout: float) -> None:
        """Wait until the server has seen everything sent before."""
        try:
            with _cancellable():
                await self._nats.flush(max(1, int(timeout)))
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Unavailable(f"NATS does not answer: {error}") from error

    def on_gap(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back after every reconnect and overflow. Returns what ends it."""
        self._gaps.add(callback)
        return lambda: self._gaps.discard(callback)

    def new_inbox(self) -> str:
        """A fresh reply subject under `_INBOX.`."""
        return self._nats.new_inbox()

    async def _on_answer(self, message: Message) -> None:
        answers = self._answers.get(message.subject.removeprefix(self._answer_prefix))
        if answers is not None and not answers.full():
            answers.put_nowait(message)

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            self._on_overflow()
            return
        if self._unreachable and not self.connected:
            return  # one line at the first failure, one when the server is back
        self._unreachable = not self.connected
        log.warning("nats.error", error=str(error) or type(error).__name__)

    def _on_overflow(self) -> None:
        """A message was dropped: report that at once, and whatever else is dropped in the moment after it together."""
        if self._overflow is not None:
            self._overflowed_again = True
            return
        log.warning("nats.overflow")
        self._overflow = asyncio.get_running_loop().call_later(OVERFLOW_SECONDS, self._after_overflow)
        self._report_gap()

    def _after_overflow(self) -> None:
        self._overflow = None
        if self._overflowed_again:
            self._overflowed_again = False
            self._on_overflow()

    async def _on_reconnected(self) -> None:
        self._unreachable = False
        log.info("nats.reconnected")
        self._report_gap()

    def _report_gap(self) -> None:
        for callback in tuple(self._gaps):
            callback()


class _NatsSubscription:
    def __init__(self, subscription: Any, client: Client) -> None:
        self._subscription = subscription
        self._nats = client
        self._stopped = False

    async def stop(self) -> None:
        """Receive nothing more."""
        if self._stopped:
            return
        self._stopped = True
        try:
            await self._subscription.unsubscribe()
        except (nats.errors.Error, OSError):
            log.debug("nats.unsubscribe_after_close")


class _Listening:
    __slots__ = ("_nats", "_sid")

    def __init__(self, sid: int, client: _Client) -> None:
        self._sid = sid
        self._nats = client

    async def stop(self) -> None:
        """Hear nothing more."""
        try:
            await self._nats.unlisten(self._sid)
        except (nats.errors.Error, OSError):
            log.debug("nats.unsubscribe_after_close")


def _sub(sid: int, subject: str) -> bytes:
    return f"SUB {subject}  {sid}\r\n".encode()


def _message(message: Msg) -> Message:
    return Message(message.subject, message.data, message.headers or _NO_HEADERS, message.reply)


def _urls(servers: str | Sequence[str]) -> list[str]:
    return [url.strip() for url in servers.split(",")] if isinstance(servers, str) else list(servers)


def _without_credentials(servers: str | Sequence[str]) -> str:
    return ", ".join(url.rpartition("@")[2].removeprefix("nats://") for url in _urls(servers))
