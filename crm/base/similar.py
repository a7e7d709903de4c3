"""Who looks alike: organisations that have a number, tax number, domain or e-mail of one that is asked for, or a name
like it. Each question is one step into an index, so that it can be asked while somebody types."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Row,
    and_,
    bindparam,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm.base.joined import is_merged
from crm.base.organisation_keys import keys_of, name_key
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.text_rules import fold, tidy

LEAST_SCORE: Final = 85.0
"""Of 100: names with a lower score are not alike."""
_LEAST_PREFIX: Final = 3  # letters; whatever begins with fewer is half of the base
_MOST_CANDIDATES: Final = 30  # of one kind that are looked at
_LAST_LETTER: Final = "\U0010ffff"
_NOBODYS: Final = _LAST_LETTER  # no name begins so


class Ground(enum.StrEnum):
    """Why two organisations may be one."""

    PHONE = "phone"
    TAX_NUMBER = "tax_number"
    DOMAIN = "domain"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is known of an organisation, as it is typed; `phones` in E.164."""

    name: str = ""
    city: str = ""
    tax_number: str = ""
    site: str = ""
    email: str = ""
    phones: tuple[str, ...] = ()


@dataclass(slots=True)
class Similar:
    """An organisation that looks alike. `score`: of the names, 0 to 100."""

    organisation_id: int
    name: str
    city: str
    grounds: list[Ground] = field(default_factory=list)
    score: float = 0.0


async def similar_to(
    session: AsyncSession, sought: Sought, *, except_id: int | None = None, limit: int = 10
) -> list[Similar]:
    """Who looks like `sought`, those with something in common first, then by the likeness of the name."""
    key, found = name_key(sought.name), dict[int, Similar]()
    for ground, organisation_id, name, city, its_key in await _candidates(session, sought, key):
        score = likeness(key, its_key)
        if ground == Ground.NAME and score < LEAST_SCORE and not _begins(its_key, key):
            continue
        similar = found.setdefault(organisation_id, Similar(organisation_id, name, city, score=score))
        if Ground(ground) not in similar.grounds:
            similar.grounds.append(Ground(ground))
    found.pop(except_id or 0, None)
    place = fold(sought.city)

    def rank(each: Similar) -> tuple[bool, int, bool, float, int]:
        by_name_alone, elsewhere = each.grounds == [Ground.NAME], fold(each.city) != place
        return by_name_alone, -len(each.grounds), elsewhere, -each.score, each.organisation_id

    return sorted(found.values(), key=rank)[:limit]


def likeness(one: str, other: str) -> float:
    """How alike two name keys are, 0 to 100, whatever the order of their words."""
    return fuzz.token_sort_ratio(one, other)


def _begins(whole: str, part: str) -> bool:
    return len(part) >= _LEAST_PREFIX and whole.startswith(part)


_Candidate = tuple[str, int, str, str, str]


async def _candidates(session: AsyncSession, sought: Sought, key: str) -> Sequence[Row[*_Candidate]]:
    """Who may be alike: the ground on which each was found, id, name, city, and key of the name."""
    keys = keys_of(name=sought.name, tax_number=sought.tax_number, site=sought.site, email=sought.email)
    beginning = key if len(key) >= _LEAST_PREFIX else _NOBODYS
    values = {name: value or _NOBODYS for name, value in keys.items()} | {
        "phones": list(sought.phones), "at": tidy(sought.city), "beginning": beginning, "end": beginning + _LAST_LETTER,
    }  # fmt: skip
    return (await session.execute(_statement(session.get_bind().dialect.name), values)).all()


@functools.cache
def _statement(dialect: str) -> CompoundSelect[*_Candidate]:
    """One statement with a few steps into indexes, put together once. What is not known is sought as nobody's."""
    all_standing = select(Organisation.id, Organisation.name, Organisation.city, Organisation.name_key)
    all_standing = all_standing.where(~is_merged(Organisation.id))
    holders = all_standing.join(PhoneNumber, PhoneNumber.organisation_id == Organisation.id)
    same_name = all_standing.where(Organisation.name_key == bindparam("name_key"))
    same_skeleton = all_standing.where(Organisation.name_skeleton == bindparam("name_skeleton"))
    here = Organisation.city == bindparam("at")
    asked = (
        *((ground, all_standing.where(_is_filled(column))) for ground, column in _KEYS),
        (Ground.PHONE, holders.where(PhoneNumber.e164.in_(bindparam("phones", expanding=True)))),
        # Those of the city apart, so that they are among the few that are looked at.
        *((Ground.NAME, wanted) for wanted in (same_name, same_name.where(here))),
        *((Ground.NAME, wanted) for wanted in (same_skeleton, same_skeleton.where(here))),
        (Ground.NAME, all_standing.where(_key_begins(dialect))),
    )
    few = [(ground, wanted.limit(_MOST_CANDIDATES).subquery()) for ground, wanted in asked]
    return union_all(*(select(literal(ground.value).label("ground"), *wanted.c) for ground, wanted in few))


_KEYS: Final = (
    (Ground.TAX_NUMBER, Organisation.tax_key),
    (Ground.DOMAIN, Organisation.domain_key),
    (Ground.EMAIL, Organisation.email_key),
)


def _is_filled(column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """It is what is sought; said once more, so that the partial index is seen to serve."""
    return and_(column == bindparam(column.key), column != literal("", literal_execute=True))


def _key_begins(dialect: str) -> ColumnElement[bool]:
    """A range of the index; PostgreSQL's compares by characters whatever the locale."""
    column = Organisation.name_key
    beginning: BindParameter[str] = bindparam("beginning")
    end: BindParameter[str] = bindparam("end")
    if dialect == "postgresql":
        return and_(column.op("~>=~", is_comparison=True)(beginning), column.op("~<~", is_comparison=True)(end))
    return and_(column >= beginning, column < end)
