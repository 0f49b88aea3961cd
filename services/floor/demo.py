"""`holdfast demo restaurant`: a Friday night through the public doors, kills in the middle, and the proof after it.

It starts a system of its own with `holdfast up`, or takes one that runs (`--url`, `--data`), of which it kills nothing.
"""

import argparse
import contextlib
import random
import tempfile
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

import structlog

from holdfast.testing.demos import count, positive, run, tell
from holdfast.testing.doors import Lost, Refused
from holdfast.testing.system import CannotRun, Processes, System, started
from services.floor._demo.night import Plan, play
from services.floor._demo.report import report
from services.floor._demo.tablets import TooLate

DEMO: Final = "restaurant"
LONGEST_LINE: Final = 500
KILLS: Final = 6


def main(arguments: Sequence[str]) -> int:
    """Run the demo; 0 when all of it holds, 1 when something is wrong, 2 when it cannot run."""
    given = _parser().parse_args(arguments)
    seed: int = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    most = KILLS if given.url is None else 0
    kills: int = 0 if given.no_kills else most if given.kills is None else given.kills
    plan = Plan(seconds=given.seconds, kills=kills, seed=seed)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("error")
    )  # a till off the network is no news
    print(f"Restaurant demo with seed {seed}: guests come for {plan.seconds:g} s", flush=True)  # noqa: T201 - a program speaks
    return run(_play(plan, given), wrong=(TooLate,))


async def _play(plan: Plan, given: argparse.Namespace) -> tuple[str, bool]:
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        async with _system(given, Path(folder)) as system:
            try:
                seen = await play(system, plan, Path(folder), tell=tell)
            except* (Lost, Refused, TimeoutError, TooLate):
                for line in system.said:
                    tell(f"the system said: {line[:LONGEST_LINE]}")
                raise
    return report(seen, seed=plan.seed)


@contextlib.asynccontextmanager
async def _system(given: argparse.Namespace, folder: Path) -> AsyncGenerator[System]:
    if given.url is None:
        async with started(folder / "data", "floor", "pos") as system:
            yield system
        return
    if given.kills and not given.no_kills:
        raise CannotRun("nothing is killed of a system that runs already: leave --kills out")
    yield System(given.url.rstrip("/"), given.data.absolute(), Processes({}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast demo restaurant", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=positive, default=20.0, help="how long guests come (default 20)")
    parser.add_argument("--kills", type=count, help=f"of floor, till, gateway and NATS (default {KILLS})")
    parser.add_argument("--no-kills", action="store_true", help="let everything live")
    parser.add_argument("--seed", type=int, help="repeats what the guests chose in an earlier run")
    parser.add_argument("--url", help="a system that runs already, such as http://127.0.0.1:8400")
    parser.add_argument("--data", type=Path, default=Path("data"), help="its data folder (default ./data)")
    return parser
