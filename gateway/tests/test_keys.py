import asyncio
import base64
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from structlog.testing import capture_logs

from gateway.authenticator import Authenticator
from gateway.keys import MAX_KEYS, MAX_SET_BYTES, Freshness, KeySet, KeySetInvalid, read_set
from gateway.tests.conftest import GatewayFactory
from gateway.tests.issuer import Issuer, issuer, new_key, public, sign
from gateway.tests.world import WAIT_SECONDS
from holdfast import Unauthenticated, Unavailable

NEVER = 3600.0
SECRET = "s" * 32


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def checking(
    source: str, *, clock: Clock | None = None, refresh: float = NEVER, max_age: float = NEVER, cooldown: float = 10.0
) -> AsyncGenerator[Authenticator]:
    """An authenticator with the keys of this source."""
    freshness = Freshness(refresh=refresh, max_age=max_age, cooldown=cooldown)
    async with KeySet(source, freshness, clock=clock or Clock()).running() as keys:
        yield Authenticator(secret=SECRET, keys=keys)


async def refused(checks: Authenticator, token: str) -> bool:
    try:
        await checks.authenticate(token)
    except Unauthenticated:
        return True
    return False


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_signed_by_a_key_of_the_set_is_accepted_and_one_by_another_key_is_not(algorithm: str) -> None:
    private, other = new_key(algorithm), new_key(algorithm, 1)
    async with issuer() as id_:
        id_.publish(public(algorithm, private, "k1", use="sig", alg=algorithm))
        async with checking(id_.url) as checks:
            assert (await checks.authenticate(sign(algorithm, private, "k1"))).actor.user == "ann"
            assert await refused(checks, sign(algorithm, other, "k1"))


async def test_a_set_may_be_a_file(tmp_path: Path) -> None:
    private, file = new_key("EdDSA"), tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public("EdDSA", private, None)]}))
    async with checking(str(file)) as checks:
        assert (await checks.authenticate(sign("EdDSA", private, None))).tenant == "acme"


async def test_keys_rotate_without_a_restart_and_one_that_left_the_set_is_refused() -> None:
    old, new = new_key("EdDSA"), new_key("EdDSA")
    async with issuer() as id_:
        id_.publish(public("EdDSA", old, "old"))
        async with checking(id_.url) as checks:
            await checks.authenticate(sign("EdDSA", old, "old"))
            id_.publish(public("EdDSA", new, "new"))
            await checks.authenticate(sign("EdDSA", new, "new"))
            assert await refused(checks, sign("EdDSA", old, "old"))


async def test_a_key_that_left_the_set_is_refused_though_no_new_one_came() -> None:
    private = new_key("EdDSA")
    async with issuer() as id_:
        id_.publish(public("EdDSA", private, "k1"))
        async with checking(id_.url, refresh=0.01) as checks, asyncio.timeout(WAIT_SECONDS):
            await checks.authenticate(sign("EdDSA", private, "k1"))
            id_.publish()
            while not await refused(checks, sign("EdDSA", private, "k1")):
                await asyncio.sleep(0.01)


async def test_made_up_kids_cause_one_reading_in_each_cooldown() -> None:
    private, clock = new_key("EdDSA"), Clock()
    async with issuer() as id_:
        id_.publish(public("EdDSA", private, "k1"))
        async with checking(id_.url, clock=clock) as checks:
            forged = [sign("EdDSA", private, f"k{number}") for number in range(2, 50)]
            assert all(await asyncio.gather(*(refused(checks, token) for token in forged)))
            assert id_.reads == 2
            assert await refused(checks, forged[0])
            assert id_.reads == 2
            clock.now += 11
            assert await refused(checks, forged[0])
            assert id_.reads == 3
            await checks.authenticate(sign("EdDSA", private, "k1"))


@pytest.mark.parametrize("trouble", ["status", "nonsense", "huge", "redirect", "compressed"])
async def test_the_last_good_set_serves_while_its_source_is_down_but_not_for_ever(trouble: str) -> None:
    private, clock = new_key("EdDSA"), Clock()
    async with issuer() as id_:
        id_.publish(public("EdDSA", private, "k1"))
        async with checking(id_.url, clock=clock, max_age=60) as checks:
            break_down(id_, trouble)
            clock.now = 50
            assert await refused(checks, sign("EdDSA", private, "new"))
            assert id_.reads == 2
            await checks.authenticate(sign("EdDSA", private, "k1"))
            clock.now = 61
            with pytest.raises(Unavailable):
                await checks.authenticate(sign("EdDSA", private, "k1"))


def break_down(id_: Issuer, trouble: str) -> None:
    match trouble:
        case "status":
            id_.status = "503 Service Unavailable"
        case "nonsense":
            id_.content = b"<html>"
        case "huge":
            id_.content = b'{"keys": [], "x": "' + b"x" * MAX_SET_BYTES + b'"}'
        case "redirect":
            id_.status, id_.headers = "302 Found", "Location: /elsewhere\r\n"
        case _:
            id_.headers = "Content-Encoding: gzip\r\n"
            id_.content = b"\x1f\x8b" + b"\0" * 100


async def test_a_source_that_was_down_at_the_start_is_read_when_it_comes_up(tmp_path: Path) -> None:
    private, file = new_key("EdDSA"), tmp_path / "keys.json"
    async with checking(str(file), refresh=0.01) as checks, asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(Unavailable):
            await checks.authenticate(sign("EdDSA", private, "k1"))
        file.write_text(json.dumps({"keys": [public("EdDSA", private, "k1")]}))
        while True:
            try:
                await checks.authenticate(sign("EdDSA", private, "k1"))
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                break


