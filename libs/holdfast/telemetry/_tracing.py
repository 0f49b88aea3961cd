"""Spans of what happens to a command, from the door to the log and on. Where nothing is traced there is no `Tracing`."""

from collections.abc import Generator, Iterable, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TracerProvider,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from holdfast._errors import HoldfastError, TimedOut, Unavailable

TRACEPARENT: Final = "traceparent"
"""The header that carries a trace over HTTP and NATS (W3C Trace Context). `tracestate` and baggage are left behind."""
TRACEPARENT_BYTES: Final = 128
"""Version 00 takes 55; what is much longer is no trace context."""
FAULT: Final = "INTERNAL"
CANCELLED: Final = "CANCELLED"
_FAULTS: Final = frozenset({FAULT, CANCELLED, Unavailable.code, TimedOut.code})
"""What makes a span an error: a refusal is an answer like any other."""
_NEW_TRACE: Final = Context()
_w3c: Final = TraceContextTextMapPropagator()


class Step:
    """One span, and all that it may ever tell: never what a command, an event or a state holds, and no credential."""

    __slots__ = ("_ended", "_span", "_told")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._ended = False
        self._told = False

    @property
    def header(self) -> str:
        """What a message says so that others continue from here."""
        context = self._span.get_span_context()
        return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"

    @property
    def context(self) -> SpanContext:
        """Where it stands in its trace."""
        return self._span.get_span_context()

    @property
    def is_recorded(self) -> bool:
        """Whether anybody will see it: the sampler may have left it out."""
        return self._span.is_recording()

    def tell(
        self,
        *,
        entity: object = None,
        command: str | None = None,
        command_id: str | None = None,
        outcome: str | None = None,
        seq: int | None = None,
        **figures: int,
    ) -> None:
        """Say what this step is about, and what came of it: `OK`, `REPEATED`, or the code of an error. Not once it ended."""
        if self._ended or not self.is_recorded:
            return
        name = None if entity is None else str(entity)
        known = {
            "entity": name,
            "command": command,
            "command_id": command_id,
            "outcome": outcome,
            "seq": seq,
            **figures,
        }
        self._span.set_attributes({f"holdfast.{fact}": value for fact, value in known.items() if value is not None})
        if outcome is not None:
            self._told = True
            if outcome in _FAULTS:
                self._span.set_status(StatusCode.ERROR, outcome)

    def answered(self, status: int) -> None:
        """Say how HTTP answered."""
        self._span.set_attribute("http.response.status_code", status)

    def happened(self, what: str, **figures: int) -> None:
        """Note a moment."""
        self._span.add_event(what, {f"holdfast.{fact}": value for fact, value in figures.items()})

    def link(self, other: "Step") -> None:
        """Point to a step elsewhere."""
        self._span.add_link(other.context)

    def end(self, outcome: str | None = None, *, seq: int | None = None) -> None:
        """End it, unless it has ended; `OK` where nothing else was told."""
        if self._ended:
            return
        if outcome is None and not self._told:
            outcome = "OK"
        self.tell(outcome=outcome, seq=seq)
        self._ended = True
        self._span.end()

    @contextmanager
    def current(self) -> Generator[None]:
        """Let what the block does, and what it logs, belong to this step."""
        token = _current.set(self)
        try:
            with use_span(self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
                yield
        finally:
            _current.reset(token)


_current: Final = ContextVar[Step | None]("step", default=None)
Parent = Step | str | None
"""A step, or what a header says (a new trace when that is nothing usable), or None for the current one."""


class Tracing:
    """Begins the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("holdfast")

    def begin(
        self,
        what: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Parent = None,
        links: Iterable[Step | str] = (),
    ) -> Step:
        """Begin a step that the caller ends. It is not the current one."""
        found = [Link(context) for context in map(_context, links) if context.is_valid]
        return Step(self._tracer.start_span(what, context=_parent(parent), kind=kind, links=found))

    def recorded(self, what: str, *, kind: SpanKind, parent: Parent) -> Step | None:
        """Begin a step that nothing comes after elsewhere; None when the sampler leaves it out."""
        step = self.begin(what, kind=kind, parent=parent)
        return step if step.is_recorded else None

    @contextmanager
    def within(
        self,
        what: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Parent = None,
        links: Iterable[Step | str] = (),
    ) -> Generator[Step]:
        """A step as long as the block, and current in it. What is raised becomes its outcome, by its code alone."""
        step = self.begin(what, kind=kind, parent=parent, links=links)
        with _ending(step), step.current():
            yield step

    @contextmanager
    def committing(self, purpose: str, commands: Sequence[Step]) -> Generator[Step]:
        """The commit that these commands share: in the trace of the first, with links to all and from the others.

        It is not current, because the task that appends it goes on to others.
        """
        first, *others = commands
        step = self.begin(f"commit {purpose}", kind=SpanKind.CLIENT, parent=first, links=commands)
        for command in others:
            command.link(step)
        with _ending(step):
            yield step

    def note(
        self, *, entity: object = None, command: str | None = None, outcome: str | None = None, seq: int | None = None
    ) -> None:
        """Tell something of the current step, wherever it began."""
        step = _current.get()
        if step is not None:
            step.tell(entity=entity, command=command, outcome=outcome, seq=seq)


def add_trace_ids(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mark an event of the log with the span that is under way where it is logged."""
    span = get_current_span()
    if span.is_recording():
        context = span.get_span_context()
        event["trace_id"] = format_trace_id(context.trace_id)
        event["span_id"] = format_span_id(context.span_id)
    return event


@contextmanager
def _ending(step: Step) -> Generator[None]:
    try:
        yield
    except HoldfastError as error:
        step.end(error.code)
        raise
    except Exception:
        step.end(FAULT)
        raise
    except BaseException:
        step.end(CANCELLED)
        raise
    step.end()


def _parent(parent: Parent) -> Context | None:
    if parent is None:
        return None
    context = _context(parent)
    return set_span_in_context(NonRecordingSpan(context), _NEW_TRACE) if context.is_valid else _NEW_TRACE


def _context(where: Step | str) -> SpanContext:
    if isinstance(where, Step):
        return where.context
    if not where or len(where) > TRACEPARENT_BYTES:
        return INVALID_SPAN_CONTEXT
    found = _w3c.extract({TRACEPARENT: where}, _NEW_TRACE)
    return get_current_span(found).get_span_context()
