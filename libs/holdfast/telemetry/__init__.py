"""What operators see of a process: figures, health and traces."""

from holdfast.telemetry._health import Finding, Health, Report
from holdfast.telemetry._measures import CONTENT_TYPE, EntityMeasures, Measures, expose

__all__ = ["CONTENT_TYPE", "EntityMeasures", "Finding", "Health", "Measures", "Report", "expose"]
