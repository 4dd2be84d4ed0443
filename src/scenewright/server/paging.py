"""Pages of rows, from one row to another, in the order in which they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

Row = TypeVar("Row")
Order = Literal["asc", "desc"]


def page_of(
    session: Session,
    kind: type[Row],
    columns: Sequence[InstrumentedAttribute[Any]],
    conditions: Sequence[ColumnElement[bool]],
    *,
    after: Row | None,
    before: Row | None,
    limit: int,
    order: Order,
) -> tuple[list[Row], bool]:
    """At most ``limit`` rows by ``columns``, and whether there are more. ``after`` and ``before``: rows
    between which the page lies, in this order."""
    forward, place = order == "asc", tuple_(*columns)
    all_of = [*conditions]
    for row, later in ((after, forward), (before, not forward)):
        if row is not None:
            at = tuple_(*(getattr(row, column.key) for column in columns))
            all_of.append(place > at if later else place < at)
    # A page before something ends there: it is read backwards.
    backwards = before is not None and after is None
    ordered = [c.asc() if forward != backwards else c.desc() for c in columns]
    rows = list(session.scalars(select(kind).where(and_(*all_of)).order_by(*ordered).limit(limit + 1)))
    page = rows[:limit]
    return page[::-1] if backwards else page, len(rows) > limit
