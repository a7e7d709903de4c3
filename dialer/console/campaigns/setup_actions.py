"""What is done to a campaign's set-up beside its fields: signatures, experts, candidates, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from aiohttp import web

from crm.care.next_campaign import start_next
from crm.group import Group
from crm.office.users import get_user
from crm.preparation.approvals import Subject, approve, reopen_changed
from crm.preparation.campaign_setup import go_on_in_current_mode, set_expert, set_industries
from crm.preparation.campaigns import get_campaign
from crm.preparation.candidates import CandidateState, add_candidate, change_candidate, get_candidate
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import see_other
from dialer.console.web.troubles import Trouble
from dialer.console.web.visitors import visitor


async def sign(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/approvals with `subject`, `by`, `on` ("" for today) and for an operator
    `candidate`."""
    deps, typed = request.app[DEPS], await _typed(request)
    candidate_id = _optional_id(typed, "candidate")
    try:
        subject = Subject(typed.get("subject", ""))
    except ValueError:
        raise Trouble.unreadable() from None
    async with deps.database.transaction() as session:
        await approve(
            session, campaign=await get_campaign(session, _id(request), lock=True), subject=subject,
            signer=typed.get("by", ""), signed_on=_optional_day(typed, "on"), candidate_id=candidate_id,
            now=deps.clock(), author_id=visitor(request).user_id,
        )  # fmt: skip
    return _back(request, "candidates" if subject is Subject.OPERATOR else "")


async def choose_expert(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/experts with `user`, and `remove` for one who leaves, or `industries` for whom the
    expert looks after, with semicolons."""
    deps, typed = request.app[DEPS], await _typed(request)
    user_id = _optional_id(typed, "user")
    if user_id is None:
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        campaign, user = await get_campaign(session, _id(request), lock=True), await get_user(session, user_id)
        by: dict[str, Any] = {"now": deps.clock(), "author_id": visitor(request).user_id}
        if "industries" in typed:
            industries = typed["industries"].split(";")
            await set_industries(session, campaign=campaign, user=user, industries=industries, **by)
        else:
            await set_expert(session, campaign=campaign, user=user, belongs="remove" not in typed, **by)
    return _back(request, "experts")


async def invite(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/candidates with `name`."""
    deps, typed = request.app[DEPS], await _typed(request)
    async with deps.database.transaction() as session:
        await add_candidate(
            session, campaign=await get_campaign(session, _id(request)), name=typed.get("name", ""), now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return _back(request, "candidates")


async def move_candidate(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/candidates/{candidate_id} with `state`, `score`, `remarks`, `user` and the
    `version` that was shown."""
    deps, typed = request.app[DEPS], await _typed(request)
    score, version = typed.get("score", "").strip(), typed.get("version", "")
    if not sent.is_id(version) or (score and not sent.is_id(score)) or typed.get("state") not in set(CandidateState):
        raise Trouble.unreadable()
    changes: dict[str, Any] = {
        "state": CandidateState(typed["state"]),
        "score": int(score) if score else None,
        "remarks": typed.get("remarks", ""),
        "user_id": _optional_id(typed, "user"),
    }
    now, author_id = deps.clock(), visitor(request).user_id
    async with deps.database.transaction() as session:
        await get_campaign(session, _id(request), lock=True)
        candidate = await get_candidate(
            session, campaign_id=_id(request), candidate_id=int(request.match_info["candidate_id"]), lock=True
        )
        if changes["user_id"] is not None:
            await get_user(session, changes["user_id"])
        await change_candidate(
            session, candidate=candidate, now=now, author_id=author_id, version=int(version), **changes
        )  # fmt: skip
        await reopen_changed(session, campaign_id=_id(request), now=now, author_id=author_id)
    return _back(request, "candidates")


async def set_current(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/current with `since`, "" to take it back."""
    deps, typed = request.app[DEPS], await _typed(request)
    since = _optional_day(typed, "since")
    async with deps.database.transaction() as session:
        await go_on_in_current_mode(
            session, campaign=await get_campaign(session, _id(request), lock=True), since=since, now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return _back(request, "after")


async def begin_next(request: web.Request) -> web.StreamResponse:
    """POST /campaigns/{campaign_id}/next with `name`, `list` and `group` once for each group that comes along."""
    deps, form = request.app[DEPS], await request.post()
    chosen = [str(each) for each in form.getall("group", [])]
    if not set(chosen) <= set(Group):
        raise Trouble.unreadable()
    async with deps.database.transaction() as session:
        following, _count = await start_next(
            session, campaign=await get_campaign(session, _id(request), lock=True), name=str(form.get("name", "")),
            list_name=str(form.get("list", "")), groups=[Group(each) for each in chosen], now=deps.clock(),
            author_id=visitor(request).user_id,
        )  # fmt: skip
    return see_other(f"/campaigns/{following.id}/setup")


async def _typed(request: web.Request) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


def _optional_day(typed: Mapping[str, str], name: str) -> date | None:
    text = typed.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Trouble.unreadable() from None


def _optional_id(typed: Mapping[str, str], name: str) -> int | None:
    text = typed.get(name, "").strip()
    if text and not sent.is_id(text):
        raise Trouble.unreadable()
    return int(text) if text else None


def _back(request: web.Request, place: str) -> web.Response:
    return see_other(f"/campaigns/{_id(request)}/setup{'#' if place else ''}{place}")


def _id(request: web.Request) -> int:
    return int(request.match_info["campaign_id"])
