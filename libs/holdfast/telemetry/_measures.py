"""What the runtime counts and measures. Every family lives in the registry that its process was given."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LOAD_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LATE_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0, 300.0)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_REPLAY: Final = (0, 1, 10, 50, 100, 250, 500, 1000, 5000, 25_000)
_PURPOSE: Final = ("purpose",)

disable_created_metrics()  # they double every series, and say no more than the process's age


class Measures:
    """All figures of one process. Make one for each registry, and hand its parts to what they are about."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.commands = self._counter("commands", "Commands judged, by outcome code.", "purpose", "outcome")
        self.commits = self._counter("commits", "Commits that the log acknowledged.", *_PURPOSE)
        self.snapshots = self._counter("snapshots", "Snapshots, by whether they were written.", "purpose", "written")
        self.takeovers = self._counter("takeovers", "Partitions that came to this process.", *_PURPOSE)
        self.commit_seconds = self._histogram(
            "commit_seconds", "From an append to its acknowledgement.", _COMMIT_SECONDS
        )
        self.commit_events = self._histogram("commit_events", "Events of one commit.", _BATCH)
        self.commit_commands = self._histogram("commit_commands", "Accepted commands of one commit.", _BATCH)
        self.load_seconds = self._histogram("load_seconds", "Time to bring an entity into memory.", _LOAD_SECONDS)
        self.replayed_events = self._histogram("replayed_events", "Events replayed behind the snapshot.", _REPLAY)
        self.alarm_late_seconds = self._histogram(
            "alarm_late_seconds", "From a deadline to the alarm that found it unrecorded.", _LATE_SECONDS
        )
        self.awake = self._gauge("entities_awake", "Entities in memory.", *_PURPOSE)
        self.waiting = self._gauge("mailbox_commands", "Commands that wait in all mailboxes.", *_PURPOSE)
        self.deepest = self._gauge("mailbox_deepest", "Commands that wait in the fullest mailbox.", *_PURPOSE)
        self.partitions = self._gauge("partitions_owned", "Partitions of this process, of 64.", *_PURPOSE)
        projection = ("service", "projection")
        self.lag_commits = self._gauge("projection_lag_commits", "Commits not yet in the rows.", *projection)
        self.lag_seconds = self._gauge("projection_lag_seconds", "Since the rows were last level.", *projection)
        effect = ("purpose", "origin")
        self.backlog = self._gauge("effects_waiting", "Commits or jobs that an effect has before it.", *effect)
        self.dead = self._gauge("dead_letters", "Effects that were refused, or failed too often.", *effect)

    def of(self, purpose: str) -> "EntityMeasures":
        """The figures of one purpose's entities."""
        return EntityMeasures(self, purpose)

    def projection(
        self, service: str, name: str, *, commits: Callable[[], float], seconds: Callable[[], float]
    ) -> None:
        """Show how far a read model is behind, as these two say at each scrape."""
        self.lag_commits.labels(service, name).set_function(commits)
        self.lag_seconds.labels(service, name).set_function(seconds)

    def effects(self, purpose: str, origin: str, *, waiting: Callable[[], float], dead: Callable[[], float]) -> None:
        """Show what a reactor or worker has before it and what it gave up, as these two say at each scrape."""
        self.backlog.labels(purpose, origin).set_function(waiting)
        self.dead.labels(purpose, origin).set_function(dead)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"holdfast_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"holdfast_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(f"holdfast_{name}", text, _PURPOSE, registry=self.registry, buckets=tuple(buckets))


class EntityMeasures:
    """The figures of one purpose, with their labels bound, so that a command costs no look-up of a family."""

    def __init__(self, measures: Measures, purpose: str) -> None:
        self._measures = measures
        self._purpose = purpose
        self._outcomes: dict[str, Counter] = {}
        self._commits = measures.commits.labels(purpose)
        self._commit_seconds = measures.commit_seconds.labels(purpose)
        self._commit_events = measures.commit_events.labels(purpose)
        self._commit_commands = measures.commit_commands.labels(purpose)
        self._load_seconds = measures.load_seconds.labels(purpose)
        self._replayed_events = measures.replayed_events.labels(purpose)
        self._late = measures.alarm_late_seconds.labels(purpose)
        self._snapshots = {kept: measures.snapshots.labels(purpose, str(kept).lower()) for kept in (True, False)}
        self._takeovers = measures.takeovers.labels(purpose)

    def judged(self, outcome: str, commands: int = 1) -> None:
        """So many commands had this outcome: `OK`, `REPEATED`, or the code of an error."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = self._measures.commands.labels(self._purpose, outcome)
        counter.inc(commands)

    def committed(self, *, commands: int, events: int, seconds: float) -> None:
        """The log acknowledged a commit."""
        self._commits.inc()
        self._commit_commands.observe(commands)
        self._commit_events.observe(events)
        self._commit_seconds.observe(seconds)

    def loaded(self, *, events: int, seconds: float) -> None:
        """An entity was brought into memory by replaying so many events."""
        self._replayed_events.observe(events)
        self._load_seconds.observe(seconds)

    def rang(self, *, late: float) -> None:
        """An alarm found its deadline unrecorded, so many seconds after it."""
        self._late.observe(max(0.0, late))

    def saved(self, *, kept: bool) -> None:
        """A snapshot was written, or could not be."""
        self._snapshots[kept].inc()

    def took_over(self, partitions: int) -> None:
        """So many partitions came to this process."""
        self._takeovers.inc(partitions)

    def owning(self, partitions: Callable[[], int]) -> None:
        """Show how many partitions are owned, as this says at each scrape."""
        self._measures.partitions.labels(self._purpose).set_function(partitions)

    def awake(self, waiting: Callable[[], Iterable[int]]) -> None:
        """Show the entities in memory; at each scrape `waiting` gives the length of each one's mailbox."""
        self._measures.awake.labels(self._purpose).set_function(lambda: sum(1 for _ in waiting()))
        self._measures.waiting.labels(self._purpose).set_function(lambda: sum(waiting()))
        self._measures.deepest.labels(self._purpose).set_function(lambda: max(waiting(), default=0))


def expose(registry: CollectorRegistry) -> bytes:
    """All figures of a registry in the text format of Prometheus (version 0.0.4)."""
    return generate_latest(registry)
