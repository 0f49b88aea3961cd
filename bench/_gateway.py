"""A gateway in front of counters, told by `HOLDFAST_*` variables: `python -m bench._gateway`."""

import asyncio
import os
import signal

import uvloop

from gateway.server import serve
from gateway.settings import Settings
from holdfast import Contract
from holdfast._program.keeper import say_ready
from holdfast._program.logs import configure_logs
from holdfast.testing.counter import Counter, CounterEntity


async def _main() -> None:
    contract = Contract.of(CounterEntity, view=Counter)
    serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 - this runs in one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    settings = Settings.from_environment(os.environ)
    await serve(settings, ready=lambda _: say_ready(os.environ), contracts={contract.purpose: contract})


if __name__ == "__main__":
    configure_logs("info", process="gateway")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_main())
        except asyncio.CancelledError:
            raise SystemExit(0) from None
