"""Pages of a read model: filters from strings, and cursors that hold the place of the last row."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Row, Select, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast._errors import ValidationFailed
from holdfast._messages import Actor
from holdfast._projection import Listing
from holdfast.sql._whole import to_the_end

MAX_LIMIT: Final = 200
DEFAULT_LIMIT: Final = 50
_NUL: Final = "\0"
"""PostgreSQL takes no text with it."""
F = TypeVar("F", bound=msgspec.Struct)


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request on `list.{purpose}.{tenant}`; `by` is set by the door that checked the credential."""

    by: Actor
    list: str | None = None
    """Which one, when the purpose has several."""
    filters: dict[str, str] = {}
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some items; `cursor` asks for those that follow, and is null at the end."""

    items: Sequence[Any]
    cursor: str | None


@to_the_end
async def read_page(database: AsyncEngine, listing: Listing[Any], tenant: str, query: ListQuery) -> Page:
    """One page of the tenant's rows; wrong filters, limits and cursors are `VALIDATION` and name what is allowed."""
    if not 1 <= query.limit <= MAX_LIMIT:
        raise ValidationFailed(f"limit is a number from 1 to {MAX_LIMIT}", allowed={"minimum": 1, "maximum": MAX_LIMIT})
    filters = _Filters(listing.filters).read(query.filters)
    statement = _statement(listing, tenant).where(*listing.where(filters, query.by))
    if query.cursor is not None:
        statement = statement.where(_beyond(listing, query.cursor))
    async with database.begin() as connection:
        rows = (await connection.execute(statement.limit(query.limit + 1))).all()
    shown = rows[: query.limit]
    return Page(
        items=[_item(listing, row) for row in shown],
        cursor=_cursor(listing, shown[-1]) if len(rows) > query.limit else None,
    )


class _Filters(Generic[F]):
    """The filters of one list, and the words for what they may be."""

    def __init__(self, kind: type[F]) -> None:
        self._kind = kind

    def read(self, given: Mapping[str, str]) -> F:
        known = self._kind.__struct_fields__
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise self._refusal(f"there is no filter {unknown[0][:100]!r}")
        if any(_NUL in value for value in given.values()):
            raise self._refusal("a filter holds no NUL")
        try:
            filters = msgspec.convert(given, self._kind, strict=False)
        except msgspec.ValidationError as error:
            raise self._refusal(str(error).replace("`$.", "`")) from None
        for name in known:
            if _is_lost_in_utc(getattr(filters, name)):
                raise self._refusal(f"{name} is no time that can be compared")
        return filters

    def _refusal(self, what: str) -> ValidationFailed:
        allowed = _allowed(self._kind)
        words = "; ".join(f"{name}: {form}" for name, form in allowed.items())
        return ValidationFailed(f"{what}; filters are {words or 'none'}", allowed=allowed)


def _allowed(kind: type[msgspec.Struct]) -> dict[str, str]:
    """What each filter may be, in words, from its JSON schema."""
    schema: Any = msgspec.json.schema(kind)
    properties: dict[str, Any] = next(iter(schema["$defs"].values()))["properties"]
    return {name: _words(form) for name, form in properties.items()}


def _words(form: dict[str, Any]) -> str:
    for choice in form.get("anyOf", [form]):
        if "enum" in choice:
            return "one of " + ", ".join(str(value) for value in choice["enum"] if value is not None)
        if choice.get("format") == "date-time":
            return "a time such as 2026-01-31T12:00:00Z"
        if choice.get("format") == "date":
            return "a date such as 2026-01-31"
        if choice.get("type") == "integer":
            return f"a whole number from {choice['minimum']} to {choice['maximum']}"
        if choice.get("type", "null") != "null":
            return f"a {choice['type']}"
    return "a string"


def _statement(listing: Listing[Any], tenant: str) -> Select[Any]:
    columns = listing.table.c
    shown = [columns[field] for field in listing.row.__struct_fields__]
    keys = [key.label(_key(number)) for number, key in enumerate(listing.sort)]
    return select(*shown, *keys).where(columns.tenant == tenant).order_by(*listing.sort)


def _key(number: int) -> str:
    return f"key_{number}"


def _item(listing: Listing[Any], row: Row[Any]) -> msgspec.Struct:
    return msgspec.convert({field: getattr(row, field) for field in listing.row.__struct_fields__}, listing.row)


def _cursor(listing: Listing[Any], row: Row[Any]) -> str:
    values = [getattr(row, _key(number)) for number in range(len(listing.sort))]
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def _beyond(listing: Listing[Any], cursor: str) -> ColumnElement[bool]:
    kinds: Any = tuple[tuple(_kind(key) for key in listing.sort)]  # pyright: ignore[reportInvalidTypeArguments] - made at run time
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        values: tuple[Any, ...] = msgspec.json.decode(raw, type=kinds)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        values = ()
    lost = any(_is_lost_in_utc(value) for value in values)
    if not values or lost or any(_NUL in value for value in values if isinstance(value, str)):
        raise ValidationFailed("cursor is the one of the page before, unchanged; leave it out to begin anew")
    last = [literal(value, key.type) for value, key in zip(values, listing.sort, strict=True)]
    return tuple_(*listing.sort) > tuple_(*last)


def _kind(key: Column[Any]) -> Any:
    """What a cursor may hold of a column: a number only within what its type can be compared with."""
    if key.type.python_type is not int:
        return key.type.python_type
    beyond = 2**31 if isinstance(key.type, Integer) and not isinstance(key.type, BigInteger) else 2**63
    return Annotated[int, msgspec.Meta(ge=-beyond, le=beyond - 1)]


def _is_lost_in_utc(value: object) -> bool:
    """Whether this is a time without an offset, or one beyond the calendar's ends once it has none."""
    if not isinstance(value, datetime):
        return False
    if value.tzinfo is None:
        return True
    try:
        value.astimezone(UTC)
    except OverflowError:
        return True
    return False
