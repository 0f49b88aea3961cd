"""A gateway in front of counters, in a process of its own: `python -m tests.faults.door`."""

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

contract = Contract.of(CounterEntity, view=Counter)


async def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings.from_environment(os.environ)
    serving = asyncio.current_task()
    assert serving is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    await serve(settings, ready=lambda _: say_ready(os.environ), contracts={contract.purpose: contract})


if __name__ == "__main__":
    configure_logs("info", process="gateway")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(main())
        except asyncio.CancelledError:
            raise SystemExit(0) from None
