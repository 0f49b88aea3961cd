"""The `holdfast` command."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from holdfast._errors import HoldfastError
from holdfast._program.discovery import load, load_demo, service_names
from holdfast._program.embedded_nats import nats_url
from holdfast._program.errors import CannotStart
from holdfast._program.folder import SECRET_FILE, read_secret
from holdfast._program.keeper import REFUSED, say_ready
from holdfast._program.logs import configure_logs, log_faults_of
from holdfast._program.settings import Settings, database_url, read_settings
from holdfast._program.up import up

DAY_HOURS: Final = 24.0

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 2 for what the caller must change first, without a traceback."""
    given = _parser().parse_args(arguments)
    try:
        settings = read_settings(vars(given), os.environ)
        return given.run(settings, given)
    except (CannotStart, HoldfastError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _up(settings: Settings, given: argparse.Namespace) -> int:
    if settings.nats is not None:
        raise CannotStart("`holdfast up` brings its own NATS: unset HOLDFAST_NATS, or run `serve` and `gateway`")
    asyncio.run(up(settings, given.services or service_names()))
    return 0


def _serve(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="+".join(given.services))
    serve_services = load("holdfast._program.serving", "serve_services")
    with _tracing("+".join(given.services)) as tracing:
        return _served(serve_services(given.services, settings, nats=_nats(settings), tracing=tracing, ready=_ready))


def _gateway(settings: Settings, _given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="gateway")
    environment = {
        **os.environ,
        "HOLDFAST_NATS": _nats(settings),
        "HOLDFAST_SECRET": _shared_secret(settings),
        "HOLDFAST_HOST": settings.host,
        "HOLDFAST_PORT": str(settings.port),
        "HOLDFAST_REPLICAS": str(settings.replicas),
    }
    try:
        told = load("gateway.settings", "Settings").from_environment(environment)
    except ValueError as error:
        raise CannotStart(str(error)) from None
    with _tracing("gateway") as tracing:
        return _served(load("gateway.server", "serve")(told, ready=_ready, tracing=tracing))


def _migrate(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="migrate")
    migrate_services = load("holdfast._program.serving", "migrate_services")
    return _until_stopped(migrate_services(given.services or service_names(), database=database_url(settings)))


def _rebuild(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="rebuild")
    rebuild_services = load("holdfast._program.rebuilding", "rebuild_services")
    return _until_stopped(
        rebuild_services(given.services, nats=_nats(settings), database=database_url(settings), out=sys.stdout)
    )


def _replay(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="replay")
    replay = load("holdfast._program.replaying", "replay_services")
    services, database = given.services or service_names(), database_url(settings)
    equal: list[bool] = []

    async def run() -> None:
        where = {"nats": _nats(settings), "database": database}
        equal.append(await replay(services, only=given.name, out=sys.stdout, err=sys.stderr, **where))

    _until_stopped(run())
    return 0 if equal == [True] else 1


def _export(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="export")
    export = load("holdfast._program.transfer", "export_tenant")
    services, out = given.services or service_names(), sys.stdout.buffer
    where = {"nats": _nats(settings), "database": database_url(settings)}
    _until_stopped(export(services, tenant=given.tenant, name=given.name, out=out, err=sys.stderr, **where))
    return 0


def _import(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="import")
    import_file = load("holdfast._program.transfer", "import_file")
    return _until_stopped(
        _told(
            import_file(given.services or service_names(), file=given.file, nats=_nats(settings), err=sys.stderr),
            "imported {} entities",
        )
    )


def _erase(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="erase")
    if not given.yes:
        raise CannotStart(f"this deletes everything of {given.tenant}, for good: say so with --yes")
    erase = load("holdfast._program.erasing", "erase_tenant")
    services = given.services or service_names()
    return _until_stopped(
        _told(
            erase(services, tenant=given.tenant, nats=_nats(settings), database=database_url(settings)),
            f"erased {{}} entities of {given.tenant}",
        )
    )


async def _told(work: Coroutine[Any, Any, int], text: str) -> None:
    print(text.format(await work))


def _dead(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="dead")
    nats, well = _nats(settings), [True]

    async def run() -> None:
        match given.action:
            case "list":
                await load("holdfast._program.dead", "list_letters")(purpose=given.purpose, nats=nats, out=sys.stdout)
            case "show":
                await load("holdfast._program.dead", "show_letter")(given.letter, nats=nats, out=sys.stdout)
            case _:
                redrive = load("holdfast._program.dead", "redrive_letters")
                well.append(await redrive(given.letters, nats=nats, out=sys.stdout))

    _until_stopped(run())
    return 0 if all(well) else 1


def _token(settings: Settings, given: argparse.Namespace) -> int:
    issue: Callable[..., str] = load("gateway.auth", "issue_token")
    print(issue(_secret(settings), given.tenant, given.user, given.role, timedelta(hours=given.hours)))
    return 0


def _revoke(settings: Settings, given: argparse.Namespace) -> int:
    configure_logs(settings.log, process="revoke")
    if (given.token is None) == (given.user is None) or (given.user is None) != (given.tenant is None):
        raise CannotStart("say what to revoke: --tenant and --user, or --token")
    revoke = load("holdfast._program.revoking", "revoke_tokens")
    return _until_stopped(
        revoke(tenant=given.tenant, user=given.user, token=given.token, nats=_nats(settings), out=sys.stdout)
    )


def _demo(_settings: Settings, given: argparse.Namespace) -> int:
    run: Callable[[Sequence[str]], int] = load_demo(given.demo)
    return run(given.arguments)


def _ready(_port: int | None = None) -> None:
    say_ready(os.environ)


def _tracing(process: str) -> AbstractContextManager[Any]:
    return load("holdfast.telemetry.otlp", "exporting")(process, os.environ)


def _secret(settings: Settings) -> str:
    return settings.secret or read_secret(settings.folder / SECRET_FILE)


def _shared_secret(settings: Settings) -> str:
    """The gateway's secret, or none where tokens are checked with public keys alone."""
    if settings.secret is None and os.environ.get("HOLDFAST_JWKS") and not (settings.folder / SECRET_FILE).exists():
        return ""
    return _secret(settings)


def _nats(settings: Settings) -> str:
    return settings.nats or nats_url(settings.folder, port=settings.nats_port)


def _served(work: Coroutine[Any, Any, None]) -> int:
    """Serve until stopped; a fault that ends the process is told as one, without the words of an exception."""
    try:
        return _until_stopped(work)
    except (CannotStart, HoldfastError):
        raise
    except Exception:
        log.exception("process.fault")
        return 1


def _until_stopped(work: Coroutine[Any, Any, None]) -> int:
    """Run until the work ends, or until SIGTERM or SIGINT cancels it so that it cleans up."""

    async def run() -> None:
        log_faults_of(asyncio.get_running_loop())
        task = asyncio.create_task(work)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Settings, argparse.Namespace], int], *, does: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=does, description=does, allow_abbrev=False)
        added.set_defaults(run=run)
        added.add_argument("--data", metavar="FOLDER", help="where everything is kept (HOLDFAST_DATA, default ./data)")
        return added

    _runners(command)
    _databases(command)
    _tools(command)
    _dead_letters(command)
    _tokens(command)
    demo = command("demo", _demo, does="put services to the test from outside")
    demo.add_argument("demo", metavar="DEMO", help="such as auction")
    demo.add_argument("arguments", nargs=argparse.REMAINDER, help="for the demo itself")
    return parser


