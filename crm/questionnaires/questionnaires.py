"""Questionnaires and their versions: a version that somebody has answered stays as it was, and a change makes the next
one."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.attributes import flag_modified

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, UtcDateTime, Versioned, json_column, one_of
from crm.one_at_a_time import Deed, one_at_a_time
from crm.preparation.campaigns import get_campaign
from crm.questionnaires.questions import Question, checked, loaded, stored
from crm.questionnaires.sheet_rows import Sheet, SheetState
from crm.text_rules import required, tidy

LONGEST_NAME: Final = 120
_IN_CAMPAIGN: Final = text("active AND campaign_id IS NOT NULL")
_IN_OFFICE: Final = text("active AND campaign_id IS NULL")


class Purpose(enum.StrEnum):
    """Whom a questionnaire is for: every client; one from the group "abandoned"; one who buys of a competitor."""

    CLIENT = "client"
    ABANDONED = "abandoned"
    COMPETITOR = "competitor"


class Questionnaire(Versioned, Base):
    """`campaign_id` `None`: of the whole office, asked in every campaign that has none of its own for this purpose.
    Only one that is `active` is asked; a campaign has one of these for each purpose, and the office likewise."""

    __tablename__ = "questionnaires"
    __table_args__ = (
        CheckConstraint(f"length(trim(name)) > 0 AND length(name) <= {LONGEST_NAME}", name="named"),
        Index(
            "uq_questionnaires_of_campaign", "campaign_id", "purpose", unique=True,
            sqlite_where=_IN_CAMPAIGN, postgresql_where=_IN_CAMPAIGN,
        ),
        Index(
            "uq_questionnaires_of_office", "purpose", unique=True,
            sqlite_where=_IN_OFFICE, postgresql_where=_IN_OFFICE,
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"))
    name: Mapped[str] = mapped_column(Text)
    purpose: Mapped[Purpose] = mapped_column(one_of(Purpose, "purpose"))
    active: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class QuestionnaireVersion(Base):
    """The questions as they were, or are, asked; `number` from 1. Triggers refuse to delete one, and to change one that
    has a sheet."""

    __tablename__ = "questionnaire_versions"
    __table_args__ = (
        CheckConstraint("number > 0", name="numbered"),
        UniqueConstraint("questionnaire_id", "number"),
        UniqueConstraint("id", "questionnaire_id", name="uq_questionnaire_versions_of_questionnaire"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    questionnaire_id: Mapped[int] = mapped_column(ForeignKey("questionnaires.id"))
    number: Mapped[int]
    document: Mapped[list[dict[str, Any]]] = mapped_column(json_column())
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    @property
    def questions(self) -> tuple[Question, ...]:
        """As they are asked."""
        return loaded(self.document)


@dataclass(frozen=True, slots=True)
class Asked:
    """A questionnaire with the version that is asked now."""

    questionnaire: Questionnaire
    version: QuestionnaireVersion

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those of the version."""
        return self.version.questions


