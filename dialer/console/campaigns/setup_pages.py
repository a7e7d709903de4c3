"""A campaign's set-up: both stages as a checklist, what the campaign is made of, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from typing import Final

from aiohttp import web
from babel.dates import format_date
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm.care.next_campaign import USUAL_GROUPS
from crm.errors import Conflict, CrmError, NotFound
from crm.group import Group
from crm.office.users import CALLERS, User
from crm.preparation.approvals import Signature, Subject, reopen_changed, signatures
from crm.preparation.campaign_setup import CampaignSetup, change_setup, experts_of, industries_of, setup_of
from crm.preparation.campaigns import Campaign, get_campaign
from crm.preparation.candidates import STEPS, Candidate, CandidateState, candidates_of
from crm.reading.stages import Stage, Task, checklist
from crm.time_zones import local
from dialer.console.web import fields, sent
from dialer.console.web.deps import DEPS
from dialer.console.web.fields import Field, Unreadable
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import RULE_ROLES, visitor, words_of
from dialer.crm_words import explain
from dialer.shown.setup_labels import CANDIDATE_STATES, DOERS, PHASES, STAGES, TASKS, days_in_words
from dialer.words import Words, mark

FIELDS: Final = (
    Field("customer", mark("Customer")),
    Field("product", mark("Product")),
    Field("caller_id", mark("Number of ours that clients see"), hint=mark("empty: the line's own")),
    Field("target_organisations", mark("Organisations to choose"), "number"),
    Field("starts_on", mark("The preparation begins"), "date", may_be_empty=True),
    Field("calling_starts_on", mark("The calls begin"), "date", may_be_empty=True),
    Field("ends_on", mark("Last day"), "date", may_be_empty=True),
    Field("segments", mark("Target segments"), "lines"),
    Field("rubrics", mark("Rubrics"), "lines", hint=mark("one a line")),
    Field("sources", mark("Sources"), "lines", hint=mark("one a line")),
)
SIGNED_HERE: Final = frozenset({Subject.RUBRICS, Subject.SOURCES, Subject.OFFER, Subject.SCRIPT})
_OF_THE_CAMPAIGN: Final = "/campaigns/{id}"
_WHERE: Final = {
    **dict.fromkeys(("customer", "product", "segments", "rubrics", "sources"), f"{_OF_THE_CAMPAIGN}/setup#made-of"),
    **dict.fromkeys(("materials", "offer"), f"{_OF_THE_CAMPAIGN}/materials"),
    "experts": f"{_OF_THE_CAMPAIGN}/setup#experts",
    "organisations": "/imports",
    "list": f"{_OF_THE_CAMPAIGN}#lists",
    "script": f"{_OF_THE_CAMPAIGN}/script",
    "operator": f"{_OF_THE_CAMPAIGN}/setup#candidates",
    "tried": "/clients?campaign={id}&group=new",
    "contacts": "/plan",
    "warm": "/clients?campaign={id}&owner=nobody",
    "abandoned": "/abandoned?campaign={id}",
}
"""By the key of a task where it is done, with the campaign's id to be filled in."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A line of the checklist. `subject`: what can be signed here, or ""; `link`: where it is done."""

    name: str
    doers: str
    done: bool
    told: str
    signed: str
    subject: str
    link: str


@dataclass(frozen=True, slots=True)
class StageBox:
    """A stage with its days in words."""

    title: str
    dates: str
    days: str
    rows: list[TaskRow]


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A candidate with the states that may follow, the present one first."""

    id: int
    name: str
    states: list[tuple[str, str]]
    score: str
    remarks: str
    user_id: int | None
    version: int
    signed: str
    may_be_signed: bool


async def setup_page(request: web.Request) -> web.StreamResponse:
    """GET /campaigns/{campaign_id}/setup"""
    return await _page(request)


async def change(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/setup: the fields, and `version`, the one that was shown. What cannot be is told
    beside what was typed; so is what somebody else has changed meanwhile."""
    deps = request.app[DEPS]
    typed = {name: str(value) for name, value in (await request.post()).items()}
    own_numbers = deps.settings.trunk.caller_ids if deps.settings.trunk else ()
    try:
        changes = fields.read(FIELDS, typed)
        async with deps.database.transaction() as session:
            campaign = await get_campaign(session, _id(request), lock=True)
            await change_setup(
                session, campaign=campaign, now=deps.clock(), author_id=visitor(request).user_id,
                version=sent.number(typed.get("version", "")), own_numbers=own_numbers, **changes,
            )  # fmt: skip
            await reopen_changed(session, campaign_id=campaign.id, now=deps.clock(), author_id=visitor(request).user_id)
    except NotFound:
        raise
    except (Unreadable, CrmError) as refusal:
        return await _page(request, typed=typed, refusal=refusal)
    return see_other(f"/campaigns/{_id(request)}/setup#made-of")


