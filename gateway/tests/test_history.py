"""Events that left the log: every door shows them as before, from the service's archive."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import create_engine, text

from gateway.tests.pad import service
from gateway.tests.test_streams import sse
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Name
from holdfast.jetstream import JetStreamLog, NatsBus
from holdfast.runtime import serve
from holdfast.testing.servers import NatsServer, nats_server
from holdfast.testing.serving import running

KEEP_SECONDS = 0.2
NOTES = 30


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    """A server of its own: here everything that is old leaves the log."""
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest_asyncio.fixture
async def pads(nats: NatsServer, folder: Path) -> AsyncGenerator[None]:
    database = f"sqlite+aiosqlite:///{folder}/{{service}}.db"

    async def start(ready: Any) -> None:
        await serve([service], servers=nats.url, database=database, keep_seconds=KEEP_SECONDS, ready=ready)

    async with running(start):
        yield


@pytest_asyncio.fixture
async def pad(world: World) -> str:
    """A pad of thirty notes, of which the log has one."""
    pad = pad_id()
    for number in range(NOTES):
        await world.write(pad, f"note {number + 1}", secret="hush")
    bus = await NatsBus.connect(world.nats_url, name="test")
    async with asyncio.timeout(WAIT_SECONDS):
        while len(await JetStreamLog(bus).read(Name.of("pad", "acme", pad))) > 1:
            await asyncio.sleep(0.05)
    await bus.close()
    return pad


async def test_a_watch_resumes_from_before_the_log_begins(world: World, pad: str) -> None:
    async with world.viewer() as viewer:
        await viewer.say(op="watch", id=1, name=f"pad:acme:{pad}", after=0)
        frames = [await viewer.hear() for _ in range(NOTES)]
        assert [(frame["op"], frame["seq"]) for frame in frames] == [("event", seq) for seq in range(1, NOTES + 1)]
        assert frames[0]["data"] == {"text": "note 1"}
        assert (await viewer.hear())["op"] == "watching"
        await world.write(pad, "live")
        assert (await viewer.hear())["seq"] == NOTES + 1


async def test_pages_go_from_the_archive_into_the_log(world: World, pad: str) -> None:
    await world.write(pad, "new")
    seqs: list[int] = []
    after: int | None = 0
    while after is not None:
        query: dict[str, int] = {"after": after, "limit": 7}
        page = (await world.http.get(f"/v1/pad/{pad}/events", params=query, headers=world.bearer())).json()
        seqs += [event["seq"] for event in page["events"]]
        after = page["next"]
    assert seqs == list(range(1, NOTES + 2))


async def test_an_event_stream_goes_from_the_archive_into_live_events(world: World, pad: str) -> None:
    async with aclosing(sse(world, pad, after=3)) as stream:
        assert [(await anext(stream))[0] for _ in range(NOTES - 3)] == list(range(4, NOTES + 1))
        await world.write(pad, "live")
        assert (await anext(stream))[0] == NOTES + 1


async def test_the_past_is_shown_by_seq_and_by_time(world: World, pad: str) -> None:
    for seq in (1, 17, NOTES):
        answer = await world.http.get(f"/v1/pad/{pad}", params={"seq": seq}, headers=world.bearer())
        assert (answer.json()["seq"], answer.json()["state"]["last"]) == (seq, f"note {seq}")
    page = (await world.http.get(f"/v1/pad/{pad}/events", params={"after": 8}, headers=world.bearer())).json()
    at = page["events"][0]["at"]
    answer = await world.http.get(f"/v1/pad/{pad}", params={"at": at}, headers=world.bearer())
    assert (answer.json()["seq"], answer.json()["state"]["last"]) == (9, "note 9")


def forget_the_first(folder: Path) -> None:
    engine = create_engine(f"sqlite:///{folder}/pad.db", connect_args={"timeout": WAIT_SECONDS})
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM events WHERE seq < 10"))
    engine.dispose()


async def test_a_resume_gap_is_only_what_the_archive_has_lost_too(world: World, pad: str, folder: Path) -> None:
    await asyncio.to_thread(forget_the_first, folder)  # the service may be in a transaction, and this loop ends it
    async with world.viewer() as viewer:
        await viewer.say(op="watch", id=1, name=f"pad:acme:{pad}", after=0)
        gap, state = await viewer.hear(), await viewer.hear()
        assert (gap["op"], gap["code"], gap["details"]["first"]) == ("error", "RESUME_GAP", 10)
        assert (state["op"], state["seq"]) == ("state", NOTES)
    answer = await world.http.get(f"/v1/pad/{pad}/events", headers=world.bearer())
    assert (answer.status_code, answer.json()["code"]) == (410, "RESUME_GAP")
    answer = await world.http.get(f"/v1/pad/{pad}/events", params={"after": 9, "limit": 1}, headers=world.bearer())
    assert [event["seq"] for event in answer.json()["events"]] == [10]


async def test_a_request_for_the_past_that_is_none_is_told_so(world: World, pad: str) -> None:
    bus = await NatsBus.connect(world.nats_url, name="test")
    for body in (b"{", b'{"after":-1}', b'{"after":0,"limit":0}', b'{"after":0,"seq":1}'):
        answer = msgspec.json.decode((await bus.request(f"past.pad.acme.{pad}", body, timeout=WAIT_SECONDS)).data)
        assert answer["error"]["code"] == "VALIDATION"
    await bus.close()
