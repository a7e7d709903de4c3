"""Clients who were handed to experts and not taken in time, as the manager's day shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from crm.experts.choosing import experts_there
from crm.experts.limits import working_minutes
from crm.office.users import User
from crm.preparation.campaigns import Campaign, get_campaign
from crm.reading.referral_rows import ReferralRow, passed_over_rows
from crm.reports.first_contacts import first_contacts, summary
from dialer.shown.formats import duration, near_moment
from dialer.words import Words

_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class PassedOverLine:
    """One of them. `waits`: minutes of the campaign's hours since it was handed over; `experts`: to whom it can be
    given, ids and names; `expert` "": nobody has it."""

    id: int
    client_id: int
    client: str
    group: str
    caller: str
    when: str
    waits: int
    passed_by: str
    expert: str
    until: str
    experts: list[tuple[int, str]]


async def passed_over_lines(
    session: AsyncSession, words: Words, zone: tzinfo, *, now: datetime
) -> list[PassedOverLine]:
    """The oldest first."""
    rows = await passed_over_rows(session)
    campaigns = {each: await get_campaign(session, each) for each in sorted({row.campaign_id for row in rows})}
    people = {each.id: await experts_there(session, each, now=now) for each in campaigns.values()}
    return [_line(words, zone, row, campaigns[row.campaign_id], people[row.campaign_id], now) for row in rows]


def _line(
    words: Words, zone: tzinfo, row: ReferralRow, campaign: Campaign, people: Sequence[tuple[User, bool]], now: datetime
) -> PassedOverLine:
    return PassedOverLine(
        id=row.id,
        client_id=row.client_id,
        client=row.organisation,
        group=row.group.value,
        caller=row.caller,
        when=near_moment(words, row.first_at, zone, now),
        waits=working_minutes(campaign, row.first_at, now),
        passed_by=row.passed_by,
        expert=row.expert,
        until=near_moment(words, row.due_at, zone, now) if row.due_at is not None else "",
        experts=[
            (each.id, words.gettext("{name} (away today)", name=each.name) if is_away else each.name)
            for each, is_away in people
            if each.id != row.expert_id
        ],
    )


async def waiting_in_words(session: AsyncSession, words: Words, *, now: datetime) -> str:
    """How long clients wait for their expert, "" where nobody was handed over in thirty days."""
    found = await first_contacts(session, since=now - timedelta(days=_DAYS), now=now)
    if not found:
        return ""
    counts = summary(found)
    if not counts.talked:
        return words.ngettext(
            "{n} client who was handed to an expert in the last 30 days waits for the first talk.",
            "{n} clients who were handed to an expert in the last 30 days wait for the first talk.",
            counts.waiting,
        )
    return words.gettext(
        "Time to the first expert contact, 30 days: half at most {median} of working time, the longest {longest}; still"
        " waiting: {waiting}.",
        median=duration(words, counts.median_working), longest=duration(words, counts.longest_working),
        waiting=counts.waiting,
    )  # fmt: skip
