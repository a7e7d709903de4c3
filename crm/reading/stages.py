"""The two stages of a campaign as a checklist: what is to be done, by whom, what is missing, how many working days."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.base.sources import Source
from crm.clientele.clients import Client
from crm.group import Group
from crm.plan.attempt_rows import Attempt
from crm.preparation.approvals import Signature, Subject, signatures
from crm.preparation.call_lists import CallList, ListState
from crm.preparation.campaign_setup import CampaignSetup, experts_of, setup_of
from crm.preparation.campaigns import Campaign
from crm.preparation.candidates import MOST_WANTED, CandidateState, candidates_of
from crm.preparation.materials import MaterialKind, materials_of
from crm.preparation.scripts import script_of
from crm.text_rules import fold
from crm.time_zones import local
from crm.wrap_up.contacts import Contact

USUAL_DAYS: Final = {1: (10, 15), 2: (20, 22)}
"""Working days that a stage takes."""
_DAY: Final = timedelta(days=1)


class Phase(enum.StrEnum):
    """Where the campaign stands."""

    PLANNED = "planned"
    PREPARING = "preparing"
    CALLING = "calling"
    CURRENT = "current"
    OVER = "over"


class Doer(enum.StrEnum):
    """Who does it."""

    CONSULTANT = "consultant"
    CUSTOMER = "customer"
    OPERATOR = "operator"
    EXPERT = "expert"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Task:
    """A line of the checklist. `code` of `crm.errors` says what is missing, or how it stands, with `params`; "" where
    nothing needs to be said. `signature`: of what the customer signs."""

    key: str
    doers: tuple[Doer, ...]
    done: bool
    code: str = ""
    params: dict[str, object] = field(default_factory=dict)
    signature: Signature | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage with its days, `None` while they are not set. `planned_days` and `used_days` are working days by the
    campaign's calendar, `usual_days` least and most."""

    number: int
    first: date | None
    last: date | None
    planned_days: int | None
    used_days: int | None
    usual_days: tuple[int, int]
    tasks: tuple[Task, ...]

    @property
    def missing(self) -> tuple[Task, ...]:
        return tuple(task for task in self.tasks if not task.done)


@dataclass(frozen=True, slots=True)
class Checklist:
    """Both stages, and where the campaign stands."""

    phase: Phase
    stages: tuple[Stage, Stage]


async def checklist(session: AsyncSession, *, campaign: Campaign, now: datetime) -> Checklist:
    """How the campaign stands at `now`."""
    setup, today = await setup_of(session, campaign.id), local(now, campaign.time_zone).date()
    calling = setup.calling_starts_on
    before_calls = calling - _DAY if calling else None
    before_current = setup.current_since - _DAY if setup.current_since else None
    last = min((day for day in (setup.ends_on, before_current) if day is not None), default=None)
    preparation, calls = await _preparation(session, campaign, setup), await _calls(session, campaign)
    return Checklist(
        phase_of(setup, today),
        (
            _stage(campaign, 1, setup.starts_on, before_calls, today, preparation),
            _stage(campaign, 2, calling, last, today, calls),
        ),
    )


def phase_of(setup: CampaignSetup, today: date) -> Phase:
    """By the dates of the set-up."""
    if setup.current_since is not None and setup.current_since <= today:
        return Phase.CURRENT
    if setup.ends_on is not None and setup.ends_on < today:
        return Phase.OVER
    if setup.calling_starts_on is not None and setup.calling_starts_on <= today:
        return Phase.CALLING
    if setup.starts_on is not None and setup.starts_on <= today:
        return Phase.PREPARING
    return Phase.PLANNED


def _stage(
    campaign: Campaign, number: int, first: date | None, last: date | None, today: date, tasks: tuple[Task, ...]
) -> Stage:
    planned = campaign.working_days(first, last) if first and last else None
    used = campaign.working_days(first, min(today, last or today)) if first else None
    return Stage(number, first, last, planned, used, USUAL_DAYS[number], tasks)


async def _preparation(session: AsyncSession, campaign: Campaign, setup: CampaignSetup) -> tuple[Task, ...]:
    customer, both = (Doer.CUSTOMER,), (Doer.CONSULTANT, Doer.CUSTOMER)
    signed = await signatures(session, campaign.id)
    materials = await materials_of(session, campaign.id)
    script = await script_of(session, campaign.id)
    experts = await experts_of(session, campaign.id)
    offers = any(each.kind is MaterialKind.OFFER for each in materials)
    return (
        _there("customer", customer, setup.customer, "stage.no_customer"),
        _there("product", customer, setup.product, "stage.no_product"),
        _there("segments", both, setup.segments, "stage.no_segments"),
        _there("experts", customer, experts, "stage.no_experts"),
        _there("materials", customer, materials, "stage.no_materials"),
        _signed(Subject.RUBRICS, both, setup.rubrics, "stage.no_rubrics", signed),
        _signed(Subject.SOURCES, both, setup.sources, "stage.no_sources", signed),
        await _organisations(session, campaign, setup),
        await _lists(session, campaign),
        _signed(Subject.OFFER, customer, offers, "stage.no_offer", signed),
        _signed(Subject.SCRIPT, both, script is not None and script.script, "stage.no_script", signed),
        await _operators(session, campaign, signed),
    )


