"""The file of an offline queue: SQLite that syncs before it answers, and that one process has to itself."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

FORMAT: Final = 1
_TABLES: Final = """
CREATE TABLE facts (seq INTEGER PRIMARY KEY, fact BLOB NOT NULL);
CREATE TABLE standing (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class QueueInUse(Exception):
    """Another process, or this one, has this file open: a terminal has one queue, and a queue one process."""


class Kept(NamedTuple):
    """A fact in the file."""

    seq: int
    fact: bytes


class OfflineFile:
    """Facts by their seq, and how far they went. Every change is on disk when its method returns."""

    def __init__(self, path: Path, *, first_seq: int) -> None:
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._open(first_seq)
        except sqlite3.OperationalError as error:
            self._db.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise QueueInUse(f"{path} is in use: give each terminal a file of its own") from None
            raise
        except BaseException:
            self._db.close()
            raise

    def _open(self, first_seq: int) -> None:
        # Held until the file is closed or its process is gone: that is the lock.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA synchronous = EXTRA")
        self._db.execute("BEGIN EXCLUSIVE")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in _TABLES.strip().splitlines():
                self._db.execute(statement)
            given = {"id": uuid4().hex, "next": first_seq, "delivered": first_seq - 1, "revoked": ""}
            self._db.executemany(
                "INSERT INTO standing VALUES (?, ?)", [(key, str(each)) for key, each in given.items()]
            )
            self._db.execute(f"PRAGMA user_version = {FORMAT}")
        elif version != FORMAT:
            raise ValueError(f"this file is of format {version}; this version of Holdfast reads format {FORMAT}")
        self._db.execute("COMMIT")
        standing = dict(self._db.execute("SELECT key, value FROM standing"))
        self.id: str = standing["id"]
        self.next_seq = int(standing["next"])
        self.delivered = int(standing["delivered"])
        self.revoked: str = standing["revoked"]

    def append(self, fact: bytes) -> int:
        """Keep a fact; returns its seq."""
        seq = self.next_seq
        self._change("INSERT INTO facts VALUES (?, ?)", (seq, fact), ("next", seq + 1))
        self.next_seq = seq + 1
        return seq

    def after(self, seq: int, *, limit: int) -> Sequence[Kept]:
        """The facts beyond a seq, in their order."""
        rows = self._db.execute("SELECT seq, fact FROM facts WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
        return [Kept(*row) for row in rows]

    @property
    def oldest(self) -> int:
        """The seq of the first fact that is kept; the next one's when none is."""
        (seq,) = self._db.execute("SELECT min(seq) FROM facts").fetchone()
        return self.next_seq if seq is None else seq

    def set_delivered(self, seq: int, *, forget: int = 0) -> None:
        """Note up to where facts were delivered, which may be less than before; those up to `forget` are dropped."""
        self._change("DELETE FROM facts WHERE seq <= ?", (forget,), ("delivered", seq))
        self.delivered = seq

    def set_revoked(self, why: str) -> None:
        """Note that nothing of this terminal is taken any more."""
        self._change("UPDATE standing SET value = ? WHERE key = ?", (why, "revoked"), ("revoked", why))
        self.revoked = why

    def close(self) -> None:
        """Let another process have the file."""
        self._db.close()

    def _change(self, statement: str, values: Sequence[object], note: tuple[str, object]) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.execute(statement, values)
            self._db.execute("UPDATE standing SET value = ? WHERE key = ?", (str(note[1]), note[0]))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
