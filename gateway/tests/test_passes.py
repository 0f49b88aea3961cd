"""Passes let a guest in whom the entity knows, and nobody else."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.tests.circle import contract, service
from gateway.tests.conftest import GatewayFactory
from gateway.tests.world import World, pad_id
from holdfast.runtime import serve
from holdfast.testing.servers import NatsServer
from holdfast.testing.serving import running

PAGE = "https://shop.example/pay"


@pytest_asyncio.fixture
async def hall(nats: NatsServer, database: str, gateway: GatewayFactory) -> AsyncGenerator[World]:
    """A gateway in front of circles."""
    async with running(lambda ready: serve([service], servers=nats.url, database=database, ready=ready)):
        yield await gateway(contracts={"circle": contract})


async def tell(world: World, circle: str, command: str, **data: Any) -> httpx.Response:
    bearer = world.bearer("kim", roles=("warden",))
    return await world.http.post(f"/v1/circle/{circle}/{command}", json=data, headers=bearer)


async def test_a_pass_is_for_a_guest_who_was_let_in_and_counts_until_he_is_put_out(hall: World) -> None:
    circle = pad_id()
    await tell(hall, circle, "admit", user="guest-abc")
    answer = await tell(hall, circle, "passes", guest="abc", page=PAGE)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    found = answer.json()
    assert found["link"] == f"{PAGE}#circle/{circle}/{found['token']}"
    assert found["qr"].startswith("<svg")
    guest = {"Authorization": f"Bearer {found['token']}"}
    assert (await hall.http.get(f"/v1/circle/{circle}", headers=guest)).status_code == 200
    other = pad_id()
    await tell(hall, other, "admit", user="somebody")
    assert (await hall.http.get(f"/v1/circle/{other}", headers=guest)).status_code == 404
    more = await hall.http.post(f"/v1/circle/{circle}/passes", json={"guest": "abc", "page": PAGE}, headers=guest)
    assert (more.status_code, more.json()["code"]) == (403, "FORBIDDEN")
    await tell(hall, circle, "put-out", user="guest-abc")
    assert (await hall.http.get(f"/v1/circle/{circle}", headers=guest)).status_code == 404


async def test_a_pass_opens_one_entity_at_every_door(hall: World) -> None:
    circle, other = pad_id(), pad_id()
    for each in (circle, other):
        await tell(hall, each, "admit", user="guest-abc")
    token = (await tell(hall, circle, "passes", guest="abc", page=PAGE)).json()["token"]
    guest = {"Authorization": f"Bearer {token}"}
    assert (await hall.http.get(f"/v1/circle/{other}", headers=guest)).status_code == 404
    assert (await hall.http.post(f"/v1/circle/{other}/say", json={"text": "x"}, headers=guest)).status_code == 404
    lists = await hall.http.get("/v1/circle", headers=guest)
    assert (lists.status_code, lists.json()["code"]) == (403, "FORBIDDEN")
    async with hall.socket() as viewer:
        await viewer.say(op="hello", token=token)
        await viewer.hear()
        for number, each in enumerate((other, circle)):
            await viewer.say(op="watch", id=number, name=f"circle:acme:{each}")
        assert (await viewer.hear())["code"] == "NOT_FOUND"
        assert (await viewer.hear())["op"] == "state"


async def test_nobody_lets_in_whom_the_entity_does_not_know_or_where_he_may_not_look(hall: World) -> None:
    circle = pad_id()
    await tell(hall, circle, "admit", user="guest-abc")
    assert (await tell(hall, circle, "passes", guest="xyz", page=PAGE)).status_code == 404
    stranger = hall.bearer("sam")
    wanted = {"guest": "abc", "page": PAGE}
    assert (await hall.http.post(f"/v1/circle/{circle}/passes", json=wanted, headers=stranger)).status_code == 404
    foreign = hall.bearer("kim", roles=("warden",), tenant="other")
    assert (await hall.http.post(f"/v1/circle/{circle}/passes", json=wanted, headers=foreign)).status_code == 404


async def test_where_everybody_may_read_nobody_gets_a_pass(world: World) -> None:
    pad, kim = pad_id(), world.bearer("kim")
    assert (await world.http.post(f"/v1/pad/{pad}/write-note", json={"text": "x"}, headers=kim)).is_success
    answer = await world.http.post(f"/v1/pad/{pad}/passes", json={"guest": "abc", "page": PAGE}, headers=kim)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "wanted",
    [
        {"page": PAGE},
        {"guest": "a b", "page": PAGE},
        {"guest": "abc", "page": "javascript:alert(1)"},
        {"guest": "abc", "page": "/pay"},
        {"guest": "abc", "page": "https://shop.example/pay#x"},
        {"guest": "abc", "page": PAGE, "seconds": 1},
        {"guest": "abc", "page": PAGE, "roles": ["admin"]},
    ],
)
async def test_a_pass_that_is_asked_for_wrongly_is_refused(hall: World, wanted: dict[str, Any]) -> None:
    circle = pad_id()
    await tell(hall, circle, "admit", user="guest-abc")
    answer = await tell(hall, circle, "passes", **wanted)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION")
