"""Who is asking: bearer tokens in, identities out. The tenant comes from here and from nowhere else."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import jwt
import msgspec

from gateway.keys import ALGORITHMS, KeySet
from holdfast import Actor, Name, Unauthenticated, ValidationFailed

SHARED: Final = "HS256"
PUBLIC: Final = frozenset(ALGORITHMS.values())
MAX_NAME_LENGTH: Final = 200
MAX_ROLES: Final = 100
MAX_TOKEN_LENGTH: Final = 16 * 1024
_BEARER: Final = "bearer "


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a token that count, beside `nbf`, `iss` and `aud`."""

    tenant: str
    sub: str
    roles: tuple[str, ...]
    exp: float
    iat: float | None = None
    jti: str | None = None
    device: str | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller. `expires` is in seconds since the epoch and is checked at every use."""

    tenant: str
    actor: Actor
    expires: float
    issued: float = 0.0
    """When the token was made, in seconds since the epoch."""
    token_id: str | None = None

    def remaining(self) -> float:
        """Seconds until the credential expires, negative afterwards."""
        return self.expires - time.time()

    def require_valid(self) -> None:
        """Refuse a credential that has expired since it was read."""
        if self.remaining() <= 0:
            raise Unauthenticated("the token has expired: get a new one")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a token must be besides signed. Times are seconds."""

    issuer: str = ""
    """What `iss` must be; empty accepts any."""
    audience: str = ""
    """What `aud` must hold; empty refuses tokens that are meant for someone in particular."""
    leeway: float = 0.0
    """How far the issuer's clock may be off: a token counts that much longer, and that much earlier."""
    lifetime: float = timedelta(days=30).total_seconds()
    """The longest that a token may live, since revocations are kept no longer."""


class Authenticator:
    """Checks tokens: HS256 with the shared secret, the algorithms of public keys with the issuer's key set."""

    def __init__(self, *, secret: str, keys: KeySet | None = None, rules: Rules | None = None) -> None:
        self._secret = secret
        self._keys = keys
        self._rules = rules or Rules()

    async def authenticate(self, token: str) -> Identity:
        """Check a token's signature, times and claims; anything wrong is `UNAUTHENTICATED`."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(f"the token is not valid: it is longer than {MAX_TOKEN_LENGTH} characters")
        try:
            algorithm, key = await self._key(jwt.get_unverified_header(token))
            claims = msgspec.convert(self._payload(token, algorithm, key), Claims)
            _check(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired: get a new one") from None
        except (
            jwt.PyJWTError,
            msgspec.ValidationError,
            ValidationFailed,
            ValueError,
            TypeError,
            ArithmeticError,
            RecursionError,
        ) as error:
            raise Unauthenticated(f"the token is not valid: {error}") from None
        return self._identity(claims)

    async def authenticate_header(self, header: str | None) -> Identity:
        """Read `Authorization: Bearer <token>`; a missing header is `UNAUTHENTICATED` too."""
        if header is None:
            raise Unauthenticated("send a token: Authorization: Bearer <JWT>")
        if not header.lower().startswith(_BEARER):
            raise Unauthenticated("the Authorization header must be: Bearer <JWT>")
        return await self.authenticate(header[len(_BEARER) :].strip())

    async def _key(self, header: dict[str, Any]) -> tuple[str, Any]:
        """The key to check with. A token names one of ours, but each key knows its one algorithm (RFC 8725, 3.1)."""
        algorithm = header.get("alg")
        if algorithm == SHARED and self._secret:
            return SHARED, self._secret
        if not isinstance(algorithm, str) or algorithm not in PUBLIC or self._keys is None:
            raise jwt.InvalidAlgorithmError("it is signed in a way that is not accepted here")
        key = await self._keys.find(algorithm, header.get("kid"))
        if key is None:
            raise jwt.InvalidKeyError("no key of its issuer has its kid and algorithm")
        return algorithm, key

    def _payload(self, token: str, algorithm: str, key: Any) -> dict[str, Any]:
        rules = self._rules
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            options={"require": ["exp", "sub"]},
            issuer=rules.issuer or None,
            audience=rules.audience or None,
            leeway=rules.leeway,
        )

    def _identity(self, claims: Claims) -> Identity:
        """A token that lives too long is refused; one that does not say when it was made is taken for the oldest."""
        rules = self._rules
        issued = claims.exp - rules.lifetime if claims.iat is None else claims.iat
        if not (claims.exp - issued <= rules.lifetime and issued <= time.time() + rules.leeway):  # NaN is neither
            days = rules.lifetime / timedelta(days=1).total_seconds()
            raise Unauthenticated(f"the token is not valid: it lives longer than {days:g} days, get a shorter one")
        return Identity(
            tenant=claims.tenant,
            actor=Actor(user=claims.sub, roles=claims.roles, device=claims.device),
            expires=claims.exp + rules.leeway,
            issued=issued,
            token_id=claims.jti,
        )


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
    _check(claims)
    return jwt.encode(msgspec.to_builtins(claims), secret, algorithm=SHARED)


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
    if claims.jti is not None and not 0 < len(claims.jti) <= MAX_NAME_LENGTH:
        raise ValidationFailed(f"jti is 1 to {MAX_NAME_LENGTH} characters")
    check_actor(Actor(user=claims.sub, roles=claims.roles, device=claims.device))
