"""The streams of effects: jobs that wait for a worker, and dead letters that wait for a person."""

from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

import msgspec

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast.jetstream import _api
from holdfast.jetstream._committer import acknowledged
from holdfast.telemetry import TRACEPARENT

STORE_SECONDS: Final = 5.0
REPEAT_SECONDS: Final = 3600
"""Within this time the server itself drops a second message of the same id."""
LETTERS: Final = 256
_NANOSECONDS: Final = 1_000_000_000
_NAME_IN_USE: Final = 10058
_DELETE_FAILED: Final = 10057
_GONE: Final = "no message found"
"""The reason that the server gives with `_DELETE_FAILED` for what is not there any more."""


def job_stream(purpose: str) -> str:
    """The work queue of a purpose: a job stays until a worker has acknowledged it."""
    return f"jobs-{purpose}"


def dead_stream(purpose: str) -> str:
    """The dead letters of a purpose: they stay until they are driven again."""
    return f"dead-{purpose}"


def job_subject(purpose: str, tenant: str, kind: str) -> str:
    """Where jobs of a kind are published; `*` for any tenant."""
    return f"jobs.{purpose}.{tenant}.{kind}"


def dead_subject(purpose: str, tenant: str, origin: str) -> str:
    """Where dead letters of a reactor or a kind of job are published; `*` for any tenant."""
    return f"dead.{purpose}.{tenant}.{origin}"


async def ensure_work_streams(bus: Bus, purpose: str, *, replicas: int) -> None:
    """Create or upgrade both streams, on at least so many servers; `ApiError` when the server refuses."""
    for name, subjects, retention in (
        (job_stream(purpose), f"jobs.{purpose}.*.*", "workqueue"),
        (dead_stream(purpose), f"dead.{purpose}.*.*", "limits"),
    ):
        wanted = {
            "name": name,
            "subjects": [subjects],
            "storage": "file",
            "retention": retention,
            "num_replicas": replicas,
            "duplicate_window": REPEAT_SECONDS * _NANOSECONDS,
            "allow_direct": True,
        }
        try:
            await _api.call(bus, f"STREAM.CREATE.{name}", wanted)
        except _api.ApiError as error:
            if error.code != _NAME_IN_USE:
                raise
            found = (await _api.call(bus, f"STREAM.INFO.{name}"))["config"]
            kept = {"num_replicas": max(replicas, found["num_replicas"])}
            await _api.call(bus, f"STREAM.UPDATE.{name}", {**wanted, **kept})


async def store(bus: Bus, subject: str, body: bytes, *, message_id: str, traceparent: str = "") -> None:
    """Publish durably; `Unavailable` when it is not known to be stored."""
    headers = {"Nats-Msg-Id": message_id}
    if traceparent:
        headers[TRACEPARENT] = traceparent
    try:
        acknowledged(await bus.request(subject, body, headers=headers, timeout=STORE_SECONDS))
    except _api.ApiError as error:
        raise Unavailable(f"{subject} is not stored: {error.description}") from error


class StoredLetter(NamedTuple):
    """A dead letter and its place in its stream."""

    sequence: int
    body: bytes


async def purposes_with_letters(bus: Bus) -> list[str]:
    """The purposes that have a stream of dead letters."""
    found: list[str] = []
    while True:
        answer = await _api.call(bus, "STREAM.NAMES", {"subject": "dead.>", "offset": len(found)})
        names: list[str] = answer.get("streams") or []
        found += names
        if not names or len(found) >= int(answer["total"]):
            return sorted(name.removeprefix("dead-") for name in found if name.startswith("dead-"))


async def count_letters(bus: Bus, purpose: str, origin: str) -> int:
    """How many dead letters of a reactor or a kind of job there are."""
    query = {"subjects_filter": dead_subject(purpose, "*", origin)}
    state: dict[str, Any] = (await _api.call(bus, f"STREAM.INFO.{dead_stream(purpose)}", query))["state"]
    subjects: dict[str, int] = state.get("subjects") or {}
    return sum(subjects.values())


async def read_letters(bus: Bus, purpose: str, *, start: int = 1) -> AsyncGenerator[StoredLetter]:
    """The dead letters of a purpose from a place on, oldest first."""
    query = {"seq": start, "next_by_subj": f"dead.{purpose}.*.*", "batch": LETTERS}
    while True:
        more = False
        operation = f"$JS.API.DIRECT.GET.{dead_stream(purpose)}"
        async for message in bus.request_many(operation, msgspec.json.encode(query), timeout=_api.API_SECONDS):
            status = message.headers.get("Status")
            if status is None:
                sequence = int(message.headers["Nats-Sequence"])
                yield StoredLetter(sequence, message.data)
                query["seq"] = sequence + 1
            elif status == "204":
                more = message.headers.get("Nats-Num-Pending", "0") != "0"
            elif status != "404":
                raise Unavailable(f"the letters cannot be read: {status} {message.headers.get('Description', '')}")
        if not more:
            return


async def remove_letter(bus: Bus, purpose: str, sequence: int) -> None:
    """Take a letter away. One that is gone already is no error."""
    try:
        await _api.call(bus, f"STREAM.MSG.DELETE.{dead_stream(purpose)}", {"seq": sequence, "no_erase": True})
    except _api.ApiError as error:
        if error.code != _DELETE_FAILED or error.description != _GONE:
            raise Unavailable(f"the letter cannot be removed: {error.description}") from error


async def erase_work(bus: Bus, purpose: str, tenant: str) -> int:
    """Remove the jobs and dead letters of a tenant, and say how many there were; none of a purpose without effects."""
    removed = 0
    for stream, subject in (
        (job_stream(purpose), job_subject(purpose, tenant, "*")),
        (dead_stream(purpose), dead_subject(purpose, tenant, "*")),
    ):
        try:
            removed += int((await _api.call(bus, f"STREAM.PURGE.{stream}", {"filter": subject}))["purged"])
        except _api.ApiError as error:
            if error.code != _api.STREAM_NOT_FOUND:
                raise Unavailable(f"{subject} is not removed: {error.description}") from error
    return removed
