"""Competitors: who they are, what they offer on which terms; and which organisation buys from whom, how satisfied."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Text, UniqueConstraint, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.audit import AuditEntry
from crm.errors import Conflict, NotFound, Refused
from crm.insert_or_read import insert_or_read
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, Versioned, one_of
from crm.text_rules import fold, lines_of, required, tidy


class Satisfaction(enum.StrEnum):
    """How satisfied an organisation is with what it buys there."""

    UNKNOWN = "unknown"
    SATISFIED = "satisfied"
    PARTLY = "partly"
    DISSATISFIED = "dissatisfied"


class Competitor(Versioned, Base):
    """A competitor, by name; `product` and `terms` in words."""

    __tablename__ = "competitors"
    __table_args__ = (CheckConstraint("length(trim(name)) > 0", name="named"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    name_folded: Mapped[str] = mapped_column(Text, unique=True)
    product: Mapped[str] = mapped_column(Text, default="")
    terms: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CompetitorOfOutcome(Base):
    """The competitor's record was made by this outcome, and nobody else has named the competitor since or written
    anything of it. Whoever adds or removes this keeps others from removing the competitor's row."""

    __tablename__ = "competitors_of_outcomes"

    competitor_id: Mapped[int] = mapped_column(ForeignKey("competitors.id"), primary_key=True, autoincrement=False)
    outcome_id: Mapped[int] = mapped_column(ForeignKey("outcomes.id"), unique=True)


