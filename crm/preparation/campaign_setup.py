"""How a campaign was set up: for whom, with what, among whom, from when to when, and under which number of ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, String, Text, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import Base, Versioned
from crm.office.users import Role, User, fold_login
from crm.preparation.campaigns import Campaign, get_campaign
from crm.text_rules import fold, lines_of, tidy

CALLER_ID: Final = re.compile(r"\+?[0-9]{3,15}")
_ONE_LINE: Final = ("customer", "product")
_LINES: Final = ("rubrics", "sources")


class CampaignSetup(Versioned, Base):
    """The set-up of one campaign. `rubrics` and `sources`: one a line, as agreed with the customer. `caller_id`: the
    number of ours that its clients see, "" for the trunk's own. Stage 1 begins on `starts_on`, stage 2 on
    `calling_starts_on`, `ends_on` is its last day; from `current_since` on the campaign is in current mode.
    `follows_id`: the campaign whose base it went on with. The row is made with the first change."""

    __tablename__ = "campaign_setups"
    __table_args__ = (
        CheckConstraint("target_organisations > 0", name="target_organisations"),
        CheckConstraint("starts_on <= calling_starts_on", name="stages"),
        CheckConstraint("calling_starts_on <= ends_on", name="ends"),
        CheckConstraint("follows_id <> campaign_id", name="follows_another"),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True, autoincrement=False)
    customer: Mapped[str] = mapped_column(Text, default="")
    product: Mapped[str] = mapped_column(Text, default="")
    segments: Mapped[str] = mapped_column(Text, default="")
    rubrics: Mapped[str] = mapped_column(Text, default="")
    sources: Mapped[str] = mapped_column(Text, default="")
    caller_id: Mapped[str] = mapped_column(String(16), default="")
    starts_on: Mapped[date | None]
    calling_starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    target_organisations: Mapped[int] = mapped_column(default=1000)
    current_since: Mapped[date | None]
    follows_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"))

    @property
    def rubric_names(self) -> list[str]:
        return self.rubrics.splitlines()

    @property
    def source_names(self) -> list[str]:
        return self.sources.splitlines()


class CampaignExpert(Base):
    """An expert of the campaign: whom its warm clients are handed to."""

    __tablename__ = "campaign_experts"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


class ExpertIndustry(Base):
    """An industry that an expert looks after in a campaign, as organisations have it."""

    __tablename__ = "expert_industries"
    __table_args__ = (
        CheckConstraint("length(trim(industry)) > 0", name="industry"),
        ForeignKeyConstraint(["campaign_id", "user_id"], ["campaign_experts.campaign_id", "campaign_experts.user_id"]),
    )

    campaign_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)
    industry: Mapped[str] = mapped_column(Text, primary_key=True)


async def setup_of(session: AsyncSession, campaign_id: int) -> CampaignSetup:
    """The set-up as it is stored, or an empty one of version 0 that is not in the session."""
    found = await session.get(CampaignSetup, campaign_id)
    return found if found is not None else _empty(campaign_id, version=0)


def _empty(campaign_id: int, *, version: int) -> CampaignSetup:
    return CampaignSetup(
        campaign_id=campaign_id, customer="", product="", segments="", rubrics="", sources="", caller_id="",
        target_organisations=1000, version=version,
    )  # fmt: skip


async def _held(session: AsyncSession, campaign_id: int) -> CampaignSetup:
    """The row, to be changed. Whoever changes the set-up holds the campaign's row, so it is made once."""
    await get_campaign(session, campaign_id, lock=True)
    found = await session.get(CampaignSetup, campaign_id, populate_existing=True)
    if found is None:
        found = _empty(campaign_id, version=1)
        session.add(found)
    return found


async def change_setup(
    session: AsyncSession,
    *,
    campaign: Campaign,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    own_numbers: Collection[str] = (),
    **changes: Any,
) -> CampaignSetup:
    """Change columns, by name; what was and what is goes into the audit. `version`: that which the author saw (0 for a
    set-up that nobody had written). `own_numbers`: the numbers that the trunk lets us show, none for any. Approvals of
    what has changed are reopened by `crm.preparation.approvals.reopen_changed`. Raises `Conflict` when somebody has
    changed it since, `Refused` for what cannot be."""
    stored = await session.get(CampaignSetup, campaign.id)
    if version is not None and version != (stored.version if stored else 0):
        raise Conflict("setup.changed_meanwhile")
    setup = await _held(session, campaign.id)
    changes = {column: _tidied(column, value) for column, value in changes.items()}
    changed = {column: value for column, value in changes.items() if getattr(setup, column) != value}
    details = {column: [_plain(getattr(setup, column)), _plain(value)] for column, value in changed.items()}
    for column, value in changed.items():
        setattr(setup, column, value)
    with session.no_autoflush:
        _assert_possible(setup, own_numbers if "caller_id" in changed else ())
    if changed:
        note_setup(session, campaign.id, audit.SETUP_CHANGED, details, now=now, author_id=author_id)
    await session.flush()
    return setup


