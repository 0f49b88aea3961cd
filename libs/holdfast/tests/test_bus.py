"""The bus on a real NATS server: what the runtime relies on beyond nats-py itself."""

import asyncio

from holdfast._bus import Message
from holdfast.jetstream import NatsBus

MOMENTS = 40


async def test_a_request_cancelled_at_any_moment_is_cancelled(bus: NatsBus) -> None:
    subject = bus.new_inbox()

    async def answer(message: Message) -> None:
        await bus.publish(message.reply, message.data)

    await bus.subscribe(subject, answer)
    for round_ in range(10 * MOMENTS):
        task = asyncio.create_task(bus.request(subject, b"", timeout=5))
        await asyncio.wait([task], timeout=round_ % MOMENTS * 0.00005)
        if task.cancel():
            await asyncio.wait([task])
            assert task.cancelled()