class CompetitorUse(Versioned, Base):
    """An organisation buys from a competitor."""

    __tablename__ = "competitor_uses"
    __table_args__ = (UniqueConstraint("organisation_id", "competitor_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    competitor_id: Mapped[int] = mapped_column(ForeignKey("competitors.id"), index=True)
    satisfaction: Mapped[Satisfaction] = mapped_column(
        one_of(Satisfaction, "satisfaction"), default=Satisfaction.UNKNOWN
    )
    note: Mapped[str] = mapped_column(Text, default="")
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


async def competitor_named(
    session: AsyncSession,
    name: str,
    *,
    now: datetime,
    author_id: int | None = None,
    outcome_id: int | None = None,
    to_change: bool = False,
) -> tuple[Competitor, bool]:
    """The competitor of that name, however it is written, made if there is none; and whether it was. `outcome_id`:
    where an outcome names it. Nobody removes it before this transaction ends, others may name it meanwhile, unless it
    is held `to_change`. Raises `Refused` without a name."""
    name = required(name, "competitor.needs_name")
    found = await _held(session, fold(name), to_change=to_change)
    if found is None:
        made = Competitor(name=name, name_folded=fold(name), created_at=now)
        again = partial(_held, session, fold(name), to_change=to_change)
        kept, is_new = await insert_or_read(session, made, again)
        if is_new:
            if outcome_id is not None:
                session.add(CompetitorOfOutcome(competitor_id=kept.id, outcome_id=outcome_id))
            _note(session, kept, audit.COMPETITOR_ADDED, {"name": name}, now=now, author_id=author_id)
            await session.flush()
            return kept, True
        found = kept
    await _rests_on_none(session, found)
    return found, False


async def _rests_on_none(session: AsyncSession, competitor: Competitor) -> None:
    await session.execute(delete(CompetitorOfOutcome).where(CompetitorOfOutcome.competitor_id == competitor.id))


async def _held(session: AsyncSession, folded: str, *, to_change: bool) -> Competitor | None:
    named = select(Competitor).where(Competitor.name_folded == folded)
    # Of two who name it and then change it each would wait for the other one, so who is to change it holds all of it.
    named = named.with_for_update(read=not to_change, key_share=not to_change)
    return await session.scalar(named.execution_options(populate_existing=True))


async def get_competitor(session: AsyncSession, competitor_id: int, *, lock: bool = False) -> Competitor:
    """The competitor; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    found = await session.get(Competitor, competitor_id, with_for_update=WEAK_LOCK if lock else None)
    if found is None:
        raise NotFound("competitor.unknown")
    return found


async def change_competitor(
    session: AsyncSession,
    *,
    competitor: Competitor,
    now: datetime,
    version: int | None = None,
    author_id: int | None = None,
    **changes: str,
) -> None:
    """Change `name`, `product`, `terms`, `note`. `version`: that which the author saw. Raises `Conflict` when somebody
    has changed it since, or the name is another's, `Refused` without a name."""
    if version is not None and version != competitor.version:
        raise Conflict("record.changed_meanwhile")
    if "name" in changes:
        changes["name"] = tidy(changes["name"])
        if not changes["name"]:
            raise Refused("competitor.needs_name")
        same = select(Competitor.id).where(Competitor.name_folded == fold(changes["name"]))
        if await session.scalar(same.where(Competitor.id != competitor.id)) is not None:
            raise Conflict("competitor.exists", name=changes["name"])
        competitor.name_folded = fold(changes["name"])
    details = {
        column: [getattr(competitor, column), value]
        for column, value in changes.items()
        if getattr(competitor, column) != value
    }
    for column, (_, value) in details.items():
        setattr(competitor, column, value)
    if details:
        await session.flush()  # a new name waits for those who have named it, who may want what goes now
        await _rests_on_none(session, competitor)
        _note(session, competitor, audit.COMPETITOR_CHANGED, details, now=now, author_id=author_id)
    await session.flush()


async def uses(
    session: AsyncSession,
    *,
    organisation_id: int,
    competitor: Competitor,
    now: datetime,
    satisfaction: Satisfaction | None = None,
    note: str | None = None,
    author_id: int | None = None,
    outcome_id: int | None = None,
) -> CompetitorUse:
    """Write down that the organisation buys from `competitor`; what is `None` stays as it is. `outcome_id`: what it
    follows from, for `unsay`."""
    found = await session.scalar(
        select(CompetitorUse).where(
            CompetitorUse.organisation_id == organisation_id, CompetitorUse.competitor_id == competitor.id
        )
    )
    if found is None:
        found = CompetitorUse(organisation_id=organisation_id, competitor_id=competitor.id, noted_at=now)
        session.add(found)
        was = None
    else:
        was = found.noted_at.isoformat()
    found.noted_at = now
    if satisfaction is not None:
        found.satisfaction = satisfaction
    if note is not None:
        found.note = lines_of(note)
    await session.flush()
    details: dict[str, Any] = {
        "competitor": competitor.id,
        "satisfaction": found.satisfaction.value,
        "note": found.note,
    }
    if outcome_id is not None:
        details |= {"outcome": outcome_id, "was": was}
    audit.note(
        session, at=now, user_id=author_id, action=audit.COMPETITOR_USED, subject=f"organisation:{organisation_id}",
        details=details,
    )  # fmt: skip
    return found


async def unsay(
    session: AsyncSession, *, organisation_id: int, outcome_id: int, now: datetime, author_id: int | None
) -> None:
    """What `uses` wrote down because of this outcome is taken back, unless it was said again since; the competitor's
    own record goes too, if this outcome made it and nobody has named or changed it since."""
    found = await session.scalars(
        select(AuditEntry)
        .where(AuditEntry.action == audit.COMPETITOR_USED, AuditEntry.subject == f"organisation:{organisation_id}")
        .order_by(AuditEntry.id.desc())
    )
    noted = next((entry for entry in found if entry.details.get("outcome") == outcome_id), None)
    if noted is None:
        return
    use = await session.scalar(
        select(CompetitorUse).where(
            CompetitorUse.organisation_id == organisation_id, CompetitorUse.competitor_id == noted.details["competitor"]
        )
    )
    if use is None or use.noted_at != noted.at:
        return
    was = noted.details["was"]
    if was is None:
        await session.delete(use)
    else:
        use.noted_at = datetime.fromisoformat(was)
    audit.note(
        session, at=now, user_id=author_id, action=audit.COMPETITOR_USED, subject=noted.subject,
        details={"competitor": use.competitor_id, "taken_back": True},
    )  # fmt: skip
    await session.flush()
    await _remove_resting_on(session, outcome_id, now=now, author_id=author_id)


async def _remove_resting_on(session: AsyncSession, outcome_id: int, *, now: datetime, author_id: int | None) -> None:
    made_by = CompetitorOfOutcome.outcome_id == outcome_id
    competitor_id = await session.scalar(select(CompetitorOfOutcome.competitor_id).where(made_by))
    if competitor_id is None:
        return
    # Whoever names it at this moment is waited for, and then asked about.
    made = await session.get_one(Competitor, competitor_id, with_for_update=True, populate_existing=True)
    still = await session.scalar(select(CompetitorOfOutcome.competitor_id).where(made_by))
    if still is None or await session.scalar(select(exists().where(CompetitorUse.competitor_id == made.id))):
        return
    await _rests_on_none(session, made)
    await session.delete(made)
    _note(session, made, audit.COMPETITOR_REMOVED, {"name": made.name}, now=now, author_id=author_id)
    await session.flush()


async def used_by(session: AsyncSession, organisation_id: int) -> list[tuple[CompetitorUse, Competitor]]:
    """Whose products the organisation uses, the latest word first."""
    found = await session.execute(
        select(CompetitorUse, Competitor)
        .join(Competitor, Competitor.id == CompetitorUse.competitor_id)
        .where(CompetitorUse.organisation_id == organisation_id)
        .order_by(CompetitorUse.noted_at.desc(), CompetitorUse.id.desc())
    )
    return [(use, competitor) for use, competitor in found]


async def list_competitors(session: AsyncSession) -> list[tuple[Competitor, int]]:
    """All competitors by name, each with how many organisations buy there."""
    found = await session.execute(
        select(Competitor, func.count(CompetitorUse.id))
        .join(CompetitorUse, CompetitorUse.competitor_id == Competitor.id, isouter=True)
        .group_by(Competitor.id)
        .order_by(Competitor.name_folded)
    )
    return [(competitor, count) for competitor, count in found]


def _note(
    session: AsyncSession,
    competitor: Competitor,
    action: str,
    details: Mapping[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(
        session, at=now, user_id=author_id, action=action, subject=f"competitor:{competitor.id}", details=details
    )
