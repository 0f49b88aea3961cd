"""What a whole system says while it is used well and badly: no credential, no command's data, nothing hidden."""

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from holdfast import Actor, HoldfastError, Name
from holdfast._program.embedded_nats import nats_url
from holdfast._program.folder import TOKEN_FILE
from holdfast.client import Client
from holdfast.testing.doors import Lost, open_socket, stream
from holdfast.testing.system import System, started

pytestmark = pytest.mark.slow
COUNTER = "holdfast.testing.counter:service"
SECRET = "the-key-that-signs-the-tokens-of-this-test"
HIDDEN, LOSING, RESERVE = 55_512_345_678_901, 40_012_345_678_903, 30_098_765_432_107
TITLE, WORDS, GARBAGE = "a-title-that-is-nobodys-business", "words-of-a-command", "garbage-of-a-stranger"
PATIENCE = 60.0
RUN_SECONDS = 300.0


async def test_no_line_of_any_process_holds_what_nobody_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET", SECRET)
    lines: list[str] = []
    async with (
        asyncio.timeout(RUN_SECONDS),
        started(tmp_path, "auction", COUNTER, level="debug", hear=lines.append) as system,
    ):
        tokens = await use_well(system)
        await use_badly(system, tokens)
        await crash(system, until=lambda event: any(event in line for line in lines))
    said = "".join(lines)

    assert "entity.fault" in said
    assert "entity.activated" in said
    hidden = [*tokens.values(), *(token.rpartition(".")[2] for token in tokens.values()), SECRET]
    hidden.append((tmp_path / TOKEN_FILE).read_text().strip())
    hidden += [TITLE, WORDS, GARBAGE, *(str(amount) for amount in (HIDDEN, LOSING, RESERVE))]
    leaks = {secret: line[:500] for secret in hidden for line in lines if secret in line}
    assert not leaks


def nats(system: System) -> str:
    """The address of the system's own NATS server, with its token."""
    listening = re.search(r'listen: "[^"]*:(\d+)"', (system.data / "nats" / "server.conf").read_text())
    assert listening
    return nats_url(system.data, port=int(listening[1]))


async def use_well(system: System) -> dict[str, str]:
    """Commands that are accepted and refused, looks, lists and watches; returns the tokens."""
    roles = {"sam": ["seller"], "ann": ["bidder"], "bob": ["bidder"], "ada": ["admin", "auctioneer"]}
    tokens = {user: system.token("acme", user, held) for user, held in roles.items()}
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:

        async def send(user: str, command: str, data: dict[str, Any], **headers: str) -> int:
            told = {"Authorization": f"Bearer {tokens[user]}", **headers}
            return (await http.post(f"/v1/auction/lot/{command}", json=data, headers=told)).status_code

        ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        terms = {"currency": "EUR", "start_minor": 1000, "ends_at": ends_at, "reserve_minor": RESERVE, "title": TITLE}
        assert await send("sam", "create-lot", terms) == 200
        assert await send("ann", "place-bid", {"max_minor": HIDDEN}) == 200
        key = {"Idempotency-Key": str(uuid4())}
        assert await send("bob", "place-bid", {"max_minor": LOSING}, **key) == 200
        assert await send("bob", "place-bid", {"max_minor": LOSING}, **key) == 200
        assert await send("bob", "place-bid", {"max_minor": LOSING - 1}, **key) == 409
        assert await send("bob", "place-bid", {"max_minor": LOSING}) == 422
        assert await send("sam", "place-bid", {"max_minor": HIDDEN}) == 403
        assert await send("bob", "place-bid", {"max_minor": HIDDEN, "currency": WORDS}) >= 400
        for path in ("/v1/auction/lot", "/v1/auction/lot?seq=2", "/v1/auction/lot/events", "/v1/auction"):
            assert (await http.get(path, headers={"Authorization": f"Bearer {tokens['ann']}"})).status_code == 200
        socket = await open_socket(system.url, tokens["ann"])
        await socket.put({"op": "watch", "id": 1, "name": "auction:acme:lot"})
        await socket.put({"op": "presence", "name": "auction:acme:lot", "data": {"at": WORDS}})
        bid = {"name": "auction:acme:lot", "command": "place_bid", "data": {"max_minor": HIDDEN - 1}}
        await socket.put({"op": "send", "id": 2, "command_id": str(uuid4()), **bid})
        while (await socket.take()).get("id") != 2:
            pass
        await socket.close()
        events = stream(system.url, "/v1/auction/lot", tokens["ann"], after=0)
        assert (await anext(events))["seq"] == 1
        await events.aclose()
    return tokens


async def use_badly(system: System, tokens: dict[str, str]) -> None:
    """Input that is refused at every door: over HTTP, on sockets, and from those who may publish on NATS."""
    token = tokens["ann"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:
        path = "/v1/auction/lot/place-bid"
        for body in (GARBAGE, json.dumps({GARBAGE: 1}), json.dumps({"max_minor": GARBAGE}), "[" * 5000):
            assert (await http.post(path, content=body, headers=bearer)).status_code == 400
        for wrong in (f"{token}x", GARBAGE, f"{token} {token}"):
            assert (await http.get("/v1/auction/lot", headers={"Authorization": f"Bearer {wrong}"})).status_code == 401
        for strange in (f"/v1/auction/lot?token={token}&token={token}", f"/v1/{token}/lot", f"/v1/auction/{token}"):
            assert (await http.get(strange, headers=bearer)).status_code >= 400
        assert (await http.post(f"/v1/auction/lot/{WORDS}", json={}, headers=bearer)).status_code == 400
        assert (await http.delete("/v1/auction/lot", headers=bearer)).status_code == 403
    refused, malformed = {"op": "watch", "id": 1, "name": GARBAGE}, {"op": GARBAGE}
    socket = await open_socket(system.url, token)
    await socket.put(refused)
    assert (await socket.take())["code"] == "VALIDATION"
    await socket.put(malformed)
    with pytest.raises(Lost):
        await socket.take()
    with pytest.raises(Lost):
        await open_socket(system.url, f"{token}x")
    async with await Client.connect(nats(system)) as client:
        for subject in (
            "cmd.auction.acme.lot",
            "ask.auction.acme.lot",
            "now.auction.acme.lot",
            "live.auction.acme.lot",
        ):
            for body in (GARBAGE, json.dumps({"command": GARBAGE}), json.dumps({"by": {"user": 1, "roles": WORDS}})):
                await client.bus.publish(subject, body.encode(), reply=client.bus.new_inbox())
        await client.bus.flush(timeout=10)


async def crash(system: System, *, until: Callable[[str], bool]) -> None:
    """Faults of a domain that quote the command, and a service that is killed and comes back."""
    name, ann = Name.of("counter", "acme", "x"), Actor(user="ann", roles=())
    async with await Client.connect(nats(system)) as client:
        await client.send(name, "add", msgspec.json.encode({"note": WORDS}), by=ann, timeout=PATIENCE)
        for _ in range(2):
            with pytest.raises(HoldfastError, match="fault in this service"):
                await client.send(name, "break", msgspec.json.encode({"because": WORDS}), by=ann, timeout=PATIENCE)
            await system.processes.kill(COUNTER)
            await system.processes.pid(COUNTER)
        async with asyncio.timeout(PATIENCE):
            while not until("entity.fault"):
                await asyncio.sleep(0.05)