def _runners(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What runs until it is told to stop."""
    upward = command("up", _up, does="run everything on this machine, with a NATS server and SQLite of its own")
    upward.add_argument("services", nargs="*", metavar="SERVICE", help="default: every service")
    _door(upward)
    _log(upward)
    upward.add_argument("--nats-port", metavar="PORT", help="of the NATS server (default 8422; 0 chooses a free one)")

    serving = command("serve", _serve, does="run services until told to stop")
    serving.add_argument("services", nargs="+", metavar="SERVICE", help="a service's name, or module:attribute")
    _nats_flags(serving)
    _replicas(serving)
    _database(serving)
    _operators(serving)
    _log(serving)

    door = command("gateway", _gateway, does="run the HTTP and WebSocket door until told to stop")
    _door(door)
    _nats_flags(door)
    _replicas(door)
    _log(door)


def _databases(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What makes tables and their rows."""
    migrating = command("migrate", _migrate, does="bring the database up to date")
    migrating.add_argument("services", nargs="*", metavar="SERVICE", help="default: every service")
    _database(migrating)
    _log(migrating)

    rebuilding = command("rebuild", _rebuild, does="build read models anew from the log, while services go on serving")
    rebuilding.add_argument("services", nargs="+", metavar="SERVICE", help="a service's name, or module:attribute")
    _nats_flags(rebuilding)
    _database(rebuilding)
    _log(rebuilding)


def _tokens(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What lets users in, and out again."""
    token = command("token", _token, does="print a token for development")
    token.add_argument("--tenant", required=True)
    token.add_argument("--user", required=True)
    token.add_argument("--role", action="append", default=[], help="may be given several times")
    token.add_argument("--hours", type=float, default=DAY_HOURS, help="how long it is valid (default 24)")

    revoking = command("revoke", _revoke, does="end tokens before their time, on every gateway and open socket")
    revoking.add_argument("--tenant", help="of the user")
    revoking.add_argument("--user", help="whose tokens end that were made until now; later ones count")
    revoking.add_argument("--token", metavar="JTI", help="the `jti` of one token")
    _nats_flags(revoking)
    _log(revoking)


def _tools(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What works on whole logs."""
    replaying = command("replay", _replay, does="verify that snapshots and read models are what the log says")
    replaying.add_argument("--name", metavar="NAME", help="only this entity, such as auction:acme:lot-1")
    _database(replaying)
    _tool(replaying)

    exporting = command("export", _export, does="write entities to standard output, a line of JSON for each commit")
    exporting.add_argument("--tenant", required=True)
    exporting.add_argument("--name", metavar="NAME", help="only this entity, such as auction:acme:lot-1")
    _database(exporting)
    _tool(exporting)

    importing = command("import", _import, does="append exported entities to the log; none of them may exist")
    importing.add_argument("file", type=Path, metavar="FILE")
    _tool(importing)

    erasing = command("erase", _erase, does="delete all entities of a tenant, for good, while their services serve")
    erasing.add_argument("--tenant", required=True)
    erasing.add_argument("--yes", action="store_true", help="yes, everything of this tenant")
    _database(erasing)
    _tool(erasing)


def _dead_letters(command: Callable[..., argparse.ArgumentParser]) -> None:
    """What became of effects that were refused, or failed too often."""
    dead = command("dead", _dead, does="see effects that did not happen, and let them happen after all")
    actions = dead.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="a line for each")
    listing.add_argument("--purpose", metavar="PURPOSE", help="only those that events of this purpose caused")
    showing = actions.add_parser("show", help="all of one, as JSON")
    showing.add_argument("letter", metavar="LETTER", help="as the list names it, such as auction/3")
    redriving = actions.add_parser("redrive", help="try them again under their old ids")
    redriving.add_argument("letters", nargs="+", metavar="LETTER", help="as the list names them")
    for action in (listing, showing, redriving):
        _nats_flags(action)
        _log(action)


def _tool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="default: every service")
    _nats_flags(parser)
    _log(parser)


def _door(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address of the gateway (HOLDFAST_HOST, default 127.0.0.1)")
    parser.add_argument("--port", help="port of the gateway (HOLDFAST_PORT, default 8400)")


def _nats_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nats", metavar="URL", help="NATS servers, with commas between (HOLDFAST_NATS, default that of `holdfast up`)"
    )


def _replicas(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--replicas", metavar="N", help="on how many servers of a NATS cluster streams are kept (HOLDFAST_REPLICAS)"
    )


def _database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", metavar="URL", help="database (HOLDFAST_DATABASE, default SQLite under --data)")


def _operators(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--operators-host", metavar="HOST", help="of /readyz and /metrics (HOLDFAST_OPERATORS_HOST, default 127.0.0.1)"
    )
    parser.add_argument(
        "--operators-port", metavar="PORT", help="of the same (HOLDFAST_OPERATORS_PORT, default 0, a free one)"
    )


def _log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log", metavar="LEVEL", help="debug, info, warning or error (HOLDFAST_LOG, default info)")


if __name__ == "__main__":
    sys.exit(main())
