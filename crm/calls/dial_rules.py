"""Whether a client may be dialled now, and if not, why: the one function that both decides and explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.do_not_call import request_of
from crm.base.joined import merged_into
from crm.base.organisations import Organisation
from crm.base.phone_numbers import NumberState, PhoneNumber, asked_off, numbers_of
from crm.base.whom import Whom
from crm.calls.letters import letters_since
from crm.calls.owners import keeper_of
from crm.calls.refusals import REFUSALS, Refusal
from crm.clientele.clients import Client
from crm.clientele.consents import agreed_numbers
from crm.errors import NotFound
from crm.group import Group
from crm.mapping import Base, UtcDateTime
from crm.office.users import User
from crm.plan.attempt_rows import NOT_IMPORTED, Attempt
from crm.plan.callbacks import Callback, CallbackState
from crm.plan.plan_entries import EntryKind, EntryState, PlanEntry
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.calling_hours import Window, day_at, promise_window, window_at_or_after
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import Consent
from crm.preparation.results import OF_THE_CLIENT
from crm.time_zones import instant, local


class Switch(Base):
    """The one row that says whether all dialling has been stopped."""

    __tablename__ = "switches"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dialling_stopped: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `code` is a key of `crm.errors.ERRORS` and of `REFUSALS`, "" when allowed; `next_at` is when it may
    change by itself; `phone_number_id` is the number to dial when allowed."""

    allowed: bool
    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    next_at: datetime | None = None
    phone_number_id: int | None = None

    @property
    def refusal(self) -> Refusal | None:
        """What kind of refusal it is, `None` when allowed."""
        return None if self.allowed else REFUSALS[self.code]


ALLOWED = Verdict(True)


async def dialling_stopped(session: AsyncSession) -> bool:
    """Whether the manager has stopped all dialling."""
    return bool(await session.scalar(select(Switch.dialling_stopped)))


async def set_dialling_stopped(session: AsyncSession, *, stopped: bool, author_id: int | None, now: datetime) -> None:
    """Stop all dialling, or let it go on. Audited when it changes."""
    switch = await session.get_one(Switch, 1, with_for_update=True, populate_existing=True)
    if switch.dialling_stopped == stopped:
        return
    switch.dialling_stopped, switch.changed_at, switch.changed_by = stopped, now, author_id
    action = audit.DIALLING_STOPPED if stopped else audit.DIALLING_RESUMED
    audit.note(session, at=now, user_id=author_id, action=action)
    await session.flush()


