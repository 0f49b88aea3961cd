"""What happened to codes at tables."""

from datetime import datetime

from holdfast import Event
from services.pos.domain_tab_events import OnTab


class TableCodeIssued(OnTab, tag="table_code_issued"):
    """Whoever has this code may see a tab and pay it, until `expires_at`."""

    code_id: str
    tab_id: str
    issued_by: str
    expires_at: datetime


class TableCodesRevoked(Event, tag="table_codes_revoked"):
    """The codes of a tab count no more."""

    tab_id: str
    code_ids: tuple[str, ...]


class TableCodeExpired(Event, tag="table_code_expired"):
    """The time of a code is over."""

    code_id: str
    tab_id: str
    effective_at: datetime
    cause: str


class LinesClaimed(OnTab, tag="lines_claimed"):
    """A guest pays for these lines: while that is under way, and afterwards, nobody else does."""

    tab_id: str
    payment_id: str
    line_ids: tuple[str, ...]


GuestEvent = TableCodeIssued | TableCodesRevoked | TableCodeExpired | LinesClaimed
