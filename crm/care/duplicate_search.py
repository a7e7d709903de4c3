"""The queue of organisations that may be one: found over the whole base, listed, and decided.

By key the two have a number, tax number, domain or e-mail in common. By name only those are compared that share a
block: the key without the legal form, its skeleton, or a beginning or a word within one city. Organisations of
different cities are not taken for one by name alone, nor are those that differ in a number ("School 5", "School 6").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Final

from sqlalchemy import ColumnElement, Select, case, func, insert, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from crm import audit
from crm.audit import AuditEntry
from crm.base.duplicates import DuplicatePair, PairState, pair_of, settle_pair
from crm.base.joined import OrganisationMerge, is_merged
from crm.base.organisations import Organisation
from crm.base.phone_numbers import PhoneNumber
from crm.base.similar import LEAST_SCORE, Ground, likeness
from crm.errors import NotFound
from crm.office.users import User
from crm.text_rules import fold

LARGEST_GROUP: Final = 20
"""More organisations than that with one number or domain are a business centre, not duplicates."""
LARGEST_BLOCK: Final = 60
"""More names than that in one block are not compared with each other."""
_PREFIX: Final = 5
_LEAST_WORD: Final = 4
_BATCH: Final = 1_000
_WHOLE_BASE: Final = "organisations"


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """`new`: pairs put into the queue; `known`: found again, whatever was decided; `passed_over`: groups and blocks
    that were too large to be looked at."""

    new: int
    known: int
    passed_over: int


@dataclass(frozen=True, slots=True)
class LastLook:
    """`at`: None where nobody has looked yet; `came`: organisations since then."""

    at: datetime | None
    came: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair in the queue, its older organisation first."""

    id: int
    one_id: int
    one: str
    one_city: str
    other_id: int
    other: str
    other_city: str
    ground: Ground
    score: float


@dataclass(frozen=True, slots=True)
class MergeRow:
    """A merge that was made."""

    id: int
    survivor: str
    duplicate: str
    merged_at: datetime
    author: str
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Named:
    id: int
    key: str
    skeleton: str
    city: str

    @property
    def digits(self) -> list[str]:
        return sorted(word for word in self.key.split() if any(sign.isdigit() for sign in word))


