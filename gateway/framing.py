"""WebSocket frames of a server as they stand on the wire (RFC 6455, section 5.2): unmasked, so equal for every viewer."""

from typing import Final

_FINAL: Final = 0x80
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_SHORT: Final = 126
_MEDIUM: Final = 1 << 16


def text(payload: bytes) -> bytes:
    """One whole text frame around UTF-8."""
    return _header(_FINAL | _TEXT, len(payload)) + payload


def binary(payload: bytes) -> bytes:
    """One whole binary frame."""
    return _header(_FINAL | _BINARY, len(payload)) + payload


def _header(first: int, size: int) -> bytes:
    if size < _SHORT:
        return bytes((first, size))
    if size < _MEDIUM:
        return bytes((first, _SHORT)) + size.to_bytes(2, "big")
    return bytes((first, _SHORT + 1)) + size.to_bytes(8, "big")
