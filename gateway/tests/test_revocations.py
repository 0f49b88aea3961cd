import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
import pytest_asyncio

from gateway.auth import Identity
from gateway.revocations import Revocations
from gateway.tests.conftest import GatewayFactory
from gateway.tests.world import WAIT_SECONDS, World, pad_id
from holdfast import Actor, Unauthenticated, Unavailable, ValidationFailed
from holdfast.jetstream import NatsBus, Revocation, ensure_revocations, revoke
from holdfast.jetstream import _api as api
from holdfast.jetstream._revocations import STREAM
from holdfast.testing.servers import NatsServer, nats_server

DAY = 86_400.0


def someone() -> str:
    return f"u-{uuid4().hex[:8]}"


def token_of(world: World, user: str, *, age: float = 0.0, **claims: object) -> str:
    """A token that was made some seconds ago."""
    content = {"tenant": "acme", "sub": user, "roles": ["keeper"], "iat": int(time.time() - age), **claims}
    return jwt.encode(content | {"exp": int(time.time()) + 3600}, world.secret)


async def status(world: World, token: str) -> int:
    answer = await world.http.get(f"/v1/pad/{pad_id()}", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncGenerator[NatsBus]:
    connected = await NatsBus.connect(nats.url, name="test")
    yield connected
    await connected.close()


async def program(*arguments: str) -> tuple[int, str]:
    """Run `holdfast` and return its exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "holdfast.cli", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@asynccontextmanager
async def streaming(world: World, token: str) -> AsyncGenerator[httpx.Response]:
    pad = pad_id()
    await world.write(pad)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    async with world.http.stream("GET", f"/v1/pad/{pad}/events", headers=headers, timeout=WAIT_SECONDS) as answer:
        yield answer


async def test_a_revoked_user_is_out_everywhere_and_nobody_else_is(gateway: GatewayFactory, nats: NatsServer) -> None:
    here, there = await gateway(), await gateway()
    ann = someone()
    token = token_of(here, ann)
    hello = {"Authorization": f"Bearer {token}"}
    async with (
        here.socket(additional_headers=hello) as one,
        there.socket(additional_headers=hello) as two,
        there.viewer() as other,
        streaming(here, token) as stream,
    ):
        assert {(await viewer.hear())["op"] for viewer in (one, two)} == {"welcome"}
        code, said = await program("revoke", "--nats", nats.url, "--tenant", "acme", "--user", ann)
        assert (code, said) == (0, f"revoked all tokens of {ann} of acme\n")
        for viewer in (one, two):
            assert await viewer.closed() == (4401, "the token was revoked")
        assert [line async for line in stream.aiter_lines() if line.startswith("id:")] == ["id: 1"]
        assert (await other.ask("ping"))["op"] == "pong"
    for world in (here, there):
        assert await status(world, token) == 401
        async with world.socket() as viewer:
            await viewer.say(op="hello", token=token)
            assert (await viewer.closed())[0] == 4401


async def test_a_token_that_was_made_after_the_revocation_counts(world: World, bus: NatsBus) -> None:
    ann = someone()
    now = time.time()
    old, new = token_of(world, ann, age=10), token_of(world, ann)
    async with world.socket(additional_headers={"Authorization": f"Bearer {old}"}) as viewer:
        await viewer.hear()
        await revoke(bus, Revocation.of_user("acme", ann, at=now - 5))
        assert (await viewer.closed())[0] == 4401
    assert await status(world, new) == 404
    assert await status(world, old) == 401


async def test_one_token_is_revoked_by_its_id_and_the_users_others_count(world: World, bus: NatsBus) -> None:
    ann, first = someone(), uuid4().hex
    lost, kept = token_of(world, ann, jti=first), token_of(world, ann, jti=uuid4().hex)
    async with world.socket(additional_headers={"Authorization": f"Bearer {lost}"}) as viewer:
        await viewer.hear()
        await revoke(bus, Revocation.of_token(first, at=time.time()))
        assert (await viewer.closed())[0] == 4401
    assert (await status(world, lost), await status(world, kept)) == (401, 404)


async def test_a_gateway_that_starts_later_knows_of_earlier_revocations(gateway: GatewayFactory, bus: NatsBus) -> None:
    ann = someone()
    await ensure_revocations(bus)
    for each in (someone(), ann, someone()):
        await revoke(bus, Revocation.of_user("acme", each, at=time.time()))
    world = await gateway()
    assert await status(world, token_of(world, ann, age=5)) == 401


async def test_the_same_user_of_another_tenant_is_another_one(world: World, bus: NatsBus) -> None:
    ann = someone()
    await revoke(bus, Revocation.of_user("other", ann, at=time.time()))
    mark = someone()
    await revoke(bus, Revocation.of_user("acme", mark, at=time.time()))
    async with asyncio.timeout(WAIT_SECONDS):
        while await status(world, token_of(world, mark, age=5)) != 401:
            pass
    assert await status(world, token_of(world, ann, age=5)) == 404


async def test_what_is_no_revocation_in_the_bucket_hurts_nobody(world: World, bus: NatsBus) -> None:
    for body in (b"", b"\xff", b"[]", b'{"at": "now"}', b'{"at": 1e999, "user": 5}'):
        await bus.publish(f"$KV.holdfast-revocations.{uuid4().hex}", body)
    ann = someone()
    await revoke(bus, Revocation.of_user("acme", ann, at=time.time()))
    async with asyncio.timeout(WAIT_SECONDS):
        while await status(world, token_of(world, ann, age=5)) != 401:
            pass


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201])
def test_names_that_no_token_carries_are_refused(name: str) -> None:
    with pytest.raises(ValidationFailed):
        Revocation.of_user("acme", name, at=0)
    with pytest.raises(ValidationFailed):
        Revocation.of_token(name, at=0)
    with pytest.raises(ValidationFailed):
        Revocation.of_user(f"{name}.*", "ann", at=0)


async def test_it_must_be_said_what_to_revoke(nats: NatsServer) -> None:
    for flags in ((), ("--user", "ann"), ("--tenant", "acme"), ("--token", "x", "--user", "ann", "--tenant", "acme")):
        code, said = await program("revoke", "--nats", nats.url, *flags)
        assert (code, said) == (2, "holdfast: say what to revoke: --tenant and --user, or --token\n")


async def test_the_bucket_keeps_as_long_as_the_most_patient_process_asks(bus: NatsBus) -> None:
    for keep in (40 * DAY, 20 * DAY):
        await ensure_revocations(bus, keep=keep)
    found = (await api.call(bus, f"STREAM.INFO.{STREAM}"))["config"]
    assert found["max_age"] == 40 * DAY * 1e9
    assert (found["storage"], found["max_msgs_per_subject"]) == ("file", 1)


@pytest.fixture
def own_server(tmp_path: Path) -> Generator[NatsServer]:
    with nats_server(tmp_path) as server:
        yield server


@pytest.mark.slow
async def test_a_gateway_that_hears_nothing_of_revocations_refuses_every_token(own_server: NatsServer) -> None:
    who = Identity(tenant="acme", actor=Actor(user="ann", roles=()), expires=time.time() + 3600, issued=time.time())
    bus = await NatsBus.connect(own_server.url, name="test")
    async with Revocations(bus, keep=DAY, grace=2.0, replicas=1).running() as revocations:
        revocations.require_valid(who)
        own_server.kill()
        async with asyncio.timeout(WAIT_SECONDS):
            while await valid(revocations, who):
                await asyncio.sleep(0.05)
        own_server.start()
        await own_server.ready()
        async with asyncio.timeout(WAIT_SECONDS):
            while not await valid(revocations, who):
                await asyncio.sleep(0.05)
        told: asyncio.Queue[str] = asyncio.Queue()
        revocations.hold(who, told.put_nowait)
        await revoke(bus, Revocation.of_user("acme", "ann", at=time.time()))
        async with asyncio.timeout(WAIT_SECONDS):
            assert await told.get() == "the token was revoked"
        with pytest.raises(Unauthenticated, match="revoked"):
            revocations.require_valid(who)
    await bus.close()


async def valid(revocations: Revocations, who: Identity) -> bool:
    try:
        revocations.require_valid(who)
    except Unavailable:
        return False
    return True
