"""An issuer of tokens as a test holds it: its keys, the set it publishes, and how often that was read."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
WRITERS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


def new_key(algorithm: str, number: int = 0) -> Any:
    """A private key; those of RSA are made once, as they take their time."""
    match algorithm:
        case "RS256":
            return RSA_KEYS[number]
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def public(algorithm: str, private: Any, kid: str | None, **fields: Any) -> dict[str, Any]:
    """The public half as the set tells it."""
    content = json.loads(WRITERS[algorithm].to_jwk(private.public_key()))
    content.pop("key_ops", None)
    return content | ({} if kid is None else {"kid": kid}) | fields


def sign(algorithm: str, private: Any, kid: str | None, **claims: Any) -> str:
    content: dict[str, Any] = {"tenant": "acme", "sub": "ann", "roles": [], "exp": int(time.time()) + 3600}
    return jwt.encode(content | claims, private, algorithm=algorithm, headers=None if kid is None else {"kid": kid})


class Issuer:
    """Publishes whatever `content` is; counts how often it is asked."""

    def __init__(self) -> None:
        self.content = b'{"keys": []}'
        self.status = "200 OK"
        self.headers = ""
        self.reads = 0
        self.silent = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    def publish(self, *keys: dict[str, Any]) -> None:
        self.content = json.dumps({"keys": keys}).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.reads += 1
        if self.silent:
            await reader.read()
        else:
            head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.content)}\r\nConnection: close\r\n{self.headers}\r\n"
            writer.write(head.encode() + self.content)
        writer.close()


@asynccontextmanager
async def issuer() -> AsyncGenerator[Issuer]:
    """Listen on a free port of this machine."""
    found = Issuer()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
