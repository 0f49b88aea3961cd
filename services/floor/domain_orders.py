"""Orders: what parties want, in courses, moved between orders and merged into one bill."""

from collections.abc import Iterable
from typing import Final

from holdfast import Context, Forbidden, NotFound, StateConflict, TooLarge, ValidationFailed
from services.floor import domain_errors as refusals
from services.floor import domain_events as events
from services.floor import domain_order_commands as commands
from services.floor import domain_order_events as order_events
from services.floor.domain_commands import RecordVoid
from services.floor.domain_floor import Floor, Line, Order, Party, has_paid, is_paying, status_of
from services.floor.domain_kitchen import stations_with
from services.floor.domain_lookup import check_distinct, line_named, parts_of, party_at, post_of, till_of
from services.floor.domain_roles import MANAGERS
from services.floor.domain_settings import MAX_SKUS

Events = tuple[events.FloorEvent, ...]
MAX_LINES: Final = 1_000
"""Of one party, cancelled ones too, until it leaves."""


def place_order(floor: Floor, command: commands.PlaceOrder, ctx: Context) -> Events:
    """Add the lines that are not known yet; nothing when all are."""
    party_id = party_at(floor, command.table_id)
    check_distinct((line.line_id for line in command.lines), "lines")
    known = floor.orders.get(command.order_id)
    if known is not None and known.party_id != party_id:
        raise ValidationFailed("order_id: another party has this order; choose another id")
    if known is not None and known.type != command.order_type:
        raise refusals.DifferentTaxMode(f"this order is {known.type}: place another one", order_type=known.type)
    lines = [line for line in command.lines if line.line_id not in floor.lines]
    if not lines:
        return ()
    _check_prices(lines, ctx)
    out = sorted({line.sku for line in lines} & set(floor.eighty_six))
    if out:
        raise refusals.ItemEightySixed(f"the kitchen is out of {', '.join(out)}: offer something else", sku=out[0])
    party = floor.parties[party_id]
    if sum(1 for _ in floor.lines_of(party_id)) + len(lines) > MAX_LINES:
        raise TooLarge(f"a party has {MAX_LINES} lines at most: seat some of them as another party", maximum=MAX_LINES)
    return (
        order_events.OrderPlaced(
            order_id=command.order_id,
            party_id=party_id,
            tab_id=party.tab_id,
            table_id=command.table_id,
            table_ref=floor.table_ref(party.table_ids),
            guest_count=party.size,
            order_type=command.order_type,
            lines=tuple(
                order_events.PlacedLine(
                    line=line,
                    station=floor.settings.stations.get(line.sku, floor.settings.default_station),
                    fired=_goes_at_once(floor, party, line.course),
                )
                for line in lines
            ),
            till=till_of(floor, ctx),
            post=post_of(floor, ctx),
            at=ctx.now,
        ),
    )


def _check_prices(lines: Iterable[commands.OrderLine], ctx: Context) -> None:
    """Refuse prices that only a manager may give: one's own, and wishes that take something off."""
    if not MANAGERS.isdisjoint(ctx.actor.roles):
        return
    for line in lines:
        if line.unit_price_minor is not None:
            raise Forbidden("unit_price_minor: leave it out, the till knows the price; a manager may give another one")
        if any(each.price_minor < 0 for each in line.mods):
            raise Forbidden("mods: price_minor not below 0; a manager may give something off")


def _goes_at_once(floor: Floor, party: Party, course: int | None) -> bool:
    if course is None or course in party.fired:
        return True
    return course == 1 and floor.settings.fire_first_course and course not in party.held


def fire_course(floor: Floor, command: commands.FireCourse, ctx: Context) -> Events:
    """Send the waiting lines of a course to the kitchen."""
    party_id = party_at(floor, command.table_id)
    line_ids = _waiting(floor, party_id, command.course)
    return (order_events.CourseFired(party_id=party_id, course=command.course, line_ids=line_ids, at=ctx.now),)


