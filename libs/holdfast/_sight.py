"""What one viewer sees of a recorded event (rule C9: the same live, in replay and in the past)."""

from typing import Final

import msgspec

from holdfast._messages import Actor, Audience, RecordedEvent

EVERYTHING: Final[tuple[bool, ...]] = ()
SENDER: Final = "by"
"""The name under which an audience guards who sent the command, beside the fields of the event's data."""
_encoder: Final = msgspec.json.Encoder()
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def sight(to: Audience | None, tags: frozenset[str]) -> tuple[bool, ...]:
    """Say which guarded parts these tags open; viewers with equal sight get equal bytes."""
    if to is None:
        return EVERYTHING
    whole = to.only is None or not tags.isdisjoint(to.only)
    return (whole, *(not tags.isdisjoint(allowed) for allowed in to.fields.values()))


def shuts_out(event: RecordedEvent, tags: frozenset[str]) -> bool:
    """Whether a viewer with these tags may no longer read the entity from this event on."""
    return event.to is not None and event.to.readers is not None and tags.isdisjoint(event.to.readers)


def render(event: RecordedEvent, seen: tuple[bool, ...]) -> bytes:
    """Encode the event as JSON for one sight, without `to`; a hidden event keeps its place as `redacted`."""
    if event.to is None:
        return _encoder.encode(event)
    if not seen[0]:
        return _encoder.encode({"seq": event.seq, "type": "redacted", "at": event.at})
    hidden = {field for field, shown in zip(event.to.fields, seen[1:], strict=True) if not shown}
    if not hidden:
        return _encoder.encode(msgspec.structs.replace(event, to=None))
    kept = {key: value for key, value in _fields.decode(event.data).items() if key not in hidden}
    envelope: dict[str, object] = {"seq": event.seq, "type": event.type, "data": kept, "at": event.at}
    if SENDER not in hidden:
        envelope["by"] = event.by
    return _encoder.encode({**envelope, "command_id": event.command_id})


def render_for(event: RecordedEvent, viewer: Actor) -> bytes:
    """Encode the event as JSON for one viewer."""
    if event.to is None:
        return _encoder.encode(event)
    return render(event, sight(event.to, viewer.tags))
