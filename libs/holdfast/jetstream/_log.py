"""The event log on JetStream: one stream per purpose, one message per commit."""

import asyncio
import base64
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from holdfast._bus import Bus, Message
from holdfast._errors import NoResponders, NoRoom, OutcomeUnknown, TooLarge, Unavailable
from holdfast._log import Conflict, Judged, NewCommit, StoredCommit
from holdfast._messages import Commit
from holdfast._names import Name
from holdfast.jetstream import _api
from holdfast.jetstream._committer import ACK_SECONDS, Committer, Prepared, acknowledged
from holdfast.jetstream._streams import checkpoint_stream, log_replicas, log_stream, make_checkpoint_stream
from holdfast.telemetry import TRACEPARENT

APPEND_SECONDS: Final = 8.0
RETRY_SECONDS: Final = 0.05
MAX_RETRY_SECONDS: Final = 0.5
READ_SECONDS: Final = 8.0
SINGLE_SECONDS: Final = 1.0
"""How long a log is taken to be on one server only after its stream said so: somebody may add servers."""
BATCH: Final = 1000
BATCH_BYTES: Final = 16 * 1024 * 1024
HEADER_ROOM: Final = 4096
_TOO_LARGE: Final = 10054

H_FENCE: Final = "Nats-Expected-Last-Subject-Sequence"
H_COMMIT: Final = "Holdfast-Commit"
H_JUDGED: Final = "Holdfast-Judged"
H_COMMANDS: Final = "Holdfast-Commands"

_encoder: Final = msgspec.json.Encoder()
_commit_decoder: Final = msgspec.json.Decoder(Commit)