def hold_course(floor: Floor, command: commands.HoldCourse, ctx: Context) -> Events:
    """Keep the clock from firing a course; nothing when it is kept already."""
    party_id = party_at(floor, command.table_id)
    if command.course in floor.parties[party_id].held:
        return ()
    _waiting(floor, party_id, command.course)
    return (order_events.CourseHeld(party_id=party_id, course=command.course, at=ctx.now),)


def _waiting(floor: Floor, party_id: str, course: int) -> tuple[str, ...]:
    """The lines of a course that the kitchen does not know of; a refusal when there are none."""
    lines = {
        line_id: line
        for line_id, line in floor.lines_of(party_id)
        if line.ordered.course == course and line.state != "CANCELLED"
    }
    if not lines:
        raise refusals.CourseEmpty(f"nothing is ordered for course {course}", course=course)
    waiting = waiting_lines(floor, party_id, course)
    if not waiting:
        raise refusals.AlreadyFired(f"course {course} is in the kitchen already", course=course)
    return waiting


def waiting_lines(floor: Floor, party_id: str, course: int) -> tuple[str, ...]:
    """The lines of a course that the kitchen does not know of."""
    lines = floor.lines_of(party_id)
    return tuple(line_id for line_id, line in lines if line.state == "NEW" and line.ordered.course == course)


def cancel_line(floor: Floor, command: commands.CancelLine, ctx: Context) -> Events:
    """Take a quantity off a line, over its parts in their order; nothing when nothing of it is left."""
    parts = {line_id: floor.lines[line_id] for line_id in parts_of(floor, command.line_id)}
    wanted = {line_id: line for line_id, line in parts.items() if line.wanted}
    if not wanted:
        return ()
    if not command.reason.strip():
        raise refusals.ReasonRequired("reason: say why the line is cancelled")
    open_ = {line_id: line for line_id, line in wanted.items() if line.state != "SERVED"}
    if not open_:
        raise refusals.AlreadyServed("this is served: void it at the till", line_id=command.line_id)
    left = sum(line.wanted for line in open_.values())
    if command.qty is not None and command.qty > left:
        raise ValidationFailed(f"qty: at most {left}, which is not served yet")
    if any(is_paying(floor, floor.parties[line.party_id]) for line in open_.values()):
        raise refusals.PaymentInProgress("the party is paying: wait for the outcome")
    return tuple(_cancelled(floor, open_, command.qty or left, reason=command.reason, ctx=ctx))


def _cancelled(
    floor: Floor, lines: dict[str, Line], qty: int, *, reason: str, ctx: Context
) -> Iterable[order_events.LineCancelled]:
    for place, (line_id, line) in enumerate(lines.items()):
        off = min(qty, line.wanted)
        if not off:
            return
        qty -= off
        yield order_events.LineCancelled(
            line_id=line_id,
            order_id=line.order_id,
            party_id=line.party_id,
            tab_id=floor.parties[line.party_id].tab_id,
            qty=off,
            reason=reason,
            made=line.sent > 0,
            till=till_of(floor, ctx),
            post=post_of(floor, ctx, place=place),
            at=ctx.now,
        )


def record_void(floor: Floor, command: RecordVoid, ctx: Context) -> Events:
    """Take off what the till voided, as far as it is not served; the till knows already."""
    line = floor.lines.get(command.line_id)
    if line is None or line.state == "SERVED" or not line.wanted:
        return ()
    return (
        order_events.LineCancelled(
            line_id=command.line_id,
            order_id=line.order_id,
            party_id=line.party_id,
            tab_id=floor.parties[line.party_id].tab_id,
            qty=min(command.qty_milli, line.wanted),
            reason=command.reason,
            at=ctx.now,
        ),
    )


