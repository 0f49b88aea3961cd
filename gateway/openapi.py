"""The OpenAPI document: one operation for each command of each contract."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Problem
from gateway.http import MAX_EVENTS
from gateway.lists import DEFAULT_LIMIT, MAX_LIMIT
from gateway.passes import Pass, PassRequest
from gateway.schemas import ID_PART, VERSION, Schema, Schemas, add_events, codes_of, messages_of, obj, summary_of
from holdfast import Command, Contract, ListForm


def openapi_document(contracts: Mapping[str, Contract]) -> dict[str, Any]:
    """Describe the HTTP door as OpenAPI 3.1."""
    schemas = Schemas([*messages_of(contracts), Problem, Pass, PassRequest])
    paths: dict[str, Any] = {}
    for contract in contracts.values():
        event = add_events(schemas, contract)
        base = f"/v1/{contract.purpose}/{{id}}"
        lists = _lists_of(contract)
        if lists:
            paths[f"/v1/{contract.purpose}"] = {"get": _list(schemas, contract, lists)}
        paths[base] = {"parameters": [_id()], "get": _view(schemas, contract), "delete": _delete(schemas, contract)}
        paths[f"{base}/events"] = {"parameters": [_id()], "get": _events(schemas, contract, event)}
        paths[f"{base}/passes"] = {"parameters": [_id()], "post": _pass(schemas, contract)}
        for tag, command in contract.commands.items():
            paths[f"{base}/{tag.replace('_', '-')}"] = {
                "parameters": [_id()],
                "post": _command(schemas, contract, tag, command, event),
            }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": VERSION},
        "security": [{"bearer": []}],
        "tags": [{"name": contract.purpose, "description": contract.summary} for contract in contracts.values()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _command(schemas: Schemas, contract: Contract, tag: str, command: type[Command], event: Schema) -> Schema:
    accepted = obj(
        {
            "name": {"type": "string"},
            "seq": {"type": "integer", "description": "That of the command's last event."},
            "events": {"type": "array", "items": event},
            "deduplicated": {"type": "boolean"},
        }
    )
    roles = "any member of the tenant" if command.roles is None else ", ".join(sorted(command.roles))
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.{tag}",
        "summary": summary_of(command),
        "description": f"Roles: {roles}.{' Creates its entity.' if command.creates else ''}",
        "parameters": [
            _header("Idempotency-Key", {"type": "string", "maxLength": 100}, "The command id; made up when absent."),
            _header("If-Match", {"type": "string", "examples": ['"57"']}, "The seq that the caller saw."),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schemas.of(command)}}},
        "responses": {
            "200": {"description": "Carried out, and stored.", "content": {"application/json": {"schema": accepted}}}
        }
        | _problems(schemas, codes_of(contract, command)),
    }


def _view(schemas: Schemas, contract: Contract) -> Schema:
    found = obj(
        {
            "name": {"type": "string"},
            "seq": {"type": "integer"},
            "state": schemas.of(contract.view),
            "server_now": {"type": "string", "format": "date-time"},
        }
    )
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.view",
        "summary": "The state as the caller may see it, now or in the past.",
        "parameters": [
            _query("seq", {"type": "integer", "minimum": 0}, "After this event."),
            _query("at", {"type": "string", "format": "date-time"}, "At this moment."),
        ],
        "responses": {
            "200": {
                "description": "The state.",
                "headers": {"ETag": {"schema": {"type": "string"}, "description": "The seq, quoted."}},
                "content": {"application/json": {"schema": found}},
            }
        }
        | _problems(schemas, codes_of(contract)),
    }


def _pass(schemas: Schemas, contract: Contract) -> Schema:
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.pass",
        "summary": "A credential for a guest whom the entity has let in, with a QR code that opens a page with it.",
        "description": "For everybody who may read the entity, but guests.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schemas.of(PassRequest)}}},
        "responses": {
            "201": {"description": "The pass.", "content": {"application/json": {"schema": schemas.of(Pass)}}}
        }
        | _problems(schemas, codes_of(contract)),
    }


def _delete(schemas: Schemas, contract: Contract) -> Schema:
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.delete",
        "summary": "Delete the entity: its events, snapshot, rows and alarm, for good.",
        "description": "Roles: admin.",
        "parameters": [_header("Idempotency-Key", {"type": "string", "maxLength": 100}, "Made up when absent.")],
        "responses": {"204": {"description": "It is gone."}} | _problems(schemas, codes_of(contract)),
    }


def _events(schemas: Schemas, contract: Contract, event: Schema) -> Schema:
    page = obj(
        {
            "events": {"type": "array", "items": event},
            "seq": {"type": "integer", "description": "That of the entity's last event."},
            "next": {"type": ["integer", "null"], "description": "`after` of the next page."},
        }
    )
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.events",
        "summary": "The events as the caller may see them; as an event stream they go on live.",
        "parameters": [
            _query("after", {"type": "integer", "minimum": 0, "default": 0}, "The last seq that was seen."),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS, "default": 100}, "Page size."),
            _header("Last-Event-ID", {"type": "integer"}, "For event streams, instead of `after`."),
        ],
        "responses": {
            "200": {
                "description": "Events in order.",
                "content": {
                    "application/json": {"schema": page},
                    "text/event-stream": {"schema": {"type": "string", "description": "`id` is the seq."}},
                },
            }
        }
        | _problems(schemas, codes_of(contract)),
    }


def _lists_of(contract: Contract) -> Mapping[str, ListForm]:
    if contract.filters is None or contract.item is None:
        return contract.lists
    unnamed = ListForm(filters=contract.filters, item=contract.item)
    return (
        contract.lists if unnamed in contract.lists.values() else {"the list without a name": unnamed, **contract.lists}
    )


def _list(schemas: Schemas, contract: Contract, lists: Mapping[str, ListForm]) -> Schema:
    """The purpose's list, or all that it has by name: one operation, whose filters depend on the list."""
    cursor = {"type": ["string", "null"], "description": "`cursor` of the next page."}
    rows = [schemas.of(form.item) for form in lists.values()]
    page = obj({"items": {"type": "array", "items": rows[0] if len(rows) == 1 else {"anyOf": rows}}, "cursor": cursor})
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    named = {"type": "string", "enum": sorted(contract.lists)}
    return {
        "tags": [contract.purpose],
        "operationId": f"{contract.purpose}.list",
        "summary": "The tenant's items, a page at a time, from the read model.",
        "parameters": [
            *([_query("list", named, "Which list; each has filters of its own.")] if contract.lists else []),
            *_filters(lists),
            _query("limit", limit, "Page size."),
            _query("cursor", {"type": "string"}, "That of the page before."),
            _query("format", {"type": "string", "enum": ["json", "csv"]}, "Wins over the Accept header."),
        ],
        "responses": {
            "200": {
                "description": "A page; as CSV the whole list, up to a bound.",
                "headers": {
                    "Holdfast-Cursor": {"schema": {"type": "string"}, "description": "Of a table: what is left."}
                },
                "content": {"application/json": {"schema": page}, "text/csv": {"schema": {"type": "string"}}},
            }
        }
        | _problems(schemas, codes_of(contract)),
    }


