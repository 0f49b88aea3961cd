"""The AsyncAPI document: the WebSocket channel, and the subjects on NATS of each purpose."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from gateway import frames
from gateway.ask import Answer as AskAnswer
from gateway.connection import CLOSE_NO_UTF8
from gateway.presence import Sign
from gateway.schemas import ID_PART, NAME_PART, VERSION, Schema, Schemas, add_events, messages_of, obj, summary_of
from gateway.session import CLOSE_CREDENTIAL, CLOSE_MALFORMED, CLOSE_RATE, CLOSE_RESTART
from gateway.sockets import CLOSE_AGAIN, CLOSE_FORBIDDEN, CLOSE_HELLO_MISSING
from holdfast import Actor, Audience, Contract

CLOSES: Final = {
    CLOSE_NO_UTF8: "a text frame that is not UTF-8",
    1009: "a frame that is too large",
    1011: "no answer to a ping",
    CLOSE_RESTART: "the server restarts",
    CLOSE_AGAIN: "come again later: too slow, or no credential can be checked now",
    CLOSE_MALFORMED: "a frame that is not of this form",
    CLOSE_CREDENTIAL: "a credential that is missing, wrong or over",
    CLOSE_FORBIDDEN: "an origin or subprotocol that is not accepted, seen as HTTP status 403",
    CLOSE_HELLO_MISSING: "no hello in the first frame",
    CLOSE_RATE: "too many sockets, or no pause after refusals",
}
"""Why a socket closes; 1009 and 1011 come from the libraries below."""
_OPS: Final[tuple[Any, ...]] = get_args(frames.Op)
_ANSWERS: Final[tuple[Any, ...]] = get_args(frames.Answer)


def asyncapi_document(contracts: Mapping[str, Contract]) -> dict[str, Any]:
    """Describe the sockets and the subjects as AsyncAPI 3.0."""
    schemas = Schemas([*messages_of(contracts), *_OPS, *_ANSWERS, Sign, Audience, AskAnswer])
    channels: dict[str, Schema] = {}
    operations: dict[str, Schema] = {}
    events = {purpose: add_events(schemas, contract) for purpose, contract in contracts.items()}
    _socket(schemas, channels, operations, list(events.values()))
    for contract in contracts.values():
        _subjects(schemas, channels, operations, contract)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Holdfast", "version": VERSION},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas.components},
    }


def _socket(schemas: Schemas, channels: dict[str, Schema], operations: dict[str, Schema], events: list[Schema]) -> None:
    ops = {kind.__name__: _message(schemas.of(kind), summary_of(kind)) for kind in _OPS}
    answers = {kind.__name__: _message(schemas.of(kind), summary_of(kind)) for kind in _ANSWERS}
    now = {"type": "string", "format": "date-time"}
    head = obj({"op": {"const": "event"}, "name": {"type": "string"}, "server_now": now})
    answers["EventFrame"] = _message({"allOf": [head, {"oneOf": events}]}, "A committed event of a watched entity.")
    channels["socket"] = {
        "address": "/v1/ws",
        "description": "Subprotocol holdfast.v1 (JSON, text frames) or holdfast.v1.msgpack (the same, binary frames). "
        f"Close codes: {'; '.join(f'{code}, {why}' for code, why in CLOSES.items())}.",
        "messages": ops | answers,
    }
    operations["socket.receive"] = _operation("receive", "socket", ops)
    operations["socket.send"] = _operation("send", "socket", answers)


def _subjects(schemas: Schemas, channels: dict[str, Schema], operations: dict[str, Schema], contract: Contract) -> None:
    purpose = contract.purpose
    commands = {
        tag: _message(_envelope(schemas, tag, kind), summary_of(kind)) for tag, kind in contract.commands.items()
    }
    commit = {"commit": _message(_commit(schemas, contract), "The events of one or more commands, stored as one.")}
    sign = {"sign": _message(schemas.of(Sign), summary_of(Sign))}
    answer = {"answer": _message(schemas.of(AskAnswer), summary_of(AskAnswer))}
    for kind, messages, action, words in (
        ("ask", commands, "receive", "Requests with a reply, served by any gateway."),
        ("cmd", commands, "receive", "The commands stream; the answer goes to the inbox in `Holdfast-Reply`."),
        ("evt", commit, "send", "The log, in JetStream."),
        ("live", commit, "send", "The log's commits, republished once they are stored."),
        ("now", sign, "send", "Presence, never stored."),
    ):
        channel = f"{kind}.{purpose}"
        channels[channel] = {
            "address": f"{kind}.{purpose}.{{tenant}}.{{id}}",
            "description": words,
            "parameters": {
                "tenant": {"description": f"Matches {NAME_PART}"},
                "id": {"description": f"Matches {ID_PART}"},
            },
            "messages": messages | (answer if kind == "ask" else {}),
        }
        operations[channel] = _operation(action, channel, messages)
    operations[f"ask.{purpose}"]["reply"] = {
        "address": {"location": "$message.header#/reply"},
        "messages": [{"$ref": f"#/channels/ask.{purpose}/messages/answer"}],
    }


def _envelope(schemas: Schemas, tag: str, kind: Any) -> Schema:
    return obj(
        {
            "command": {"const": tag},
            "data": schemas.of(kind),
            "command_id": {"type": "string"},
            "by": schemas.of(Actor),
            "expected_seq": {"type": ["integer", "null"], "minimum": 0},
        },
        optional=("expected_seq", "data"),
    )


def _commit(schemas: Schemas, contract: Contract) -> Schema:
    recorded = [
        obj(
            {
                "seq": {"type": "integer", "minimum": 1},
                "type": {"const": tag},
                "data": schemas.of(kind),
                "at": {"type": "string", "format": "date-time"},
                "by": schemas.of(Actor),
                "command_id": {"type": "string"},
                "to": schemas.of(Audience),
            },
            optional=("to",),
        )
        for tag, kind in contract.events.items()
    ]
    return obj(
        {
            "v": {"const": 1},
            "name": {"type": "string"},
            "events": {"type": "array", "minItems": 1, "items": {"oneOf": recorded}},
        }
    )


def _message(payload: Schema, summary: str) -> Schema:
    return {"payload": payload, "summary": summary}


def _operation(action: str, channel: str, messages: Mapping[str, Schema]) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
