"""When a process sends spans, and where to; and that its end waits for them, but not for ever."""

from collections.abc import Mapping
from time import monotonic

import pytest
from structlog.testing import capture_logs

from holdfast import ValidationFailed
from holdfast.telemetry.otlp import FLUSH_SECONDS, exporting, wanted
from holdfast.testing.collector import Collector
from holdfast.testing.servers import LOOPBACK, free_ports

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({ENDPOINT: ""}, False),
        ({ENDPOINT: "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({ENDPOINT: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINT: "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_the_standard_variables_switch_tracing_on(environment: Mapping[str, str], *, on: bool) -> None:
    assert wanted(environment) is on


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({ENDPOINT: "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT is an http or https URL"),
        ({ENDPOINT: "http://collector:port"}, "OTEL_EXPORTER_OTLP_ENDPOINT is an http or https URL"),
        ({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "can only be http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is otlp or none"),
    ],
)
def test_what_is_not_here_is_refused_by_the_name_of_its_variable(environment: Mapping[str, str], said: str) -> None:
    with pytest.raises(ValidationFailed, match=said):
        wanted(environment)


def test_the_last_spans_leave_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.telemetry.otlp.FLUSH_SECONDS", 60.0)
    with Collector().running() as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        with exporting("counter", {ENDPOINT: collector.url}) as tracing:
            assert tracing is not None
            tracing.begin("a step").end()
            assert not collector.spans
        (span,) = collector.spans
    assert (span.service, span.name, span.facts["outcome"]) == ("holdfast-counter", "a step", "OK")


def test_the_name_of_a_service_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.telemetry.otlp.FLUSH_SECONDS", 60.0)
    with Collector().running() as collector:
        environment = {ENDPOINT: collector.url, "OTEL_SERVICE_NAME": "till"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with exporting("counter", environment) as tracing:
            assert tracing is not None
            tracing.begin("a step").end()
        assert [span.service for span in collector.spans] == ["till"]


def test_a_collector_that_answers_nothing_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector(hangs=True).running() as collector, capture_logs() as logged:
        monkeypatch.setenv(ENDPOINT, collector.url)
        with exporting("counter", {ENDPOINT: collector.url}) as tracing:
            assert tracing is not None
            tracing.begin("a step").end()
            began = monotonic()
        took = monotonic() - began
    assert took < FLUSH_SECONDS + 10
    assert "tracing.spans_lost" in [event["event"] for event in logged]


def test_a_collector_that_is_away_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    monkeypatch.setenv(ENDPOINT, nobody)
    with exporting("counter", {ENDPOINT: nobody}) as tracing:
        assert tracing is not None
        tracing.begin("a step").end()
        began = monotonic()
    assert monotonic() - began < FLUSH_SECONDS + 10
