"""Every setting of the program, each from a flag or from `HOLDFAST_*` in the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec

from holdfast._host import IDLE_SECONDS
from holdfast._program.errors import CannotStart
from holdfast._remembered import COMMAND_ID_SECONDS, REMEMBERED_COMMANDS, REMEMBERED_SECONDS

PREFIX: Final = "HOLDFAST_"
MAX_PORT: Final = 65535
MEBIBYTE: Final = 1024 * 1024

Port = Annotated[int, msgspec.Meta(ge=0, le=MAX_PORT)]
Replicas = Annotated[int, msgspec.Meta(ge=1, le=5)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was told. `nats`, `database` and `secret` are found in the data folder when they are absent."""

    data: Text = "data"
    host: Text = "127.0.0.1"
    port: Port = 8400
    nats: Text | None = None
    nats_port: Port = 8422
    replicas: Replicas = 1
    """On how many servers of a NATS cluster each stream is kept."""
    database: Text | None = None
    secret: Text | None = None
    remembered_commands: Annotated[int, msgspec.Meta(ge=1)] = REMEMBERED_COMMANDS
    """Accepted command ids that an awake entity and its snapshot hold; older ones are looked up in the archive."""
    remembered_seconds: Seconds = REMEMBERED_SECONDS
    command_id_seconds: Seconds = COMMAND_ID_SECONDS
    """How long an accepted command id gives its first result again."""
    log_keep_seconds: Seconds | None = None
    """The age at which archived commits leave the log; absent, the log keeps everything."""
    idle_seconds: Seconds = IDLE_SECONDS
    """An entity that nobody commands this long is put to sleep, and costs no memory until it is asked for again."""
    entity_commands_per_second: Annotated[float, msgspec.Meta(ge=0)] = 1000.0
    """To one entity, whoever sends them; 0 sets no limit."""
    tenant_commands_per_second: Annotated[float, msgspec.Meta(ge=0)] = 10_000.0
    """Of one tenant to this process's share of each purpose; the gateways keep the same one."""
    operators_host: Text = "127.0.0.1"
    operators_port: Port = 0
    step_back_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    min_free_bytes: Annotated[int, msgspec.Meta(ge=0)] = 64 * MEBIBYTE
    max_lag: Annotated[int, msgspec.Meta(ge=0)] = 100_000
    log: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).absolute()


def read_settings(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Take each setting from its flag, else from the environment; `CannotStart` names the one that is wrong."""
    values: dict[str, Any] = {}
    for field, kind in get_type_hints(Settings, include_extras=True).items():
        flag, variable = flags.get(field), PREFIX + field.upper()
        raw = environment.get(variable) if flag is None else flag
        if raw is None:
            continue
        try:
            values[field] = msgspec.convert(raw, kind, strict=False)
        except msgspec.ValidationError as error:
            source = variable if flag is None else "--" + field.replace("_", "-")
            raise CannotStart(f"{source} cannot be {raw!r}: {_plain(str(error))}") from None
    return Settings(**values)


def database_url(settings: Settings) -> str:
    """The database that was named, else SQLite in the data folder, a file for each service."""
    return settings.database or f"sqlite+aiosqlite:///{settings.folder}/{{service}}.db"


def _plain(problem: str) -> str:
    return problem[:1].lower() + problem[1:].replace("`", "")
