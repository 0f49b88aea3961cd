"""What the gateway is told from outside, read once from `HOLDFAST_*` environment variables."""

import ipaddress
from collections.abc import Mapping
from typing import Final

import msgspec

DEVELOPMENT_SECRET: Final = "holdfast-development-secret-only-for-loopback"  # noqa: S105 - public on purpose
MIN_SECRET_BYTES: Final = 32  # RFC 7518, section 3.2: a key of at least the size of the hash
MEBIBYTE: Final = 1024 * 1024
_PREFIX: Final = "HOLDFAST_"


class SettingsInvalid(ValueError):
    """The gateway cannot start with these settings; the message says which to change."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field for each variable: `HOLDFAST_NATS` is `nats`. Times are seconds, sizes bytes."""

    nats: str = "nats://127.0.0.1:4222"
    host: str = "127.0.0.1"
    port: int = 8400
    secret: str = ""
    """HS256 key. Empty means the public development secret, which only a loopback host may use."""
    origins: str = ""
    """Comma-separated origins, such as `https://shop.example`, that may open sockets besides the gateway's own."""
    max_body: int = 8 * MEBIBYTE
    max_frame: int = 32 * MEBIBYTE
    command_timeout: float = 10.0
    """How long a door waits for an owner's answer before it says TIMEOUT."""
    commands_per_second: float = 1000.0
    """Per user; bursts of twice as many. 0 sets no limit."""
    sockets_per_user: int = 1000
    watches_per_socket: int = 1000
    sends_in_flight: int = 64
    """Operations that one socket may have unanswered; further frames wait unread."""
    queue_frames: int = 1000
    queue_bytes: int = 8 * MEBIBYTE
    hello_timeout: float = 5.0
    stall_timeout: float = 30.0
    """A socket that takes no byte for this long is closed with 1013."""
    close_timeout: float = 1.0
    """How long a close waits for a client that takes nothing."""
    request_timeout: float = 60.0
    """A connection whose next request has begun must send it whole in this time."""
    heartbeat: float = 15.0
    check_interval: float = 10.0
    """How often watched entities are compared with the log."""
    presence_interval: float = 10.0
    presence_lifetime: float = 30.0
    drain_retry_after: float = 1.0

    def __post_init__(self) -> None:
        if not self.secret and not is_loopback(self.host):
            raise SettingsInvalid(
                f"set HOLDFAST_SECRET: the development secret is for 127.0.0.1 only, not for host {self.host!r}"
            )
        if self.secret and len(self.secret.encode()) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"HOLDFAST_SECRET needs at least {MIN_SECRET_BYTES} bytes")

    @property
    def key(self) -> str:
        """What tokens are signed with."""
        return self.secret or DEVELOPMENT_SECRET

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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
