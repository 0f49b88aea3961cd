"""Everything down for a minute: NATS, services and gateways, with deadlines that pass meanwhile and callers who do not give up."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from holdfast import Name
from holdfast.client import Client
from holdfast.testing.counter import Rang, Reminded
from holdfast.wire import RecordedEvent
from tests.faults.fleet import fleet
from tests.faults.history import History, patiently
from tests.faults.load import PATIENCE, Shape, load
from tests.faults.report import report

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

SHAPE = Shape(entities=6, followers=2, watched=3, posters=3)
CALLS = 5
DOWN_SECONDS = float(os.environ.get("HOLDFAST_TEST_DOWN_SECONDS", "60"))
AHEAD_MILLISECONDS = 25_000
"""Long enough for a busy machine to kill everything before the deadlines that it sets."""


async def remind(client: Client, history: History) -> datetime:
    """Set the entity a deadline and return it."""
    await history.call(client, "remind", msgspec.json.encode({"milliseconds": AHEAD_MILLISECONDS}))
    last = (await client.commits(history.name, after=history.calls[-1].seq - 1))[0].events[0]
    return msgspec.json.decode(last.data, type=Reminded).rings_at


def check_deadline(events: Sequence[RecordedEvent], deadline: datetime) -> None:
    """It was recorded once, as of its time, behind all that was received before it and before all that came after it."""
    rung = [number for number, event in enumerate(events) if event.type == "rang"]
    assert len(rung) == 1, [event.type for event in events]
    before, alarm, after = events[: rung[0]], events[rung[0]], events[rung[0] + 1 :]
    assert msgspec.json.decode(alarm.data, type=Rang).effective_at == deadline
    assert all(event.at < deadline for event in before)
    assert all(event.at >= alarm.at >= deadline for event in after)


async def until_rung(client: Client, history: History) -> None:
    async with asyncio.timeout(PATIENCE):
        while await patiently(lambda: client.last_seq(history.name)) < 2:
            await asyncio.sleep(0.05)


async def test_a_deadline_that_passes_while_everything_is_down_for_a_minute_is_recorded_once_and_first(
    folder: Path,
) -> None:
    uncalled = History(Name.of("counter", "acme", "nobody-calls"))
    async with fleet(folder, nodes=3, replicas=3, gateways=2) as here, await here.client() as client:
        async with load(here, SHAPE) as running:
            await running.more(CALLS)
            histories = [*running.histories, uncalled]
            deadlines = [await remind(client, history) for history in histories]
            running.note("everything down")
            here.kill()
            assert datetime.now(UTC) < min(deadlines), "this machine is too busy: everything was down too late"
            await asyncio.sleep(DOWN_SECONDS)
            assert datetime.now(UTC) > max(deadlines), "HOLDFAST_TEST_DOWN_SECONDS is too short"
            await here.start()
            await running.more(CALLS)
            await until_rung(client, uncalled)
        report(running)
        for history, deadline in zip(histories, deadlines, strict=True):
            events = await history.check(client)
            check_deadline(events, deadline)
            assert history is uncalled or events[-1].type == "added", "nobody commanded it after the outage"
