"""Layout, seating, moving, linking and the status of tables."""

import pytest
from msgspec.structs import replace

from holdfast import Actor, NotFound, StateConflict, ValidationFailed, VersionConflict
from services.floor import domain_errors as refusals
from services.floor.contract import (
    AdvanceItem,
    BlockTable,
    ChangeSettings,
    ClearTable,
    ConfigureFloor,
    FloorConfigured,
    JoinWaitlist,
    LinkTables,
    MoveParty,
    NotifyParty,
    PartyLeft,
    PartyMoved,
    PartySeated,
    Reserve,
    SeatParty,
    SetStatus,
    Settings,
    SettingsChanged,
    Stay,
    TablesLinked,
    TableStatusChanged,
    TablesUnlinked,
    UnlinkTables,
)
from services.floor.domain_commands import TableStatus
from services.floor.tests.scenes import (
    COOK,
    EVENING,
    HOST,
    HOUR,
    MANAGER,
    MINUTE,
    TABLES,
    TILL,
    WAITER,
    empty_floor,
    line,
    order,
    run,
    seat,
    seated,
    status,
    tab_of,
    table,
    till,
)


def test_the_first_layout_opens_the_floor() -> None:
    scene = empty_floor()
    assert [each["id"] for each in scene.view(WAITER)["tables"]] == ["t1", "t2", "t4", "t5", "t9"]
    assert {each["status"] for each in scene.view(WAITER)["tables"]} == {"AVAILABLE"}


def test_a_layout_made_from_an_older_one_is_refused() -> None:
    empty_floor().when(ConfigureFloor(tables=TABLES[:2], expected_version=0), by=MANAGER).then_rejected(
        VersionConflict, version=1
    )


def test_a_layout_that_stands_already_changes_nothing() -> None:
    empty_floor().when(ConfigureFloor(tables=TABLES, expected_version=0), by=MANAGER).then_nothing()


def test_a_table_keeps_its_guests_when_it_is_moved_about_the_plan() -> None:
    moved = (replace(TABLES[0], x=500), *TABLES[1:])
    scene = seated().when(ConfigureFloor(tables=moved, expected_version=1), by=MANAGER)
    scene.then(FloorConfigured(tables=moved, version=2))
    assert (table(scene)["x"], table(scene)["party_id"]) == (500, "p1")


def test_a_table_with_guests_or_a_reservation_or_an_offer_stays_in_the_layout() -> None:
    without = ConfigureFloor(tables=TABLES[1:], expected_version=1)
    seated().when(without, by=MANAGER).then_rejected(refusals.TableInUse, table_id="t1")
    reserved = run(empty_floor(), Reserve(res_id="r1", start=EVENING + HOUR, size=2, table_ids=("t1",)), by=HOST)
    reserved.when(without, by=MANAGER).then_rejected(refusals.TableInUse)
    called = run(empty_floor(), JoinWaitlist(party="w1", size=2), NotifyParty(table="t1"), by=HOST)
    called.when(without, by=MANAGER).then_rejected(refusals.TableInUse)


def test_two_tables_do_not_share_an_id_or_a_name() -> None:
    for other in ({"id": "t1", "name": "X"}, {"id": "x", "name": "T1"}, {"id": "x", "name": "X", "min": 9}):
        tables = (*TABLES, replace(TABLES[1], **other))
        empty_floor().when(ConfigureFloor(tables=tables, expected_version=1), by=MANAGER).then_rejected(
            ValidationFailed
        )


def test_settings_are_replaced_from_the_version_that_was_read() -> None:
    wanted = Settings(buffer=10)
    scene = empty_floor().when(ChangeSettings(settings=wanted, expected_version=0), by=MANAGER)
    scene.then(SettingsChanged(settings=wanted, version=1))
    scene.when(ChangeSettings(settings=wanted, expected_version=0), by=MANAGER).then_nothing()
    scene.when(ChangeSettings(settings=Settings(buffer=5), expected_version=0), by=MANAGER).then_rejected(
        VersionConflict, version=1
    )


