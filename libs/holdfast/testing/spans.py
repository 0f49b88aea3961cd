"""Tracing into memory, for tests that look at spans."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext

from holdfast.telemetry import Tracing

PATIENCE: Final = 60.0
POLL: Final = 0.01


class Spans:
    """What a process under test has traced so far."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        """Every span that has ended, oldest first."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> Sequence[ReadableSpan]:
        """Those of one name."""
        return [span for span in self.ended if span.name == name]

    async def until(self, name: str, count: int = 1) -> Sequence[ReadableSpan]:
        """Wait until so many of this name have ended: some end behind the answer."""
        async with asyncio.timeout(PATIENCE):
            while len(found := self.named(name)) < count:  # noqa: ASYNC110 - an exporter has no event
                await asyncio.sleep(POLL)
        return found


def facts(span: ReadableSpan) -> dict[str, Any]:
    """What a span tells, without the prefix of its names."""
    return {key.removeprefix("holdfast."): value for key, value in (span.attributes or {}).items()}


def context_of(span: ReadableSpan) -> SpanContext:
    """Where a span stands."""
    context = span.get_span_context()
    assert context is not None  # noqa: S101 - what was exported has one
    return context


def trace_of(span: ReadableSpan) -> int:
    """The trace of a span."""
    return context_of(span).trace_id


def id_of(span: ReadableSpan) -> int:
    """The id of a span."""
    return context_of(span).span_id


def parent_of(span: ReadableSpan) -> int | None:
    """The id of the span that a span is part of."""
    return span.parent.span_id if span.parent else None


def linked(span: ReadableSpan) -> set[int]:
    """The ids of the spans that a span points to."""
    return {link.context.span_id for link in span.links}


def moments(span: ReadableSpan) -> list[str]:
    """What happened in a span, in order."""
    return [event.name for event in span.events]