def _there(key: str, doers: tuple[Doer, ...], present: object, missing: str) -> Task:
    return Task(key, doers, bool(present), "" if present else missing)


def _signed(
    subject: Subject,
    doers: tuple[Doer, ...],
    present: object,
    missing: str,
    signed: dict[tuple[Subject, int | None], Signature],
) -> Task:
    if not present:
        return Task(subject.value, doers, False, missing)
    return _by_signature(subject, doers, signed.get((subject, None)))


def _by_signature(subject: Subject, doers: tuple[Doer, ...], signature: Signature | None) -> Task:
    code = ""
    if signature is None:
        code = "stage.not_approved"
    elif not signature.holds:
        code = "stage.changed_since"
    return Task(subject.value, doers, not code, code, signature=signature, subject=subject)


async def _organisations(session: AsyncSession, campaign: Campaign, setup: CampaignSetup) -> Task:
    """How many there are, and from which sources that nobody agreed on."""
    on_list = (Client.campaign_id == campaign.id, Client.off_list_reason == "")
    count = await session.scalar(select(func.count()).where(*on_list)) or 0
    agreed = {fold(name) for name in setup.source_names}
    used = await session.scalars(select(Source.name).where(exists().where(Client.source_id == Source.id, *on_list)))
    strange = sorted(name for name in used if fold(name) not in agreed) if agreed else []
    doers, target = (Doer.CONSULTANT, Doer.OPERATOR), setup.target_organisations
    if strange:
        return Task("organisations", doers, False, "stage.strange_sources", {"names": ", ".join(strange)})
    return Task(
        "organisations", doers, count >= target, "stage.organisations", {"count": count, "target": target}
    )  # fmt: skip


async def _lists(session: AsyncSession, campaign: Campaign) -> Task:
    """Lists that hold anybody; all of them approved, where the campaign asks for that."""
    held = exists().where(Client.call_list_id == CallList.id, Client.off_list_reason == "")
    states = list(await session.scalars(select(CallList.state).where(CallList.campaign_id == campaign.id, held)))
    doers = (Doer.CONSULTANT, Doer.CUSTOMER)
    if not states:
        return Task("list", doers, False, "stage.no_list")
    if not campaign.lists_need_approval:
        return Task("list", doers, True, "stage.lists_need_none")
    approved = sum(state is ListState.APPROVED for state in states)
    counts: dict[str, object] = {"approved": approved, "count": len(states)}
    return Task("list", doers, approved == len(states), "stage.lists", counts)


async def _operators(
    session: AsyncSession, campaign: Campaign, signed: dict[tuple[Subject, int | None], Signature]
) -> Task:
    """Somebody is trained, and the customer has signed for it."""
    doers, everybody = (Doer.CONSULTANT, Doer.OPERATOR), await candidates_of(session, campaign.id)
    trained = [each for each in everybody if each.state is CandidateState.TRAINED]
    if not trained:
        hired = sum(each.state is CandidateState.HIRED for each in everybody)
        counts: dict[str, object] = {"count": len(everybody), "most": MOST_WANTED, "hired": hired}
        return Task("operator", doers, False, "stage.no_operator", counts)
    known = [signed[Subject.OPERATOR, each.id] for each in trained if (Subject.OPERATOR, each.id) in signed]
    best = next((each for each in known if each.holds), known[-1] if known else None)
    return _by_signature(Subject.OPERATOR, doers, best)


async def _calls(session: AsyncSession, campaign: Campaign) -> tuple[Task, ...]:
    mine = Client.campaign_id == campaign.id
    reached = or_(exists().where(Contact.client_id == Client.id), Client.group == Group.NONEXISTENT)
    count = await session.scalar(select(func.count()).where(mine, reached)) or 0
    target = campaign.target_contacts
    on_list = (mine, Client.off_list_reason == "")
    untried = await _count(
        session, *on_list, Client.group == Group.NEW, ~exists().where(Attempt.client_id == Client.id)
    )
    unowned = await _count(session, *on_list, Client.group.in_((Group.HOT, Group.WARM)), Client.owner_id.is_(None))
    abandoned = await _count(session, *on_list, Client.group == Group.ABANDONED)
    anybody = await session.scalar(select(exists().where(*on_list)))

    def none_left(key: str, doers: tuple[Doer, ...], count: int, left: str) -> Task:
        if not anybody:
            return Task(key, doers, False, "stage.no_clients")
        return Task(key, doers, count == 0, left if count else "", {"count": count})

    return (
        none_left("tried", (Doer.OPERATOR,), untried, "stage.untried"),
        Task("contacts", (Doer.OPERATOR,), count >= target, "stage.contacts", {"count": count, "target": target}),
        none_left("warm", (Doer.EXPERT, Doer.MANAGER), unowned, "stage.unowned"),
        none_left("abandoned", (Doer.OPERATOR, Doer.EXPERT), abandoned, "stage.abandoned"),
    )


async def _count(session: AsyncSession, *conditions: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).select_from(Client).where(*conditions)) or 0
