"""Clients who are handed to experts: what waits for the expert who looks, and giving one to somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from crm.day.day_plan import assert_callable
from crm.experts.referrals import LONGEST_REASON, ReferralState, get_referral
from crm.experts.referring import accept, give_back, give_to
from crm.questionnaires.sheets import SheetRow, sheets_of_each
from crm.reading.referral_rows import ReferralRow, accepted_rows, offered_rows
from dialer.calls.errors import DeskError
from dialer.calls.view import CallState
from dialer.console.web import sent
from dialer.console.web.deps import DEPS
from dialer.console.web.pages import office_page, see_other
from dialer.console.web.visitors import scope_of, visitor, words_of, zone_of
from dialer.shown.answer_words import ShownAnswer, answers_in_words
from dialer.shown.formats import minutes, naive_moment, near_moment
from dialer.words import Words


@dataclass(frozen=True, slots=True)
class OfferLine:
    """A client that was handed over. `digit`: the key that accepts it; `until`: by when, with `late` once that is over;
    `said`: what was written down; `answers`: what the client answered to questionnaires; `heard`: the length of the
    recording, "" for none; `anybodys`: no expert has it."""

    id: int
    client_id: int
    attempt_id: str
    digit: str
    client: str
    group: str
    campaign: str
    caller: str
    person: str
    said: str
    answers: tuple[ShownAnswer, ...]
    heard: str
    promised: str
    when: str
    until: str
    late: bool
    anybodys: bool


async def handed_to_me(request: web.Request) -> web.StreamResponse:
    """GET /referrals: what waits for this expert, and what they have accepted and not talked with."""
    deps, words, zone = request.app[DEPS], words_of(request), zone_of(request)
    now, expert_id = deps.clock(), visitor(request).user_id
    async with deps.database.reading() as session:
        offered = await offered_rows(session, expert_id=expert_id)
        accepted = await accepted_rows(session, expert_id=expert_id)
        sheets = await sheets_of_each(session, {row.client_id for row in (*offered, *accepted)})
    answered = {client_id: _answers(words, rows) for client_id, rows in sheets.items()}
    context = {
        "offered": [_line(words, zone, row, answered, now, str(place)) for place, row in enumerate(offered, 1)],
        "accepted": [_line(words, zone, row, answered, now, "") for row in accepted],
        "longest_reason": LONGEST_REASON,
    }
    return await office_page(request, "referrals.html", context)


def _answers(words: Words, sheets: Sequence[SheetRow]) -> tuple[ShownAnswer, ...]:
    """Of all sheets what has an answer."""
    return tuple(
        [each for sheet in sheets for each in answers_in_words(words, sheet.questions, sheet.answers) if each.answer]
    )


def _line(
    words: Words,
    zone: tzinfo,
    row: ReferralRow,
    answered: Mapping[int, tuple[ShownAnswer, ...]],
    now: datetime,
    digit: str,
) -> OfferLine:
    return OfferLine(
        id=row.id,
        client_id=row.client_id,
        attempt_id=row.attempt_id,
        digit=digit if len(digit) == 1 else "",
        client=row.organisation,
        group=row.group.value,
        campaign=row.campaign,
        caller=row.caller,
        person=row.person,
        said=" · ".join(text for text in (row.summary, row.note) if text),
        answers=answered[row.client_id],
        heard=minutes(row.heard_s) if row.heard_s is not None else "",
        promised=naive_moment(words, row.promised_local) if row.promised_local is not None else "",
        when=near_moment(words, row.first_at, zone, now),
        until=near_moment(words, row.due_at, zone, now) if row.due_at is not None else "",
        late=row.due_at is not None and row.due_at <= now,
        anybodys=row.expert_id is None,
    )


async def take(request: web.Request) -> web.StreamResponse:
    """POST /referrals/{referral_id}/accept"""
    deps = request.app[DEPS]
    await deps.database.carry_out(
        lambda session: accept(
            session, referral_id=_id(request), expert_id=visitor(request).user_id, now=deps.clock()
        )
    )  # fmt: skip
    return see_other("/referrals")


async def return_it(request: web.Request) -> web.StreamResponse:
    """POST /referrals/{referral_id}/give-back with `reason`."""
    deps, fields = request.app[DEPS], await request.post()
    await deps.database.carry_out(
        lambda session: give_back(
            session, referral_id=_id(request), expert_id=visitor(request).user_id,
            reason=str(fields.get("reason", "")), now=deps.clock(),
        )
    )  # fmt: skip
    return see_other("/referrals")


async def call_now(request: web.Request) -> web.StreamResponse:
    """POST /referrals/{referral_id}/call: accepted, and the card lies on the desk. Where the client cannot be called at
    this moment, or the desk is busy, that is told and nothing is done."""
    deps, expert_id = request.app[DEPS], visitor(request).user_id
    call = (await deps.desk.view(expert_id)).call
    if call is not CallState.NONE:
        raise DeskError("desk.wrap_up_pending" if call is CallState.WRAP_UP else "desk.call_in_progress")

    async def accepted(session: AsyncSession) -> int:
        referral = await get_referral(session, _id(request))
        if referral.state is not ReferralState.ACCEPTED or referral.expert_id != expert_id:
            await accept(session, referral_id=referral.id, expert_id=expert_id, now=deps.clock())
        # Accepted before, it may have passed to somebody else since.
        client_id = await scope_of(request).standing_client(session, referral.client_id)
        await assert_callable(session, client_id=client_id, operator_id=expert_id, now=deps.clock())
        return client_id

    client_id = await deps.database.carry_out(accepted)
    await deps.desk.take_client(expert_id, client_id=client_id)
    return see_other("/operator")


async def give(request: web.Request) -> web.StreamResponse:
    """POST /referrals/{referral_id}/give with `to`: another expert of the campaign."""
    deps, fields = request.app[DEPS], await request.post()
    await deps.database.carry_out(
        lambda session: give_to(
            session, referral_id=_id(request), expert_id=sent.number(str(fields.get("to", ""))), now=deps.clock(),
            author_id=visitor(request).user_id,
        )
    )  # fmt: skip
    return see_other("/plan#experts")


def _id(request: web.Request) -> int:
    return int(request.match_info["referral_id"])
