"""What the floor promises to others: tags, roles, codes, schemas."""

import ast
import re
from pathlib import Path

import msgspec
import pytest

from holdfast import Command
from services.floor import domain_errors
from services.floor.contract import contract
from services.floor.tests.scenes import MANAGER, STRANGER, empty_floor, line, order, run, seated

TESTS = Path(__file__).parent
CODES_OF_THE_SPECIFICATION = {
    *("TABLE_IN_USE", "TABLE_OCCUPIED", "TABLE_BLOCKED", "OVER_CAPACITY", "RESERVED_SOON", "TABLE_NOT_SEATED"),
    *("ITEM_86", "COURSE_EMPTY", "ALREADY_FIRED", "BAD_TRANSITION", "ALREADY_SERVED", "REASON_REQUIRED"),
    *("PAYMENT_IN_PROGRESS", "DIFFERENT_TAX_MODE", "NOT_MERGED", "NOT_ON_SHIFT", "OPEN_TABLES", "BALANCE_DUE"),
    *("NO_CAPACITY", "LEAD_TIME", "OUT_OF_HOURS"),
}


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_message_is_tagged_with_its_name_in_snake_case() -> None:
    for tag, message in (*contract.commands.items(), *contract.events.items()):
        assert tag == snake_case(message.__name__)


def test_the_codes_of_the_specification_are_declared_and_no_others() -> None:
    assert set(contract.codes) == CODES_OF_THE_SPECIFICATION


def test_every_code_is_raised_in_a_test() -> None:
    """Refusals are expected by their class: each of them stands in a `then_rejected` of these tests."""
    expected: set[str] = set()
    for path in TESTS.glob("test_*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "then_rejected"
            ):
                expected.add(ast.unparse(call.args[0]).rpartition(".")[2])
    declared = {name for name, kind in vars(domain_errors).items() if isinstance(kind, type) and "code" in vars(kind)}
    assert declared - {"Rejected"} - expected == set()


@pytest.mark.parametrize("command", contract.commands.values(), ids=lambda command: command.tag)
def test_every_command_names_the_roles_that_may_send_it(command: type[Command]) -> None:
    assert command.roles


def test_only_the_first_layout_makes_a_floor() -> None:
    assert [tag for tag, command in contract.commands.items() if command.creates] == ["configure_floor"]


def test_all_messages_and_the_view_have_a_json_schema() -> None:
    kinds = [*contract.commands.values(), *contract.events.values(), contract.view]
    schemas, _ = msgspec.json.schema_components(kinds)
    assert len(schemas) == len(kinds)


def test_the_view_reads_back_as_its_declared_type() -> None:
    scene = run(seated(), order(line("l1")))
    shown = msgspec.json.decode(msgspec.json.encode(scene.view(MANAGER)), type=contract.view)
    assert shown.tables[0].status == "ORDERED"


def test_a_stranger_reads_nothing() -> None:
    scene = empty_floor()
    assert not scene.entity.may_read(scene.entity.initial, STRANGER)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("seat_party", '{"party_id":"p","table_ids":[],"size":2}'),
        ("seat_party", '{"party_id":"p","table_ids":["t1"],"size":0}'),
        ("place_order", '{"order_id":"o","table_id":"t1","lines":[{"line_id":"l","sku":"s","qty":1.5}]}'),
        ("place_order", '{"order_id":"o","table_id":"t1","lines":[{"line_id":"a b","sku":"s"}]}'),
        ("reserve", '{"res_id":"r","start":"2026-01-01T12:00:00","size":2}'),
        ("change_settings", '{"settings":{"buffer":31},"expected_version":0}'),
        ("record_tab", '{"tab_id":"t","status":"HUNGRY","balance_minor":0,"pos_seq":1}'),
    ],
)
def test_data_of_another_form_is_not_read(tag: str, data: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=contract.commands[tag])