def _tidied(column: str, value: Any) -> Any:
    if column in _ONE_LINE:
        return tidy(value)
    if column in _LINES:
        return "\n".join(dict.fromkeys(line for line in map(tidy, value.splitlines()) if line))
    if column == "caller_id":
        return re.sub(r"[\s()-]", "", value)
    return lines_of(value) if isinstance(value, str) else value


def _assert_possible(setup: CampaignSetup, own_numbers: Collection[str]) -> None:
    dated = [day for day in (setup.starts_on, setup.calling_starts_on, setup.ends_on) if day is not None]
    if dated != sorted(dated):
        raise Refused("setup.dates")
    if setup.target_organisations < 1:
        raise Refused("setup.target")
    if setup.caller_id and CALLER_ID.fullmatch(setup.caller_id) is None:
        raise Refused("setup.caller_id", number=setup.caller_id)
    if setup.caller_id and own_numbers and setup.caller_id not in own_numbers:
        raise Refused("setup.caller_id_not_ours", number=setup.caller_id, known=", ".join(own_numbers))


def note_setup(
    session: AsyncSession,
    campaign_id: int,
    action: str,
    details: Mapping[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    """Audit a change of anything that belongs to the campaign."""
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"campaign:{campaign_id}", details=details)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


async def experts_of(session: AsyncSession, campaign_id: int) -> list[User]:
    """The campaign's experts by name."""
    joined = select(User).join(CampaignExpert, CampaignExpert.user_id == User.id)
    return list(await session.scalars(joined.where(CampaignExpert.campaign_id == campaign_id).order_by(User.name)))


async def set_expert(
    session: AsyncSession,
    *,
    campaign: Campaign,
    user: User,
    belongs: bool,
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Let the user be an expert of the campaign, or no more. Raises `Refused` for somebody who is no expert."""
    if belongs and (user.role is not Role.EXPERT or not user.active):
        raise Refused("setup.no_expert", name=user.name)
    await get_campaign(session, campaign.id, lock=True)
    known = await session.get(CampaignExpert, (campaign.id, user.id))
    if belongs == (known is not None):
        return
    if known is None:
        session.add(CampaignExpert(campaign_id=campaign.id, user_id=user.id))
    else:
        await _drop_industries(session, campaign.id, user.id)
        await session.delete(known)
    details = {"user": user.id, "belongs": belongs}
    note_setup(session, campaign.id, audit.EXPERT_SET, details, now=now, author_id=author_id)
    await session.flush()


async def industries_of(session: AsyncSession, campaign_id: int) -> dict[int, tuple[str, ...]]:
    """The industries of each expert of the campaign who has any, in the order of the alphabet."""
    found: dict[int, tuple[str, ...]] = {}
    rows = select(ExpertIndustry).where(ExpertIndustry.campaign_id == campaign_id).order_by(ExpertIndustry.industry)
    for row in await session.scalars(rows):
        found[row.user_id] = (*found.get(row.user_id, ()), row.industry)
    return found


async def set_industries(
    session: AsyncSession,
    *,
    campaign: Campaign,
    user: User,
    industries: Collection[str],
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Which industries the expert looks after in the campaign, none for all; the same in other letters is one. Raises
    `Refused` for somebody who is no expert of the campaign."""
    await get_campaign(session, campaign.id, lock=True)
    if await session.get(CampaignExpert, (campaign.id, user.id)) is None:
        raise Refused("setup.no_expert_here", name=user.name)
    wanted = {fold(each): tidy(each) for each in industries if tidy(each)}
    was = (await industries_of(session, campaign.id)).get(user.id, ())
    if set(was) == set(wanted.values()):
        return
    await _drop_industries(session, campaign.id, user.id)
    session.add_all(ExpertIndustry(campaign_id=campaign.id, user_id=user.id, industry=each) for each in wanted.values())
    details = {"user": user.id, "industries": sorted(wanted.values()), "were": list(was)}
    note_setup(session, campaign.id, audit.EXPERT_SET, details, now=now, author_id=author_id)
    await session.flush()


async def _drop_industries(session: AsyncSession, campaign_id: int, user_id: int) -> None:
    of_expert = (ExpertIndustry.campaign_id == campaign_id, ExpertIndustry.user_id == user_id)
    await session.execute(delete(ExpertIndustry).where(*of_expert))


async def expert_by_login(session: AsyncSession, login: str) -> User:
    """Raises `NotFound`."""
    found = await session.scalar(select(User).where(User.login == fold_login(login)))
    if found is None:
        raise NotFound("user.unknown")
    return found


async def go_on_in_current_mode(
    session: AsyncSession, *, campaign: Campaign, since: date | None, now: datetime, author_id: int | None = None
) -> CampaignSetup:
    """The stages are over and the calls go on, from `since`; `None` takes it back. Raises `Refused` before the calls
    have begun."""
    setup = await setup_of(session, campaign.id)
    if since is not None and (setup.calling_starts_on is None or since <= setup.calling_starts_on):
        raise Refused("setup.current_too_early")
    return await change_setup(session, campaign=campaign, now=now, author_id=author_id, current_since=since)
