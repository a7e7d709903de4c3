"""Campaigns: limited in time, with a product, lists of clients, and hours in which they may be called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import CheckConstraint, String, Text, false, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm import audit
from crm.errors import Conflict, NotFound, Refused
from crm.mapping import WEAK_LOCK, Base, UtcDateTime, Versioned, one_of
from crm.preparation.plan_rules import GROUPS_IN_TURN, Consent, ReferralsBy, SharesBy, written_order, written_shares
from crm.preparation.working_calendar import CalendarDay, assert_known, days_between, is_working_day
from crm.text_rules import tidy
from crm.time_zones import zone


class Campaign(Versioned, Base):
    """A campaign.

    `calls_from` and `calls_until` are read on the client's clock, on the working days of `country` (ISO 3166-1, "" for
    Monday to Friday) as `days` change them, or with `calls_on_days_off` on all. `ring_timeout_s` in seconds, or `None`
    for the service's own. `attempts_a_day` caps calls and letters to one company, by whichever campaign,
    `number_attempts_a_day` calls to one number, and between two unanswered tries at a number `gap_min` minutes pass.
    After `tries_to_no_contact` tries in vain a new client goes to the group "no contact". A callback that is overdue by
    `overdue_to_all_min` minutes is offered to every operator.

    Of its plan: `group_order` and `shares` as `crm.preparation.plan_rules` writes them; `calls_a_day` is how many
    clients a day one person is given, `None` lets everybody take from all. Who spoke with a client keeps it until they
    have not spoken for `owner_keeps_days` (`None`: for ever, 0: not at all), or while away unless `away_keeps`.
    `sells_by_deals`: its clients have deals (`crm.deals`); otherwise no page of it shows any.

    An expert has `referral_limit_min` minutes of the campaign's hours to accept a client (`None`: no limit), and is
    chosen by `referrals_by` unless somebody names one."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("calls_from < calls_until", name="hours"),
        CheckConstraint("length(trim(name)) > 0", name="named"),
        CheckConstraint("ring_timeout_s IS NULL OR ring_timeout_s > 0", name="ring_timeout"),
        CheckConstraint("attempts_a_day > 0", name="attempts_a_day"),
        CheckConstraint("number_attempts_a_day > 0", name="number_attempts_a_day"),
        CheckConstraint("gap_min >= 0", name="gap_min"),
        CheckConstraint("tries_to_no_contact > 0", name="tries_to_no_contact"),
        CheckConstraint("calls_a_day > 0", name="calls_a_day"),
        CheckConstraint("owner_keeps_days >= 0", name="owner_keeps_days"),
        CheckConstraint("referral_limit_min > 0", name="referral_limit_min"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    time_zone: Mapped[str] = mapped_column(Text, default="Europe/Moscow")
    calls_from: Mapped[time] = mapped_column(default=time(9))
    calls_until: Mapped[time] = mapped_column(default=time(18))
    lists_need_approval: Mapped[bool] = mapped_column(default=False)
    ring_timeout_s: Mapped[int | None]
    target_contacts: Mapped[int] = mapped_column(default=600)
    attempts_a_day: Mapped[int] = mapped_column(default=3)
    number_attempts_a_day: Mapped[int] = mapped_column(default=3, server_default=text("3"))
    gap_min: Mapped[int] = mapped_column(default=5, server_default=text("5"))
    tries_to_no_contact: Mapped[int] = mapped_column(default=3, server_default=text("3"))
    country: Mapped[str] = mapped_column(String(2), default="RU", server_default="RU")
    calls_on_days_off: Mapped[bool] = mapped_column(default=False, server_default=false())
    overdue_to_all_min: Mapped[int] = mapped_column(default=15)
    group_order: Mapped[str] = mapped_column(Text, default=GROUPS_IN_TURN, server_default=GROUPS_IN_TURN)
    calls_a_day: Mapped[int | None]
    shares_by: Mapped[SharesBy] = mapped_column(
        one_of(SharesBy, "shares_by"), default=SharesBy.NOTHING, server_default=SharesBy.NOTHING
    )
    shares: Mapped[str] = mapped_column(Text, default="", server_default="")
    owner_keeps_days: Mapped[int | None] = mapped_column(default=14, server_default=text("14"))
    away_keeps: Mapped[bool] = mapped_column(default=False, server_default=false())
    consent: Mapped[Consent] = mapped_column(
        one_of(Consent, "consent"), default=Consent.PRESUMED, server_default=Consent.PRESUMED
    )
    sells_by_deals: Mapped[bool] = mapped_column(default=False, server_default=false())
    referral_limit_min: Mapped[int | None] = mapped_column(default=60, server_default=text("60"))
    referrals_by: Mapped[ReferralsBy] = mapped_column(
        one_of(ReferralsBy, "referrals_by"), default=ReferralsBy.LOAD, server_default=ReferralsBy.LOAD
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # With every campaign that is read: whether it works on a day is asked wherever hours are.
    days: Mapped[list[CalendarDay]] = relationship(lazy="selectin", order_by=CalendarDay.day)

    def is_working_day(self, day: date) -> bool:
        """By the country's calendar and the days that differ from it."""
        own = next((known.works for known in self.days if known.day == day), None)
        return is_working_day(self.country, day) if own is None else own

    def calls_on(self, day: date) -> bool:
        """Whether anybody is called on that day, promises apart."""
        return self.calls_on_days_off or self.is_working_day(day)

    def working_days(self, first: date, last: date) -> int:
        """How many there are from `first` to `last`, both included."""
        return sum(map(self.is_working_day, days_between(first, last)))

    def working_days_of(self, year: int, month: int, *, first: date | None, last: date) -> int:
        """Those of a month that lie from `first` to `last`, both included: by them a month's counts and sums are
        divided."""
        begins = date(year, month, 1)
        ends = (begins + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return self.working_days(max(begins, first or begins), min(ends, last))


SHORTEST_RING_S: Final = 5
LONGEST_RING_S: Final = 180


async def add_campaign(
    session: AsyncSession, *, name: str, now: datetime, author_id: int | None = None, **fields: Any
) -> Campaign:
    """A new campaign; `fields` are further columns, those of `change_campaign`. Raises `Conflict` when the name is
    taken, `Refused` for what cannot be."""
    _tidy(fields)
    campaign = Campaign(name=tidy(name), created_at=now, days=[], **{**_defaults(), **fields})
    await _assert_possible(session, campaign)
    session.add(campaign)
    await session.flush()
    _note(session, campaign, audit.CAMPAIGN_ADDED, {"name": campaign.name}, now=now, author_id=author_id)
    return campaign


async def change_campaign(
    session: AsyncSession,
    *,
    campaign: Campaign,
    now: datetime,
    author_id: int | None = None,
    version: int | None = None,
    **changes: Any,
) -> frozenset[str]:
    """Change columns, by name: `name`, `time_zone`, `calls_from`, `calls_until`, `lists_need_approval`,
    `ring_timeout_s` (`None`: the service's), `target_contacts`, `attempts_a_day`, `number_attempts_a_day`, `gap_min`,
    `tries_to_no_contact`, `country`, `calls_on_days_off`, `overdue_to_all_min`, and of the plan `group_order`,
    `calls_a_day` (`None`: as many as there are), `shares_by`, `shares`, `owner_keeps_days` (`None`: for ever),
    `away_keeps`, `consent`, `sells_by_deals`, and of experts `referral_limit_min` (`None`: no limit), `referrals_by`.
    What was and what is goes into the audit; returns which differ. Clients that wait in the plan keep their places and
    hours: `crm.day.day_plan.follow_rules` gives them the new ones. `version`: that which the author saw. Raises as
    `add_campaign`, and `Conflict` when somebody has changed it since."""
    if version is not None and version != campaign.version:
        raise Conflict("campaign.changed_meanwhile")
    _tidy(changes)
    changed = {column: value for column, value in changes.items() if getattr(campaign, column) != value}
    details = {column: [_plain(getattr(campaign, column)), _plain(value)] for column, value in changed.items()}
    for column, value in changed.items():
        setattr(campaign, column, value)
    with session.no_autoflush:
        await _assert_possible(session, campaign)
    if changed:
        _note(session, campaign, audit.CAMPAIGN_CHANGED, details, now=now, author_id=author_id)
    await session.flush()
    return frozenset(changed)


async def as_if_changed(session: AsyncSession, campaign: Campaign, changes: Mapping[str, Any]) -> Campaign:
    """What the campaign would be with these columns: not in the database, and never to be put there. `changes` as
    `change_campaign` takes them; raises as it does."""
    fields = dict(changes)
    _tidy(fields)
    columns = {column.key: getattr(campaign, column.key) for column in Campaign.__mapper__.column_attrs}
    days = [
        CalendarDay(campaign_id=day.campaign_id, day=day.day, works=day.works, reason=day.reason, set_at=day.set_at)
        for day in campaign.days
    ]
    imagined = Campaign(**{**columns, **fields}, days=days)
    await _assert_possible(session, imagined)
    return imagined


def _tidy(fields: dict[str, Any]) -> None:
    """Texts as they are stored."""
    if "name" in fields:
        fields["name"] = tidy(fields["name"])
    if "group_order" in fields:
        fields["group_order"] = written_order(fields["group_order"].split(","))
    if "shares" in fields:
        fields["shares"] = written_shares(fields["shares"])
    for column, kind in (("shares_by", SharesBy), ("consent", Consent), ("referrals_by", ReferralsBy)):
        if column in fields:
            fields[column] = kind(fields[column])


def _defaults() -> dict[str, Any]:
    """What the columns begin with; they would get it when they are written, and it is looked at before."""
    return {
        column.key: column.default.arg
        for column in Campaign.__table__.columns
        if column.default is not None and column.default.is_scalar
    }


async def _assert_possible(session: AsyncSession, campaign: Campaign) -> None:
    campaign.country = campaign.country.upper()
    if not campaign.name:
        raise Refused("campaign.needs_name")
    zone(campaign.time_zone)
    if campaign.calls_from >= campaign.calls_until:
        raise Refused("campaign.hours")
    assert_known(campaign.country)
    if campaign.gap_min < 0:
        raise Refused("campaign.gap")
    if min(campaign.attempts_a_day, campaign.number_attempts_a_day) < 1:
        raise Refused("campaign.attempts_a_day")
    if campaign.tries_to_no_contact < 1:
        raise Refused("campaign.tries_to_no_contact")
    if campaign.calls_a_day is not None and campaign.calls_a_day < 1:
        raise Refused("campaign.calls_a_day")
    if campaign.owner_keeps_days is not None and campaign.owner_keeps_days < 0:
        raise Refused("campaign.owner_keeps_days")
    if campaign.referral_limit_min is not None and campaign.referral_limit_min < 1:
        raise Refused("campaign.referral_limit")
    if campaign.shares and campaign.shares_by is SharesBy.NOTHING:
        raise Refused("campaign.shares_by")
    if campaign.ring_timeout_s is not None and not SHORTEST_RING_S <= campaign.ring_timeout_s <= LONGEST_RING_S:
        raise Refused("campaign.ring_timeout")
    others = select(Campaign.id).where(Campaign.name == campaign.name)
    if campaign.id is not None:
        others = others.where(Campaign.id != campaign.id)
    if await session.scalar(others) is not None:
        raise Conflict("campaign.exists", name=campaign.name)


async def set_calendar_day(
    session: AsyncSession,
    *,
    campaign: Campaign,
    day: date,
    works: bool | None,
    reason: str,
    now: datetime,
    author_id: int | None = None,
) -> None:
    """Let the campaign work, or not, on a day whatever the country's calendar says; `works` `None` follows the calendar
    again. Raises `Refused` without a reason."""
    reason = tidy(reason)
    if works is not None and not reason:
        raise Refused("calendar.needs_reason")
    known = next((each for each in campaign.days if each.day == day), None)
    if known is not None:
        campaign.days.remove(known)
        await session.delete(known)
        await session.flush()
    if works is not None:
        campaign.days.append(CalendarDay(campaign_id=campaign.id, day=day, works=works, reason=reason, set_at=now))
        campaign.days.sort(key=lambda each: each.day)
    details = {"day": day.isoformat(), "works": works, "was": known.works if known else None, "reason": reason}
    _note(session, campaign, audit.CALENDAR_DAY_SET, details, now=now, author_id=author_id)
    await session.flush()


def _note(
    session: AsyncSession,
    campaign: Campaign,
    action: str,
    details: Mapping[str, object],
    *,
    now: datetime,
    author_id: int | None,
) -> None:
    audit.note(session, at=now, user_id=author_id, action=action, subject=f"campaign:{campaign.id}", details=details)


def _plain(value: object) -> object:
    return value.strftime("%H:%M") if isinstance(value, time) else value


async def campaign_named(session: AsyncSession, name: str) -> Campaign:
    """Raises `NotFound`."""
    campaign = await session.scalar(select(Campaign).where(Campaign.name == tidy(name)))
    if campaign is None:
        raise NotFound("campaign.unknown", name=name)
    return campaign


async def get_campaign(session: AsyncSession, campaign_id: int, *, lock: bool = False) -> Campaign:
    """The campaign; `lock` holds its row until the transaction ends. Raises `NotFound`."""
    campaign = await session.get(Campaign, campaign_id, with_for_update=WEAK_LOCK if lock else None)
    if campaign is None:
        raise NotFound("campaign.unknown", name=campaign_id)
    return campaign


async def list_campaigns(session: AsyncSession) -> list[Campaign]:
    """All campaigns, the newest first."""
    return list(await session.scalars(select(Campaign).order_by(Campaign.id.desc())))
