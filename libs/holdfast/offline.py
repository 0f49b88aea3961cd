"""Facts of a terminal that is cut off: kept in a local file, and submitted in their order when it is back.

What happened (a sale was rung, a drawer opened) is recorded first and sent later. `record` returns when the fact is on
disk, with the number that it has among the terminal's facts. `submit` hands all of them over, as often as it takes:
the entity leaves alone what it knows, and asks for what it lacks by `TERMINAL_SEQ_GAP`. `docs/offline-terminals.md`
shows a whole terminal.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import httpx
import msgspec
import structlog

from holdfast._errors import ErrorBody, HoldfastError, Rejected, Unavailable, error_from
from holdfast._messages import Actor
from holdfast._names import Name
from holdfast._offline_file import Kept, OfflineFile, QueueInUse
from holdfast.client import Client

__all__ = [
    "Build",
    "Courier",
    "OfflineQueue",
    "QueueFull",
    "QueueInUse",
    "QueueStuck",
    "by_client",
    "by_http",
]

LIMIT: Final = 10_000
"""Facts that wait at most. A busy till rings some hundreds an hour."""
LONGEST_FACT: Final = 256 * 1024
BATCH: Final = 100
BATCH_BYTES: Final = 512 * 1024
KEPT_DELIVERED: Final = 1_000
"""Delivered facts that stay at hand, in case the entity comes back from an older backup and asks for them again."""
SUBMIT_SECONDS: Final = 20.0
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 15.0
GAP: Final = "TERMINAL_SEQ_GAP"
REVOKED: Final = "TERMINAL_REVOKED"

Build = Callable[[int, Sequence[msgspec.Raw]], tuple[str, object]]
"""Makes a command, its tag and its data, of some facts and the terminal_seq of the first one."""
log = structlog.get_logger(__name__)
_encoder: Final = msgspec.json.Encoder()


class Courier(Protocol):
    """Brings one command to the entity. Refusals are raised as `HoldfastError`, anything unsure as a retryable one."""

    async def __call__(self, command: str, data: bytes, command_id: str, /) -> None:
        """Return once the command is accepted; `data` is JSON."""
        ...


class QueueFull(Exception):
    """As many facts wait as the queue was given room for: this one is not recorded, go on by hand."""


class QueueStuck(Exception):
    """The entity takes nothing of what is next: somebody has to look. Nothing is lost, and `record` goes on."""


class OfflineQueue:
    """The facts of one terminal, in a file that only this process has open.

    `first_seq` counts for a new file only: one more than what the entity has of this terminal already
    (the till's view shows it as `offline_seq`). Facts below that would be taken for known ones.
    """

    def __init__(self, path: Path | str, *, first_seq: int = 1, limit: int = LIMIT) -> None:
        self._file = OfflineFile(Path(path), first_seq=first_seq)
        self._limit = limit
        self._recorded = asyncio.Event()
        self._submitting = asyncio.Lock()

    def record(self, fact: Mapping[str, Any] | msgspec.Struct) -> int:
        """Keep a fact; returns its terminal_seq once it is on disk. A mapping without `occurred_at` gets the time now."""
        if isinstance(fact, Mapping) and "occurred_at" not in fact:
            fact = {**fact, "occurred_at": datetime.now(UTC)}
        encoded = _encoder.encode(fact)
        if len(encoded) > LONGEST_FACT:
            raise ValueError(f"a fact is at most {LONGEST_FACT} bytes of JSON: split it")
        if self.waiting >= self._limit:
            raise QueueFull(f"{self.waiting} facts wait already: get this terminal back on the network")
        seq = self._file.append(encoded)
        self._recorded.set()
        return seq

    @property
    def waiting(self) -> int:
        """How many facts the entity does not have, as far as is known here."""
        return self._file.next_seq - 1 - self._file.delivered

    @property
    def revoked(self) -> str:
        """Why nothing of this terminal is taken any more; empty while it is."""
        return self._file.revoked

    def kept(self, *, after: int = 0, limit: int = BATCH) -> Sequence[tuple[int, Any]]:
        """The facts in the file beyond a seq, for whoever reviews them: those that wait, and the last delivered ones."""
        return [(each.seq, msgspec.json.decode(each.fact)) for each in self._file.after(after, limit=limit)]

    async def submit(self, courier: Courier, build: Build, *, review: Build | None = None) -> int:
        """Hand over what waits; returns how many facts went. Retryable errors are raised: come again.

        Once the terminal is revoked everything stays in the file, and `review` makes the command that lodges it.
        """
        async with self._submitting:
            delivered = 0
            asked_back = False
            while (chosen := review if self.revoked else build) and (batch := self._next()):
                command, content = chosen(batch[0].seq, [msgspec.Raw(each.fact) for each in batch])
                data = _encoder.encode(content)
                try:
                    async with asyncio.timeout(SUBMIT_SECONDS):
                        await courier(command, data, _command_id(self._file.id, command, data))
                except TimeoutError:
                    raise Unavailable("no answer in time; the same facts go again") from None
                except HoldfastError as refusal:
                    asked_back = self._obey(refusal, batch, again=asked_back)
                    continue
                delivered += len(batch)
                asked_back = False
                self._delivered(batch[-1].seq)
            return delivered

    async def keep_submitting(self, courier: Courier, build: Build, *, review: Build | None = None) -> None:
        """Hand over what there is and what comes, until cancelled. Anything but a retryable error is raised."""
        pause = FIRST_PAUSE
        while True:
            self._recorded.clear()
            try:
                await self.submit(courier, build, review=review)
            except HoldfastError as error:
                if not error.retryable:
                    raise
                log.info("offline.waiting", facts=self.waiting, error=str(error))
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                await self._recorded.wait()

    def close(self) -> None:
        """Let another process have the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """An open queue is its own context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _next(self) -> Sequence[Kept]:
        """The next facts to go, in one command; none when all went."""
        found = self._file.after(self._file.delivered, limit=BATCH)
        size = 0
        for count, each in enumerate(found):
            size += len(each.fact)
            if size > BATCH_BYTES and count:
                return found[:count]
        return found

    def _obey(self, refusal: HoldfastError, batch: Sequence[Kept], *, again: bool) -> bool:
        """Do what a refusal asks for, or raise it; whether facts are to go from an earlier one on."""
        if refusal.code == REVOKED and not self.revoked:
            log.warning("offline.revoked", facts=self.waiting)
            self._file.set_revoked(refusal.message)
            return False
        expected = refusal.details.get("expected")
        if refusal.code != GAP or not isinstance(expected, int):
            raise refusal
        if again or expected >= batch[0].seq or expected < self._file.oldest:
            raise QueueStuck(
                f"the entity asks for fact {expected}, this file has {self._file.oldest} to {self._file.next_seq - 1}:"
                " give this terminal another id, and lodge what is missing by hand"
            ) from refusal
        self._file.set_delivered(expected - 1)
        return True

    def _delivered(self, seq: int) -> None:
        self._file.set_delivered(seq, forget=0 if self.revoked else seq - KEPT_DELIVERED)


def _command_id(queue: str, command: str, data: bytes) -> str:
    """The same for the same facts however often they go, and another one for any others."""
    content = b"\0".join((queue.encode(), command.encode(), data))
    return f"o-{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def by_client(client: Client, name: Name, *, by: Actor) -> Courier:
    """Bring commands to an entity over NATS."""

    async def bring(command: str, data: bytes, command_id: str, /) -> None:
        await client.send(name, command, data, by=by, command_id=command_id)

    return bring


def by_http(http: httpx.AsyncClient, purpose: str, id_: str) -> Courier:
    """Bring commands to an entity through a gateway; `http` has its address and the terminal's token."""

    async def bring(command: str, data: bytes, command_id: str, /) -> None:
        path = f"/v1/{purpose}/{id_}/{command.replace('_', '-')}"
        headers = {"Idempotency-Key": command_id, "Content-Type": "application/json"}
        try:
            answer = await http.post(path, content=data, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"the gateway cannot be reached: {error}") from error
        if not answer.is_success:
            raise _refusal(answer)

    return bring


class _Problem(msgspec.Struct):
    """An error as HTTP carries it."""

    code: str
    detail: str = ""
    retryable: bool = False
    details: dict[str, Any] = {}


def _refusal(answer: httpx.Response) -> HoldfastError:
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.MsgspecError:
        message = f"the gateway answered {answer.status_code} without saying why"
        return Unavailable(message) if answer.is_server_error else Rejected(message)
    return error_from(
        ErrorBody(code=problem.code, message=problem.detail, retryable=problem.retryable, details=problem.details)
    )
