"""Transactions end, whatever becomes of their caller."""

import asyncio

import pytest

from holdfast.sql._whole import to_the_end


class Database:
    """Takes its time to commit."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_commit = asyncio.Event()
        self.committed = False

    @to_the_end
    async def write(self, *, fails: bool = False) -> str:
        self.begun.set()
        await self.may_commit.wait()
        if fails:
            raise OSError("the disk is full")
        self.committed = True
        return "written"


async def test_a_transaction_gives_its_result() -> None:
    database = Database()
    database.may_commit.set()
    assert await database.write() == "written"


async def test_a_transaction_gives_its_failure() -> None:
    database = Database()
    database.may_commit.set()
    with pytest.raises(OSError, match="full"):
        await database.write(fails=True)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_caller_goes_on_only_after_the_transaction_ended(fails: bool) -> None:  # noqa: FBT001
    database = Database()
    caller = asyncio.create_task(database.write(fails=fails))
    await database.begun.wait()
    caller.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not caller.done()
    database.may_commit.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert database.committed is not fails
