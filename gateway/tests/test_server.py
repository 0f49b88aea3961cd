import asyncio
import signal
import socket
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.server import STOP_SECONDS, serve
from gateway.settings import Settings
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Unavailable
from holdfast.testing.servers import MAX_PAYLOAD, NatsServer, free_ports
from holdfast.testing.serving import running


async def test_a_taken_port_is_told_at_once(nats: NatsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"cannot listen on 127.0.0.1 port {port}"):
            await serve(Settings(nats=nats.url, port=port), contracts={})


async def test_a_nats_server_that_does_not_answer_is_told() -> None:
    url = f"nats://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(Unavailable, match="no NATS server answers"):
        await serve(Settings(nats=url, port=0), contracts={})


@pytest.mark.parametrize("less", [0, 1], ids=["as much", "less"])
async def test_a_nats_server_that_takes_less_than_the_gateway_is_told(nats: NatsServer, less: int) -> None:
    settings = Settings(nats=nats.url, port=0, max_body=MAX_PAYLOAD + less)
    with capture_logs() as events:
        async with running(lambda ready: serve(settings, ready=ready, contracts={})):
            pass
    assert [event["event"] for event in events].count("gateway.small_messages") == less


async def test_stopping_takes_at_most_three_seconds_with_a_request_under_way(gateway: Any) -> None:
    world: World = await gateway()
    pad = pad_id()
    await world.write(pad)
    async with (
        world.viewer() as viewer,
        world.http.stream("GET", f"/v1/pad/{pad}/events", headers={**world.bearer(), "Accept": "text/event-stream"}),
    ):
        await viewer.ask("watch", name=f"pad:acme:{pad}")
        assert Settings().drain_timeout + STOP_SECONDS < 3  # whatever does not end by itself is cut off then
        async with asyncio.timeout(WAIT_SECONDS):
            await world.stop()


async def test_signals_stay_with_the_caller(gateway: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    await gateway()
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_viewer_that_may_not_read_hears_no_presence(gateway: Any) -> None:
    world: World = await gateway()
    pad = pad_id()
    name = f"pad:acme:{pad}"
    await world.write(pad)
    async with world.viewer("ann") as ann, world.viewer("sam", roles=("stranger",)) as sam:
        await ann.ask("watch", name=name)
        assert (await sam.ask("watch", name=name))["code"] == "NOT_FOUND"
        await ann.say(op="presence", name=name, data={"x": 1})
        async with world.viewer("bob") as bob:
            await bob.ask("watch", name=name)
            assert (await bob.hear())["data"] == {"x": 1}
        await sam.say(op="ping", id="end")
        assert (await sam.hear())["id"] == "end"