async def test_no_line_of_the_log_holds_the_secrets_of_a_sources_url() -> None:
    async with issuer() as id_:
        source = id_.url.replace("://", "://me:hidden-1@") + "?code=hidden-2#hidden-3"
        id_.publish(public("EdDSA", new_key("EdDSA"), "k1"))
        with capture_logs() as events:
            async with checking(source) as checks:
                id_.status = "404 Not Found"
                assert await refused(checks, sign("EdDSA", new_key("EdDSA"), "k2"))
    assert [(event["event"], event["source"]) for event in events] == [
        ("keys.changed", id_.url),
        ("keys.not_read", id_.url),
    ]
    assert events[1]["error"] == "HTTP status 404"
    assert "hidden" not in str(events)


async def test_a_source_that_never_answers_holds_up_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.keys.READ_SECONDS", 0.05)
    async with issuer() as id_:
        id_.silent = True
        async with asyncio.timeout(WAIT_SECONDS), checking(id_.url) as checks:
            with pytest.raises(Unavailable):
                await checks.authenticate(sign("EdDSA", new_key("EdDSA"), "k1"))
            assert (await checks.authenticate(sign("HS256", SECRET, None))).tenant == "acme"


async def test_no_token_is_checked_with_a_key_of_another_algorithm() -> None:
    """RFC 8725, sections 2.1 and 3.1: neither the public key as a secret, nor none, nor a key of another kind."""
    private, curve = new_key("RS256"), new_key("ES256")
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    async with issuer() as id_:
        id_.publish(public("RS256", private, "rsa"), public("ES256", curve, "ec"))
        async with checking(id_.url) as checks:
            await checks.authenticate(sign("RS256", private, "rsa"))
            for token in (
                hmac_with(pem, kid="rsa"),
                sign("none", "", "rsa"),
                sign("RS384", private, "rsa"),
                sign("PS256", private, "rsa"),
                sign("RS256", private, "ec"),
                sign("ES256", curve, "rsa"),
                sign("RS256", private, None),
            ):
                assert await refused(checks, token)


def hmac_with(key: bytes, *, kid: str) -> str:
    """A token signed with public bytes as if they were a secret; the library refuses to make one."""
    _, payload, _ = sign("HS256", SECRET, kid).split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).rstrip(b"=").decode()
    signature = hmac.digest(key, f"{head}.{payload}".encode(), "sha256")
    return f"{head}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "fields",
    [{"use": "enc"}, {"alg": "RS512"}, {"alg": 5}, {"kid": 5}, {"kid": ["k"]}, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": 5},
     {"kty": None}, {"crv": "P-256"}, {"n": 5}, {"n": "!"}, {"n": "AQAB"}, {"n": ""}, {"e": None}, {"e": "AA"}, {"d": "x"}],
)  # fmt: skip
def test_a_key_that_cannot_be_used_is_left_out(fields: dict[str, Any]) -> None:
    good = public("EdDSA", new_key("EdDSA"), "good")
    content = {"keys": [good, public("RS256", new_key("RS256"), "k") | fields]}
    assert list(read_set(json.dumps(content).encode())) == [("EdDSA", "good")]


def test_weak_keys_and_other_curves_are_left_out() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that it is left out is the point
    keys = [public("RS256", weak, "weak"), public("ES256", ec.generate_private_key(ec.SECP384R1()), "other")]
    assert read_set(json.dumps({"keys": keys}).encode()) == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": [5]}', b'{"keys": [null]}', b"\xff", b"[" * 100_000,
     b'{"keys": [' + b",".join([b"{}"] * (MAX_KEYS + 1)) + b"]}", b" " * MAX_SET_BYTES + b'{"keys": []}'],
)  # fmt: skip
def test_what_is_no_set_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(KeySetInvalid):
        read_set(content)


def test_a_set_that_names_a_key_twice_is_refused() -> None:
    keys = [public("EdDSA", new_key("EdDSA"), "k1") for _ in range(2)]
    with pytest.raises(KeySetInvalid, match="same kid"):
        read_set(json.dumps({"keys": keys}).encode())


async def test_a_gateway_with_a_key_set_knows_its_issuers_users_and_no_development_secret(
    gateway: GatewayFactory,
) -> None:
    private = new_key("ES256")
    async with issuer() as id_:
        id_.publish(public("ES256", private, "k1"))
        world = await gateway(jwks=id_.url, issuer="https://id.example", audience="holdfast")
        token = sign("ES256", private, "k1", iss="https://id.example", aud="holdfast")
        async with world.socket(additional_headers={"Authorization": f"Bearer {token}"}) as viewer:
            assert (await viewer.hear())["user"] == "ann"
        for bad in (sign("ES256", private, "k1"), sign("HS256", "holdfast-development-secret-only-for-loopback", None)):
            answer = await world.http.get("/v1/pad/x", headers={"Authorization": f"Bearer {bad}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_without_keys_a_gateway_is_unavailable_and_says_so(gateway: GatewayFactory, tmp_path: Path) -> None:
    world = await gateway(jwks=str(tmp_path / "none.json"))
    token = sign("EdDSA", new_key("EdDSA"), "k1")
    answer = await world.http.get("/v1/pad/x", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    async with world.socket() as viewer:
        await viewer.say(op="hello", token=token)
        assert (await viewer.closed())[0] == 1013
