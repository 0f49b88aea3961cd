"""Answers on NATS, as the caller's side reads them: `{"ok": …}` or `{"error": …}`."""

from typing import Final

import msgspec

from holdfast._errors import ErrorBody, HoldfastError, error_from


class Answer(msgspec.Struct, frozen=True):
    """Either what was asked for, still as JSON, or why not."""

    ok: msgspec.Raw = msgspec.Raw()
    error: ErrorBody | None = None


answer_decoder: Final = msgspec.json.Decoder(Answer)


def opened(body: bytes) -> msgspec.Raw:
    """What was asked for, as JSON; a refusal is raised as the error that it names."""
    answer = answer_decoder.decode(body)
    if answer.error is not None:
        raise error_from(answer.error)
    if not bytes(answer.ok):
        raise HoldfastError("an answer without content; the service is newer or broken")
    return answer.ok