class _Search:
    """The pairs found so far: the first ground stands, the strongest are asked first."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], tuple[Ground, float]] = {}
        self.passed_over = 0

    def group(self, ground: Ground, ids: Iterable[int], named: dict[int, _Named]) -> None:
        members = sorted(each for each in set(ids) if each in named)
        if len(members) > LARGEST_GROUP:
            self.passed_over += 1
            return
        for one, other in combinations(members, 2):
            self.found.setdefault((one, other), (ground, likeness(named[one].key, named[other].key)))

    def block(self, members: Sequence[_Named]) -> None:
        if len(members) > LARGEST_BLOCK:
            self.passed_over += 1
            return
        for one, other in combinations(members, 2):
            pair = (min(one.id, other.id), max(one.id, other.id))
            if pair in self.found or not _may_be_one(one, other):
                continue
            score = likeness(one.key, other.key)
            if score >= LEAST_SCORE or (one.skeleton and one.skeleton == other.skeleton):
                self.found[pair] = (Ground.NAME, score)


def _may_be_one(one: _Named, other: _Named) -> bool:
    same_place = not one.city or not other.city or one.city == other.city
    return same_place and one.digits == other.digits


async def find_duplicates(session: AsyncSession, *, now: datetime, author_id: int | None = None) -> FoundPairs:
    """Look through the whole base and queue what is not known yet."""
    newest_id = await session.scalar(select(func.max(Organisation.id))) or 0
    search = await _looked_through(session, true(), true())
    told = await session.execute(select(DuplicatePair.one_id, DuplicatePair.other_id))
    known = {(one, other) for one, other in told}
    new = [
        {"one_id": one, "other_id": other, "ground": ground, "score": score, "state": PairState.OPEN, "found_at": now}
        for (one, other), (ground, score) in search.found.items()
        if (one, other) not in known
    ]
    for begin in range(0, len(new), _BATCH):
        await session.execute(insert(DuplicatePair), new[begin : begin + _BATCH])
    audit.note(
        session, at=now, user_id=author_id, action=audit.LOOKED_THROUGH, subject=_WHOLE_BASE,
        details={"new": len(new), "newest_id": newest_id},
    )  # fmt: skip
    return FoundPairs(len(new), len(search.found) - len(new), search.passed_over)


async def last_look(session: AsyncSession) -> LastLook:
    """When the base was last looked through, and what nobody has compared since."""
    looks = select(AuditEntry).where(AuditEntry.subject == _WHOLE_BASE, AuditEntry.action == audit.LOOKED_THROUGH)
    look = await session.scalar(looks.order_by(AuditEntry.id.desc()).limit(1))
    # By their numbers, not by their time, which is in no index: this is asked on a page, however large the base.
    since = Organisation.id > (look.details["newest_id"] if look is not None else 0)
    came = select(func.count()).select_from(Organisation).where(since, ~is_merged(Organisation.id))
    return LastLook(None if look is None else look.at, await session.scalar(came) or 0)


async def look_again(session: AsyncSession, *, survivor_id: int, duplicate_id: int, since: datetime) -> None:
    """Two were one until now: pairs of the survivor's that were found meanwhile and rest on what is the duplicate's
    become the duplicate's, or leave the queue where they rest on nothing any more."""
    meanwhile = select(DuplicatePair).where(
        DuplicatePair.state == PairState.OPEN, DuplicatePair.found_at >= since,
        or_(DuplicatePair.one_id == survivor_id, DuplicatePair.other_id == survivor_id),
        DuplicatePair.one_id != duplicate_id, DuplicatePair.other_id != duplicate_id,
    )  # fmt: skip
    pairs = (await session.scalars(meanwhile)).all()
    involved = {survivor_id, duplicate_id} | {pair.one_id for pair in pairs} | {pair.other_id for pair in pairs}
    among = Organisation.id.in_(involved), PhoneNumber.organisation_id.in_(involved)
    standing = (await _looked_through(session, *among)).found if pairs else {}
    for pair in pairs:
        if (pair.one_id, pair.other_id) in standing:
            pair.ground, pair.score = standing[pair.one_id, pair.other_id]
            continue
        third_id = pair.other_id if pair.one_id == survivor_id else pair.one_id
        found = standing.get((min(duplicate_id, third_id), max(duplicate_id, third_id)))
        if found and await pair_of(session, duplicate_id, third_id) is None:
            ground, score = found
            await settle_pair(
                session, duplicate_id, third_id, PairState.OPEN, now=pair.found_at, author_id=None, ground=ground,
                score=score,
            )  # fmt: skip
        await session.delete(pair)
    await session.flush()


async def _looked_through(session: AsyncSession, among: ColumnElement[bool], numbers: ColumnElement[bool]) -> _Search:
    """All pairs `among` some organisations; `numbers`: the same condition on telephone numbers."""
    named = await _named(session, among)
    search = _Search()
    for ground, column in (
        (Ground.TAX_NUMBER, Organisation.tax_key),
        (Ground.EMAIL, Organisation.email_key),
        (Ground.DOMAIN, Organisation.domain_key),
    ):
        for ids in await _sharing(
            session, select(column, Organisation.id).where(column.in_(_shared(column, among)), among)
        ):
            search.group(ground, ids, named)
    for ids in await _sharing(session, _shared_numbers(numbers)):
        search.group(Ground.PHONE, ids, named)
    for block in _blocks(named.values()):
        search.block(block)
    return search


async def _named(session: AsyncSession, among: ColumnElement[bool]) -> dict[int, _Named]:
    columns = select(Organisation.id, Organisation.name_key, Organisation.name_skeleton, Organisation.city)
    found = await session.execute(columns.where(among, ~is_merged(Organisation.id)))
    return {row[0]: _Named(row[0], row[1], row[2], fold(row[3])) for row in found}


def _shared(column: InstrumentedAttribute[str], among: ColumnElement[bool]) -> Select[str]:
    return select(column).where(column != "", among).group_by(column).having(func.count() > 1)


