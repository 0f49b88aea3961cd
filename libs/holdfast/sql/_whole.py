"""Transactions that a cancelled caller does not leave open."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def to_the_end(work: Callable[P, Coroutine[Any, Any, R]]) -> "Callable[P, CoroutineType[Any, Any, R]]":
    """Let a transaction end before its caller's cancellation goes on; the work must have a timeout of its own.

    A connection that is cancelled in the middle may keep its lock for as long as the process lives.
    """

    @wraps(work)
    async def wait(*args: P.args, **kwargs: P.kwargs) -> R:
        task = asyncio.create_task(work(*args, **kwargs))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    return wait
