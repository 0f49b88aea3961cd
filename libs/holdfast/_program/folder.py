"""The data folder of `holdfast up`: one program at a time, secrets that only their owner reads."""

import fcntl
import os
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from holdfast._program.errors import CannotStart

SECRET_FILE: Final = "secret"  # noqa: S105 - a file's name
TOKEN_FILE: Final = "nats/token"  # noqa: S105 - a file's name
SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(r"k[0-9a-f]{64}")
OWNER_ONLY: Final = 0o600


@contextmanager
def opened(folder: Path) -> Generator[Path]:
    """Create the folder where needed and hold its lock; `CannotStart` when it is in use or cannot be written."""
    try:
        (folder / "nats").mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
    except OSError as error:
        raise CannotStart(f"the data folder {folder} cannot be used: {_reason(error)}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
            raise CannotStart(
                f"another `holdfast up` (pid {holder or 'unknown'}) uses {folder}: stop it, or choose another --data"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield folder
    finally:
        os.close(lock)


def make_secret(path: Path) -> str:
    """Read the secret in this file, or make one that only the owner can read."""
    if path.exists():
        return read_secret(path)
    # It begins with a letter: nats-server reads a variable's value as configuration, where digits would be a number.
    secret = "k" + secrets.token_hex(SECRET_BYTES)
    unfinished = path.with_name(path.name + ".new")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY)
        with os.fdopen(handle, "w") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise CannotStart(f"{path} cannot be written: {_reason(error)}") from None
    return secret


def read_secret(path: Path) -> str:
    """Read a secret that `make_secret` wrote; `CannotStart` when it is not there or damaged."""
    try:
        secret = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise CannotStart(f"there is no {path}: start `holdfast up` first, or name its folder with --data") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{path} cannot be read: {_reason(error)}") from None
    if not _SECRET.fullmatch(secret):
        raise CannotStart(f"{path} is damaged: restore it, or remove it to get a new one")
    return secret


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
