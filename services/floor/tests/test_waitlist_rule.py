"""The waitlist against its slow reference: who gets a table that is free, whatever happened before."""

from datetime import timedelta

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from holdfast import Command
from holdfast.testing import Scenario
from services.floor import domain_errors as refusals
from services.floor.contract import ClearTable, JoinWaitlist, LeaveWaitlist, NotifyParty, PartyNotified, SetStatus
from services.floor.tests.reference import first_for, waits
from services.floor.tests.scenes import HOST, MINUTE, TABLES, WAITER, empty_floor, run, seat

SIZES = {"a": 1, "b": 2, "c": 2, "d": 4, "e": 6, "f": 3}
PARTY = st.sampled_from(sorted(SIZES))
TABLE = st.sampled_from([layout.id for layout in TABLES])
DELAYS = st.sampled_from([timedelta(), MINUTE, 9 * MINUTE, 10 * MINUTE, 25 * MINUTE])


def at_the_door() -> st.SearchStrategy[Command]:
    return st.one_of(
        PARTY.map(lambda party: JoinWaitlist(party=party, size=SIZES[party])),
        PARTY.map(lambda party: LeaveWaitlist(party=party)),
        PARTY.map(lambda party: NotifyParty(party=party)),
        st.builds(NotifyParty, party=PARTY, table=TABLE),
        st.tuples(PARTY, TABLE).map(lambda both: seat(party=both[0], table=both[1], size=SIZES[both[0]])),
        TABLE.map(lambda table: ClearTable(table=table)),
        TABLE.map(lambda table: SetStatus(table=table, status="AVAILABLE")),
    )


def expected(scene: Scenario) -> dict[str, str | None]:
    """Who gets each free table, by the reference."""
    free = {each["id"] for each in scene.view(HOST)["tables"] if each["status"] == "AVAILABLE"}
    waiting = waits(scene.seen_by(HOST))
    return {layout.id: first_for(waiting, layout.min, layout.max) for layout in TABLES if layout.id in free}


@settings(max_examples=200, deadline=None)
@for_all(steps=st.lists(st.tuples(DELAYS, at_the_door()), min_size=1, max_size=30), table=TABLE)
def test_a_free_table_is_for_whoever_waits_longest_of_those_it_fits(
    steps: list[tuple[timedelta, Command]], table: str
) -> None:
    scene = empty_floor()
    for delay, command in steps:
        scene.after(delay).wake()
        scene.when(command, by=HOST)
        shown = {each["id"]: each.get("next_party") for each in scene.view(HOST)["tables"]}
        assert {table_id: shown[table_id] for table_id in expected(scene)} == expected(scene)
    first = expected(scene).get(table)
    scene.when(NotifyParty(table=table), by=HOST)
    if first is None:
        scene.then_rejected(refusals.NoCapacity)
    else:
        scene.then_includes(PartyNotified, party_id=first, table_id=table)


def test_who_was_called_in_vain_keeps_the_place_until_the_second_time() -> None:
    scene = run(empty_floor(), seat(table="t2", party="p2"), by=WAITER)
    run(scene, JoinWaitlist(party="b", size=2), JoinWaitlist(party="c", size=2), by=HOST)
    for caller in ("b", "b", "c"):
        scene.when(NotifyParty(table="t1"), by=HOST).then_includes(PartyNotified, party_id=caller)
        scene.after(10 * MINUTE).wake()