@pytest.mark.parametrize(
    "wrong",
    [
        Settings(timezone="Mars/Olympus"),
        Settings(timezone="../passwd"),
        Settings(stays=(Stay(up_to=4, minutes=90), Stay(up_to=2, minutes=60))),
        Settings(combinations=(("t1", "t1"),)),
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong: Settings) -> None:
    empty_floor().when(ChangeSettings(settings=wrong, expected_version=0), by=MANAGER).then_rejected(ValidationFailed)


def test_a_party_is_seated_and_its_table_says_so() -> None:
    scene = empty_floor().when(seat(), by=WAITER)
    scene.then_types(PartySeated, TableStatusChanged)
    scene.then_includes(PartySeated, party_id="p1", table_ref="T1", until=EVENING + 90 * MINUTE)
    scene.then_includes(TableStatusChanged, table_ids=("t1",), from_="AVAILABLE", to="SEATED", cause="derived")
    assert status(scene) == "SEATED"


def test_one_party_sits_at_a_table() -> None:
    seated().when(seat(party="p2"), by=WAITER).then_rejected(refusals.TableOccupied, table_id="t1", party_id="p1")


def test_seating_a_party_again_where_it_sits_changes_nothing() -> None:
    seated().when(seat(), by=WAITER).then_nothing()


def test_a_party_does_not_sit_at_two_places() -> None:
    seated().when(seat(table="t2"), by=WAITER).then_rejected(StateConflict)


def test_more_guests_than_seats_are_seated_only_when_a_manager_forces_it() -> None:
    crowd = seat(size=3, force=True)
    empty_floor().when(seat(size=3), by=MANAGER).then_rejected(refusals.OverCapacity, maximum=2)
    empty_floor().when(crowd, by=WAITER).then_rejected(refusals.OverCapacity)
    empty_floor().when(crowd, by=MANAGER).then_includes(PartySeated, size=3, forced=True)


def test_a_party_may_be_seated_over_several_tables() -> None:
    scene = run(empty_floor(), SeatParty(party_id="p1", table_ids=("t1", "t2"), size=4))
    assert (status(scene, "t1"), status(scene, "t2")) == ("SEATED", "SEATED")


def test_a_blocked_or_dirty_table_takes_nobody() -> None:
    blocked = run(empty_floor(), BlockTable(table="t1", reason="wobbles"), by=HOST)
    blocked.when(seat(), by=WAITER).then_rejected(refusals.TableBlocked)
    dirty = run(empty_floor(), SetStatus(table="t1", status="DIRTY"))
    dirty.when(seat(), by=WAITER).then_rejected(refusals.BadTransition, status="DIRTY")


def test_an_unknown_table_is_not_found_and_none_is_named_twice() -> None:
    empty_floor().when(seat(table="t77"), by=WAITER).then_rejected(NotFound)
    twice = SeatParty(party_id="p1", table_ids=("t1", "t1"), size=2)
    empty_floor().when(twice, by=WAITER).then_rejected(ValidationFailed)


def test_a_moved_party_takes_its_status_along_and_leaves_a_dirty_table() -> None:
    scene = run(seated(), order()).when(MoveParty(party_id="p1", to_table_ids=("t2",)), by=WAITER)
    scene.then_includes(
        PartyMoved,
        note="T1→T2",
        stations=("kitchen",),
        from_table_ids=("t1",),
        to_table_ids=("t2",),
        tab_id=tab_of(scene),
    )
    assert (status(scene, "t1"), status(scene, "t2")) == ("DIRTY", "ORDERED")
    scene.when(MoveParty(party_id="p1", to_table_ids=("t2",)), by=WAITER).then_nothing()


def test_a_party_is_moved_to_free_tables_that_it_fits_only() -> None:
    scene = run(seated(table="t4", size=4), seat(party="p2"))
    scene.when(MoveParty(party_id="p1", to_table_ids=("t1",)), by=WAITER).then_rejected(refusals.TableOccupied)
    scene.when(MoveParty(party_id="p1", to_table_ids=("t2",)), by=WAITER).then_rejected(refusals.OverCapacity)
    scene.when(MoveParty(party_id="p1", to_table_ids=("t4", "t2")), by=WAITER).then_includes(PartyMoved)


def test_a_party_that_pays_stays_where_it_is() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, "PAYING", balance_minor=500), by=TILL)
    scene.when(MoveParty(party_id="p1", to_table_ids=("t2",)), by=WAITER).then_rejected(refusals.PaymentInProgress)


def test_linked_tables_are_one_partys_until_it_leaves() -> None:
    link = LinkTables(party_id="p1", table_ids=("t2",))
    scene = seated().when(link, by=WAITER)
    scene.then_includes(TablesLinked, table_ids=("t2",))
    assert (status(scene, "t2"), table(scene, "t2")["party_id"]) == ("SEATED", "p1")
    scene.when(link, by=WAITER).then_nothing()
    run(scene, ClearTable(table="t2"))
    assert (status(scene, "t1"), status(scene, "t2")) == ("DIRTY", "DIRTY")


def test_a_table_that_is_taken_is_not_linked() -> None:
    scene = run(seated(), seat(table="t2", party="p2"))
    scene.when(LinkTables(party_id="p1", table_ids=("t2",)), by=WAITER).then_rejected(refusals.TableOccupied)


def test_an_unlinked_table_is_dirty_and_the_party_keeps_the_rest() -> None:
    scene = run(seated(), LinkTables(party_id="p1", table_ids=("t2",)))
    unlink = UnlinkTables(party_id="p1", table_ids=("t2",))
    scene.when(unlink, by=WAITER).then_includes(TablesUnlinked, table_ids=("t2",))
    assert (status(scene, "t1"), status(scene, "t2")) == ("SEATED", "DIRTY")
    scene.when(unlink, by=WAITER).then_rejected(refusals.NotMerged)
    scene.when(UnlinkTables(party_id="p1", table_ids=("t1",)), by=WAITER).then_rejected(ValidationFailed)


