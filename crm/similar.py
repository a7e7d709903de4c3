"""Who looks alike: organisations that have a number, tax number, domain or e-mail of one that is asked for, or a name
like it. Each question is one step into an index, so that it can be asked while somebody types."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz import fuzz
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.clients import Client
from crm.joined import is_merged
from crm.organisation_keys import keys_of, name_key
from crm.organisations import Organisation
from crm.phone_numbers import PhoneNumber
from crm.text_rules import fold, tidy

LEAST_SCORE: Final = 85.0
"""Of 100: names with a lower score are not alike."""
_LEAST_PREFIX: Final = 3  # letters; whatever begins with fewer is half of the base
_MOST_CANDIDATES: Final = 60  # of one kind that are looked at
_LAST_LETTER: Final = "\U0010ffff"


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
    found: dict[int, Similar] = {}
    for ground, condition in _in_common(sought):
        for organisation in await session.execute(_organisations().where(condition).limit(_MOST_CANDIDATES)):
            _add(found, ground, organisation.id, organisation.name, organisation.city)
    if sought.phones:
        holders = (
            _organisations()
            .join(PhoneNumber, PhoneNumber.organisation_id == Organisation.id)
            .where(PhoneNumber.e164.in_(sought.phones))
        )
        for organisation in await session.execute(holders.limit(_MOST_CANDIDATES)):
            _add(found, Ground.PHONE, organisation.id, organisation.name, organisation.city)
    key = name_key(sought.name)
    for candidate in await _named_alike(session, sought, key):
        if likeness(key, candidate.name_key) >= LEAST_SCORE or _begins(candidate.name_key, key):
            _add(found, Ground.NAME, candidate.id, candidate.name, candidate.city)
    found.pop(except_id or 0, None)
    city = fold(sought.city)
    for each in found.values():
        each.score = likeness(key, name_key(each.name))
    ranked = sorted(
        found.values(),
        key=lambda each: (
            each.grounds == [Ground.NAME],
            -len(each.grounds),
            fold(each.city) != city,
            -each.score,
            each.organisation_id,
        ),
    )
    return ranked[:limit]


async def clients_of(session: AsyncSession, organisation_ids: Iterable[int]) -> dict[int, int]:
    """The newest client of each organisation that has one."""
    newest = select(Client.organisation_id, func.max(Client.id)).group_by(Client.organisation_id)
    found = await session.execute(newest.where(Client.organisation_id.in_(list(organisation_ids))))
    return dict(found.all())


def likeness(one: str, other: str) -> float:
    """How alike two name keys are, 0 to 100, whatever the order of their words."""
    return fuzz.token_sort_ratio(one, other)


def _begins(whole: str, part: str) -> bool:
    return len(part) >= _LEAST_PREFIX and whole.startswith(part)


def _in_common(sought: Sought) -> Iterable[tuple[Ground, ColumnElement[bool]]]:
    keys = keys_of(name=sought.name, tax_number=sought.tax_number, site=sought.site, email=sought.email)
    for ground, column in (
        (Ground.TAX_NUMBER, Organisation.tax_key),
        (Ground.DOMAIN, Organisation.domain_key),
        (Ground.EMAIL, Organisation.email_key),
    ):
        if keys[column.key]:
            # Said twice, so that the partial index is seen to serve.
            yield ground, and_(column == keys[column.key], column != "")


async def _named_alike(session: AsyncSession, sought: Sought, key: str) -> Sequence[_Candidate]:
    """Candidates by name: the same key, the same skeleton, the same beginning; of the city first."""
    if not key:
        return []
    skeleton = keys_of(name=sought.name)["name_skeleton"]
    city = tidy(sought.city)
    asked: list[Select[int, str, str, str]] = []
    for condition in (Organisation.name_key == key, Organisation.name_skeleton == skeleton if skeleton else None):
        if condition is None:
            continue
        if city:
            asked.append(_organisations().where(condition, Organisation.city == city))
        asked.append(_organisations().where(condition))
    if len(key) >= _LEAST_PREFIX:
        asked.append(_organisations().where(_key_begins(session, key)))
    found: dict[int, _Candidate] = {}
    for question in asked:
        for row in await session.execute(question.limit(_MOST_CANDIDATES)):
            found[row.id] = _Candidate(row.id, row.name, row.city, row.name_key)
    return list(found.values())


def _key_begins(session: AsyncSession, beginning: str) -> ColumnElement[bool]:
    """A range of the index; PostgreSQL's compares by characters whatever the locale."""
    column = Organisation.name_key
    if session.get_bind().dialect.name == "postgresql":
        return and_(
            column.op("~>=~", is_comparison=True)(beginning),
            column.op("~<~", is_comparison=True)(beginning + _LAST_LETTER),
        )
    return and_(column >= beginning, column < beginning + _LAST_LETTER)


@dataclass(frozen=True, slots=True)
class _Candidate:
    id: int
    name: str
    city: str
    name_key: str


def _organisations() -> Select[int, str, str, str]:
    of_all = select(Organisation.id, Organisation.name, Organisation.city, Organisation.name_key)
    return of_all.where(~is_merged(Organisation.id))


def _add(found: dict[int, Similar], ground: Ground, organisation_id: int, name: str, city: str) -> None:
    similar = found.setdefault(organisation_id, Similar(organisation_id, name, city))
    if ground not in similar.grounds:
        similar.grounds.append(ground)
