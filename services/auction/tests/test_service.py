"""The auction on a real NATS server, as any caller meets it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from holdfast import Actor, Name, Unavailable, ValidationFailed
from holdfast.client import Client
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import serving
from services.auction.domain_errors import AuctionEnded, BidTooLow
from services.auction.service import service
from services.auction.tests.scenes import ANN, BOB, SELLER

pytest_plugins = ["holdfast.testing._servers"]

PATIENCE = 60.0


def a_lot() -> Name:
    return Name.of("auction", "acme", uuid4().hex)


async def send(client: Client, lot: Name, command: str, by: Actor, **data: Any) -> Any:
    return await client.send(lot, command, msgspec.json.encode(data), by=by, command_id=data.get("bid_id"))


async def listed(client: Client, lot: Name, *, seconds: float = 3600, **terms: Any) -> datetime:
    ends_at = datetime.now(UTC) + timedelta(seconds=seconds)
    await send(client, lot, "create_lot", SELLER, currency="USD", start_minor=100, ends_at=ends_at, **terms)
    return ends_at


async def soon_over(client: Client) -> tuple[Name, datetime]:
    """A lot with a bid of Ann that was answered before its end: as early an end as this machine is fast enough for."""
    for seconds in (1, 5, 25):
        lot = a_lot()
        with suppress(ValidationFailed, AuctionEnded):
            ends_at = await listed(client, lot, seconds=seconds, soft_close={"w_s": 0, "x_s": 0})
            await send(client, lot, "place_bid", ANN, max_minor=500)
            if datetime.now(UTC) < ends_at:
                return lot, ends_at
    raise AssertionError("no bid was answered within 25 s")


async def seen(client: Client, lot: Name, viewer: Actor) -> Any:
    return msgspec.json.decode((await client.view(lot, by=viewer)).state)


async def test_bids_of_two_bidders_are_resolved_by_proxy(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    lot = a_lot()
    async with serving([service], nats.url, tmp_path):
        await listed(client, lot)
        await send(client, lot, "place_bid", ANN, max_minor=5_000)
        await send(client, lot, "place_bid", BOB, max_minor=1_000)
        view = await seen(client, lot, ANN)
    assert view["price_minor"] == 1_050


async def test_a_refusal_arrives_with_its_code_and_details(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    lot = a_lot()
    async with serving([service], nats.url, tmp_path):
        await listed(client, lot)
        with pytest.raises(Exception, match="100") as refusal:
            await send(client, lot, "place_bid", ANN, max_minor=99)
    error: Any = refusal.value
    assert (error.code, error.details["minimum"]) == (BidTooLow.code, 100)


async def test_a_restarted_service_remembers_the_lot_its_bids_and_their_ids(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    lot = a_lot()
    async with serving([service], nats.url, tmp_path):
        await listed(client, lot)
        first = await send(client, lot, "place_bid", ANN, max_minor=5_000, bid_id="bid-1")
    async with serving([service], nats.url, tmp_path):
        again = await send(client, lot, "place_bid", ANN, max_minor=5_000, bid_id="bid-1")
    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert [bytes(event) for event in first.events] == [bytes(event) for event in again.events]


async def test_a_hidden_maximum_leaves_the_service_only_towards_its_bidder(
    client: Client, nats: NatsServer, tmp_path: Path
) -> None:
    lot, secret = a_lot(), 7_654_321
    async with serving([service], nats.url, tmp_path):
        await listed(client, lot)
        mine = await send(client, lot, "place_bid", ANN, max_minor=secret)
        views = {viewer.user: (await client.view(lot, by=viewer)).state for viewer in (ANN, BOB, SELLER)}
        past = (await client.view(lot, by=BOB, seq=mine.seq)).state
    assert str(secret).encode() in b"".join(bytes(event) for event in mine.events)
    assert str(secret).encode() in bytes(views["ann"])
    for shown in (views["bob"], views["sue"], past):
        assert str(secret).encode() not in bytes(shown)


async def test_the_alarm_closes_the_lot_at_its_end(client: Client, nats: NatsServer, tmp_path: Path) -> None:
    async with serving([service], nats.url, tmp_path):
        lot, ends_at = await soon_over(client)
        closed: Any = None
        async with asyncio.timeout(PATIENCE):
            while closed is None:
                with suppress(Unavailable):
                    events = [event for commit in await client.commits(lot, after=0) for event in commit.events]
                    closed = next((event for event in events if event.type == "auction_closed"), None)
                await asyncio.sleep(0.02)
    data = msgspec.json.decode(closed.data)
    assert (data["result"], data["cause"]) == ("SOLD", "alarm")
    assert datetime.fromisoformat(data["effective_at"]) == ends_at
