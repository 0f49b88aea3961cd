import asyncio
from contextlib import ExitStack

import pytest

from gateway.auth import Identity
from gateway.limits import USER_AT_ENTITY, Limits, Rates
from gateway.outbox import StreamOutbox
from holdfast import Actor, Name, RateLimited
from holdfast.wire import MAX_BUCKETS


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


NAME = Name.of("pad", "acme", "p")


def limits_of(clock: Clock | None = None, **rates: float) -> Limits:
    return Limits(Rates(**rates), sockets_per_user=1, clock=clock or Clock())


def refused(limits: Limits, *, name: Name = NAME, user: str = "ann") -> RateLimited | None:
    try:
        limits.spend(name, user)
    except RateLimited as error:
        return error
    return None


def test_a_user_may_burst_and_then_waits() -> None:
    clock = Clock()
    limits = limits_of(clock, user=10)
    for _ in range(20):
        limits.spend(NAME, "ann")
    refusal = refused(limits)
    assert refusal is not None
    limits.spend(NAME, "bob")
    clock.now += refusal.details["retry_after_ms"] / 1000
    limits.spend(NAME, "ann")
    assert refused(limits) is not None


def test_a_tenant_is_limited_over_all_its_users_and_no_other_tenant_is() -> None:
    limits = limits_of(tenant=10)
    for number in range(20):
        limits.spend(NAME, f"u{number}")
    refusal = refused(limits, user="new")
    assert "tenant" in str(refusal)
    limits.spend(Name.of("pad", "globex", "p"), "new")


def test_an_entity_is_limited_over_all_its_users_and_no_other_entity_is() -> None:
    limits = limits_of(entity=10)
    for number in range(20):
        limits.spend(NAME, f"u{number}")
    assert "entity" in str(refused(limits, user="new"))
    limits.spend(Name.of("pad", "acme", "q"), "new")


def test_a_user_may_take_a_part_of_an_entitys_rate_only_and_keeps_nobody_else_from_it() -> None:
    limits = limits_of(entity=10, user_of_entity=2.5)
    for _ in range(5):
        limits.spend(NAME, "ann")
    assert "of this user to this entity" in str(refused(limits))
    limits.spend(Name.of("pad", "acme", "q"), "ann")
    for _ in range(5):
        limits.spend(NAME, "bob")
    assert refused(limits, user="bob") is not None
    assert limits.headers(NAME, "ann")["RateLimit-Policy"] == '"user-entity";q=5;w=2, "entity";q=20;w=2'


def test_what_is_refused_counts_nowhere() -> None:
    limits = limits_of(user=10, tenant=1000, entity=1)
    assert [refused(limits) is None for _ in range(50)] == [True] * 2 + [False] * 48
    other = Name.of("pad", "acme", "q")
    assert [refused(limits, name=other) is None for _ in range(2)] == [True, True]


def test_the_headers_tell_policies_and_standing() -> None:
    clock = Clock()
    limits = limits_of(clock, user=10, entity=1)
    assert limits.headers(NAME, "ann") == {
        "RateLimit-Policy": '"user";q=20;w=2, "entity";q=2;w=2',
        "RateLimit": '"user";r=20;t=0, "entity";r=2;t=0',
    }
    limits.spend(NAME, "ann")
    assert limits.headers(NAME, "ann")["RateLimit"] == '"user";r=19;t=1, "entity";r=1;t=1'
    limits.spend(NAME, "ann")
    clock.now += 0.5
    assert limits.headers(NAME, "ann")["RateLimit"] == '"user";r=20;t=0, "entity";r=0;t=2'
    assert limits_of().headers(NAME, "ann") == {}


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    clock = Clock()
    limits = limits_of(clock, user=10)
    for now in (100.0, 0.0, 100.0):
        clock.now = now
        while refused(limits) is None:
            pass
    clock.now = 100.05
    assert refused(limits) is not None


def test_a_rate_of_zero_sets_no_limit() -> None:
    limits = limits_of()
    for _ in range(10_000):
        assert refused(limits) is None


def test_the_memory_of_buckets_is_bounded_and_whoever_is_active_is_not_forgotten() -> None:
    limits = limits_of(user=1)
    while refused(limits) is None:
        pass
    for user in range(MAX_BUCKETS * 2):
        limits.spend(NAME, str(user))
        if user % 1000 == 0:
            assert refused(limits) is not None
    (policy,) = limits._policies  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    assert len(policy.buckets) == MAX_BUCKETS


def test_a_look_at_the_limits_counts_nothing_and_remembers_nobody() -> None:
    limits = limits_of(user=1, tenant=100)
    assert [limits.refusal(NAME, "ann") for _ in range(100)] == [None] * 100
    (users, _) = limits._policies  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    assert len(users.buckets) == 0
    while refused(limits) is None:
        pass
    refusal = limits.refusal(NAME, "ann")
    assert refusal is not None
    assert refusal.details == {"retry_after_ms": 1001}
    assert limits.refusal(NAME, "bob") is None


OTHER_TENANT = Name.of("pad", "globex", "p")
OTHER_PURPOSE = Name.of("lot", "acme", "p")


def test_a_tenant_has_a_bounded_number_of_requests_under_way_and_leaves_others_theirs() -> None:
    limits = Limits(Rates(), sockets_per_user=1, tenant_in_flight=2)
    with limits.under_way(NAME, "ann"), limits.under_way(OTHER_TENANT, "ann"):
        with limits.under_way(NAME, "bob"):
            assert limits.refusal(NAME, "cat") is not None
            with pytest.raises(RateLimited), limits.under_way(NAME, "cat"):
                pass
            with limits.under_way(OTHER_TENANT, "bob"):
                pass
        with limits.under_way(NAME, "cat"):
            pass


def test_a_purpose_that_is_slow_takes_no_place_of_another_one() -> None:
    limits = Limits(Rates(), sockets_per_user=1, tenant_in_flight=1)
    with limits.under_way(NAME, "ann"):
        assert limits.refusal(NAME, "bob") is not None
        with limits.under_way(OTHER_PURPOSE, "ann"):
            pass
    assert limits.refusal(NAME, "bob") is None


def test_a_user_takes_a_quarter_of_what_a_tenant_may_have_under_way() -> None:
    limits = Limits(Rates(), sockets_per_user=1, tenant_in_flight=8)
    with limits.under_way(NAME, "ann"), limits.under_way(NAME, "ann"):
        with pytest.raises(RateLimited), limits.under_way(NAME, "ann"):
            pass
        with limits.under_way(NAME, "bob"):
            pass


def test_a_user_fills_no_entitys_mailbox() -> None:
    limits = Limits(Rates(), sockets_per_user=1)
    with ExitStack() as stack:
        for _ in range(USER_AT_ENTITY):
            stack.enter_context(limits.under_way(NAME, "ann"))
        with pytest.raises(RateLimited, match="of this user to this entity"), limits.under_way(NAME, "ann"):
            pass
        stack.enter_context(limits.under_way(NAME, "bob"))
        stack.enter_context(limits.under_way(Name.of("pad", "acme", "q"), "ann"))
    assert limits.refusal(NAME, "ann") is None


def test_nothing_is_remembered_of_what_is_no_longer_under_way() -> None:
    limits = Limits(Rates(), sockets_per_user=1)
    for number in range(100):
        with limits.under_way(Name.of("pad", f"t{number}", "p"), "ann"):
            pass
    assert len(limits._under_way) == 0  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    assert len(limits._at_entities) == 0  # pyright: ignore[reportPrivateUsage] # noqa: SLF001


def test_a_socket_that_closes_gives_its_place_back() -> None:
    limits = limits_of()
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
