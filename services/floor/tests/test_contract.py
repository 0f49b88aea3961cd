"""What the floor promises to others: tags, roles, codes, schemas."""

import re

import msgspec
import pytest

from holdfast import Command
from services.floor.contract import contract
from services.floor.domain_roles import STAFF
from services.floor.service import service
from services.floor.tests.scenes import MANAGER, STRANGER, empty_floor, line, order, run, seated


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_message_is_tagged_with_its_name_in_snake_case() -> None:
    for tag, message in (*contract.commands.items(), *contract.events.items()):
        assert tag == snake_case(message.__name__)


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


def test_the_lists_of_the_read_models_are_in_the_contract_and_for_staff() -> None:
    listings = {name: listing for projection in service.projections for name, listing in projection.lists.items()}
    forms = {name: (form.filters, form.item) for name, form in contract.lists.items()}
    assert {name: (listing.filters, listing.row) for name, listing in listings.items()} == forms
    assert {listing.roles for listing in listings.values()} == {STAFF}
