"""Numbers that every wire form can carry: MessagePack has 64 bits, JSON any digits."""

import re
from typing import Final

import msgspec

from holdfast._errors import ValidationFailed

_SUSPECT: Final = re.compile(rb"\d{19}|\d[eE]")


def check_numbers(data: bytes | msgspec.Raw) -> None:
    """Refuse JSON with a number beyond 64 bits: it could be stored, and then not be shown to everybody."""
    if _SUSPECT.search(data) is None:
        return
    try:
        msgspec.msgpack.encode(msgspec.json.decode(data))
    except (OverflowError, msgspec.ValidationError):
        raise ValidationFailed("a number has more than 64 bits: send it as a string, or smaller") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # whoever reads it says what is wrong