class JetStreamLog:
    """Appends fenced by the subject's last sequence, an ack only after the server's fsync."""

    def __init__(self, bus: Bus, *, replicas: int = 1) -> None:
        self._bus = bus
        self._replicas = replicas
        self._single: dict[str, float] = {}
        """Until when the log of a purpose is taken to be on one server."""
        self._committer = Committer(bus, self._append_alone)

    async def append(self, commit: NewCommit, /) -> int:
        """Store a commit durably and return its position; an unknown outcome is resolved by the fence itself.

        After a lost ack the same bytes are sent again with the same fence: if the first attempt was stored, the
        second is refused, and the subject's last message tells whose commit it was.
        """
        body = _encoder.encode(commit.commit)
        headers = _headers(commit)
        if len(body) + len(headers[H_COMMANDS]) + HEADER_ROOM > self._bus.max_payload:
            raise TooLarge(f"these events are {len(body)} bytes; a commit holds {self._bus.max_payload - HEADER_ROOM}")
        return await self._committer.append(Prepared(commit, commit.name.subject("evt"), body, headers))

    async def _append_alone(self, prepared: Prepared, unknown: bool) -> int:  # noqa: FBT001 - the committer's callback
        subject, body, headers = prepared.subject, prepared.body, prepared.headers
        delay = RETRY_SECONDS
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                while True:
                    try:
                        return acknowledged(
                            await self._bus.request(subject, body, headers=headers, timeout=ACK_SECONDS)
                        )
                    except Unavailable:
                        unknown = True
                    except _api.ApiError as error:
                        if error.code == _api.WRONG_LAST_SEQUENCE:
                            return await self._resolve(prepared.commit, unknown=unknown)
                        if error.code == _TOO_LARGE:
                            raise TooLarge("the server takes no commit of this size") from error
                        if error.no_room:
                            raise _no_room(error, unknown=unknown) from error
                    await asyncio.sleep(delay * (0.5 + random.random()))  # noqa: S311 - jitter
                    delay = min(delay * 2, MAX_RETRY_SECONDS)
        except TimeoutError:
            raise OutcomeUnknown("the log did not acknowledge in time") from None

    async def _resolve(self, commit: NewCommit, *, unknown: bool) -> int:
        if unknown:
            try:
                last = await self.last(commit.name)
            except Unavailable as error:
                raise OutcomeUnknown(error.message) from error
            if last is not None and last.commit_id == commit.commit_id:
                return last.position
        raise Conflict(str(commit.name))

    async def read(self, name: Name, /, *, position: int = 0, limit: int = BATCH) -> Sequence[StoredCommit]:
        """Up to `limit` commits from `position` on, by direct get; a lagging replica is asked again."""
        found = await self._read(name, position, limit)
        if len(found) >= limit or not await self._may_lag(name.purpose):
            return found
        last = await self.last(name)
        try:
            async with asyncio.timeout(READ_SECONDS):
                while last and len(found) < limit and _lacks(found, position, last):
                    await asyncio.sleep(RETRY_SECONDS)
                    found = await self._read(name, position, limit)
        except TimeoutError:
            raise Unavailable("the replicas of the log lag behind; try again") from None
        return found

    async def _may_lag(self, purpose: str) -> bool:
        """Whether others than the leader answer direct gets: the stream tells, whatever this process was told."""
        if self._replicas == 1:
            now = asyncio.get_running_loop().time()
            if now < self._single.get(purpose, 0.0):
                return False
            replicas = await log_replicas(self._bus, purpose)
            if replicas <= 1:
                self._single[purpose] = now + SINGLE_SECONDS
                return False
            self._replicas = replicas
        return True

    async def _read(self, name: Name, position: int, limit: int) -> list[StoredCommit]:
        found: list[StoredCommit] = []
        subject = name.subject("evt")
        following = max(position, 1)
        while len(found) < limit:
            count = min(BATCH, limit - len(found))
            query = {"seq": following, "next_by_subj": subject, "batch": count, "max_bytes": BATCH_BYTES}
            before = len(found)
            pending = 0
            async for message in self._bus.request_many(
                f"$JS.API.DIRECT.GET.{log_stream(name.purpose)}", _encoder.encode(query), timeout=_api.API_SECONDS
            ):
                status = message.headers.get("Status")
                if status is None:
                    found.append(_stored(message))
                elif status == "204":
                    pending = int(message.headers.get("Nats-Num-Pending", "0"))
                elif status != "404":
                    raise Unavailable(f"the log cannot be read: {status} {message.headers.get('Description', '')}")
            if len(found) == before or pending == 0:
                break
            following = found[-1].position + 1
        return found

    async def last(self, name: Name, /) -> StoredCommit | None:
        """The newest commit, asked of the stream's leader, which is never behind."""
        operation = f"STREAM.MSG.GET.{log_stream(name.purpose)}"
        try:
            answer = await _api.call(self._bus, operation, {"last_by_subj": name.subject("evt")})
        except _api.ApiError as error:
            if error.code == _api.MESSAGE_NOT_FOUND:
                return None
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        message: dict[str, Any] = answer["message"]
        headers = parse_headers(base64.b64decode(message.get("hdrs", "")))
        return decode_stored(int(message["seq"]), base64.b64decode(message.get("data", "")), headers)

    async def locate(self, name: Name, seq: int, /) -> int | None:
        """Find the commit by halving the range of positions: about 20 small reads at the most."""
        last = await self.last(name)
        if last is None or last.commit.events[-1].seq < seq:
            return None
        low, high, best = 1, last.position, last
        while low < high:
            middle = (low + high) // 2
            found = await self.read(name, position=middle, limit=1)
            candidate = found[0] if found else last
            if candidate.commit.events[-1].seq >= seq:
                best, high = candidate, middle
            else:
                low = candidate.position + 1
            if best.commit.events[0].seq <= seq:
                break
        return best.position

    async def purge(self, name: Name, /, *, through: int | None = None) -> None:
        """Remove the entity's commits up to a position from the stream, or all."""
        query: dict[str, Any] = {"filter": name.subject("evt")}
        if through is not None:
            query["seq"] = through + 1
        try:
            await _api.call(self._bus, f"STREAM.PURGE.{log_stream(name.purpose)}", query)
        except _api.ApiError as error:
            raise Unavailable(f"the log cannot be purged: {error.description}") from error

    async def bury(self, name: Name, place: Judged, /) -> None:
        """Keep the place of a deletion beside the checkpoints, in memory as the commands are and for longer."""
        try:
            try:
                await self._bury(name, place)
            except NoResponders:  # that stream was lost, or elects its leader
                replicas = max(self._replicas, await log_replicas(self._bus, name.purpose))
                await make_checkpoint_stream(self._bus, name.purpose, replicas=replicas)
                await self._bury(name, place)
        except _api.ApiError as error:
            raise Unavailable(f"the deletion cannot be noted: {error.description}") from error

    async def _bury(self, name: Name, place: Judged) -> None:
        acknowledged(await self._bus.request(name.subject("gone"), _place(place).encode(), timeout=ACK_SECONDS))

    async def buried(self, name: Name, /) -> Judged:
        """Where the entity was deleted, asked of the stream's leader, which is never behind; a lost stream tells of none."""
        operation = f"STREAM.MSG.GET.{checkpoint_stream(name.purpose)}"
        try:
            answer = await _api.call(self._bus, operation, {"last_by_subj": name.subject("gone")})
        except _api.ApiError as error:
            if error.code in (_api.MESSAGE_NOT_FOUND, _api.STREAM_NOT_FOUND):
                return Judged()
            raise Unavailable(f"deletions cannot be read: {error.description}") from error
        return _judged(base64.b64decode(answer["message"].get("data", "")).decode())


