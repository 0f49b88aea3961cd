"""Sends the spans of a process to a collector, by OTLP over HTTP, as the standard `OTEL_*` variables say."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import structlog

from holdfast._errors import ValidationFailed
from holdfast.telemetry._tracing import Tracing

FLUSH_SECONDS: Final = 3.0
"""How long the end of a process waits for its last spans to leave; a collector that is away holds up no restart."""
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"

log = structlog.get_logger(__name__)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables switch tracing on; `ValidationFailed` when they ask for what is not here."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    endpoints = {name: environment.get(name, "").strip() for name in _ENDPOINTS}
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or exporter == "none" or not (exporter or any(endpoints.values())):
        return False
    if exporter not in ("", "otlp"):
        raise ValidationFailed(f"OTEL_TRACES_EXPORTER is otlp or none, not {exporter!r}")
    for name, endpoint in endpoints.items():
        if endpoint and not _is_http(endpoint):
            raise ValidationFailed(f"{name} is an http or https URL, such as http://127.0.0.1:4318")
    for name in _PROTOCOLS:
        if environment.get(name, "").strip() not in ("", _PROTOCOL):
            raise ValidationFailed(f"{name} can only be {_PROTOCOL}")
    return True


@contextmanager
def exporting(process: str, environment: Mapping[str, str]) -> Generator[Tracing | None]:
    """Trace until the end of the block, if the variables say so, and let the last spans leave; None where they do not.

    `OTEL_SERVICE_NAME` is `holdfast-` and the process, where it is not set.
    """
    if not wanted(environment):
        yield None
        return
    # Only here: whoever does not trace does not load them.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": f"holdfast-{process}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.info("tracing.on", service=resource.attributes["service.name"])
    try:
        yield Tracing(provider)
    finally:
        flushing = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)
        if flushing.is_alive():
            log.warning("tracing.spans_lost", reason=f"the collector took no spans within {FLUSH_SECONDS} s")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
