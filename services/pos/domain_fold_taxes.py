"""What is on a tab keeps the taxes with which it was ordered."""

from collections.abc import Mapping

from msgspec.structs import replace

from services.pos.domain_session import Session, Tab
from services.pos.domain_terms import Line, Tax


def with_taxes_kept(session: Session, taxes: Mapping[str, Tax]) -> Session:
    """With the rates of now on all lines whose taxes are about to be other ones."""
    before = session.settings.taxes
    changed = {tax_id: tax for tax_id, tax in before.items() if _rate(taxes.get(tax_id)) != _rate(tax)}
    if not changed:
        return session
    return replace(
        session,
        tabs={tab_id: _kept(tab, changed) for tab_id, tab in session.tabs.items()},
        owed={tab_id: replace(owed, tab=_kept(owed.tab, changed)) for tab_id, owed in session.owed.items()},
    )


def _rate(tax: Tax | None) -> tuple[int, bool] | None:
    return None if tax is None else (tax.ppm, tax.inclusive)


def _kept(tab: Tab, changed: Mapping[str, Tax]) -> Tab:
    return replace(tab, lines={line_id: _taxed(line, changed) for line_id, line in tab.lines.items()})


def _taxed(line: Line, changed: Mapping[str, Tax]) -> Line:
    mine = {tax_id: changed[tax_id] for tax_id in line.tax_ids if tax_id in changed}
    return replace(line, taxes={**mine, **line.taxes}) if mine else line
