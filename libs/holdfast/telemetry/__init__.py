"""What operators see of a process: figures, health and traces."""

from holdfast.telemetry._faults import format_fault, name_of, print_fault
from holdfast.telemetry._health import Finding, Health, Report
from holdfast.telemetry._measures import CONTENT_TYPE, EntityMeasures, Measures, expose
from holdfast.telemetry._tracing import TRACEPARENT, Step, Tracing, add_trace_ids

__all__ = [
    "CONTENT_TYPE",
    "TRACEPARENT",
    "EntityMeasures",
    "Finding",
    "Health",
    "Measures",
    "Report",
    "Step",
    "Tracing",
    "add_trace_ids",
    "expose",
    "format_fault",
    "name_of",
    "print_fault",
]