def _shared_numbers(among: ColumnElement[bool]) -> Select[str, int]:
    of_many = select(PhoneNumber.e164).where(among).group_by(PhoneNumber.e164)
    of_many = of_many.having(func.count(PhoneNumber.organisation_id.distinct()) > 1)
    return select(PhoneNumber.e164, PhoneNumber.organisation_id).where(PhoneNumber.e164.in_(of_many), among)


async def _sharing(session: AsyncSession, keyed: Select[str, int]) -> list[list[int]]:
    groups = defaultdict(list)
    for key, organisation_id in await session.execute(keyed):
        groups[key].append(organisation_id)
    return list(groups.values())


def _blocks(named: Iterable[_Named]) -> Iterator[list[_Named]]:
    """Names that are worth comparing with each other; those of one city where it is known."""
    blocks: dict[tuple[str, ...], list[_Named]] = defaultdict(list)
    for each in named:
        if not each.key:
            continue
        keys = {("key", each.key), ("key", each.key, each.city), ("beginning", each.key[:_PREFIX], each.city)}
        if each.skeleton:
            keys |= {("skeleton", each.skeleton), ("skeleton", each.skeleton, each.city)}
        keys |= {("word", word, each.city) for word in each.key.split() if len(word) >= _LEAST_WORD}
        for key in keys:
            blocks[key].append(each)
    return (block for block in blocks.values() if len(block) > 1)


async def open_pairs(session: AsyncSession, *, limit: int = 100) -> list[PairRow]:
    """What is to be decided: who has something in common first, then the most alike."""
    return [_pair_row(*row) for row in await session.execute(_undecided().limit(limit))]


async def open_pair(session: AsyncSession, pair_id: int) -> PairRow:
    """One pair of the queue. Raises `NotFound` for one that is decided, or of which one was merged."""
    row = (await session.execute(_undecided().where(DuplicatePair.id == pair_id))).one_or_none()
    if row is None:
        raise NotFound("duplicate.unknown")
    return _pair_row(*row)


_One, _Other = aliased(Organisation), aliased(Organisation)


def _undecided() -> Select[DuplicatePair, str, str, str, str]:
    by_name = case((DuplicatePair.ground == Ground.NAME, 1), else_=0)
    return (
        select(DuplicatePair, _One.name, _One.city, _Other.name, _Other.city)
        .join(_One, _One.id == DuplicatePair.one_id)
        .join(_Other, _Other.id == DuplicatePair.other_id)
        .where(
            DuplicatePair.state == PairState.OPEN, ~is_merged(DuplicatePair.one_id), ~is_merged(DuplicatePair.other_id)
        )
        .order_by(by_name, DuplicatePair.score.desc(), DuplicatePair.id)
    )


def _pair_row(pair: DuplicatePair, one: str, one_city: str, other: str, other_city: str) -> PairRow:
    return PairRow(
        pair.id, pair.one_id, one, one_city, pair.other_id, other, other_city, pair.ground, round(pair.score, 1)
    )


async def not_duplicates(
    session: AsyncSession, *, one_id: int, other_id: int, now: datetime, author_id: int | None = None
) -> None:
    """The two are two, and are not asked about again."""
    await settle_pair(session, one_id, other_id, PairState.NOT_DUPLICATE, now=now, author_id=author_id)
    audit.note(
        session, at=now, user_id=author_id, action=audit.NOT_DUPLICATE, subject=f"organisation:{one_id}",
        details={"other": other_id},
    )  # fmt: skip
    await session.flush()


async def merges(session: AsyncSession, *, limit: int = 20) -> list[MergeRow]:
    """What was merged, the newest first."""
    found = await session.execute(
        select(OrganisationMerge, _One.name, _Other.name, User.name)
        .join(_One, _One.id == OrganisationMerge.survivor_id)
        .join(_Other, _Other.id == OrganisationMerge.duplicate_id)
        .join(User, User.id == OrganisationMerge.author_id, isouter=True)
        .order_by(OrganisationMerge.id.desc())
        .limit(limit)
    )
    return [
        MergeRow(made.id, survivor, duplicate, made.merged_at, author or "", made.undone_at)
        for made, survivor, duplicate, author in found
    ]
