"""What commands name, or the refusal that says what there is instead."""

from collections.abc import Iterable
from datetime import datetime

from holdfast import Context, NotFound, ValidationFailed
from services.floor import domain_errors as refusals
from services.floor.domain_floor import Floor, Line, Party, Table, Ticket
from services.floor.domain_roles import MANAGERS


def effective_at(ctx: Context) -> datetime:
    """When what is decided now counts as done: at the deadline that passed, or now."""
    return ctx.due_at or ctx.now


def till_of(floor: Floor, ctx: Context) -> str | None:
    """The till that follows this floor, by its location; None when no till does."""
    if floor.settings.payments == "none":
        return None
    return floor.settings.pos_location or ctx.name.id.partition(":")[0]


def till_left(floor: Floor, ctx: Context, party_id: str) -> str | None:
    """The till that is told when a party goes; None when it knows nothing of it, or others pay on its tab still."""
    party = floor.parties[party_id]
    shared = any(other.tab_id == party.tab_id for key, other in floor.parties.items() if key != party_id)
    return till_of(floor, ctx) if party.asked and not shared else None


def post_of(floor: Floor, ctx: Context, *, place: int = 0) -> int:
    """The number of the next message to the till, or of a later one of the same decision; 0 when no till follows."""
    return 0 if till_of(floor, ctx) is None else floor.posts + 1 + place


def table_named(floor: Floor, table_id: str) -> Table:
    """The table with this id."""
    table = floor.tables.get(table_id)
    if table is None:
        raise NotFound(f"this floor has no table {table_id!r}")
    return table


def party_named(floor: Floor, party_id: str) -> Party:
    """The party with this id, which sits somewhere."""
    party = floor.parties.get(party_id)
    if party is None:
        raise NotFound(f"no party {party_id!r} sits on this floor")
    return party


def party_at(floor: Floor, table_id: str) -> str:
    """The id of the party at a table."""
    party_id = table_named(floor, table_id).party_id
    if party_id is None:
        raise refusals.TableNotSeated(f"nobody sits at {table_id}: seat a party first", table_id=table_id)
    return party_id


def line_named(floor: Floor, line_id: str) -> Line:
    """The line with this id."""
    line = floor.lines.get(line_id)
    if line is None:
        raise NotFound(f"no open order has a line {line_id!r}")
    return line


def parts_of(floor: Floor, line_id: str) -> list[str]:
    """The lines that are shown as one with this one, itself first."""
    line_named(floor, line_id)
    others = [other for other in floor.lines if other != line_id and floor.root_of(other) == line_id]
    return [line_id, *others]


def ticket_named(floor: Floor, ticket_id: str) -> Ticket:
    """The ticket with this id."""
    ticket = floor.tickets.get(ticket_id)
    if ticket is None:
        raise NotFound(f"no ticket {ticket_id!r} is open here, nor among the last ones that were bumped")
    return ticket


def check_distinct(ids: Iterable[str], field: str) -> None:
    """Refuse a list that names something twice."""
    listed = list(ids)
    if len(set(listed)) < len(listed):
        raise ValidationFailed(f"{field}: name each one once")


def may_force(ctx: Context, *, asked: bool) -> bool:
    """Whether the sender wants a rule broken and may."""
    return asked and not MANAGERS.isdisjoint(ctx.actor.roles)
