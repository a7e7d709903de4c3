"""Sheets found by two ranges, such as "more than ten" and "before May", however the two exclude each other.

An index has the sheets in the order of one number, and walking it for the other reads all that lie between. So the one
range is gone through by its steps, of which there are a few hundred at most: within each the index has the sheets in
the order of the other number ([decision 22](docs/decisions/0022-columns-for-reports.md)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import CTE, ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from crm.questionnaires.questions import Kind, Relation
from crm.questionnaires.report_columns import SheetColumns, step_beside
from crm.questionnaires.wanted import PlaceInOrder, Wanted, column_of, holds

_AT_FIRST: Final = 4
"""Steps that are looked at at once: where many sheets are wanted, these are enough."""
_MORE: Final = 16
"""So many times as many next."""
_ALL: Final = 1_000_000
_FEWEST_STEPS_FIRST: Final = (Kind.SCALE, Kind.DATE, Kind.NUMBER)


def two_ranges(wanted: Sequence[Wanted]) -> tuple[Wanted, Wanted] | None:
    """The ranges of two columns, if nothing but ranges is wanted: the one to go through by its steps, and the one that
    gives the order within each."""
    of_places = {each.place: each for each in reversed(wanted)}
    if len(of_places) < 2 or not all(each.is_range for each in wanted):
        return None
    kinds = _FEWEST_STEPS_FIRST
    stepped, ordered, *_ = sorted(of_places.values(), key=lambda each: (kinds.index(each.question.kind), each.place))
    return stepped, ordered


async def page_within(
    session: AsyncSession,
    questionnaire_id: int,
    wanted: Sequence[Wanted],
    ranges: tuple[Wanted, Wanted],
    *,
    after: PlaceInOrder | None,
    limit: int,
) -> list[PlaceInOrder]:
    """So many sheets for which all this holds, by the step of the first range, the number of the second, and id."""
    stepped, ordered = ranges
    step, number = column_of(step_beside(stepped.place)), column_of(ordered.place)
    every = (SheetColumns.questionnaire_id == questionnaire_id, *map(holds, wanted))
    page = select(SheetColumns.sheet_id, number, step).where(*every).order_by(step, number, SheetColumns.sheet_id)
    found: list[PlaceInOrder] = []

    async def take(asked: Select[int, int | None, int | None]) -> None:
        found.extend([PlaceInOrder(*row) for row in await session.execute(asked.limit(limit - len(found)))])

    begun = after.step if after is not None and after.value is not None else None
    if after is not None and begun is not None:
        beyond = tuple_(number, SheetColumns.sheet_id) > tuple_(after.value, after.sheet_id)
        await take(page.where(step == begun, number >= after.value, beyond))
    if len(found) == limit:
        return found
    sparse: list[int] = []
    left, most = limit - len(found), _AT_FIRST
    while True:
        counts = await _counts(session, stepped, every, behind=begun, most=most, limit=limit)
        for each, count in counts:
            if count >= left:
                # More than is wanted lies in this one, where the index has it in order: nothing is sorted.
                if sparse:
                    await take(page.where(step.in_(sparse)))
                await take(page.where(step == each))
                return found
            left -= count
            sparse += [each] if count else []
        if len(counts) < most:
            break
        begun, most = counts[-1][0], most * _MORE
    if sparse:
        await take(page.where(step.in_(sparse)))
    return found


async def _counts(
    session: AsyncSession,
    stepped: Wanted,
    every: tuple[ColumnElement[bool], ...],
    *,
    behind: int | None,
    most: int,
    limit: int,
) -> list[tuple[int, int]]:
    """The next steps, so many at most, and how many sheets each has, counted up to `limit`."""
    steps = _steps(every[0], stepped, behind, most)
    step = column_of(step_beside(stepped.place))
    some = select(SheetColumns.sheet_id).where(*every, step == steps.c.step).limit(limit).correlate(steps).subquery()
    counting = select(steps.c.step, select(func.count()).select_from(some).scalar_subquery())
    found = await session.execute(counting.where(steps.c.step.is_not(None)).order_by(steps.c.step))
    return [(each, count) for each, count in found]


def ids_within(questionnaire_id: int, wanted: Sequence[Wanted], ranges: tuple[Wanted, Wanted]) -> Select[int]:
    """The ids of all sheets for which all this holds, in no order."""
    every = (SheetColumns.questionnaire_id == questionnaire_id, *map(holds, wanted))
    steps = _steps(every[0], ranges[0], None, _ALL)
    step = column_of(step_beside(ranges[0].place))
    return select(SheetColumns.sheet_id).select_from(steps.join(SheetColumns, step == steps.c.step)).where(*every)


def _steps(whose: ColumnElement[bool], stepped: Wanted, behind: int | None, most: int) -> CTE:
    """The steps of this range that there are, those behind the step `behind` if one is given, so many at most, and NULL
    behind the last: one look into the index for each."""
    step = column_of(step_beside(stepped.place))
    within = [whose]
    low = None if behind is None else behind + 1
    if stepped.relation is Relation.GREATER:
        low = stepped.step if low is None else max(low, stepped.step)
    else:
        within.append(step <= stepped.step)
    # Never two lower limits: SQLite may begin at the other one, and walk up to this.
    since = step >= low if low is not None else step.is_not(None)
    first = select(func.min(step).label("step"), literal(1).label("place")).where(*within, since)
    steps = first.cte("steps", recursive=True)
    following = select(func.min(step)).where(*within, step > steps.c.step).scalar_subquery()
    further = select(following, steps.c.place + 1).where(steps.c.step.is_not(None), steps.c.place < most)
    return steps.union_all(further)
