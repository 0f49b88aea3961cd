import asyncio

import pytest

from gateway.auth import Identity
from gateway.limits import MAX_BUCKETS, Limits
from gateway.outbox import StreamOutbox
from holdfast import Actor, RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_user_may_burst_and_then_waits() -> None:
    clock = Clock()
    limits = Limits(commands_per_second=10, sockets_per_user=1, clock=clock)
    for _ in range(20):
        limits.spend("acme", "ann")
    with pytest.raises(RateLimited) as refusal:
        limits.spend("acme", "ann")
    limits.spend("acme", "bob")
    clock.now += refusal.value.details["retry_after_ms"] / 1000
    limits.spend("acme", "ann")
    with pytest.raises(RateLimited):
        limits.spend("acme", "ann")


def test_a_rate_of_zero_sets_no_limit() -> None:
    limits = Limits(commands_per_second=0, sockets_per_user=1)
    for _ in range(10_000):
        limits.spend("acme", "ann")


def test_the_memory_of_buckets_is_bounded() -> None:
    limits = Limits(commands_per_second=10, sockets_per_user=1, clock=Clock())
    for user in range(MAX_BUCKETS + 100):
        limits.spend("acme", str(user))
    assert len(limits._buckets) <= MAX_BUCKETS  # pyright: ignore[reportPrivateUsage] # noqa: SLF001


def test_a_socket_that_closes_gives_its_place_back() -> None:
    limits = Limits(commands_per_second=0, sockets_per_user=1)
    ann = Identity(tenant="acme", actor=Actor(user="ann", roles=()), expires=0)
    with limits.socket(ann), pytest.raises(RateLimited), limits.socket(ann):
        pass
    with limits.socket(ann):
        pass


async def test_a_full_outbox_refuses_live_frames_lets_replay_wait_and_takes_notices() -> None:
    outbox = StreamOutbox(frames=2, size=100)
    assert outbox.offer(b"a")
    assert outbox.offer(b"b")
    assert not outbox.offer(b"c")
    outbox.push(b"notice")
    waiting = asyncio.create_task(outbox.put(b"d"))
    heard = [await outbox.take() for _ in range(4)]
    await waiting
    assert heard == [b"a", b"b", b"notice", b"d"]


async def test_an_outbox_is_bounded_in_bytes_but_takes_one_frame_of_any_size() -> None:
    outbox = StreamOutbox(frames=100, size=10)
    assert outbox.offer(b"x" * 1000)
    assert not outbox.offer(b"y")
    await outbox.take()
    assert outbox.offer(b"y")
    outbox.end()
    assert [await outbox.take(), await outbox.take()] == [b"y", None]