def move_lines(floor: Floor, command: commands.MoveLines, ctx: Context) -> Events:
    """Move lines, each with its parts, to another order; nothing when they are there."""
    check_distinct(command.line_ids, "line_ids")
    line_ids = dict.fromkeys(part for line_id in command.line_ids for part in parts_of(floor, line_id))
    target = _target(floor, command)
    moving = [line_id for line_id in line_ids if floor.lines[line_id].order_id != command.to_order]
    to = floor.parties[target.party_id]
    for line_id in moving:
        line = line_named(floor, line_id)
        _check_same_tax_mode(floor.orders[line.order_id], target)
        if floor.parties[line.party_id].tab_id != to.tab_id:
            _check_unpaid(floor, line.party_id, target.party_id)
    after = floor.table_ref(to.table_ids)
    return tuple(
        order_events.LinesMoved(
            line_ids=tuple(group),
            from_party_id=from_id,
            to_party_id=target.party_id,
            from_tab_id=floor.parties[from_id].tab_id,
            to_tab_id=to.tab_id,
            to_order=command.to_order,
            order_type=target.type,
            to_table_id=to.table_ids[0],
            table_ref=after,
            note=f"{floor.table_ref(floor.parties[from_id].table_ids)}→{after}",
            stations=stations_with(floor, group),
            till=till_of(floor, ctx),
            post=post_of(floor, ctx, place=place),
            at=ctx.now,
        )
        for place, (from_id, group) in enumerate(_by_party(floor, moving).items())
    )


def _target(floor: Floor, command: commands.MoveLines) -> Order:
    """The order that lines are moved to, as it will be when it is opened by that."""
    target = floor.orders.get(command.to_order)
    if target is None and command.to_table is None:
        raise NotFound(f"no party has an order {command.to_order!r}: name the table at which to open it, as to_table")
    if target is None:
        source = floor.orders[line_named(floor, command.line_ids[0]).order_id]
        return Order(party_id=party_at(floor, command.to_table or ""), type=source.type)
    if command.to_table is not None and party_at(floor, command.to_table) != target.party_id:
        raise ValidationFailed("to_order: another party has this order; choose another id")
    return target


