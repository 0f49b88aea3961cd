"""Who is asking: bearer tokens in, identities out. The tenant comes from here and from nowhere else."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import jwt
import msgspec

from holdfast import Actor, Name, Unauthenticated, ValidationFailed

ALGORITHM: Final = "HS256"
MAX_NAME_LENGTH: Final = 200
MAX_ROLES: Final = 100
MAX_TOKEN_LENGTH: Final = 16 * 1024
_BEARER: Final = "bearer "


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a token that count; of the others, `nbf` and `iat` are obeyed, and `aud` is refused."""

    tenant: str
    sub: str
    roles: tuple[str, ...]
    exp: float
    device: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller. `expires` is in seconds since the epoch and is checked at every use."""

    tenant: str
    actor: Actor
    expires: float

    def remaining(self) -> float:
        """Seconds until the credential expires, negative afterwards."""
        return self.expires - time.time()

    def require_valid(self) -> None:
        """Refuse a credential that has expired since it was read."""
        if self.remaining() <= 0:
            raise Unauthenticated("the token has expired: get a new one")


def issue_token(
    secret: str, tenant: str, user: str, roles: Iterable[str], lifetime: timedelta, *, device: str | None = None
) -> str:
    """Sign a token for a user of a tenant; the names are checked as they will be at the door."""
    claims = Claims(
        tenant=tenant, sub=user, roles=tuple(roles), exp=int(time.time() + lifetime.total_seconds()), device=device
    )
    _check(claims)
    return jwt.encode(msgspec.to_builtins(claims), secret, algorithm=ALGORITHM)


def authenticate(token: str, secret: str) -> Identity:
    """Check a token's signature, expiry and claims; anything wrong is `UNAUTHENTICATED`."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthenticated(f"the token is not valid: it is longer than {MAX_TOKEN_LENGTH} characters")
    try:
        payload = jwt.decode(token, secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub"]})
        claims = msgspec.convert(payload, Claims)
        _check(claims)
    except jwt.ExpiredSignatureError:
        raise Unauthenticated("the token has expired: get a new one") from None
    except (jwt.InvalidTokenError, msgspec.ValidationError, ValidationFailed, OverflowError, RecursionError) as error:
        raise Unauthenticated(f"the token is not valid: {error}") from None
    return Identity(
        tenant=claims.tenant,
        actor=Actor(user=claims.sub, roles=claims.roles, device=claims.device),
        expires=claims.exp,
    )


def authenticate_header(header: str | None, secret: str) -> Identity:
    """Read `Authorization: Bearer <token>`; a missing header is `UNAUTHENTICATED` too."""
    if header is None:
        raise Unauthenticated("send a token: Authorization: Bearer <JWT>")
    if not header.lower().startswith(_BEARER):
        raise Unauthenticated("the Authorization header must be: Bearer <JWT>")
    return authenticate(header[len(_BEARER) :].strip(), secret)


def check_actor(actor: Actor) -> None:
    """Refuse names that no person, role or device may carry: empty, overlong, unprintable, or a user's leading '_'."""
    for label, name in (("user", actor.user), ("device", actor.device or "none"), *(("role", r) for r in actor.roles)):
        if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise ValidationFailed(f"the name of a {label} is 1 to {MAX_NAME_LENGTH} printable characters")
    if actor.user.startswith("_"):
        raise ValidationFailed("user names that begin with '_' belong to the runtime")
    if len(actor.roles) > MAX_ROLES:
        raise ValidationFailed(f"a user has at most {MAX_ROLES} roles")


def _check(claims: Claims) -> None:
    Name.of("any", claims.tenant, "any")
    check_actor(Actor(user=claims.sub, roles=claims.roles, device=claims.device))