async def may_dial(
    session: AsyncSession, *, client_id: int, operator_id: int, now: datetime, phone_number_id: int | None = None
) -> Verdict:
    """Whether `operator_id` may dial the client now, and which number: `phone_number_id`, or with `None` the first that
    may be dialled. The order of the questions is that of their weight. Raises `NotFound`."""
    if await dialling_stopped(session):
        return Verdict(False, "dial.stopped")
    found = await session.execute(
        select(Client, Campaign, CallList, Organisation.time_zone)
        .join(Campaign, Campaign.id == Client.campaign_id)
        .join(CallList, CallList.id == Client.call_list_id)
        .join(Organisation, Organisation.id == Client.organisation_id)
        .where(Client.id == client_id)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("client.unknown")
    client, campaign, call_list, time_zone = row
    verdict = await _of_the_client(session, client, campaign, call_list)
    if not verdict.allowed:
        return verdict
    numbers, refusal = await _numbers(session, client, campaign, phone_number_id)
    if not numbers:
        return refusal
    verdict = await _of_others(session, client, campaign, operator_id, now)
    if not verdict.allowed:
        return verdict
    return await _of_the_time(session, client, campaign, numbers, time_zone or campaign.time_zone, now)


async def _numbers(
    session: AsyncSession, client: Client, campaign: Campaign, phone_number_id: int | None
) -> tuple[list[PhoneNumber], Verdict]:
    """Those that may be dialled at any time, the first one first; without any, why."""
    if phone_number_id is None:
        known = await numbers_of(session, client.organisation_id)
    else:
        one = await session.get(PhoneNumber, phone_number_id)
        if one is None or one.organisation_id != client.organisation_id:
            return [], Verdict(False, "dial.number_of_other")
        known = [one]
    silenced = await asked_off(session, client.organisation_id)
    working = [number for number in known if number.state is not NumberState.DEAD]
    if phone_number_id is not None and not working:
        return [], Verdict(False, "dial.number_dead")
    allowed = [number for number in working if number.id not in silenced]
    if not allowed:
        return [], Verdict(False, "dial.no_number" if phone_number_id is None else "dial.number_do_not_call")
    if campaign.consent is Consent.REQUIRED:
        agreed = await agreed_numbers(session, client.organisation_id)
        allowed = [number for number in allowed if number.id in agreed]
    return allowed, Verdict(False, "dial.no_consent")


async def _of_the_client(session: AsyncSession, client: Client, campaign: Campaign, call_list: CallList) -> Verdict:
    if await request_of(session, Whom.ORGANISATION, client.organisation_id) is not None:
        return Verdict(False, "dial.do_not_call")
    if client.off_list_reason:
        return Verdict(False, "dial.off_list", {"reason": client.off_list_reason})
    if client.group is Group.NONEXISTENT:
        return Verdict(False, "dial.nonexistent")
    if campaign.lists_need_approval and call_list.state is not ListState.APPROVED:
        return Verdict(False, "dial.list_not_approved", {"name": call_list.name})
    return ALLOWED


async def _of_others(
    session: AsyncSession, client: Client, campaign: Campaign, operator_id: int, now: datetime
) -> Verdict:
    holder = await session.scalar(
        select(User.name)
        .join(PlanEntry, PlanEntry.claimed_by == User.id)
        .where(
            PlanEntry.client_id == client.id, PlanEntry.state == EntryState.CLAIMED, PlanEntry.claimed_by != operator_id
        )
    )
    if holder is not None:
        return Verdict(False, "dial.held_by_other", {"name": holder})
    unfinished = await session.scalar(
        select(Attempt)
        .join(Client, Client.id == Attempt.client_id)
        .where(_of_company(client.organisation_id), Attempt.wrapped_up_at.is_(None), NOT_IMPORTED)
        .order_by(Attempt.ended_at.is_(None).desc())
        .limit(1)
    )
    if unfinished is None:
        return await _of_the_owner(session, client, campaign, operator_id, now)
    return Verdict(False, "dial.attempt_active" if unfinished.ended_at is None else "dial.outcome_missing")


async def _of_the_owner(
    session: AsyncSession, client: Client, campaign: Campaign, operator_id: int, now: datetime
) -> Verdict:
    """Who spoke with a client keeps it. A promise that this operator, or everybody, is to keep weighs more, and so does
    whom the manager has chosen."""
    keeper = await keeper_of(session, client=client, campaign=campaign, now=now)
    if keeper is None or keeper.owner_id == operator_id:
        return ALLOWED
    due = (PlanEntry.kind == EntryKind.CALLBACK) & (PlanEntry.due_at <= now)
    given = select(PlanEntry.id).where(
        PlanEntry.client_id == client.id,
        PlanEntry.state.in_((EntryState.WAITING, EntryState.CLAIMED)),
        (due & (PlanEntry.operator_id.is_(None) | (PlanEntry.operator_id == operator_id)))
        | (PlanEntry.assigned & (PlanEntry.operator_id == operator_id)),
    )
    if await session.scalar(given.limit(1)) is not None:
        return ALLOWED
    return Verdict(False, "dial.owned", {"name": keeper.name, "owner_id": keeper.owner_id}, next_at=keeper.until)


async def _of_the_time(
    session: AsyncSession,
    client: Client,
    campaign: Campaign,
    numbers: list[PhoneNumber],
    time_zone: str,
    now: datetime,
) -> Verdict:
    promised_at = await session.scalar(
        select(Callback.due_at).where(
            Callback.client_id == client.id, Callback.state == CallbackState.OPEN, Callback.due_at <= now
        )
    )
    if promised_at is not None and promise_window(campaign, time_zone, due_at=promised_at, now=now).holds(now):
        return replace(ALLOWED, phone_number_id=numbers[0].id)  # it weighs more than the hours and the caps
    window = window_at_or_after(campaign, time_zone, now)
    if not window.holds(now):
        return _outside_hours(campaign, time_zone, now, window)
    company = await attempts_today(session, organisation_id=client.organisation_id, campaign=campaign, now=now)
    if company >= campaign.attempts_a_day:
        cap = {"count": company, "cap": campaign.attempts_a_day}
        return Verdict(False, "dial.cap", cap, next_at=_tomorrow(campaign, time_zone, now).opens_at)
    refusals = []
    for number in numbers:
        verdict = await _of_earlier_tries(session, campaign, number, time_zone, now)
        if verdict.allowed:
            return replace(verdict, phone_number_id=number.id)
        refusals.append(verdict)
    return min(refusals, key=lambda refusal: refusal.next_at or now)


def _outside_hours(campaign: Campaign, time_zone: str, now: datetime, window: Window) -> Verdict:
    day = day_at(campaign, time_zone, now)
    if not campaign.calls_on(day):
        return Verdict(False, "dial.day_off", {"day": day}, next_at=window.opens_at)
    hours = {
        "local_time": local(now, time_zone).strftime("%H:%M"),
        "calls_from": campaign.calls_from.strftime("%H:%M"),
        "calls_until": campaign.calls_until.strftime("%H:%M"),
    }
    return Verdict(False, "dial.hours", hours, next_at=window.opens_at)


async def _of_earlier_tries(
    session: AsyncSession, campaign: Campaign, number: PhoneNumber, time_zone: str, now: datetime
) -> Verdict:
    """What the number itself has had today, whoever's it is: several companies may share one."""
    tries = list(
        await session.execute(
            select(Attempt.ended_at, Attempt.answered_at)
            .where(Attempt.dialled == number.e164, Attempt.opened_at >= _midnight(campaign, now))
            .where(~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
        )
    )
    if len(tries) >= campaign.number_attempts_a_day:
        cap = {"count": len(tries), "cap": campaign.number_attempts_a_day}
        return Verdict(False, "dial.number_cap", cap, next_at=_tomorrow(campaign, time_zone, now).opens_at)
    unanswered = [ended_at for ended_at, answered_at in tries if answered_at is None and ended_at is not None]
    gap = timedelta(minutes=campaign.gap_min)
    if unanswered and now < max(unanswered) + gap:
        passed = {"minutes": int((now - max(unanswered)).total_seconds()) // 60, "gap": campaign.gap_min}
        return Verdict(False, "dial.gap", passed, next_at=max(unanswered) + gap)
    return ALLOWED


def _midnight(campaign: Campaign, now: datetime) -> datetime:
    return instant(datetime.combine(local(now, campaign.time_zone).date(), time()), campaign.time_zone)


def _tomorrow(campaign: Campaign, time_zone: str, now: datetime) -> Window:
    """The next hours of another day than the campaign's today."""
    midnight = datetime.combine(local(now, campaign.time_zone).date() + timedelta(days=1), time())
    return window_at_or_after(campaign, time_zone, instant(midnight, campaign.time_zone))


def _of_company(organisation_id: int) -> ColumnElement[bool]:
    """As a condition: the client is the company's, in whatever campaign, or one's that was merged into it."""
    return or_(Client.organisation_id == organisation_id, Client.organisation_id.in_(merged_into(organisation_id)))


async def attempts_today(session: AsyncSession, *, organisation_id: int, campaign: Campaign, now: datetime) -> int:
    """How many tries the company has had, by any campaign, on this day of the campaign's calendar: calls and letters
    together. Calls that failed on our side or on the network do not count: the client never noticed."""
    company, midnight = _of_company(organisation_id), _midnight(campaign, now)
    calls = (
        select(func.count())
        .select_from(Attempt)
        .join(Client, Client.id == Attempt.client_id)
        .where(company, Attempt.opened_at >= midnight, ~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
    )
    return await session.scalar(select(calls.scalar_subquery() + letters_since(company, midnight))) or 0
