"""`holdfast up`: the whole system on one machine, one process for each part, kept running until it is told to stop."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from holdfast._program import embedded_nats
from holdfast._program.errors import CannotStart
from holdfast._program.folder import SECRET_FILE, make_secret, opened
from holdfast._program.keeper import Keeper, Part
from holdfast._program.settings import Settings, database_url
from holdfast._program.welcome import welcome

NATS_START_SECONDS: Final = 60.0
START_SECONDS: Final = 60.0
PORT_WAIT_SECONDS: Final = 2.0
PORT_POLL_SECONDS: Final = 0.05
FREE_PORTS: Final = range(10_000, 32_768)
"""Below those that Linux gives to connections: one of them could have a part's port while that part is started again."""
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(settings: Settings, services: Sequence[str]) -> None:
    """Run everything until SIGINT, SIGTERM or SIGHUP; `CannotStart` says what is in the way."""
    run = asyncio.create_task(_run(settings, services))
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            run.cancel()
        stopped = True

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await run
    except asyncio.CancelledError:
        if not stopped:
            raise


async def _run(settings: Settings, services: Sequence[str]) -> None:
    with opened(settings.folder) as folder:
        nats_port, port, *operators = await _ports(settings, len(services))
        nats = Keeper(embedded_nats.nats_part(folder, port=nats_port), tell=_tell)
        environment = _environment(settings, folder, nats_port=nats_port, port=port)
        doors = dict(zip(services, operators, strict=True))
        parts = [
            _part(service, "serve", service, environment={**environment, **_operators(doors[service])})
            for service in services
        ]
        keepers = [Keeper(part, tell=_tell) for part in (*parts, _part("gateway", "gateway", environment=environment))]
        try:
            await _start_nats(nats, folder)
            for keeper in keepers:
                keeper.start()
            await asyncio.gather(*(keeper.ready(timeout=START_SECONDS) for keeper in keepers))
            pids = {keeper.part.name: keeper.pid for keeper in (nats, *keepers)}
            address = f"http://{settings.host}:{port}"
            shown = {service: f"http://{embedded_nats.LOOPBACK}:{doors[service]}" for service in services}
            print(welcome(folder, pids, address=address, doors={**shown, "gateway": address}), flush=True)
            await asyncio.gather(*(keeper.failed() for keeper in (nats, *keepers)))
        finally:
            await asyncio.gather(*(keeper.stop() for keeper in keepers))
            await nats.stop()


async def _start_nats(nats: Keeper, folder: Path) -> None:
    nats.start()
    try:
        await nats.ready(timeout=NATS_START_SECONDS)
    except CannotStart as error:
        log = embedded_nats.log_file(folder)
        raise CannotStart(
            f"{error}: {embedded_nats.complaint(folder) or 'no error logged'} (its log is {log})"
        ) from None


def _environment(settings: Settings, folder: Path, *, nats_port: int, port: int) -> Mapping[str, str]:
    return {
        **os.environ,
        "HOLDFAST_DATA": str(folder),
        "HOLDFAST_NATS": embedded_nats.nats_url(folder, port=nats_port),
        "HOLDFAST_DATABASE": database_url(settings),
        "HOLDFAST_SECRET": settings.secret or make_secret(folder / SECRET_FILE),
        "HOLDFAST_HOST": settings.host,
        "HOLDFAST_PORT": str(port),
        "HOLDFAST_LOG": settings.log,
    }


def _operators(port: int) -> Mapping[str, str]:
    return {"HOLDFAST_OPERATORS_HOST": embedded_nats.LOOPBACK, "HOLDFAST_OPERATORS_PORT": str(port)}


def _part(name: str, *command: str, environment: Mapping[str, str]) -> Part:
    return Part(name=name, command=_command(*command), environment=environment)


def _command(*arguments: str) -> Sequence[str]:
    return (sys.executable, "-P", "-m", "holdfast.cli", *arguments)


async def _ports(settings: Settings, services: int) -> Sequence[int]:
    """The ports of NATS, of the gateway and of the services' doors for operators, no two of them the same."""
    loopback = embedded_nats.LOOPBACK
    with ExitStack() as held:
        nats = held.enter_context(await _bound(loopback, settings.nats_port, flag="--nats-port"))
        door = held.enter_context(await _bound(settings.host, settings.port, flag="--port"))
        doors = [held.enter_context(_any_bound(loopback)) for _ in range(services)]
        return [server.getsockname()[1] for server in (nats, door, *doors)]


async def _bound(host: str, port: int, *, flag: str) -> socket.socket:
    """Hold a port that is free, or any for port 0. One that a killed run still holds becomes free shortly."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PORT_WAIT_SECONDS
    while True:
        try:
            return socket.create_server((host, port))
        except PermissionError:
            raise CannotStart(f"port {port} needs privileges: choose one above 1023 with {flag}") from None
        except socket.gaierror:
            raise CannotStart(f"{host!r} is not an address of this machine: choose another with --host") from None
        except OSError as error:
            if loop.time() >= end:
                raise CannotStart(
                    f"{host}:{port} cannot be used ({error.strerror}): choose another with {flag}"
                ) from None
        await asyncio.sleep(PORT_POLL_SECONDS)


def _any_bound(host: str) -> socket.socket:
    """Hold a port that is free, and that no connection is given."""
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        with suppress(OSError):
            return socket.create_server((host, port))
    raise CannotStart(f"no port of {host} from {FREE_PORTS[0]} to {FREE_PORTS[-1]} is free: stop what holds them")


def _tell(line: str) -> None:
    sys.stderr.write(f"holdfast: {line}\n")  # at once, for the parts write to the same pipe
    sys.stderr.flush()
