"""What becomes of commands, deadlines and watchers when owners and servers die, freeze and come back."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, Name
from holdfast.client import Client
from holdfast.testing.counter import Rang, Reminded
from holdfast.testing.owner import owner
from holdfast.testing.servers import NatsServer
from holdfast.wire import RecordedEvent
from tests.faults.history import History, patiently

pytestmark = pytest.mark.slow

ANN = Actor(user="ann", roles=())
PATIENCE = 120.0


class Reminder(msgspec.Struct):
    """An event of an answer that says when an alarm is to ring."""

    data: Reminded


RINGS_AT = msgspec.json.Decoder(Reminder)


def seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()


def a_name() -> Name:
    return Name.of("counter", "acme", uuid4().hex)


async def log_of(client: Client, name: Name) -> list[RecordedEvent]:
    commits = await patiently(lambda: client.commits(name, after=0))
    return [event for commit in commits for event in commit.events]


async def wait_for_calls(history: History, more: int) -> None:
    enough = len(history.calls) + more
    async with asyncio.timeout(PATIENCE):
        while len(history.calls) < enough:
            await asyncio.sleep(0.01)


async def test_an_owner_killed_between_commit_and_reply_leaves_one_event_and_one_answer(
    server: NatsServer, folder: Path
) -> None:
    name = a_name()
    async with await Client.connect(server.url) as client, await Client.connect(server.url) as other:
        with owner([server.url], folder, "--die-before-answer") as dying:
            call = asyncio.create_task(client.send(name, "add", by=ANN, command_id="c", timeout=PATIENCE))
            await asyncio.to_thread(dying.wait, PATIENCE)
        assert not call.done()
        assert [event.command_id for event in await log_of(other, name)] == ["c"]
        with owner([server.url], folder):
            again = await other.send(name, "add", by=ANN, command_id="c", timeout=PATIENCE)
            first = await call
        assert again.deduplicated is True
        assert first.deduplicated is True
        assert [bytes(event) for event in first.events] == [bytes(event) for event in again.events]
        assert [event.seq for event in await log_of(other, name)] == [1]


async def test_two_owners_of_which_one_freezes_and_returns_never_fork_the_log(server: NatsServer, folder: Path) -> None:
    history, done = History(a_name()), asyncio.Event()
    async with await Client.connect(server.url) as client:
        following = await client.follow(history.name, history.seen.append, gap=lambda: None)
        with owner([server.url], folder) as first, owner([server.url], folder) as second:
            calling = asyncio.create_task(history.callers(client, count=8, until=done))
            for frozen in (first, second, first, second):
                await wait_for_calls(history, 50)
                frozen.send_signal(signal.SIGSTOP)
                await wait_for_calls(history, 50)
                frozen.send_signal(signal.SIGCONT)
            await wait_for_calls(history, 50)
            done.set()
            await calling
        await following.stop()
        assert history.seen
        await history.check(client)


async def test_an_owner_killed_again_and_again_loses_and_doubles_nothing(server: NatsServer, folder: Path) -> None:
    history, done = History(a_name()), asyncio.Event()
    async with await Client.connect(server.url) as client:
        calling = asyncio.create_task(history.callers(client, count=16, until=done))
        for _ in range(4):
            with owner([server.url], folder) as process:
                await wait_for_calls(history, 100)
                process.kill()
        with owner([server.url], folder):
            done.set()
            await calling
        await history.check(client)


async def test_a_server_killed_under_load_loses_nothing_that_was_acknowledged(server: NatsServer, folder: Path) -> None:
    history, done = History(a_name()), asyncio.Event()
    async with await Client.connect(server.url) as client:
        with owner([server.url], folder):
            calling = asyncio.create_task(history.callers(client, count=8, until=done))
            for _ in range(2):
                await wait_for_calls(history, 50)
                server.kill()
                server.start()
            await wait_for_calls(history, 50)
            done.set()
            await calling
            await history.check(client)


@pytest.mark.cluster
async def test_every_node_of_a_cluster_killed_in_turn_loses_nothing_that_was_acknowledged(
    cluster: list[NatsServer], folder: Path
) -> None:
    urls = [node.url for node in cluster]
    history, done = History(a_name()), asyncio.Event()
    async with await Client.connect(urls, replicas=3) as client:
        with owner(urls, folder):
            calling = asyncio.create_task(history.callers(client, count=8, until=done))
            for node in cluster:
                await wait_for_calls(history, 50)
                node.kill()
                await wait_for_calls(history, 20)
                node.start()
                await node.ready()
            await wait_for_calls(history, 50)
            done.set()
            await calling
            await history.check(client)


async def reminded_by_the_dead(client: Client, server: NatsServer, folder: Path) -> tuple[Name, datetime]:
    """An entity that has a deadline more than three seconds away, and no owner: as near as this machine is fast enough for."""
    for milliseconds in (3_500, 10_000, 30_000):
        name = a_name()
        with owner([server.url], folder) as dying:
            reminded = await client.send(name, "remind", msgspec.json.encode({"milliseconds": milliseconds}), by=ANN)
            dying.kill()
            dying.wait()
        deadline = RINGS_AT.decode(bytes(reminded.events[0])).data.rings_at
        if seconds_until(deadline) > 3.1:
            return name, deadline
    raise AssertionError("an owner was not dead within 27 s")


async def test_a_command_received_before_its_deadline_is_in_time_though_its_owner_was_dead(
    server: NatsServer, folder: Path
) -> None:
    """Dead from three seconds before the deadline until five seconds after it."""
    async with await Client.connect(server.url) as client:
        name, deadline = await reminded_by_the_dead(client, server, folder)
        assert seconds_until(deadline) > 3
        timely = asyncio.create_task(client.send(name, "add", by=ANN, command_id="timely", timeout=PATIENCE))
        await asyncio.sleep(seconds_until(deadline) + 0.1)
        late = asyncio.create_task(client.send(name, "add", by=ANN, command_id="late", timeout=PATIENCE))
        await asyncio.sleep(seconds_until(deadline) + 5)
        assert not timely.done()
        assert not late.done()
        with owner([server.url], folder):
            assert (await timely).seq == 2
            assert (await late).seq == 4
        events = await log_of(client, name)
    assert [event.type for event in events] == ["reminded", "added", "rang", "added"]
    assert [event.command_id for event in events if event.type == "added"] == ["timely", "late"]
    assert events[1].at < deadline <= events[2].at
    assert msgspec.json.decode(events[2].data, type=Rang).effective_at == deadline
