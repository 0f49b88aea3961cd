"""Whole checks: splitting one, putting two together, moving lines between them.

Nobody gains or loses a cent but by rounding taxes on each receipt, and that difference is recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from holdfast import NotFound
from holdfast.money import distribute
from services.pos import domain_errors as refusals
from services.pos import domain_tab_commands as commands
from services.pos import domain_tab_events as events
from services.pos.domain_bounds import MOST_SHARES, check_amounts, check_lines
from services.pos.domain_discounts import beyond_waived
from services.pos.domain_draft import Draft
from services.pos.domain_ids import share_id
from services.pos.domain_pricing import PricedLine, bill_of, parts_of, pinned, waived_of
from services.pos.domain_session import Tab
from services.pos.domain_stock import consume, reserve
from services.pos.domain_tabs import check_free
from services.pos.domain_terms import AppliedDiscount, Line


def split_tab(draft: Draft, command: commands.SplitTab) -> None:
    """Make new tabs of parts of an open one."""
    tab = _whole(draft, command.tab_id)
    ids = [part.tab_id for part in command.parts]
    if len({command.tab_id, *ids}) <= len(ids):
        raise refusals.SplitInvalid("parts: give each new tab an id of its own")
    for tab_id in ids:
        check_free(draft, tab_id)
    before = bill_of(tab, draft.settings)
    weights = _weights(command, tab, before.due_minor)
    if sum(1 for shares in weights.values() for share in shares if share) > MOST_SHARES:
        raise refusals.SplitInvalid(f"parts: {MOST_SHARES} shares of lines at most; split the tab in fewer parts")
    pieces = [_Piece(tab_id) for tab_id in (command.tab_id, *ids)]
    discounts = pinned(tab, draft.settings)
    root = draft.ctx.new_id("share")
    _share_out(tab, pieces, weights, before.lines, discounts, root=root, even=command.mode == "evenly")
    if any(not piece.lines for piece in pieces):
        raise refusals.SplitInvalid("parts: every tab gets something, the old one too")
    apart = [replace(tab, lines=piece.lines, discounts=tuple(piece.discounts)) for piece in pieces]
    limits = _waivable_each(draft, tab, apart)
    kept, *children = [piece.child(limit) for piece, limit in zip(pieces, limits, strict=True)]
    draft.record(
        events.TabSplit(
            tab_id=command.tab_id,
            mode=command.mode,
            children=tuple(children),
            kept=kept,
            rounding_delta_minor=sum(_due(draft, piece) for piece in apart) - before.due_minor,
        )
    )


@dataclass
class _Piece:
    """A tab in the making."""

    tab_id: str
    lines: dict[str, Line] = field(default_factory=dict[str, Line])
    discounts: list[AppliedDiscount] = field(default_factory=list[AppliedDiscount])

    def child(self, waived_limit_minor: int | None) -> events.ChildTab:
        return events.ChildTab(
            tab_id=self.tab_id,
            lines=self.lines,
            discounts=tuple(self.discounts),
            waived_limit_minor=waived_limit_minor,
        )


def _weights(command: commands.SplitTab, tab: Tab, due_minor: int) -> Mapping[str, Sequence[int]]:
    """For each line, how it is shared among the old tab and the parts."""
    count = len(command.parts)
    match command.mode:
        case "evenly":
            return {line_id: [1] * (count + 1) for line_id in tab.lines}
        case "amount":
            amounts = [part.amount_minor or 0 for part in command.parts]
            if min(amounts) <= 0 or sum(amounts) >= due_minor:
                raise refusals.SplitInvalid(f"amount_minor: each above 0, together below {due_minor}")
            return {line_id: [due_minor - sum(amounts), *amounts] for line_id in tab.lines}
        case "lines":
            return _portions(tab, [[(line_id, None) for line_id in part.line_ids] for part in command.parts])
        case "quantity":
            return _portions(tab, [[(each.line_id, each.qty_milli) for each in part.lines] for part in command.parts])
        case "seats":
            seated = [[(key, None) for key, line in tab.lines.items() if line.seat in p.seats] for p in command.parts]
            return _portions(tab, seated)


def _portions(tab: Tab, wanted: Sequence[Iterable[tuple[str, int | None]]]) -> Mapping[str, Sequence[int]]:
    weights = {line_id: [line.qty_milli, *([0] * len(wanted))] for line_id, line in tab.lines.items()}
    for place, portions in enumerate(wanted, start=1):
        for line_id, some in portions:
            if line_id not in weights:
                raise refusals.SplitInvalid("parts: name lines of this tab", line_id=line_id)
            qty = tab.lines[line_id].qty_milli if some is None else some
            weights[line_id][place] += qty
            weights[line_id][0] -= qty
            if qty <= 0 or weights[line_id][0] < 0:
                raise refusals.SplitInvalid("parts: share out each line once, and no more than it has", line_id=line_id)
    return weights


def _share_out(
    tab: Tab,
    pieces: Sequence[_Piece],
    weights: Mapping[str, Sequence[int]],
    prices: Mapping[str, PricedLine],
    discounts: Sequence[AppliedDiscount],
    *,
    root: str,
    even: bool,
) -> None:
    """Give each piece its share of each line; of even pieces the sums differ by a cent at the most."""
    shared = 0
    for number, (line_id, line) in enumerate(tab.lines.items()):
        priced, weight = prices[line_id], weights[line_id]
        off = [discount for discount in discounts if discount.line_id == line_id]
        ways = [place for place, share in enumerate(weight) if share]
        if len(ways) == 1:
            pieces[ways[0]].lines[line_id] = line
            pieces[ways[0]].discounts += off
            continue
        if even:
            remaining = _difference(distribute(shared + priced.remaining_minor, weight), distribute(shared, weight))
            shared += priced.remaining_minor
        else:
            remaining = list(distribute(priced.remaining_minor, weight))
        comps = distribute(priced.comp_minor, weight)
        prices_left = [left + comp for left, comp in zip(remaining, comps, strict=True)]
        _give_shares(tab, pieces, line_id, off, root=f"{root}.{number}", weight=weight, remaining=prices_left)


def _give_shares(
    tab: Tab,
    pieces: Sequence[_Piece],
    line_id: str,
    discounts: Sequence[AppliedDiscount],
    *,
    root: str,
    weight: Sequence[int],
    remaining: Sequence[int],
) -> None:
    """Share one line out: what `remaining` says, and of each discount and the price before it its part."""
    line = tab.lines[line_id]
    quantities = distribute(line.qty_milli, weight)
    sent = distribute(line.sent_milli, quantities)
    prices = list(remaining)
    share_ids = [line_id if place == 0 else share_id(line_id, piece.tab_id) for place, piece in enumerate(pieces)]
    taken = next((share for share in share_ids[1:] if share in tab.lines), None)
    if taken is not None:
        raise refusals.SplitInvalid("parts: the tab has a line of this id; give the new tab another one", line_id=taken)
    for discount in discounts:
        shares = distribute(discount.amount_minor or 0, weight)
        prices = [price + share for price, share in zip(prices, shares, strict=True)]
        off = {share_id: share for share_id, share in zip(share_ids, shares, strict=True) if share}
        for part in parts_of(discount, off):
            pieces[share_ids.index(part.line_id or "")].discounts.append(part)
    for place, piece in enumerate(pieces):
        if weight[place]:
            piece.lines[share_ids[place]] = replace(
                line,
                qty_milli=quantities[place],
                sent_milli=sent[place],
                firm_milli=quantities[place] if line.tracked else 0,
                share_minor=prices[place],
                share_of=line.share_of or root,
                made=line.is_made and not quantities[place],
                version=line.version + 1,
            )


def _difference(after: Sequence[int], before: Sequence[int]) -> list[int]:
    return [new - old for new, old in zip(after, before, strict=True)]


def merge_tabs(draft: Draft, command: commands.MergeTabs) -> None:
    """Put all lines of one tab on another one, which keeps what was paid on it."""
    source, into = _whole(draft, command.from_), _taking(draft, command.into)
    _check_waived(draft, command.from_)
    merge(draft, command.from_, command.into, source=source, into=into)
    check_lines(draft, command.into)
    check_amounts(draft, command.into)


def merge(draft: Draft, source_id: str, into_id: str, *, source: Tab, into: Tab) -> None:
    """Record the merging of two tabs that take it."""
    if source_id == into_id:
        raise refusals.SplitInvalid("into: name another tab")
    if source.training is not into.training:
        raise refusals.SplitInvalid("into: one of the tabs is practice")
    _check_distinct(source.lines, into)
    settings = draft.settings
    discounts = (*pinned(into, settings), *pinned(source, settings))
    merged = replace(into, lines={**into.lines, **source.lines}, discounts=discounts)
    draft.record(
        events.TabsMerged(
            from_=source_id,
            into=into_id,
            line_ids=tuple(source.lines),
            discounts=discounts,
            waived_limit_minor=_waivable(draft, into, merged),
            gratuity_ppm=source.gratuity_ppm or source.waived_ppm,
            rounding_delta_minor=_due(draft, merged) - _due(draft, source) - _due(draft, into),
        )
    )


def move_lines(draft: Draft, command: commands.MoveLines) -> None:
    """Put some lines of a tab on another one."""
    source, into = _whole(draft, command.from_tab_id), _taking(draft, command.to_tab_id)
    if not set(command.line_ids) <= set(source.lines):
        raise NotFound("there is no such line on this tab")
    _check_waived(draft, command.from_tab_id)
    move(draft, command.from_tab_id, command.to_tab_id, command.line_ids, source=source, into=into)
    check_lines(draft, command.to_tab_id)
    check_amounts(draft, command.to_tab_id)


def move(draft: Draft, source_id: str, into_id: str, line_ids: Sequence[str], *, source: Tab, into: Tab) -> None:
    """Record the moving of lines between two tabs that take it."""
    if source_id == into_id:
        raise refusals.SplitInvalid("to_tab_id: name another tab")
    if source.training is not into.training:
        raise refusals.SplitInvalid("to_tab_id: one of the tabs is practice")
    moving = {line_id: source.lines[line_id] for line_id in line_ids}
    _check_distinct(moving, into)
    settings = draft.settings
    leaving = pinned(source, settings)
    left = replace(
        source,
        lines={line_id: line for line_id, line in source.lines.items() if line_id not in moving},
        discounts=tuple(each for each in leaving if each.line_id not in moving),
    )
    joined = replace(
        into,
        lines={**into.lines, **moving},
        discounts=(*pinned(into, settings), *(each for each in leaving if each.line_id in moving)),
    )
    before = _due(draft, source) + _due(draft, into)
    draft.record(
        events.LinesMoved(
            from_tab_id=source_id,
            to_tab_id=into_id,
            line_ids=tuple(moving),
            from_discounts=left.discounts,
            to_discounts=joined.discounts,
            waived_limit_minor=_waivable(draft, source, left),
            to_waived_limit_minor=_waivable(draft, into, joined),
            rounding_delta_minor=_due(draft, left) + _due(draft, joined) - before,
        )
    )


def reopen_tab(draft: Draft, command: commands.ReopenTab) -> None:
    """Take lines on a paid tab again; nothing when it takes them."""
    tab = draft.tab(command.tab_id)
    if tab.status == "OPEN":
        return
    if tab.status == "PAYING":
        raise refusals.PaymentInProgress("wait for the outcome of its payment")
    if not command.reason:
        raise refusals.ReasonRequired("reason: say why the tab is changed after it was paid")
    draft.record(events.TabReopened(tab_id=command.tab_id, reason=command.reason))


def _whole(draft: Draft, tab_id: str) -> Tab:
    """An open tab on which nothing was paid, with its goods sold rather than held, so that it can be taken apart."""
    tab = _taking(draft, tab_id)
    if tab.paid_minor:
        raise refusals.TabPaid("some of it is paid; only what is not paid at all is taken apart")
    return tab


def _taking(draft: Draft, tab_id: str) -> Tab:
    tab = draft.tab(tab_id)
    if tab.status == "PAYING":
        raise refusals.PaymentInProgress("wait for the outcome of its payment", tab_id=tab_id)
    if tab.status == "PAID":
        raise refusals.TabPaid("the tab is paid", tab_id=tab_id)
    reserve(draft, tab_id)
    consume(draft, tab_id)
    return draft.open_tab(tab_id)


def _check_waived(draft: Draft, tab_id: str) -> None:
    """Refuse to take lines where it is not known any more how much service was waived for them."""
    refusal = beyond_waived(draft, tab_id)
    if refusal is not None:
        raise refusal


def _waivable(draft: Draft, before: Tab, after: Tab) -> int | None:
    """What may be waived of a tab's service when lines went or came that pay none, as was allowed where they were."""
    if before.waived_limit_minor is None:
        return None
    more = waived_of(after, draft.settings) - waived_of(before, draft.settings)
    return max(0, before.waived_limit_minor + more)


def _waivable_each(draft: Draft, tab: Tab, pieces: Sequence[Tab]) -> Sequence[int | None]:
    """What may be waived of the service of each piece: enough for it if the whole was."""
    if tab.waived_limit_minor is None:
        return [None] * len(pieces)
    values = [waived_of(piece, draft.settings) for piece in pieces]
    limits = distribute(tab.waived_limit_minor, values if any(values) else [1] * len(values))
    if waived_of(tab, draft.settings) > tab.waived_limit_minor:
        return limits
    return [max(limit, value) for limit, value in zip(limits, values, strict=True)]


def _check_distinct(lines: Iterable[str], into: Tab) -> None:
    for line_id in lines:
        if line_id in into.lines:
            raise refusals.LineExists("both tabs have a line of this id", line_id=line_id)


def _due(draft: Draft, tab: Tab) -> int:
    return bill_of(tab, draft.settings).due_minor
