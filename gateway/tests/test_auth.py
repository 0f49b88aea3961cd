import asyncio
import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.auth import Identity, issue_token
from gateway.authenticator import MAX_KNOWN, MAX_TOKEN_LENGTH, Authenticator, Rules
from gateway.settings import DEVELOPMENT_SECRET, Settings, SettingsInvalid
from holdfast import Unauthenticated, ValidationFailed

SECRET = "s" * 32
HOUR = timedelta(hours=1)
DAY = timedelta(days=1).total_seconds()


def right(**claims: object) -> dict[str, object]:
    content: dict[str, object] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": int(time.time()) + 3600}
    return content | claims


def base64url(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def raw(claims: dict[str, object]) -> str:
    """A signed token whose claims pass no check of the library that makes it."""
    return jwt.api_jws.encode(json.dumps(claims).encode(), SECRET)


async def authenticate(token: str, secret: str = SECRET, **rules: object) -> Identity:
    return await Authenticator(secret=secret, rules=Rules(**rules)).authenticate(token)  # pyright: ignore[reportArgumentType] - a test's own rules


async def test_an_issued_token_names_its_user_and_itself() -> None:
    who = await authenticate(issue_token(SECRET, "acme", "ann", ["bidder"], HOUR, device="till-2"))
    assert (who.tenant, who.actor.user, who.actor.roles, who.actor.device) == ("acme", "ann", ("bidder",), "till-2")
    assert 3590 < who.remaining() <= 3600
    assert abs(who.issued - time.time()) < 10
    again = await authenticate(issue_token(SECRET, "acme", "ann", [], HOUR))
    assert None not in (who.token_id, again.token_id)
    assert who.token_id != again.token_id


@pytest.mark.parametrize("user", ["_alarm", "", "a" * 201, "a\nb"])
async def test_no_token_is_issued_or_accepted_for_a_name_no_person_may_carry(user: str) -> None:
    with pytest.raises(ValidationFailed):
        issue_token(SECRET, "acme", user, [], HOUR)
    with pytest.raises(Unauthenticated):
        await authenticate(jwt.encode(right(sub=user), SECRET))


@pytest.mark.parametrize(
    "claims",
    [{"tenant": "a.b"}, {"tenant": "a:b"}, {"tenant": ">"}, {"tenant": "*"}, {"tenant": "a b"}, {"tenant": "\u00e4"},
     {"tenant": ""}, {"tenant": "t" * 201}, {"tenant": ["acme"]}, {"tenant": None}, {"roles": "admin"}, {"roles": [1]},
     {"exp": None}, {"exp": "soon"}, {"exp": 1}, {"exp": float("inf")}, {"exp": float("nan")}, {"exp": [1]},
     {"exp": True}, {"exp": 10**400}, {"exp": {}},
     {"iat": "now"}, {"iat": float("nan")}, {"iat": float("-inf")}, {"iat": 9_999_999_999}, {"iat": -(10**400)},
     {"jti": 7}, {"jti": ""}, {"jti": "j" * 201}, {"jti": ["a"]},
     {"nbf": 9_999_999_998}, {"nbf": "x"}, {"aud": "another service"}, {"aud": [1]}, {"sub": None}, {"sub": 5},
     {"roles": None}, {"roles": {}}, {"roles": ["r"] * 101}, {"roles": [""]}, {"roles": ["r" * 201]},
     {"device": "d" * 201}, {"device": "a\nb"}, {"device": 5}],
)  # fmt: skip
async def test_wrong_claims_are_unauthenticated(claims: dict[str, object]) -> None:
    content = {key: value for key, value in right(**claims).items() if value is not None}
    with pytest.raises(Unauthenticated):
        await authenticate(raw(content))


@pytest.mark.parametrize(
    "header",
    [{"alg": None}, {"alg": 5}, {"alg": ["HS256"]}, {"alg": "hs256"}, {"kid": 5}, {"kid": {}}, {"crit": ["x"], "x": 1}],
)
async def test_a_header_of_the_wrong_form_is_unauthenticated(header: dict[str, object]) -> None:
    _, payload, signature = jwt.encode(right(), SECRET).split(".")
    first = base64url({"alg": "HS256", "typ": "JWT"} | header)
    with pytest.raises(Unauthenticated):
        await authenticate(f"{first}.{payload}.{signature}")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\u00e4.b.c", "e30.e30.", "W10.e30.x", "x" * 5000, "\ud800"])
async def test_what_is_no_token_is_unauthenticated(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(token)


async def test_an_unsigned_or_foreign_token_is_unauthenticated() -> None:
    for token in (jwt.encode(right(), "", algorithm="none"), jwt.encode(right(), "t" * 64, algorithm="HS512")):
        with pytest.raises(Unauthenticated):
            await authenticate(token)
    with pytest.raises(Unauthenticated):
        await Authenticator(secret=SECRET).authenticate_header(None)


async def test_a_public_key_is_no_secret() -> None:
    """RFC 8725, section 2.1: a token must not choose how it is checked."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(Unauthenticated):
        await authenticate(jwt.encode(right(), private, algorithm="RS256"))


async def test_without_a_secret_no_shared_key_is_accepted() -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(base64url({"alg": "HS256"}) + "." + jwt.encode(right(), SECRET).split(".", 1)[1], secret="")


async def test_an_overlong_token_is_unauthenticated() -> None:
    with pytest.raises(Unauthenticated, match="longer"):
        await authenticate(jwt.encode(right(note="x" * MAX_TOKEN_LENGTH), SECRET))


async def test_a_token_that_outlives_the_revocations_is_unauthenticated() -> None:
    now = time.time()
    for claims in ({"exp": now + 2 * DAY}, {"iat": now - 1, "exp": now + DAY}, {"exp": 10**15}):
        with pytest.raises(Unauthenticated, match="1 days"):
            await authenticate(jwt.encode(right(**claims), SECRET), lifetime=DAY)
    assert (await authenticate(jwt.encode(right(iat=now - 5, exp=now + DAY - 10), SECRET), lifetime=DAY)).issued < now


async def test_a_token_is_valid_within_the_leeway_and_no_longer() -> None:
    for late, accepted in ((20, True), (40, False)):
        token = jwt.encode(right(exp=int(time.time()) - late), SECRET)
        if accepted:
            assert 0 < (await authenticate(token, leeway=30)).remaining() <= 10
        else:
            with pytest.raises(Unauthenticated, match="expired"):
                await authenticate(token, leeway=30)


async def test_issuer_and_audience_are_as_the_settings_say() -> None:
    rules = {"issuer": "https://id.example", "audience": "holdfast"}
    await authenticate(jwt.encode(right(iss="https://id.example", aud=["holdfast", "x"]), SECRET), **rules)
    for claims in ({}, {"iss": "https://id.example"}, {"aud": "holdfast"}, {"iss": "https://evil", "aud": "holdfast"},
                   {"iss": "https://id.example", "aud": "x"}, {"iss": 5, "aud": "holdfast"}):  # fmt: skip
        with pytest.raises(Unauthenticated):
            await authenticate(raw(right(**claims)), **rules)


def test_the_development_secret_is_for_loopback_only() -> None:
    assert Settings(host="127.0.0.1").key == DEVELOPMENT_SECRET
    assert Settings(host="::1").key == DEVELOPMENT_SECRET
    for host in ("0.0.0.0", "", "::", "example.org"):  # noqa: S104 - that it is refused is the point
        with pytest.raises(SettingsInvalid):
            Settings(host=host)
    assert Settings(host="0.0.0.0", secret=SECRET).key == SECRET  # noqa: S104 - as above


def test_a_key_set_takes_the_place_of_the_development_secret() -> None:
    assert Settings(host="0.0.0.0", jwks="https://id.example/keys").key == ""  # noqa: S104 - as above
    assert Settings(jwks="/etc/keys.json", secret=SECRET).key == SECRET


@pytest.mark.parametrize("jwks", ["http://id.example/keys", "ftp://id.example", "https://", "https://[", "://x"])
def test_a_key_set_that_others_could_replace_is_refused(jwks: str) -> None:
    with pytest.raises(SettingsInvalid, match="HOLDFAST_JWKS"):
        Settings(jwks=jwks)


@pytest.mark.parametrize(
    "wrong",
    [{"jwks_refresh": 0}, {"jwks_max_age": float("inf")}, {"jwks_cooldown": -1}, {"token_lifetime": float("nan")},
     {"leeway": -1}, {"leeway": float("nan")}],
)  # fmt: skip
def test_times_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsInvalid, match="seconds"):
        Settings(**wrong)  # pyright: ignore[reportArgumentType] - only numbers are given


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_of_an_entitys_rate_is_a_part_of_it(share: float) -> None:
    with pytest.raises(SettingsInvalid, match="HOLDFAST_ENTITY_SHARE"):
        Settings(entity_share=share)


def test_a_secret_shorter_than_its_hash_is_refused() -> None:
    with pytest.raises(SettingsInvalid):
        Settings(secret="s" * 31)


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_environment(
        {"HOLDFAST_PORT": "9000", "HOLDFAST_ORIGINS": "https://A.example/, https://b.example", "OTHER": "x"}
    )
    assert settings.port == 9000
    assert settings.allowed_origins == {"https://a.example", "https://b.example"}
    secret, nats = "s" * 32, "nats://127.0.0.1:1"
    shared = Settings.from_environment({"HOLDFAST_SECRET": secret, "HOLDFAST_NATS": nats})
    assert (shared.key, shared.nats) == (secret, nats)
    for environment in ({"HOLDFAST_PORT": "many"}, {"HOLDFAST_SECRET": "short"}):
        with pytest.raises(SettingsInvalid, match=r"port|^HOLDFAST_SECRET needs"):
            Settings.from_environment(environment)


async def test_a_signature_is_checked_once_and_what_time_changes_at_every_use(monkeypatch: pytest.MonkeyPatch) -> None:
    checks, decode = Authenticator(secret=SECRET), jwt.decode
    decoded: list[str] = []

    def counted(token: str, *arguments: Any, **options: Any) -> Any:
        decoded.append(token)
        return decode(token, *arguments, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    token = raw(right(exp=time.time() + 1.5))
    who = await checks.authenticate(token)
    while who.remaining() > 0.5:
        assert await checks.authenticate(token) == who
        await asyncio.sleep(0.05)
    while who.remaining() > 0:
        await asyncio.sleep(0.05)
    with pytest.raises(Unauthenticated, match="expired"):
        await checks.authenticate(token)
    assert decoded == [token]


async def test_the_memory_of_checked_tokens_is_bounded_and_holds_no_refused_one() -> None:
    checks = Authenticator(secret=SECRET)
    first = raw(right(sub="first"))
    for number in range(MAX_KNOWN + 100):
        await checks.authenticate(raw(right(sub=f"u{number}")))
        if number % 1000 == 0:
            await checks.authenticate(first)
    with pytest.raises(Unauthenticated):
        await checks.authenticate(first + "x")
    known = checks._known  # pyright: ignore[reportPrivateUsage] # noqa: SLF001
    assert len(known) == MAX_KNOWN
    assert first in known
    assert first + "x" not in known
