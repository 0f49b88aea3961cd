"""What the gateway is told from outside, read once from `HOLDFAST_*` environment variables."""

import ipaddress
import math
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

DEVELOPMENT_SECRET: Final = "holdfast-development-secret-only-for-loopback"  # noqa: S105 - public on purpose
MIN_SECRET_BYTES: Final = 32  # RFC 7518, section 3.2: a key of at least the size of the hash
MIN_GRACE: Final = 2.0
"""NATS gives a sign of life each second."""
MEBIBYTE: Final = 1024 * 1024
_PREFIX: Final = "HOLDFAST_"


class SettingsInvalid(ValueError):
    """The gateway cannot start with these settings; the message says which to change."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field for each variable: `HOLDFAST_NATS` is `nats`. Times are seconds, sizes bytes."""

    nats: str = "nats://127.0.0.1:4222"
    """One server or several, with commas between."""
    host: str = "127.0.0.1"
    port: int = 8400
    secret: str = ""
    """HS256 key. Empty means the public development secret, which only a loopback host may use."""
    jwks: str = ""
    """The JSON Web Key Set of who issues tokens: an https URL, an http one on this machine, or a file."""
    jwks_refresh: float = 300.0
    """How often the set is read again: a key that left it is refused within this time."""
    jwks_max_age: float = 86_400.0
    """How long the last good set serves while its source is down; afterwards requests are UNAVAILABLE."""
    jwks_cooldown: float = 5.0
    """A key that nobody knows is looked for in the set at most this often."""
    issuer: str = ""
    """What a token's `iss` must be, when set."""
    audience: str = ""
    """What a token's `aud` must hold, when set; otherwise tokens with an `aud` are refused."""
    leeway: float = 0.0
    """How far the clock of the tokens' issuer may be off."""
    token_lifetime: float = 30 * 86_400.0
    """The longest that a token may live; revocations are kept as long."""
    revocation_grace: float = 10.0
    """How long a gateway that hears nothing of revocations trusts those it knows; then requests are UNAVAILABLE."""
    replicas: int = 1
    """Servers that keep each message: 3 on a NATS cluster."""
    origins: str = ""
    """Comma-separated origins, such as `https://shop.example`, that may open sockets besides the gateway's own."""
    max_body: int = 8 * MEBIBYTE
    max_frame: int = 32 * MEBIBYTE
    command_timeout: float = 10.0
    """How long a door waits for an owner's answer before it says TIMEOUT."""
    commands_per_second: float = 1000.0
    """Per user; bursts of twice as many. 0 sets no limit. This one and the next hold in each gateway by itself."""
    tenant_commands_per_second: float = 10_000.0
    entity_commands_per_second: float = 1000.0
    """Its owner holds to the same setting, so that it is one limit however many gateways there are."""
    entity_share: float = 0.25
    """The part of an entity's rate that one user may take in each gateway, above 0; with 1 a user may take all of it."""
    presence_per_second: float = 100.0
    """What one user may show on entities, which each of their watchers is told. 0 sets no limit."""
    tenant_in_flight: int = 10_000
    """Commands, looks, pages and lists of one tenant that may wait for one purpose in this gateway, a quarter of one
    user; more are refused. 0 sets no limit."""
    refusals_per_socket: int = 1000
    """A socket whose commands are refused for their rate so often in a row is closed with 4429."""
    sockets_per_user: int = 1000
    watches_per_socket: int = 1000
    sends_in_flight: int = 64
    """Operations that one socket may have unanswered; further frames wait unread."""
    queue_frames: int = 1000
    queue_bytes: int = 8 * MEBIBYTE
    hello_timeout: float = 5.0
    stall_timeout: float = 30.0
    """A socket that takes no byte for this long is closed with 1013."""
    ping_interval: float = 20.0
    """How long after one answered ping the next is sent; a client that answers none in this time is gone."""
    close_timeout: float = 1.0
    """How long a close waits for a client that takes nothing."""
    request_timeout: float = 60.0
    """A connection whose next request has begun must send it whole in this time."""
    heartbeat: float = 15.0
    check_interval: float = 10.0
    """How often watched entities are compared with the log."""
    coalesce: float = 0.0
    """How long events of a busy entity are gathered into one write; the first after a pause never waits."""
    presence_interval: float = 10.0
    presence_lifetime: float = 30.0
    drain_retry_after: float = 1.0
    """When the first sockets of a stopping gateway may come back."""
    drain_returns_per_second: float = 2000.0
    """How many sockets come back in a second, wherever they go: the more there are, the longer they are spread."""
    drain_timeout: float = 1.5
    """How long a stopping gateway waits for answers that are under way."""

    def __post_init__(self) -> None:
        if not self.secret and not self.jwks and not is_loopback(self.host):
            raise SettingsInvalid(
                "set HOLDFAST_SECRET or HOLDFAST_JWKS: the development secret is for 127.0.0.1 only, "
                f"not for host {self.host!r}"
            )
        if self.secret and len(self.secret.encode()) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"HOLDFAST_SECRET needs at least {MIN_SECRET_BYTES} bytes")
        _check_source(self.jwks)
        for field in ("jwks_refresh", "jwks_max_age", "jwks_cooldown", "token_lifetime"):
            if not 0 < getattr(self, field) < math.inf:
                raise SettingsInvalid(f"HOLDFAST_{field.upper()} is a number of seconds above 0")
        if not 0 <= self.leeway < self.token_lifetime:
            raise SettingsInvalid("HOLDFAST_LEEWAY is a number of seconds from 0 to less than HOLDFAST_TOKEN_LIFETIME")
        if not 0 < self.entity_share <= 1:
            raise SettingsInvalid("HOLDFAST_ENTITY_SHARE is a number above 0 and up to 1")
        if not MIN_GRACE <= self.revocation_grace < math.inf:
            raise SettingsInvalid(f"HOLDFAST_REVOCATION_GRACE is a number of seconds from {MIN_GRACE:g} on")

    @property
    def key(self) -> str:
        """What HS256 tokens are signed with; empty where none are accepted, beside a key set without a secret."""
        return self.secret or ("" if self.jwks else DEVELOPMENT_SECRET)

    @property
    def user_rate_at_entity(self) -> float:
        """Commands a second of one user to one entity; 0 when only the entity's own rate limits them."""
        return self.entity_commands_per_second * self.entity_share if self.entity_share < 1 else 0.0

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of `origins`, lower case, without a trailing slash."""
        return frozenset(part.strip().rstrip("/").lower() for part in self.origins.split(",") if part.strip())

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables that are set and take the defaults for the rest."""
        found = {
            field: environment[_PREFIX + field.upper()]
            for field in cls.__struct_fields__
            if _PREFIX + field.upper() in environment
        }
        try:
            return msgspec.convert(found, cls, strict=False)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, SettingsInvalid):
                raise error.__cause__ from None
            raise SettingsInvalid(f"HOLDFAST_ variables: {error}") from error


def _check_source(jwks: str) -> None:
    """Refuse a key set that anyone on the way could replace."""
    if "://" not in jwks:
        return
    try:
        parts = urlsplit(jwks)
        host = parts.hostname or ""
    except ValueError as error:
        raise SettingsInvalid(f"HOLDFAST_JWKS is no URL: {error}") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise SettingsInvalid("HOLDFAST_JWKS is an https URL, an http one on this machine, or a file")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
