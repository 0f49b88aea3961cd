"""How events change the codes at tables."""

from collections.abc import Sequence
from typing import Final, assert_never

from msgspec.structs import replace

from services.pos import domain_guest_events as events
from services.pos.domain_fold_tabs import with_tab
from services.pos.domain_session import Session, TableCode

ENDED_REMEMBERED: Final = 1_000
"""Many more than a location issues while a pass can be out, which is half a day."""


def evolve_guests(session: Session, event: events.GuestEvent) -> Session:
    """The session after something happened to its codes."""
    match event:
        case events.TableCodeIssued():
            code = TableCode(tab_id=event.tab_id, issued_by=event.issued_by, expires_at=event.expires_at)
            return replace(session, codes={**session.codes, event.code_id: code})
        case events.TableCodesRevoked(code_ids=code_ids):
            return _ended(session, code_ids)
        case events.TableCodeExpired(code_id=code_id):
            return _ended(session, (code_id,))
        case events.LinesClaimed(tab_id=tab_id, payment_id=payment_id, line_ids=line_ids):
            claims = {**session.tabs[tab_id].claims, **dict.fromkeys(line_ids, payment_id)}
            return with_tab(session, tab_id, claims=claims)
        case _:
            assert_never(event)


def codes_kept(before: Session, after: Session) -> Session:
    """`after` without the codes of tabs that are gone."""
    if not after.codes or after.tabs is before.tabs:
        return after
    gone = [code_id for code_id, code in after.codes.items() if code.tab_id not in after.tabs]
    return _ended(after, gone) if gone else after


def _ended(session: Session, code_ids: Sequence[str]) -> Session:
    kept = {code_id: code for code_id, code in session.codes.items() if code_id not in code_ids}
    return replace(session, codes=kept, codes_ended=(*session.codes_ended, *code_ids)[-ENDED_REMEMBERED:])
