"""The till's messages and codes, as others rely on them."""

import re

import msgspec
import pytest

from holdfast import Command
from services.pos.contract import contract


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_message_is_tagged_with_its_name_in_snake_case() -> None:
    for tag, message in (*contract.commands.items(), *contract.events.items()):
        assert tag == snake_case(message.__name__)


@pytest.mark.parametrize("command", contract.commands.values(), ids=lambda command: command.tag)
def test_every_command_names_the_roles_that_may_send_it(command: type[Command]) -> None:
    assert command.roles


def test_all_messages_and_the_view_have_a_json_schema() -> None:
    kinds = [*contract.commands.values(), *contract.events.values(), contract.view]
    schemas, _ = msgspec.json.schema_components(kinds)
    assert len(schemas) >= len(kinds)


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("open_tab", '{"tab_id":"a b"}'),
        ("open_tab", '{"tab_id":"t1","surprise":1}'),
        ("open_tab", '{"tab_id":"t1","guest_count":0}'),
        ("add_line", '{"tab_id":"t1","line_id":"l1","sku":"beer","qty_milli":1.5}'),
        ("place_hold", '{"tab_id":"t1","hold_id":"h","sku":"cake","ttl_s":59}'),
        ("place_hold", '{"tab_id":"t1","hold_id":"h","sku":"cake","ttl_s":3601}'),
        ("begin_payment", '{"tab_id":"t1","payment_id":"p","amount_minor":"5","tender":"card"}'),
        ("submit_offline", '{"terminal_id":"t","terminal_seq":0,"facts":[]}'),
        ("configure", '{"settings":{"currency":"USD","hold_ttl_s":59},"expected_version":0}'),
    ],
)
def test_data_of_another_form_is_not_read(tag: str, data: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(data, type=contract.commands[tag])
