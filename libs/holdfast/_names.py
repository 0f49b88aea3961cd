"""Entity names, `{purpose}:{tenant}:{id}`, and the subjects made from them."""

import re
from typing import Final, NamedTuple, Self

from holdfast._errors import ValidationFailed

MAX_NAME_BYTES: Final = 200
_COMMAND_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:-]*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Name(NamedTuple):
    """The checked name of one entity; every part is safe as one token of a NATS subject."""

    purpose: str
    tenant: str
    id: str

    @classmethod
    def of(cls, purpose: str, tenant: str, id_: str) -> Self:
        """Check the three parts; a part that could reach outside its subject token is `VALIDATION`."""
        for label, part, pattern in (("purpose", purpose, _TOKEN), ("tenant", tenant, _TOKEN), ("id", id_, _PART)):
            if not pattern.fullmatch(part):
                raise ValidationFailed(
                    f"the {label} of a name is letters, digits, '_', '-'"
                    f"{' and colons' if label == 'id' else ''}, and starts with a letter or a digit"
                )
        name = cls(purpose, tenant, id_)
        if len(str(name)) > MAX_NAME_BYTES:
            raise ValidationFailed(f"a name is at most {MAX_NAME_BYTES} bytes")
        return name

    @classmethod
    def or_none(cls, purpose: str, tenant: str, id_: str) -> Self | None:
        """The name, or None when nothing can be called so: for reactors, which a fault would stop."""
        try:
            return cls.of(purpose, tenant, id_)
        except ValidationFailed:
            return None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split `{purpose}:{tenant}:{id}`; the id may itself hold colons."""
        purpose, _, rest = text.partition(":")
        tenant, _, id_ = rest.partition(":")
        return cls.of(purpose, tenant, id_)

    @classmethod
    def from_subject(cls, subject: str) -> Self:
        """Read the name from a subject such as `cmd.auction.acme.l1`, or `cmd.auction.7.acme.l1` with its partition."""
        match subject.split("."):
            case [_, purpose, tenant, id_] | [_, purpose, _, tenant, id_]:
                return cls.of(purpose, tenant, id_)
            case _:
                raise ValidationFailed(f"not an entity's subject: {subject!r}")

    def subject(self, kind: str) -> str:
        """The subject `{kind}.{purpose}.{tenant}.{id}`; kinds are in the wire contract."""
        return f"{kind}.{self.purpose}.{self.tenant}.{self.id}"

    def __str__(self) -> str:
        return f"{self.purpose}:{self.tenant}:{self.id}"


def check_command_id(command_id: str) -> None:
    """Refuse an id that could not stand in a header of the log."""
    if not _COMMAND_ID.fullmatch(command_id):
        raise ValidationFailed("a command id is 1 to 100 letters, digits or '_', '.', ':', '-'; a UUID is best")
