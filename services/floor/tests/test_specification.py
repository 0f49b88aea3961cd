"""The names that clients from outside go by: commands and events, with the fields that the specification gives them."""

import msgspec
import pytest

from services.floor import contract as floor

COMMANDS: dict[str, set[str]] = {
    "configure_floor": {"tables", "expected_version"},
    "seat_party": {"party_id", "table_ids", "size", "waiter_id", "name", "reservation_id"},
    "place_order": {"order_id", "table_id", "lines"},
    "fire_course": {"table_id", "course"},
    "hold_course": {"table_id", "course"},
    "advance_item": {"line_id", "to"},
    "bump": {"ticket_id"},
    "recall": {"ticket_id"},
    "cancel_line": {"line_id", "qty", "reason"},
    "move_party": {"party_id", "to_table_ids"},
    "move_lines": {"line_ids", "to_order"},
    "merge_orders": {"from", "into"},
    "unmerge": {"order_id"},
    "link_tables": {"party_id", "table_ids"},
    "unlink_tables": {"party_id", "table_ids"},
    "assign_waiter": {"section", "table", "waiter"},
    "hand_over": {"from", "to"},
    "set_status": {"table", "status", "reason"},
    "clear_table": {"table"},
    "block_table": {"table", "reason"},
    "reserve": {"res_id", "start", "size"},
    "cancel_reservation": {"res_id"},
    "arrive": {"res_id"},
    "join_waitlist": {"party", "size"},
    "notify_party": {"party", "table"},
    "leave_waitlist": {"party"},
}
EVENTS: dict[str, set[str]] = {
    "floor_configured": {"tables"},
    "party_seated": {"party_id", "table_ids", "size", "waiter_id"},
    "order_placed": {"order_id", "lines"},
    "kitchen_ticket_issued": {"deltas"},
    "course_fired": {"course"},
    "item_advanced": {"line_id", "to"},
    "ticket_bumped": {"ticket_id"},
    "line_cancelled": {"line_id", "qty", "reason"},
    "party_moved": {"party_id", "to_table_ids"},
    "lines_moved": {"line_ids", "to_order"},
    "orders_merged": {"line_map", "sent_map"},
    "waiter_assigned": {"section", "waiter_id"},
    "table_status_changed": {"from", "to", "reason"},
    "reserved": {"res_id", "table", "hold_from"},
    "reservation_no_show": {"res_id"},
    "waitlisted": {"quote_min"},
    "party_notified": {"arrive_by"},
    "party_skipped": {"party_id"},
    "table_auto_closed": {"party_id"},
    "table_attention": {"party_id"},
    "course_auto_fired": {"course"},
}
PARTS: dict[type, set[str]] = {
    floor.TableLayout: {"id", "name", "min", "max", "x", "y", "shape", "section"},
    floor.OrderLine: {"line_id", "sku", "qty", "seat", "course", "mods", "note"},
}


def fields_of(kind: type) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize(("tag", "fields"), COMMANDS.items(), ids=COMMANDS)
def test_a_command_has_the_fields_of_the_specification(tag: str, fields: set[str]) -> None:
    assert fields <= fields_of(floor.contract.commands[tag])


@pytest.mark.parametrize(("tag", "fields"), EVENTS.items(), ids=EVENTS)
def test_an_event_has_the_fields_of_the_specification(tag: str, fields: set[str]) -> None:
    assert fields <= fields_of(floor.contract.events[tag])


@pytest.mark.parametrize(("kind", "fields"), PARTS.items(), ids=[kind.__name__ for kind in PARTS])
def test_a_part_of_a_message_has_the_fields_of_the_specification(kind: type, fields: set[str]) -> None:
    assert fields <= fields_of(kind)