async def get_questionnaire(session: AsyncSession, questionnaire_id: int, *, lock: bool = False) -> Questionnaire:
    """`lock`: nobody changes it, marks questions or writes a sheet of it until the transaction ends. Raises
    `NotFound`."""
    found = await session.get(
        Questionnaire, questionnaire_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if found is None:
        raise NotFound("questionnaire.unknown")
    return found


async def newest_version(session: AsyncSession, questionnaire_id: int) -> QuestionnaireVersion:
    """The version that is asked."""
    ordered = select(QuestionnaireVersion).where(QuestionnaireVersion.questionnaire_id == questionnaire_id)
    found = await session.scalar(
        ordered.order_by(QuestionnaireVersion.number.desc()).limit(1).execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("questionnaire.unknown")
    return found


async def versions_of(session: AsyncSession, questionnaire_id: int) -> list[QuestionnaireVersion]:
    """All versions, the newest first."""
    ordered = select(QuestionnaireVersion).where(QuestionnaireVersion.questionnaire_id == questionnaire_id)
    return list(await session.scalars(ordered.order_by(QuestionnaireVersion.number.desc())))


async def get_version(session: AsyncSession, questionnaire_id: int, number: int) -> QuestionnaireVersion:
    """The version of that number. Raises `NotFound`."""
    asked = select(QuestionnaireVersion).where(QuestionnaireVersion.questionnaire_id == questionnaire_id)
    found = await session.scalar(asked.where(QuestionnaireVersion.number == number))
    if found is None:
        raise NotFound("questionnaire.no_version", version=number)
    return found


def over_all(versions: Sequence[QuestionnaireVersion]) -> dict[str, Question]:
    """By key each question that was ever asked, as it was asked last, with the choices that there ever were. `versions`
    are the newest first."""
    questions: dict[str, Question] = {}
    for version in versions:
        for each in version.questions:
            newest = questions.get(each.key)
            questions[each.key] = each if newest is None else _with_choices_of(newest, each)
    return questions


def _with_choices_of(newest: Question, older: Question) -> Question:
    known = {each.code for each in newest.choices}
    more = tuple(each for each in older.choices if each.code not in known)
    return replace(
        newest, choices=(*newest.choices, *more), low=min(newest.low, older.low), high=max(newest.high, older.high)
    )


async def all_questionnaires(session: AsyncSession, campaign_id: int | None = None) -> list[Questionnaire]:
    """Those of a campaign with those of the office, or all; the office's last, those that are asked first."""
    found = select(Questionnaire)
    if campaign_id is not None:
        found = found.where(or_(Questionnaire.campaign_id.is_(None), Questionnaire.campaign_id == campaign_id))
    order = (Questionnaire.campaign_id.is_(None), Questionnaire.active.desc(), Questionnaire.purpose, Questionnaire.id)
    return list(await session.scalars(found.order_by(*order)))


async def asked_in(session: AsyncSession, campaign_id: int) -> dict[Purpose, Asked]:
    """What clients of the campaign are asked, by purpose: the campaign's own, else the office's."""
    found = await session.scalars(
        select(Questionnaire)
        .where(
            Questionnaire.active,
            or_(Questionnaire.campaign_id == campaign_id, Questionnaire.campaign_id.is_(None)),
        )
        .order_by(Questionnaire.campaign_id.is_not(None))  # the campaign's own weighs more, and comes last
    )
    chosen = {each.purpose: each for each in found}
    return {
        purpose: Asked(chosen[purpose], await newest_version(session, chosen[purpose].id))
        for purpose in Purpose
        if purpose in chosen
    }


async def add_questionnaire(
    session: AsyncSession,
    *,
    name: str,
    purpose: Purpose,
    questions: Sequence[Question],
    now: datetime,
    campaign_id: int | None = None,
    active: bool = True,
    author_id: int | None = None,
) -> Asked:
    """A questionnaire in its first version; where it is `active`, the one that was asked before is asked no more.
    Raises `Refused` for a name or questions that cannot be."""
    name, questions = _name(name), checked(questions)
    if campaign_id is not None:
        await get_campaign(session, campaign_id)
    if active:
        await _make_way(session, campaign_id, purpose, now=now, author_id=author_id)
    made = Questionnaire(campaign_id=campaign_id, name=name, purpose=purpose, active=active, created_at=now)
    session.add(made)
    await session.flush()
    version = QuestionnaireVersion(
        questionnaire_id=made.id, number=1, document=stored(questions), written_at=now, author_id=author_id
    )
    session.add(version)
    await session.flush()
    details = {"name": name, "purpose": purpose.value, "campaign": campaign_id, "active": active}
    _note(session, made.id, audit.QUESTIONNAIRE_ADDED, details, now=now, author_id=author_id)
    return Asked(made, version)


def _name(name: str) -> str:
    name = required(name, "questionnaire.needs_name")
    if len(name) > LONGEST_NAME:
        raise Refused("questionnaire.name_long", most=LONGEST_NAME)
    return name


async def _make_way(
    session: AsyncSession, campaign_id: int | None, purpose: Purpose, *, now: datetime, author_id: int | None
) -> None:
    # Two that are made at once have nothing in common to be held.
    await one_at_a_time(session, Deed.CHANGING_QUESTIONNAIRES)
    whose = Questionnaire.campaign_id.is_(None) if campaign_id is None else Questionnaire.campaign_id == campaign_id
    asked = select(Questionnaire).where(whose, Questionnaire.purpose == purpose, Questionnaire.active)
    for each in list(await session.scalars(asked.with_for_update().execution_options(populate_existing=True))):
        each.active = False
        _note(session, each.id, audit.QUESTIONNAIRE_CHANGED, {"active": False}, now=now, author_id=author_id)
    await session.flush()


async def change_questionnaire(
    session: AsyncSession,
    *,
    questionnaire_id: int,
    now: datetime,
    questions: Sequence[Question] | None = None,
    name: str | None = None,
    active: bool | None = None,
    author_id: int | None = None,
    version: int | None = None,
) -> Asked:
    """What is `None` stays. Other questions go into the next version where the newest has a sheet, else into that one.
    `version`: that of the questionnaire's row which the author saw. Raises `Conflict` when somebody has changed it
    since, `Refused` for questions that cannot be, or of another kind than those of the same key were."""
    if active:
        await one_at_a_time(session, Deed.CHANGING_QUESTIONNAIRES)
    found = await get_questionnaire(session, questionnaire_id, lock=True)
    if version is not None and version != found.version:
        raise Conflict("questionnaire.changed_meanwhile")
    details: dict[str, Any] = {}
    if name is not None and _name(name) != found.name:
        details["name"] = [found.name, tidy(name)]
        found.name = tidy(name)
    if active is not None and active != found.active:
        details["active"] = active
        if active:
            await _make_way(session, found.campaign_id, found.purpose, now=now, author_id=author_id)
        found.active = active
    asked = await newest_version(session, found.id)
    if questions is not None and stored(checked(questions)) != asked.document:
        asked = await _next_version(session, asked, questions, now=now, author_id=author_id)
        details["version"] = asked.number
        flag_modified(found, "name")  # the row's version goes on with its questions
    if details:
        _note(session, found.id, audit.QUESTIONNAIRE_CHANGED, details, now=now, author_id=author_id)
    await session.flush()
    return Asked(found, asked)


async def _next_version(
    session: AsyncSession,
    newest: QuestionnaireVersion,
    questions: Sequence[Question],
    *,
    now: datetime,
    author_id: int | None,
) -> QuestionnaireVersion:
    before = over_all(await versions_of(session, newest.questionnaire_id))
    for number, each in enumerate(questions, start=1):
        if each.key in before and before[each.key].kind is not each.kind:
            raise Refused("questionnaire.other_kind", number=number, key=each.key)
    if not await has_sheets(session, newest.id):
        newest.document, newest.written_at, newest.author_id = stored(questions), now, author_id
        await session.flush()
        return newest
    made = QuestionnaireVersion(
        questionnaire_id=newest.questionnaire_id,
        number=newest.number + 1,
        document=stored(questions),
        written_at=now,
        author_id=author_id,
    )
    session.add(made)
    await session.flush()
    return made


async def has_sheets(session: AsyncSession, version_id: int) -> bool:
    """Whether somebody has answered this version."""
    return bool(await session.scalar(select(exists().where(SheetState.version_id == version_id))))


async def sheet_counts(session: AsyncSession, ids: Collection[int]) -> Mapping[int, int]:
    """How many clients have answered each of these questionnaires."""
    counted = select(Sheet.questionnaire_id, func.count()).where(Sheet.questionnaire_id.in_(ids))
    return dict((await session.execute(counted.group_by(Sheet.questionnaire_id))).all())


def _note(
    session: AsyncSession,
    questionnaire_id: int,
    action: str,
    details: Mapping[str, Any],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=f"questionnaire:{questionnaire_id}",
        details=dict(details),
    )  # fmt: skip