async def _page(
    request: web.Request,
    *,
    typed: Mapping[str, str] | None = None,
    refusal: Unreadable | CrmError | None = None,
) -> web.StreamResponse:
    deps, words = request.app[DEPS], words_of(request)
    async with deps.database.reading() as session:
        campaign = await get_campaign(session, _id(request))
        setup = await setup_of(session, campaign.id)
        found = await checklist(session, campaign=campaign, now=deps.clock())
        experts = await experts_of(session, campaign.id)
        industries = await industries_of(session, campaign.id)
        context = {
            "candidates": await _candidates(session, campaign, words),
            "experts": [(each.id, each.name, "; ".join(industries.get(each.id, ()))) for each in experts],
            "people": await _people(session, but={each.id for each in experts}),
            "follows": (await get_campaign(session, setup.follows_id)).name if setup.follows_id else "",
        }
    response = await office_page(
        request,
        "setup.html",
        {
            **context,
            "campaign": campaign,
            "setup": setup,
            "phase": words.gettext(PHASES[found.phase]),
            "stages": [_stage(stage, campaign, words) for stage in found.stages],
            "fields": _shown(setup, typed, refusal, words),
            "trouble": fields.told(words, refusal),
            "may_change": visitor(request).role in RULE_ROLES,
            "today": local(deps.clock(), campaign.time_zone).date().isoformat(),
            "current_since": _day(words, setup.current_since) if setup.current_since else "",
            "groups": [(group.value, group in USUAL_GROUPS) for group in Group],
        },
    )
    if refusal is not None:
        response.set_status(409 if isinstance(refusal, Conflict) else 422)
    return response


def _shown(
    setup: CampaignSetup, typed: Mapping[str, str] | None, refusal: Exception | None, words: Words
) -> list[fields.Shown]:
    if typed is None:
        return fields.shown(FIELDS, setup)
    if isinstance(refusal, Conflict):
        return fields.beside(FIELDS, typed, setup, words)
    return fields.as_sent(FIELDS, typed)


def _stage(stage: Stage, campaign: Campaign, words: Words) -> StageBox:
    dates = "" if stage.first is None else " – ".join(
        _day(words, day) if day else "…" for day in (stage.first, stage.last)
    )  # fmt: skip
    rows = [_row(task, campaign, words) for task in stage.tasks]
    return StageBox(words.gettext(STAGES[stage.number]), dates, days_in_words(words, stage), rows)


def _row(task: Task, campaign: Campaign, words: Words) -> TaskRow:
    return TaskRow(
        name=words.gettext(TASKS[task.key]),
        doers=", ".join(words.gettext(DOERS[doer]) for doer in task.doers),
        done=task.done,
        told=explain(words, task.code, task.params) if task.code else "",
        signed=signed_in_words(words, task.signature),
        subject=task.subject.value if task.subject in SIGNED_HERE and not task.done else "",
        link=_WHERE[task.key].format(id=campaign.id),
    )


def signed_in_words(words: Words, signature: Signature | None) -> str:
    """`Signed: Орлова, 15 янв. 2026`, "" for nothing."""
    if signature is None:
        return ""
    return words.gettext("Signed: {who}, {day}", who=signature.signer, day=_day(words, signature.signed_on))


async def _candidates(session: AsyncSession, campaign: Campaign, words: Words) -> list[CandidateRow]:
    signed = await signatures(session, campaign.id)
    rows = []
    for each in await candidates_of(session, campaign.id):
        signature = signed.get((Subject.OPERATOR, each.id))
        holds = signature is not None and signature.holds
        rows.append(_candidate(each, words, signed_in_words(words, signature) if holds else "", holds=holds))
    return rows


def _candidate(candidate: Candidate, words: Words, signed: str, *, holds: bool) -> CandidateRow:
    states = [candidate.state, *(state for state in CandidateState if state in STEPS[candidate.state])]
    return CandidateRow(
        id=candidate.id,
        name=candidate.name,
        states=[(state.value, words.gettext(CANDIDATE_STATES[state])) for state in states],
        score="" if candidate.score is None else str(candidate.score),
        remarks=candidate.remarks,
        user_id=candidate.user_id,
        version=candidate.version,
        signed=signed,
        may_be_signed=candidate.state is CandidateState.TRAINED and not holds,
    )


async def _people(session: AsyncSession, *, but: AbstractSet[int]) -> dict[str, list[tuple[int, str]]]:
    """Who may be chosen as an expert, apart from those who are (`but`), and as whom a candidate works."""
    known = select(User).where(User.active, User.role.in_(CALLERS)).order_by(User.name)
    people = list(await session.scalars(known))
    return {
        role.value: [(user.id, user.name) for user in people if user.role is role and user.id not in but]
        for role in CALLERS
    }


def _day(words: Words, day: date) -> str:
    return format_date(day, "d MMM y", locale=words.locale)


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
