import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.auth import MAX_TOKEN_LENGTH, authenticate, authenticate_header, issue_token
from gateway.settings import DEVELOPMENT_SECRET, Settings, SettingsInvalid
from holdfast import Unauthenticated, ValidationFailed

SECRET = "s" * 32
HOUR = timedelta(hours=1)


def test_an_issued_token_names_its_user() -> None:
    who = authenticate(issue_token(SECRET, "acme", "ann", ["bidder"], HOUR, device="till-2"), SECRET)
    assert (who.tenant, who.actor.user, who.actor.roles, who.actor.device) == ("acme", "ann", ("bidder",), "till-2")
    assert 3590 < who.remaining() <= 3600


@pytest.mark.parametrize("user", ["_alarm", "", "a" * 201, "a\nb"])
def test_no_token_is_issued_or_accepted_for_a_name_no_person_may_carry(user: str) -> None:
    with pytest.raises(ValidationFailed):
        issue_token(SECRET, "acme", user, [], HOUR)
    forged = jwt.encode({"tenant": "acme", "sub": user, "roles": [], "exp": 9_999_999_999}, SECRET)
    with pytest.raises(Unauthenticated):
        authenticate(forged, SECRET)


@pytest.mark.parametrize(
    "claims",
    [{"tenant": "a.b"}, {"tenant": "a:b"}, {"tenant": ">"}, {"tenant": None}, {"roles": "admin"}, {"roles": [1]},
     {"exp": None}, {"exp": "soon"}, {"exp": 1}, {"exp": float("inf")}, {"exp": float("nan")}, {"exp": [1]},
     {"nbf": 9_999_999_998}, {"aud": "another service"}, {"sub": None}, {"sub": 5}, {"roles": None}, {"roles": {}},
     {"roles": ["r"] * 101}, {"roles": [""]}, {"roles": ["r" * 201]}, {"device": "d" * 201}, {"device": "a\nb"}],
)  # fmt: skip
def test_wrong_claims_are_unauthenticated(claims: dict[str, object]) -> None:
    right: dict[str, object] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": 9_999_999_999}
    content = {key: value for key, value in (right | claims).items() if value is not None}
    token = jwt.api_jws.encode(json.dumps(content).encode(), SECRET)
    with pytest.raises(Unauthenticated):
        authenticate(token, SECRET)


def test_an_unsigned_or_foreign_token_is_unauthenticated() -> None:
    claims: dict[str, object] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": 9_999_999_999}
    for token in (jwt.encode(claims, "", algorithm="none"), jwt.encode(claims, "t" * 64, algorithm="HS512")):
        with pytest.raises(Unauthenticated):
            authenticate(token, SECRET)
    with pytest.raises(Unauthenticated):
        authenticate_header(None, SECRET)


def test_a_public_key_is_no_secret() -> None:
    """RFC 8725, section 2.1: a token must not choose how it is checked."""
    claims: dict[str, object] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": 9_999_999_999}
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(Unauthenticated):
        authenticate(jwt.encode(claims, private, algorithm="RS256"), SECRET)


def test_a_token_that_never_ends_is_valid_and_an_overlong_one_is_not() -> None:
    claims: dict[str, object] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": 10**15}
    assert authenticate(jwt.encode(claims, SECRET), SECRET).remaining() > 10**14
    overlong = jwt.encode(claims | {"note": "x" * MAX_TOKEN_LENGTH}, SECRET)
    with pytest.raises(Unauthenticated, match="longer"):
        authenticate(overlong, SECRET)


def test_the_development_secret_is_for_loopback_only() -> None:
    assert Settings(host="127.0.0.1").key == DEVELOPMENT_SECRET
    assert Settings(host="::1").key == DEVELOPMENT_SECRET
    for host in ("0.0.0.0", "", "::", "example.org"):  # noqa: S104 - that it is refused is the point
        with pytest.raises(SettingsInvalid):
            Settings(host=host)
    assert Settings(host="0.0.0.0", secret=SECRET).key == SECRET  # noqa: S104 - as above


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
