"""Effects that were refused or failed too often, each with what is needed to see why and to try it again."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from holdfast._bus import Bus
from holdfast._clock import utc_now
from holdfast._errors import ErrorBody, HoldfastError, NotFound
from holdfast._messages import Actor
from holdfast._names import Name
from holdfast.client import Client
from holdfast.jetstream._work import dead_subject, job_subject, read_letters, remove_letter, store


class JobBody(msgspec.Struct, frozen=True, kw_only=True):
    """A job on its queue."""

    id: str
    name: str
    seq: int
    payload: msgspec.Raw


class RefusedSend(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """A command that was judged and refused."""

    to: str
    command: str
    data: msgspec.Raw
    by: Actor


class FailedJob(msgspec.Struct, frozen=True, kw_only=True, tag="job"):
    """A job that failed for the last time; the body is as it was on the queue, if it could be read."""

    kind: str
    body: msgspec.Raw


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An effect that did not happen. `name` and `seq` say which event asked for it."""

    id: str
    origin: str
    """The reactor, or the kind of job."""
    name: str
    seq: int
    error: ErrorBody
    at: datetime
    content: RefusedSend | FailedJob


class FiledLetter(NamedTuple):
    """A dead letter and its place in its stream."""

    sequence: int
    letter: DeadLetter


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(DeadLetter)


async def bury(
    bus: Bus,
    source: Name,
    seq: int,
    *,
    id_: str,
    origin: str,
    error: HoldfastError,
    content: RefusedSend | FailedJob,
    message_id: str,
) -> None:
    """File a dead letter durably, once for each message id."""
    letter = DeadLetter(
        id=id_, origin=origin, name=str(source), seq=seq, error=error.body(), at=utc_now(), content=content
    )
    subject = dead_subject(source.purpose, source.tenant, origin)
    await store(bus, subject, _encoder.encode(letter), message_id=message_id)


async def letters(bus: Bus, purpose: str, *, start: int = 1) -> AsyncGenerator[FiledLetter]:
    """The dead letters of a purpose, oldest first."""
    async for stored in read_letters(bus, purpose, start=start):
        yield FiledLetter(stored.sequence, _decoder.decode(stored.body))


async def letter_at(bus: Bus, purpose: str, sequence: int) -> FiledLetter:
    """One dead letter; `NotFound` when it is not there any more."""
    async for filed in letters(bus, purpose, start=sequence):
        if filed.sequence == sequence:
            return filed
        break
    raise NotFound(f"there is no dead letter {purpose}/{sequence}; `holdfast dead list` shows those there are")


async def redrive(client: Client, purpose: str, filed: FiledLetter) -> None:
    """Let the effect happen after all, under the same id, and take the letter away; a new refusal is raised."""
    letter = filed.letter
    source = Name.parse(letter.name)
    match letter.content:
        case RefusedSend(to=to, command=command, data=data, by=by):
            await client.send(Name.parse(to), command, data, by=by, command_id=letter.id)
        case FailedJob(kind=kind, body=body):
            # The queue knows the first message id still; this one lets the same letter through once.
            message_id = f"{letter.id}-again-{filed.sequence}"
            await store(client.bus, job_subject(purpose, source.tenant, kind), bytes(body), message_id=message_id)
    await remove_letter(client.bus, purpose, filed.sequence)
