"""Lets the commits of many entities share one fsync: while one batch is under way, the next one gathers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from uuid import uuid4

import msgspec

from holdfast._bus import Bus, Message
from holdfast._errors import TooLarge, Unavailable
from holdfast._log import Conflict, NewCommit
from holdfast.jetstream import _api

ACK_SECONDS: Final = 2.0
WAITING_BYTES: Final = 64 * 1024 * 1024
"""What may wait for a slow log, apart from one commit that may be larger; the rest is refused at once, and sent again.

How many may wait needs no bound of its own: an entity waits for each of its commits, and a host keeps a bounded number.
"""
BATCH_COMMITS: Final = 256
BATCH_BYTES: Final = 4 * 1024 * 1024


class Prepared(NamedTuple):
    """A commit, encoded."""

    commit: NewCommit
    subject: str
    body: bytes
    headers: dict[str, str]


class _Ack(msgspec.Struct, frozen=True):
    seq: int = 0
    error: _api.ApiFault | None = None


_ack_decoder: Final = msgspec.json.Decoder(_Ack)

Waiting = tuple[Prepared, asyncio.Future[int]]


class Committer:
    """Appends to one stream. Two or more waiting commits go as an atomic batch: one fsync, all or none.

    `alone` appends a single commit with patience; it is told whether an earlier attempt may have been stored.
    """

    def __init__(self, bus: Bus, alone: Callable[[Prepared, bool], Awaitable[int]]) -> None:
        self._bus = bus
        self._alone = alone
        self._waiting: deque[Waiting] = deque()
        self._waiting_bytes = 0
        self._running: asyncio.Task[None] | None = None
        self._stragglers: set[asyncio.Task[None]] = set()

    async def append(self, prepared: Prepared) -> int:
        """Store the commit and return its position; failures are those of `EventLog.append`."""
        size = len(prepared.body)
        if self._waiting and self._waiting_bytes + size > WAITING_BYTES:
            raise Unavailable("too much waits for the log; nothing was written: try again")
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((prepared, stored))
        self._waiting_bytes += size
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="committer")
        return await stored

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                try:
                    await self._commit(batch)
                except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
                    for _, stored in batch:
                        _fail(stored, error)
        finally:
            self._running = None

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH_COMMITS:
            size += len(self._waiting[0][0].body)
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        self._waiting_bytes -= sum(len(prepared.body) for prepared, _ in batch)
        return batch

    async def _commit(self, batch: list[Waiting]) -> None:
        """One attempt for all; what it leaves open is settled one by one, without holding up the next batch."""
        try:
            last = await (self._one(batch[0][0]) if len(batch) == 1 else self._atomic(batch))
        except _api.ApiError as error:
            if len(batch) == 1 and error.code == _api.WRONG_LAST_SEQUENCE:
                _fail(batch[0][1], Conflict(str(batch[0][0].commit.name)))
                return
            self._settle_alone(batch, unknown=False)
        except Unavailable:
            self._settle_alone(batch, unknown=True)
        except TooLarge:
            self._settle_alone(batch, unknown=False)
        else:
            for position, (_, stored) in enumerate(batch, start=last - len(batch) + 1):
                if not stored.done():
                    stored.set_result(position)

    async def _one(self, prepared: Prepared) -> int:
        answer = await self._bus.request(prepared.subject, prepared.body, headers=prepared.headers, timeout=ACK_SECONDS)
        return acknowledged(answer)

    async def _atomic(self, batch: list[Waiting]) -> int:
        """Send an atomic batch and return the position of its last commit; the others stand right before it."""
        batch_id = uuid4().hex
        for number, (prepared, _) in enumerate(batch[:-1], start=1):
            headers = {**prepared.headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
            await self._bus.publish(prepared.subject, prepared.body, headers=headers)
        last = batch[-1][0]
        headers = {
            **last.headers,
            "Nats-Batch-Id": batch_id,
            "Nats-Batch-Sequence": str(len(batch)),
            "Nats-Batch-Commit": "1",
        }
        return acknowledged(await self._bus.request(last.subject, last.body, headers=headers, timeout=ACK_SECONDS))

    def _settle_alone(self, batch: list[Waiting], *, unknown: bool) -> None:
        for prepared, stored in batch:
            if stored.done():
                continue  # nobody waits for it any more
            task = asyncio.create_task(self._settle(prepared, stored, unknown=unknown))
            self._stragglers.add(task)
            task.add_done_callback(self._stragglers.discard)
            stored.add_done_callback(lambda _, task=task: task.cancel())

    async def _settle(self, prepared: Prepared, stored: asyncio.Future[int], *, unknown: bool) -> None:
        try:
            position = await self._alone(prepared, unknown)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits must hear of it
            _fail(stored, error)
        else:
            if not stored.done():
                stored.set_result(position)


def acknowledged(answer: Message) -> int:
    """The position in a publish ack; a refusal is `ApiError`, nonsense is `Unavailable`."""
    try:
        ack = _ack_decoder.decode(answer.data)
    except msgspec.DecodeError as error:
        raise Unavailable(f"the log answered {dict(answer.headers)}") from error
    if ack.error is not None:
        raise _api.ApiError(ack.error.err_code, ack.error.description)
    if ack.seq == 0:
        raise Unavailable("the log answered without a position")
    return ack.seq


def _fail(stored: asyncio.Future[int], error: Exception) -> None:
    if not stored.done():
        stored.set_exception(error)