def _no_room(error: _api.ApiError, *, unknown: bool) -> Unavailable:
    words = f"the log has no room: {error.description}. Make room on the NATS servers"
    return OutcomeUnknown(words) if unknown else NoRoom(f"{words}, then try again")


def _lacks(found: Sequence[StoredCommit], position: int, last: StoredCommit) -> bool:
    return last.position >= position and (not found or found[-1].position < last.position)


def decode_live(message: Message) -> Commit:
    """Read a republished commit from its `live.` message."""
    return _commit_decoder.decode(message.data)


def _headers(commit: NewCommit) -> dict[str, str]:
    headers = {
        H_FENCE: str(commit.expected),
        H_COMMIT: commit.commit_id,
        H_JUDGED: _place(commit.judged),
        H_COMMANDS: ",".join(f"{command_id}={digest}" for command_id, digest in commit.digests),
    }
    if commit.traceparent:
        headers[TRACEPARENT] = commit.traceparent
    return headers


def _stored(message: Message) -> StoredCommit:
    return decode_stored(int(message.headers["Nats-Sequence"]), message.data, message.headers)


def decode_stored(position: int, data: bytes, headers: Mapping[str, str]) -> StoredCommit:
    """Read a commit as the stream holds it; headers that are not there were not known when it was written."""
    return StoredCommit(
        position=position,
        commit=_commit_decoder.decode(data),
        commit_id=headers.get(H_COMMIT, ""),
        judged=_judged(headers.get(H_JUDGED, "")),
        digests=tuple(_digests(headers.get(H_COMMANDS, "").split(","))),
    )


def _place(judged: Judged) -> str:
    return f"{judged.received}.{judged.sequence}"


def _judged(place: str) -> Judged:
    received, _, sequence = place.partition(".")
    return Judged(int(received or 0), int(sequence or 0))


def _digests(pairs: Iterable[str]) -> Iterable[tuple[str, str]]:
    for pair in pairs:
        command_id, _, digest = pair.rpartition("=")
        if command_id:
            yield command_id, digest


def parse_headers(raw: bytes) -> dict[str, str]:
    """Read a NATS header block."""
    headers: dict[str, str] = {}
    for line in raw.decode().split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key:
            headers[key] = value.strip()
    return headers
