"""Setting up the streams of a purpose on a server, and being refused by one that will not do."""

import asyncio
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast import Name, Unavailable
from holdfast._bus import Bus, Message
from holdfast._log import Judged
from holdfast.jetstream import (
    Checkpoints,
    JetStreamLog,
    NatsBus,
    ensure_streams,
)
from holdfast.jetstream import _api as api
from holdfast.jetstream._work import ensure_work_streams
from holdfast.testing.servers import NatsServer, free_ports
from holdfast.tests.wiretap import PATIENCE, Reader, Request, Tapped, a_purpose, tapped


async def configuration(bus: NatsBus, stream: str) -> dict[str, Any]:
    return (await api.call(bus, f"STREAM.INFO.{stream}"))["config"]


async def test_a_purpose_gets_its_streams_and_setting_them_up_again_changes_nothing(bus: NatsBus) -> None:
    purpose, operations = a_purpose(), list[str]()

    async def listen(forward: Request, subject: str) -> Message:
        operations.append(subject)
        return await forward()

    for _ in range(2):
        await ensure_streams(tapped(bus, listen), purpose)
    assert [one for one in operations if ".CREATE." in one] == [
        f"$JS.API.STREAM.CREATE.{stream}-{purpose}" for stream in ("evt", "ckpt", "alarm", "cmd")
    ]
    assert not [one for one in operations if ".UPDATE." in one]
    assert (await configuration(bus, f"evt-{purpose}"))["storage"] == "file"
    assert (await configuration(bus, f"cmd-{purpose}"))["storage"] == "memory"


async def test_a_stream_of_an_older_configuration_is_upgraded_and_keeps_what_we_do_not_set(bus: NatsBus) -> None:
    purpose = a_purpose()
    await ensure_streams(bus, purpose)
    stream = f"cmd-{purpose}"
    older = {**await configuration(bus, stream), "max_age": 5_000_000_000, "duplicate_window": 0, "description": "ours"}
    await api.call(bus, f"STREAM.UPDATE.{stream}", older)
    await ensure_streams(bus, purpose)
    upgraded = await configuration(bus, stream)
    assert (upgraded["max_age"], upgraded["description"]) == (30_000_000_000, "ours")


async def test_a_stream_without_a_leader_is_waited_for(bus: NatsBus) -> None:
    purpose, silent = a_purpose(), [2]

    async def answer_late(forward: Request, subject: str) -> Message:
        if subject == f"$JS.API.STREAM.INFO.evt-{purpose}" and silent[0]:
            silent[0] -= 1
            raise Unavailable("no answer from NATS")
        return await forward()

    await ensure_streams(tapped(bus, answer_late), purpose)
    assert silent == [0]
    assert (await configuration(bus, f"evt-{purpose}"))["storage"] == "file"


async def test_a_stream_that_another_program_owns_is_a_clear_error(bus: NatsBus) -> None:
    purpose = a_purpose()
    await api.call(
        bus, f"STREAM.CREATE.foreign-{purpose}", {"name": f"foreign-{purpose}", "subjects": [f"evt.{purpose}.>"]}
    )
    with pytest.raises(Unavailable, match="an account of its own"):
        await ensure_streams(bus, purpose)


async def test_a_server_that_is_too_old_is_a_clear_error(bus: NatsBus) -> None:
    class Old(Tapped):
        server_version = "2.14.5"

    async def untouched(_forward: Request, subject: str) -> Message:
        raise AssertionError(subject)

    with pytest.raises(Unavailable, match=r"2\.14\.5; Holdfast needs 2\.15"):
        await ensure_streams(cast("Bus", Old(bus, untouched)), a_purpose())


async def connected(url: str) -> NatsBus:
    """As soon as the server that was started there listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                return await NatsBus.connect(url, name="test")


async def test_a_server_without_jetstream_is_a_clear_error() -> None:
    port = free_ports(1)[0]
    binary = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
    process = await asyncio.create_subprocess_exec(
        binary, "-a", "127.0.0.1", "-p", str(port), stderr=subprocess.DEVNULL
    )
    try:
        bus = await connected(f"nats://127.0.0.1:{port}")
        with pytest.raises(Unavailable, match="start the server with a jetstream block"):
            await ensure_streams(bus, a_purpose())
        await bus.close()
    finally:
        process.kill()
        await process.wait()


async def test_what_is_interrupted_while_the_streams_are_made_is_done_by_the_next_attempt(bus: NatsBus) -> None:
    purpose = a_purpose()
    refused: list[str] = []

    async def refuse_once(forward: Request, subject: str) -> Message:
        if subject.endswith(f".STREAM.CREATE.ckpt-{purpose}") and not refused:
            refused.append(subject)
            raise api.ApiError(10028, "resource limits exceeded for account")
        return await forward()

    async with Reader().reading(tapped(bus, refuse_once), purpose):
        assert refused
        assert (await api.call(bus, f"STREAM.INFO.ckpt-{purpose}"))["config"]["max_msgs_per_subject"] == 1


async def test_a_lost_stream_of_deletions_hinders_no_entity_and_is_made_anew_by_the_next_deletion(
    bus: NatsBus,
) -> None:
    purpose = a_purpose()
    log, name = JetStreamLog(bus), Name.of(purpose, "acme", "x")
    await ensure_streams(bus, purpose)
    wanted = (await api.call(bus, f"STREAM.INFO.ckpt-{purpose}"))["config"]
    await api.call(bus, f"STREAM.DELETE.ckpt-{purpose}")
    assert await log.buried(name) == Judged()
    assert await Checkpoints(bus, purpose).load("any life") == {}
    await log.bury(name, Judged(1, 7))
    assert await log.buried(name) == Judged(1, 7)
    assert (await api.call(bus, f"STREAM.INFO.ckpt-{purpose}"))["config"] == wanted


@pytest.mark.cluster
async def test_whoever_asks_for_fewer_replicas_leaves_a_stream_on_as_many_servers_as_it_is(
    cluster: list[NatsServer],
) -> None:
    bus, purpose = await NatsBus.connect([node.url for node in cluster], name="test"), a_purpose()
    try:
        await ensure_streams(bus, purpose, replicas=3)
        await ensure_work_streams(bus, purpose, replicas=3)
        await ensure_streams(bus, purpose)  # as `holdfast import` does
        await ensure_work_streams(bus, purpose, replicas=1)
        kinds = ("evt", "alarm", "cmd", "ckpt", "jobs", "dead")
        streams = [await configuration(bus, f"{kind}-{purpose}") for kind in kinds]
    finally:
        await bus.close()
    assert {stream["num_replicas"] for stream in streams} == {3}
