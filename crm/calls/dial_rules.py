"""Whether a client may be dialled now, and if not, why: the one function that both decides and explains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from crm import audit
from crm.base.do_not_call import request_of
from crm.base.joined import merged_into
from crm.base.organisations import Organisation
from crm.base.phone_numbers import NumberState, PhoneNumber, asked_off, numbers_of
from crm.base.whom import Whom
from crm.calls.letters import Letter, counts_since, letters_since
from crm.calls.owners import keeper_of
from crm.calls.time_rules import ALLOWED, NumberTry, Verdict, midnight, of_the_hours, of_the_tries
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
from crm.preparation.campaigns import Campaign
from crm.preparation.plan_rules import Consent
from crm.preparation.results import OF_THE_CLIENT

__all__ = ["ALLOWED", "Switch", "Verdict", "attempts_today", "dialling_stopped", "may_dial", "set_dialling_stopped"]


class Switch(Base):
    """The one row that says whether all dialling has been stopped."""

    __tablename__ = "switches"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    dialling_stopped: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


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
    verdict = await of_the_client(session, client, campaign, call_list)
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


async def of_the_client(session: AsyncSession, client: Client, campaign: Campaign, call_list: CallList) -> Verdict:
    """By what was decided about the client as a whole, for calls and letters alike."""
    asked_off = await request_of(session, Whom.ORGANISATION, client.organisation_id) is not None
    return of_what_was_decided(client, campaign, call_list, is_silent=asked_off)


def of_what_was_decided(client: Client, campaign: Campaign, call_list: CallList, *, is_silent: bool) -> Verdict:
    """The same of values. `is_silent`: the company asked not to be called."""
    if is_silent:
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
    verdict = of_the_hours(campaign, time_zone, promised_at=promised_at, now=now)
    if verdict is None:
        company = await attempts_today(session, organisation_id=client.organisation_id, campaign=campaign, now=now)
        tries = await _tries_today(session, campaign, numbers, now)
        verdict = of_the_tries(campaign, time_zone, company=company, numbers=tries, now=now)
    if verdict.allowed and verdict.phone_number_id is None:
        return replace(verdict, phone_number_id=numbers[0].id)
    return verdict


async def _tries_today(
    session: AsyncSession, campaign: Campaign, numbers: list[PhoneNumber], now: datetime
) -> dict[int, list[NumberTry]]:
    """What each number has had today, by its id, whoever's it is: several companies may share one."""
    found = await session.execute(
        select(Attempt.dialled, Attempt.ended_at, Attempt.answered_at)
        .where(Attempt.dialled.in_({number.e164 for number in numbers}), Attempt.opened_at >= midnight(campaign, now))
        .where(~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
    )
    tries: defaultdict[str, list[NumberTry]] = defaultdict(list)
    for dialled, ended_at, answered_at in found:
        tries[dialled].append(NumberTry(ended_at, answered_at))
    return {number.id: tries[number.e164] for number in numbers}


def _of_company(organisation_id: int) -> ColumnElement[bool]:
    """As a condition: the client is the company's, in whatever campaign, or one's that was merged into it."""
    return or_(Client.organisation_id == organisation_id, Client.organisation_id.in_(merged_into(organisation_id)))


async def attempts_today(session: AsyncSession, *, organisation_id: int, campaign: Campaign, now: datetime) -> int:
    """How many tries the company has had, by any campaign, on this day of the campaign's calendar: calls and letters
    together. Calls that failed on our side or on the network do not count: the client never noticed."""
    company, since = _of_company(organisation_id), midnight(campaign, now)
    calls = (
        select(func.count())
        .select_from(Attempt)
        .join(Client, Client.id == Attempt.client_id)
        .where(company, _noticed_since(since))
    )
    return await session.scalar(select(calls.scalar_subquery() + letters_since(company, since))) or 0


async def attempts_today_of(
    session: AsyncSession, *, organisation_ids: Collection[int], campaign: Campaign, now: datetime
) -> Counter[int]:
    """As `attempts_today`, of many at once: by the organisation that had them, merged ones apart."""
    since, counted = midnight(campaign, now), Counter[int]()
    for row, held in ((Attempt, _noticed_since(since)), (Letter, counts_since(since))):
        of_each = select(Client.organisation_id, func.count()).select_from(row)
        of_each = of_each.join(Client, Client.id == row.client_id).where(held)
        these = of_each.where(Client.organisation_id.in_(organisation_ids)).group_by(Client.organisation_id)
        counted.update(dict((await session.execute(these)).all()))
    return counted


def _noticed_since(since: datetime) -> ColumnElement[bool]:
    return and_(Attempt.opened_at >= since, ~Attempt.imported, Attempt.result.in_(OF_THE_CLIENT))
