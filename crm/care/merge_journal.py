"""What a merge changed, in a form that is stored and can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.addresses import Address
from crm.base.competitors import CompetitorUse
from crm.base.organisations import Organisation
from crm.base.past_deals import FormerOwner, PastDeal
from crm.base.people import Person
from crm.base.phone_numbers import PhoneNumber
from crm.clientele.clients import Client
from crm.deals.deals import Deal
from crm.mapping import Base, UtcDateTime
from crm.plan.callbacks import Callback

_CLASSES: Final[Mapping[str, type[Base]]] = {
    each.__tablename__: each
    for each in (
        Address,
        Callback,
        Client,
        CompetitorUse,
        Deal,
        FormerOwner,
        Organisation,
        PastDeal,
        Person,
        PhoneNumber,
    )
}


@dataclass(slots=True)
class Journal:
    """`changed`: table, id, column, what it was, what the merge made of it, in the order of the changes. `carried`:
    clients that went over with their contacts; `moved` and `copied` people (a copy: the original's id, its own);
    `requests`: do-not-call requests that were repeated; `withdrawn`: promises; `groups`: client, group before,
    group after."""

    changed: list[list[Any]] = field(default_factory=list)
    carried: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    copied: list[list[int]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    groups: list[list[Any]] = field(default_factory=list)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Journal:
        return cls(**stored)

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def set(self, row: Any, column: str, value: object) -> None:
        """Give `row` another value, and remember the one it had."""
        was = getattr(row, column)
        if was != value:
            setattr(row, column, value)
            self.changed.append([row.__tablename__, row.id, column, _in_json(was), _in_json(value)])

    async def take_back(self, session: AsyncSession, tables: frozenset[str]) -> list[str]:
        """Give the rows of `tables` what they had. Those that have another value meanwhile are left alone, and named
        as "table:id column"."""
        left = []
        for table, row_id, column, was, made in reversed(self.changed):
            if table not in tables:
                continue
            row = await session.get(_CLASSES[table], row_id, with_for_update=True)
            if row is None or _in_json(getattr(row, column)) != made:
                left.append(f"{table}:{row_id} {column}")
            else:
                setattr(row, column, _out_of_json(row, column, was))
        await session.flush()
        return list(reversed(left))


def _in_json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _out_of_json(row: Any, column: str, value: Any) -> Any:
    is_moment = isinstance(row.__table__.c[column].type, UtcDateTime)
    return datetime.fromisoformat(value) if is_moment and value is not None else value
