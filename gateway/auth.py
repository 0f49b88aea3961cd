"""Who is asking, and what a token says of it. The tenant comes from here and from nowhere else."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import uuid4

import jwt
import msgspec

from holdfast import Actor, Name, ValidationFailed

SHARED: Final = "HS256"
MAX_NAME_LENGTH: Final = 200
MAX_ROLES: Final = 100


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a token that count, beside `nbf`, `iss` and `aud`."""

    tenant: str
    sub: str
    roles: tuple[str, ...]
    exp: float
    iat: float | None = None
    jti: str | None = None
    device: str | None = None
    entity: str | None = msgspec.field(default=None, name="holdfast_entity")
    """The one entity that a pass opens, by its whole name; without it, all that the user may read."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller. `expires` is in seconds since the epoch and is checked at every use."""

    tenant: str
    actor: Actor
    expires: float
    issued: float = 0.0
    """When the token may have been made, at the earliest, in seconds since the epoch."""
    token_id: str | None = None
    entity: str | None = None
    """The only entity that may be opened, by its whole name; None where it is not for one."""

    def may_open(self, name: Name) -> bool:
        """Whether the credential is for this entity; whether its holder may read that, the entity knows."""
        return self.entity is None or self.entity == str(name)

    def remaining(self) -> float:
        """Seconds until the credential expires, negative afterwards."""
        return self.expires - time.time()


def issue_token(
    secret: str, tenant: str, user: str, roles: Iterable[str], lifetime: timedelta, *, device: str | None = None
) -> str:
    """Sign a token for a user of a tenant; the names are checked as they will be at the door."""
    now = int(time.time())
    claims = Claims(
        tenant=tenant,
        sub=user,
        roles=tuple(roles),
        exp=now + int(lifetime.total_seconds()),
        iat=now,
        jti=uuid4().hex,
        device=device,
    )
    return sign(claims, secret)


def sign(claims: Claims, secret: str, *, issuer: str = "", audience: str = "") -> str:
    """The token that says so, from an issuer and for an audience where there are such; the names are checked first."""
    check_claims(claims)
    told = {"iss": issuer, "aud": audience}
    payload = {**msgspec.to_builtins(claims), **{claim: value for claim, value in told.items() if value}}
    return jwt.encode(payload, secret, algorithm=SHARED)


def check_actor(actor: Actor) -> None:
    """Refuse names that no person, role or device may carry: empty, overlong, unprintable, or a user's leading '_'."""
    for label, name in (("user", actor.user), ("device", actor.device or "none"), *(("role", r) for r in actor.roles)):
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise ValidationFailed(f"the name of a {label} is 1 to {MAX_NAME_LENGTH} printable characters")
    if actor.user.startswith("_"):
        raise ValidationFailed("user names that begin with '_' belong to the runtime")
    if len(actor.roles) > MAX_ROLES:
        raise ValidationFailed(f"a user has at most {MAX_ROLES} roles")


def check_claims(claims: Claims) -> None:
    """Refuse names that could reach outside their place, or that no one may carry."""
    Name.of("any", claims.tenant, "any")
    if claims.jti is not None and not 0 < len(claims.jti) <= MAX_NAME_LENGTH:
        raise ValidationFailed(f"jti is 1 to {MAX_NAME_LENGTH} characters")
    check_actor(Actor(user=claims.sub, roles=claims.roles, device=claims.device))
