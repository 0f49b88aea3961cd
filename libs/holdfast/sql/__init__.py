"""What Holdfast keeps in SQL: snapshots now, and the shared start of every service's migration history."""

from holdfast.sql._database import DatabaseProblem, open_database
from holdfast.sql._migrate import migrate
from holdfast.sql._snapshots import SqlSnapshots

__all__ = ["DatabaseProblem", "SqlSnapshots", "migrate", "open_database"]
