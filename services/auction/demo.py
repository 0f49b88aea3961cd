"""`holdfast demo auction`: many bidders on one lot through the public doors, kills in the middle, and the proof after it.

It starts a system of its own with `holdfast up`, or takes one that runs (`--url`, `--data`, `--owner-pid`).
"""

import argparse
import contextlib
import random
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from holdfast.testing.demos import count, positive, run, tell
from holdfast.testing.system import CannotRun, Processes, System, started
from services.auction._demo.report import report
from services.auction._demo.run import Plan, play

DEMO: Final = "auction"


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
    return run(_play(plan, given))


async def _play(plan: Plan, given: argparse.Namespace) -> tuple[str, bool]:
    async with _system(given) as system:
        seen = await play(system, plan, tell=tell)
    return report(seen, seed=plan.seed)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast demo auction", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=positive, default=30.0, help="how long bidders bid (default 30)")
    parser.add_argument("--bidders", type=_one_or_more, default=50, help="each on a connection of its own (default 50)")
    parser.add_argument("--watchers", type=_one_or_more, default=8, help="of four kinds and several roles (default 8)")
    parser.add_argument("--kills", type=count, default=2, help="of the auction's process, in the middle (default 2)")
    parser.add_argument("--pause-ms", type=positive, default=200.0, help="a bidder's mean pause (default 200)")
    parser.add_argument("--seed", type=int, help="repeats what the bidders chose in an earlier run")
    parser.add_argument("--url", help="a system that runs already, such as http://127.0.0.1:8400")
    parser.add_argument("--data", type=Path, default=Path("data"), help="its data folder (default ./data)")
    parser.add_argument("--owner-pid", type=int, help="the pid of its auction process")
    return parser


def _one_or_more(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