def test_status_follows_the_facts_from_the_first_order_to_the_empty_table() -> None:
    scene = run(seated(), order(line("l1"), line("l2", sku="pie")))
    seen = [status(scene)]
    run(scene, AdvanceItem(line_id="l1", to="SERVED"), AdvanceItem(line_id="l2", to="SERVED"))
    seen.append(status(scene))
    run(scene, till(scene, balance_minor=500, bill_printed=True), by=TILL)
    seen.append(status(scene))
    run(scene, till(scene, "PAID", paid_minor=500), by=TILL)
    seen.append(status(scene))
    run(scene, ClearTable(table="t1"))
    seen.append(status(scene))
    run(scene, SetStatus(table="t1", status="AVAILABLE"))
    assert [*seen, status(scene)] == ["ORDERED", "SERVED", "CHECK_DROPPED", "PAID", "DIRTY", "AVAILABLE"]


def test_the_time_from_the_check_until_they_leave_goes_on_when_they_pay() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500, bill_printed=True), by=TILL).after(7 * MINUTE)
    dropped = table(scene)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    paid = table(scene)
    assert (paid["status"], paid["alert_at"]) == ("PAID", dropped["alert_at"])
    assert paid["since"] > dropped["since"]


def test_a_status_set_by_hand_is_recorded_and_stands_until_the_facts_change() -> None:
    scene = run(seated(), order())
    by_hand = SetStatus(table="t1", status="SERVED", reason="served by the chef")
    scene.when(by_hand, by=WAITER)
    scene.then_includes(TableStatusChanged, from_="ORDERED", to="SERVED", cause="manual", reason="served by the chef")
    assert scene.log[-1].by == WAITER
    scene.when(by_hand, by=WAITER).then_nothing()
    run(scene, order(line("l2"), order_id="o2"))
    assert status(scene) == "SERVED"
    run(scene, till(scene, balance_minor=900, bill_printed=True), by=TILL)
    assert status(scene) == "CHECK_DROPPED"


@pytest.mark.parametrize("wanted", ["SEATED", "PAID", "RESERVED", "BLOCKED"])
def test_a_free_table_is_made_available_or_dirty_by_hand_and_nothing_else(wanted: TableStatus) -> None:
    empty_floor().when(SetStatus(table="t1", status=wanted), by=WAITER).then_rejected(refusals.BadTransition)


@pytest.mark.parametrize("wanted", ["AVAILABLE", "RESERVED", "BLOCKED"])
def test_a_table_with_guests_is_not_declared_free(wanted: TableStatus) -> None:
    seated().when(SetStatus(table="t1", status=wanted), by=WAITER).then_rejected(refusals.BadTransition)


def test_an_open_bill_is_neither_cleared_nor_declared_paid() -> None:
    scene = run(seated(), order())
    for command in (
        ClearTable(table="t1"),
        SetStatus(table="t1", status="DIRTY"),
        SetStatus(table="t1", status="PAID"),
    ):
        scene.when(command, by=WAITER).then_rejected(refusals.BalanceDue)
    run(scene, till(scene, balance_minor=1250), by=TILL)
    scene.when(ClearTable(table="t1"), by=WAITER).then_rejected(refusals.BalanceDue, balance_minor=1250)


def test_a_paid_table_is_cleared_and_clearing_it_again_changes_nothing() -> None:
    scene = run(seated(), order())
    run(scene, till(scene, balance_minor=500), by=TILL)
    run(scene, till(scene, "CLOSED", paid_minor=500), by=TILL)
    scene.when(SetStatus(table="t1", status="DIRTY"), by=WAITER).then_types(PartyLeft, TableStatusChanged)
    scene.when(ClearTable(table="t1"), by=WAITER).then_nothing()


def test_a_floor_without_a_till_knows_nothing_of_money() -> None:
    scene = run(seated(payments="none"), order())
    scene.when(ClearTable(table="t1"), by=WAITER).then_includes(PartyLeft, party_id="p1")


def test_only_a_table_without_guests_is_blocked_and_with_a_reason() -> None:
    block = BlockTable(table="t1", reason="wobbles")
    scene = empty_floor().when(BlockTable(table="t1", reason=" "), by=HOST).then_rejected(refusals.ReasonRequired)
    scene.when(block, by=HOST).then_includes(TableStatusChanged, to="BLOCKED", reason="wobbles", cause="manual")
    scene.when(block, by=HOST).then_nothing()
    run(scene, SetStatus(table="t1", status="AVAILABLE"))
    run(scene, seat()).when(block, by=HOST).then_rejected(refusals.BadTransition)


@pytest.mark.parametrize(("actor", "command"), [(COOK, seat()), (WAITER, BlockTable(table="t1", reason="x"))])
def test_a_role_does_what_is_its_own(actor: Actor, command: SeatParty | BlockTable) -> None:
    scene = empty_floor().when(command, by=actor)
    assert scene.refusal is not None
    assert scene.refusal.code == "FORBIDDEN"
