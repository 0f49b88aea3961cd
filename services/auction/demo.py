"""`holdfast demo auction`: many bidders on one lot through the public doors, kills in the middle, and the proof after it.

It starts a system of its own with `holdfast up`, or takes one that runs (`--url`, `--data`, `--owner-pid`).
"""

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from holdfast.testing.doors import Lost, Refused
from holdfast.testing.system import CannotRun, Processes, System, started
from services.auction._demo.report import report
from services.auction._demo.run import Plan, play

DEMO: Final = "auction"
WRONG: Final = 1
CANNOT_RUN: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Run the demo; 0 when all of it holds, 1 when something is wrong, 2 when it cannot run."""
    given = _parser().parse_args(arguments)
    seed: int = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    plan = Plan(
        seconds=given.seconds,
        bidders=given.bidders,
        watchers=given.watchers,
        kills=given.kills,
        pause=given.pause_ms / 1000,
        seed=seed,
    )
    print(f"Auction demo with seed {seed}: {plan.bidders} bidders for {plan.seconds:g} s", flush=True)  # noqa: T201 - a program speaks
    try:
        return asyncio.run(_run(plan, given))
    except* CannotRun as problems:
        code = _complain(problems, code=CANNOT_RUN)
    except* (Lost, Refused, TimeoutError) as problems:
        code = _complain(problems, code=WRONG)
    return code


async def _run(plan: Plan, given: argparse.Namespace) -> int:
    running = asyncio.current_task()
    assert running is not None  # noqa: S101 - coroutines run in tasks
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    async with _system(given) as system:
        seen = await play(system, plan, tell=_tell)
    text, good = report(seen, seed=plan.seed)
    print(text, flush=True)  # noqa: T201 - a program speaks
    return 0 if good else WRONG


@contextlib.asynccontextmanager
async def _system(given: argparse.Namespace) -> AsyncGenerator[System]:
    if given.url is None:
        with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
            async with started(Path(folder) / "data", "auction") as system:
                yield system
        return
    if given.kills > (given.owner_pid is not None):
        raise CannotRun(
            "a system that runs already is killed once, with --owner-pid, or not at all: add --kills 0 or --kills 1"
        )
    pids = {} if given.owner_pid is None else {"auction": given.owner_pid}
    yield System(given.url.rstrip("/"), given.data.absolute(), Processes(pids))


def _complain(problems: ExceptionGroup[Exception], *, code: int) -> int:
    problem = _first(problems)
    print(f"holdfast demo: {str(problem) or type(problem).__name__}", file=sys.stderr)  # noqa: T201 - a program speaks
    return code


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)  # noqa: T201 - a program speaks


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast demo auction", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=_positive, default=30.0, help="how long bidders bid (default 30)")
    parser.add_argument("--bidders", type=_count, default=50, help="each on a connection of its own (default 50)")
    parser.add_argument("--watchers", type=_count, default=8, help="of four kinds and several roles (default 8)")
    parser.add_argument("--kills", type=_kills, default=2, help="of the auction's process, in the middle (default 2)")
    parser.add_argument("--pause-ms", type=_positive, default=200.0, help="a bidder's mean pause (default 200)")
    parser.add_argument("--seed", type=int, help="repeats what the bidders chose in an earlier run")
    parser.add_argument("--url", help="a system that runs already, such as http://127.0.0.1:8400")
    parser.add_argument("--data", type=Path, default=Path("data"), help="its data folder (default ./data)")
    parser.add_argument("--owner-pid", type=int, help="the pid of its auction process")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _kills(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be below 0")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value
