"""JSON Schemas of every message, by the names that the OpenAPI and AsyncAPI documents refer to."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from holdfast import Actor, Command, Contract
from holdfast.wire import COMMON_ERRORS, COMMON_STATUS

Schema = dict[str, Any]

VERSION: Final = "1"
NAME_PART: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
ID_PART: Final = r"^[A-Za-z0-9][A-Za-z0-9_:-]*$"
_REF: Final = "#/components/schemas/"


class Schemas:
    """The schemas of these types and of all that they hold."""

    def __init__(self, types: Iterable[Any]) -> None:
        self._types = list(dict.fromkeys(types))
        refs, components = msgspec.json.schema_components(self._types, ref_template=_REF + "{name}")
        self._refs = dict(zip(self._types, refs, strict=True))
        self.components: dict[str, Schema] = dict(components)

    def of(self, kind: Any) -> Schema:
        """The schema of one of the types, usually a reference."""
        return self._refs[kind]

    def add(self, name: str, schema: Schema) -> Schema:
        """Name a schema that is no type's own, and return the reference to it."""
        self.components[name] = schema
        return {"$ref": _REF + name}


def messages_of(contracts: Mapping[str, Contract]) -> list[Any]:
    """Every type that the contracts name, and who acts."""
    found: list[Any] = [Actor]
    for contract in contracts.values():
        found += [*contract.commands.values(), *contract.events.values(), contract.view]
        found += [] if contract.item is None else [contract.item]
        found += [form.item for form in contract.lists.values()]
    return found


def add_events(schemas: Schemas, contract: Contract) -> Schema:
    """Name the schema of an event of this purpose as viewers see it: one of its types, or redacted."""
    at = {"type": "string", "format": "date-time"}
    seq = {"type": "integer", "minimum": 1}
    variants = [
        schemas.add(
            f"{contract.purpose}.{tag}",
            obj(
                {
                    "seq": seq,
                    "type": {"const": tag},
                    "data": schemas.of(kind),
                    "at": at,
                    "by": schemas.of(Actor),
                    "command_id": {"type": "string"},
                },
                description="Fields of `data` that the viewer may not see are absent.",
            )
            | ({"deprecated": True} if tag in contract.retired else {}),
        )
        for tag, kind in contract.events.items()
    ]
    redacted = schemas.add("redacted", obj({"seq": seq, "type": {"const": "redacted"}, "at": at}))
    return schemas.add(f"{contract.purpose}.event", {"oneOf": [*variants, redacted]})


def codes_of(contract: Contract, command: type[Command] | None = None) -> dict[str, int]:
    """The error codes that a request may meet with their status; with a command, its own among the service's."""
    common = {error.code: COMMON_STATUS[error.code] for error in COMMON_ERRORS}
    if command is None:
        return common
    return common | {error.code: contract.codes.get(error.code, error.status) for error in command.raises}


def obj(properties: Mapping[str, Schema], *, optional: Iterable[str] = (), description: str = "") -> Schema:
    """An object with these properties, all required but the optional ones."""
    left_out = set(optional)
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in left_out],
    }
    return schema | ({"description": description} if description else {})


def summary_of(kind: type[Any]) -> str:
    """The first line of a type's docstring, or its name."""
    words = (kind.__doc__ or "").strip().splitlines()
    return words[0] if words else kind.__name__
