"""What viewers on sockets of a test hear, and whether others still do."""

from gateway.tests.world import Viewer, World


async def still_serves(world: World) -> None:
    async with world.viewer() as viewer:
        assert (await viewer.ask("ping"))["op"] == "pong"


async def collect(viewer: Viewer, name: str, *, until: int, after: int = 0) -> list[int]:
    """The seqs of the event frames up to `until`, in the order heard."""
    seqs: list[int] = []
    while after < until:
        frame = await viewer.hear_until("event")
        assert frame["name"] == name
        after = frame["seq"]
        seqs.append(after)
    return seqs