def _filters(lists: Mapping[str, ListForm]) -> list[Schema]:
    """Every filter once, with the lists that take it."""
    forms: defaultdict[str, list[Schema]] = defaultdict(list)
    takers: defaultdict[str, list[str]] = defaultdict(list)
    for name, form in lists.items():
        described = msgspec.json.schema(form.filters)["$defs"][form.filters.__name__]["properties"]
        for filter_, schema in described.items():
            takers[filter_].append(name)
            forms[filter_] += [] if schema in forms[filter_] else [schema]
    return [
        _query(
            filter_,
            found[0] if len(found) == 1 else {"anyOf": found},
            f"A filter of {', '.join(takers[filter_])}; all that are given must hold.",
        )
        for filter_, found in forms.items()
    ]


def _problems(schemas: Schemas, codes: Mapping[str, int]) -> dict[str, Schema]:
    """One response for each status, with the codes that carry it."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code, status in codes.items():
        by_status[status].append(code)
    return {
        str(status): {
            "description": ", ".join(sorted(found)),
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [schemas.of(Problem), {"properties": {"code": {"enum": sorted(found)}}}],
                    }
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def _id() -> Schema:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": ID_PART},
        "description": "The last part of the name; the tenant comes from the token.",
    }


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "schema": schema, "description": description}