def _by_party(floor: Floor, line_ids: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line_id in line_ids:
        found.setdefault(floor.lines[line_id].party_id, []).append(line_id)
    return found


def merge_orders(floor: Floor, command: commands.MergeOrders, ctx: Context) -> Events:
    """Make one order of two, and one bill of their parties' two; nothing when that is done."""
    source, target = order_named(floor, command.from_), order_named(floor, command.into)
    if command.from_ == command.into:
        raise ValidationFailed("into: name another order")
    done = floor.merges.get(command.from_)
    if done is not None and done.into_order == command.into:
        return ()
    for order_id in (command.from_, command.into):
        if order_id in floor.merges:
            into = floor.merges[order_id].into_order
            raise StateConflict(f"{order_id} was merged into {into}: name that one", into=into)
    _check_same_tax_mode(source, target)
    from_tab, into_tab = (floor.parties[order.party_id].tab_id for order in (source, target))
    one_bill = from_tab == into_tab
    if not one_bill:
        _check_unpaid(floor, source.party_id, target.party_id)
    homes = tuple(
        order_events.Home(line_id=line_id, order_id=line.order_id, joined=line.joined)
        for line_id, line in floor.lines.items()
        if line.order_id == command.from_
    )
    line_map = _alike(floor, command)
    return (
        order_events.OrdersMerged(
            from_order=command.from_,
            into_order=command.into,
            from_tab_id=from_tab,
            into_tab_id=into_tab,
            party_ids=() if one_bill else _paying_on(floor, from_tab),
            line_map=line_map,
            sent_map=_sent(floor, line_map),
            homes=homes,
            till=till_of(floor, ctx),
            post=post_of(floor, ctx),
            at=ctx.now,
        ),
    )


def unmerge(floor: Floor, command: commands.Unmerge, ctx: Context) -> Events:
    """Give every line back to the order it came from, with all that happened to it since."""
    merge = floor.merges.get(command.order_id)
    if merge is None:
        raise refusals.NotMerged(f"{command.order_id} is not merged into another order")
    moved_on = any(floor.parties[party_id].tab_id != merge.into_tab_id for party_id in merge.party_ids)
    if merge.into_order in floor.merges or moved_on:
        raise StateConflict("undo the later merge of this bill first")
    if any(has_paid(floor, floor.parties[key]) or is_paying(floor, floor.parties[key]) for key in merge.party_ids):
        raise refusals.PaymentInProgress("the bill is being paid, or a part of it is paid")
    return (
        order_events.OrdersUnmerged(
            from_order=command.order_id,
            into_order=merge.into_order,
            from_tab_id=merge.from_tab_id,
            into_tab_id=merge.into_tab_id,
            party_ids=merge.party_ids,
            line_ids=tuple(line_id for line_id, line in floor.lines.items() if line.party_id in merge.party_ids),
            homes=tuple(home for home in merge.homes if _still_in(floor, home.line_id, merge.into_order)),
            till=till_of(floor, ctx),
            post=post_of(floor, ctx),
            at=ctx.now,
        ),
    )


def set_eighty_six(floor: Floor, command: commands.SetEightySix, ctx: Context) -> Events:
    """Note that an item is out or back; nothing when that is known."""
    if (command.sku in floor.eighty_six) == command.unavailable:
        return ()
    if command.unavailable and len(floor.eighty_six) >= MAX_SKUS:
        raise TooLarge(f"{MAX_SKUS} items are out at most: say which ones are back", maximum=MAX_SKUS)
    return (order_events.EightySixChanged(sku=command.sku, unavailable=command.unavailable, at=ctx.now),)


def order_named(floor: Floor, order_id: str) -> Order:
    """The order with this id."""
    order = floor.orders.get(order_id)
    if order is None:
        raise NotFound(f"no party has an order {order_id!r}")
    return order


def _still_in(floor: Floor, line_id: str, order_id: str) -> bool:
    line = floor.lines.get(line_id)
    return line is not None and line.order_id == order_id


def _check_same_tax_mode(source: Order, target: Order) -> None:
    if source.type != target.type:
        raise refusals.DifferentTaxMode(f"one is {source.type}, the other {target.type}: keep two bills")


def _check_unpaid(floor: Floor, *party_ids: str) -> None:
    for party_id in party_ids:
        party = floor.parties[party_id]
        if is_paying(floor, party) or has_paid(floor, party) or status_of(floor, party_id, party) == "PAID":
            raise refusals.PaymentInProgress("a bill is being paid or has been: keep it as it is", party_id=party_id)


def _paying_on(floor: Floor, tab_id: str) -> tuple[str, ...]:
    return tuple(party_id for party_id, party in floor.parties.items() if party.tab_id == tab_id)


def _alike(floor: Floor, command: commands.MergeOrders) -> dict[str, str]:
    """For each line of the one order, the line of the other one that differs in nothing but the quantity."""
    targets: dict[object, str] = {}
    for line_id, line in floor.lines.items():
        if line.order_id == command.into and line.joined is None and line.state != "CANCELLED":
            targets.setdefault(_kind(line), line_id)
    return {
        line_id: targets[_kind(line)]
        for line_id, line in floor.lines.items()
        if line.order_id == command.from_ and line.joined is None and _kind(line) in targets
    }


def _kind(line: Line) -> object:
    """What must be equal for two lines to be shown as one: a coke for 5 and a coke for 4 stay two lines."""
    of = line.ordered
    price = of.unit_price_minor if line.price_minor is None else line.price_minor
    return of.sku, price, of.mods, of.tax_ids, of.note, of.seat, of.course, of.discount_ids


def _sent(floor: Floor, line_map: dict[str, str]) -> dict[str, int]:
    sent = {root: sum(floor.lines[part].sent for part in parts_of(floor, root)) for root in line_map.values()}
    for line_id, root in line_map.items():
        sent[root] += sum(floor.lines[part].sent for part in parts_of(floor, line_id))
    return sent
