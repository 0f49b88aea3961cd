"""What Holdfast keeps in SQL: snapshots, the archive, read models, and the shared start of every service's migrations."""

from holdfast._projection import Listing, Projection, StoredEvent
from holdfast.sql._archive import Archive, SqlArchive
from holdfast.sql._database import DatabaseProblem, open_database
from holdfast.sql._forgetting import Forgetter
from holdfast.sql._migrate import migrate
from holdfast.sql._projector import Projector
from holdfast.sql._pulse import Pulse
from holdfast.sql._snapshots import SqlSnapshots
from holdfast.sql._tables import Moment, Words

__all__ = [
    "Archive",
    "DatabaseProblem",
    "Forgetter",
    "Listing",
    "Moment",
    "Projection",
    "Projector",
    "Pulse",
    "SqlArchive",
    "SqlSnapshots",
    "StoredEvent",
    "Words",
    "migrate",
    "open_database",
]
